//! Installation: `cargo install --path .`, and the wheel and the Debian package of packaging/build.

use crate::support::{Host, Image, Output, Release, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn made(program: &str, arguments: &[&str]) -> Output {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(source)
        .env("CARGO_TARGET_DIR", source.join("target"))
        // Only the installed files matter here, and three optimized builds would take minutes.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .output();
    Output::from(ran.expect(program)).expect(0)
}

/// The file in target/dist whose name ends with `end`.
fn built(end: &str) -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist");
    let mut files = fs::read_dir(dist)
        .expect("packages")
        .map(|entry| entry.expect("a file").path());
    files
        .find(|file| file.to_string_lossy().ends_with(end))
        .expect(end)
}

/// Requires that the installed program can create a config and render a script.
fn renders(host: &Host, pystrano: &str) {
    host.root(&format!(
        "cd /root && {pystrano} init production shop --yes --repo git@code.example.com:you/shop.git --host www.example.com &&
         {pystrano} render production shop | sh -n"
    ));
}

#[test]
fn a_package_and_a_program_are_installed_on_debian_12_and_13() {
    let root = workspace().join("installed");
    let to = root.to_str().expect("UTF-8");
    made(
        "cargo",
        &[
            "install", "--quiet", "--locked", "--path", ".", "--root", to,
        ],
    );
    let version = Command::new(root.join("bin/pystrano"))
        .arg("--version")
        .output();
    let version = Output::from(version.expect("pystrano")).expect(0).stdout;
    let version = version.trim_end();

    made("packaging/build", &[])
        .says("the highest version of a symbol that the program needs is GLIBC_2.");
    made(
        "sh",
        &["-c", "cd target/dist && sha256sum --check SHA256SUMS"],
    );
    let [package, wheel] = [".deb", ".whl"].map(built);
    for release in [Release::Bookworm, Release::Trixie] {
        let host = Host::boot_release(release, Image::Bare);
        host.root("apt-get -q update");
        host.write("/root/pystrano.deb", fs::read(&package).expect("a package"));
        host.ssh(
            "root",
            "DEBIAN_FRONTEND=noninteractive apt-get -q install -y /root/pystrano.deb",
        )
        .expect(0);
        assert_eq!(host.root("pystrano --version"), version);
        assert_eq!(
            host.root("command -v ssh"),
            "/usr/bin/ssh",
            "the package brings what it needs"
        );
        let files = host.root("dpkg --listfiles pystrano");
        for file in [
            "man/man1/pystrano-deploy.1.gz",
            "man/man5/pystrano-fields.5.gz",
            "man/man7/pystrano-faq.7.gz",
            "bash-completion/completions/pystrano",
            "zsh/vendor-completions/_pystrano",
            "fish/vendor_completions.d/pystrano.fish",
            "doc/pystrano/copyright",
        ] {
            assert!(files.contains(file), "{file} is not in:\n{files}");
        }
        renders(&host, "pystrano");
        host.root("apt-get -q purge -y pystrano && rm -r /root/deploy");

        // Installs the wheel in an empty virtualenv, with uvx and with uv tool install.
        let wheel_there = format!(
            "/root/{}",
            wheel.file_name().expect("a name").to_string_lossy()
        );
        host.write(&wheel_there, fs::read(&wheel).expect("a wheel"));
        host.ssh("root", "DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv").expect(0);
        host.ssh(
            "root",
            &format!(
                "python3 -m venv /root/venv && /root/venv/bin/pip install --no-index {wheel_there}"
            ),
        )
        .expect(0);
        assert_eq!(host.root("/root/venv/bin/pystrano --version"), version);
        renders(&host, "/root/venv/bin/pystrano");
        host.ssh(
            "root",
            "python3 -m venv /root/uv && /root/uv/bin/pip install uv",
        )
        .expect(0);
        let uvx = format!("/root/uv/bin/uvx --from {wheel_there} pystrano --version");
        assert_eq!(host.ssh("root", &uvx).expect(0).stdout.trim_end(), version);
        host.ssh(
            "root",
            &format!("/root/uv/bin/uv tool install {wheel_there}"),
        )
        .expect(0);
        let tool = host.root("/root/.local/bin/pystrano --version");
        assert_eq!(tool, version);
        assert_ne!(host.exec("command -v rustc cargo").code, 0);
    }
}
