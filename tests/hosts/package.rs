//! The two ways to install: `cargo install --path .` and the Debian package.

use crate::support::{Host, Image, Output, workspace};
use std::fs;
use std::path::Path;
use std::process::Command;

fn made(program: &str, arguments: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(source)
        .env("CARGO_TARGET_DIR", source.join("target"))
        .output();
    Output::from(ran.expect(program)).expect(0);
}

#[test]
fn a_package_and_a_program_are_installed() {
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

    made("packaging/deb", &[]);
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let package = fs::read_dir(packages)
        .expect("packages")
        .next()
        .expect("one")
        .expect("a file");
    let host = Host::boot(Image::Bare);
    host.write(
        "/root/pystrano.deb",
        fs::read(package.path()).expect("a package"),
    );
    host.ssh("root", "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y /root/pystrano.deb").expect(0);
    assert_eq!(host.root("pystrano --version") + "\n", version);
    assert_eq!(
        host.root("command -v ssh"),
        "/usr/bin/ssh",
        "the package brings what it needs"
    );
    let files = host.root("dpkg --listfiles pystrano");
    for file in [
        "man/man1/pystrano-deploy.1.gz",
        "bash-completion/completions/pystrano",
        "zsh/vendor-completions/_pystrano",
        "fish/vendor_completions.d/pystrano.fish",
        "doc/pystrano/copyright",
    ] {
        assert!(files.contains(file), "{file} is not in:\n{files}");
    }
    // It makes scripts where it is installed.
    host.root("cd /root && pystrano init production shop --yes --repo git@code.example.com:you/shop.git --host www.example.com && pystrano render production shop | sh -n");
}
