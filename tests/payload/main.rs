//! `render --payload`, and the payload that `delivery: push` sends: code and wheels of one commit.

mod cache;
#[path = "../sandbox/executable.rs"]
mod executable;
mod hostile;
mod indexes;
mod install;
#[path = "../sandbox/names.rs"]
mod names;
mod project;
mod tree;

use names::names;
use project::{Project, UV, git, make_repository, said};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn requirements(unpacked: &Path) -> String {
    fs::read_to_string(unpacked.join("dependencies/requirements.txt")).expect("requirements")
}

/// The names and versions in a requirements file.
fn packages(unpacked: &Path) -> Vec<String> {
    let list = requirements(unpacked);
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn servers_share_one_payload_that_the_checksums_list() {
    let project = Project::new("alpha\nfast\n");
    let payload = project.payload("out");
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(project.path("out"))
        .output();
    let check = check.expect("sha256sum");
    let listed = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{listed}");
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert_eq!(
        fs::metadata(&payload)
            .expect("a payload")
            .permissions()
            .mode()
            & 0o7777,
        0o600
    );
    let unpacked = project.unpack(&payload, "unpacked");
    assert_eq!(
        packages(&unpacked),
        ["alpha==1.0", "beta==2.5", "fast==3.1"]
    );
    let wheels = names(&unpacked.join("dependencies/wheels"));
    assert_eq!(
        wheels,
        [
            "alpha-1.0-py3-none-any.whl",
            "beta-2.5-py3-none-any.whl",
            "fast-3.1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
        ]
    );
    // pip itself accepts the file with its hashes.
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-index",
            "--require-hashes",
            "--no-deps",
            "--python-version=3.13",
        ])
        .args([
            "--platform=manylinux2014_x86_64",
            "--find-links=wheels",
            "--requirement=requirements.txt",
            "--dest=got",
        ])
        .current_dir(unpacked.join("dependencies"))
        .output()
        .expect("pip");
    assert!(pip.status.success(), "{}", said(&pip));
    assert_eq!(names(&unpacked.join("dependencies/got")), wheels);
}

#[test]
fn wheels_are_those_of_the_target() {
    let project = Project::new("alpha\nfast\n");
    project.configure("  python: \"3.11\"\n  platform: aarch64-manylinux_2_36\n");
    project.replace_config(
        "  python: \"3.13\"\n  platform: x86_64-manylinux_2_36\n",
        "",
    );
    let unpacked = project.unpack(&project.payload("out"), "unpacked");
    assert_eq!(
        packages(&unpacked),
        ["alpha==1.0", "beta==2.5", "fast==3.1", "old==1.0"]
    );
    assert!(requirements(&unpacked).contains("fast==3.1 --hash=sha256:"));
    let wheels = names(&unpacked.join("dependencies/wheels"));
    assert!(
        wheels.contains(
            &"fast-3.1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl".to_owned()
        ),
        "{wheels:?}"
    );
}

#[test]
fn what_this_machine_decides_is_said() {
    let project = Project::new("beta\n");
    project.replace_config("  platform: x86_64-manylinux_2_36\n", "");
    let told = said(&project.render("out"));
    assert!(
        told.contains("The payload is for Python 3.13 on "),
        "{told}"
    );
    assert!(
        told.contains("set python and platform where the hosts differ"),
        "{told}"
    );
}

/// Source distributions are built if they need no compiler; all packages that cannot be included are named at once.
#[test]
fn packages_without_a_wheel_are_built_or_all_named() {
    let project = Project::new("pure\nbeta\n");
    let unpacked = project.unpack(&project.payload("out"), "unpacked");
    assert_eq!(packages(&unpacked), ["beta==2.5", "pure==0.6"]);
    assert!(requirements(&unpacked).contains("# built of pure-0.6.tar.gz sha256:"));

    project.write("repo/requirements.txt", "native\npure\nother\nbeta\n");
    project.commit();
    project.refuses(&[
        "2 of the packages of requirements.txt cannot go into a payload for Python 3.13 on x86_64-manylinux_2_36",
        "native 2.0 has no wheel",
        "other 2.0 has no wheel",
        "PIP_FIND_LINKS",
    ]);
    // uv itself stops at the first package that has only wheels for other platforms.
    project.write("repo/requirements.txt", "late\nnative\n");
    project.commit();
    project.refuses(&[
        "late 1.0 has only wheels for other platforms",
        "native 2.0 has no wheel",
    ]);
    assert!(!project.path("refused").exists());

    // A wheel that was built for one Python version is cached, but not used for another.
    project.write("repo/requirements.txt", "modern\n");
    project.commit();
    project.payload("modern");
    project.configure("  python: \"3.11\"\n");
    project.replace_config("  python: \"3.13\"\n", "");
    project.refuses(&["modern 1.0 has no wheel for Python 3.11 on "]);
}

#[test]
fn a_lock_is_kept_to() {
    let project = Project::new("");
    project.write_project(
        "repo",
        "shop",
        "\"alpha\", \"part\", \"fast\"",
        "[dependency-groups]\nbatch = [\"pure\"]\ndev = [\"windows\"]\n\
         [tool.uv.sources]\npart = {workspace = true}\n[tool.uv.workspace]\nmembers = [\"part\"]\n",
    );
    project.write_project("repo/part", "part", "\"beta==2.0\"", "");
    project.lock(&[], &[("UV_DEFAULT_INDEX", &project.index())]);
    project.commit();
    let shared = "  package_manager: uv\n";
    project.configure(shared);
    project.refuses(&[
        "the virtualenv that releases share must not hold code of one of them",
        "write `venv_mode: release`",
    ]);

    project.configure(&format!(
        "{shared}  venv_mode: release\n  dependency_groups: batch\n"
    ));
    let payload = project.payload("out");
    let unpacked = project.unpack(&payload, "unpacked");
    assert_eq!(
        packages(&unpacked),
        ["alpha==1.0", "beta==2.0", "fast==3.1", "pure==0.6"]
    );
    let own = names(&unpacked.join("source/.pystrano/wheels"));
    assert_eq!(
        own,
        ["part-1.0-py3-none-any.whl", "shop-1.0-py3-none-any.whl"]
    );
    let wheels = names(&unpacked.join("dependencies/wheels"));
    assert!(
        wheels
            .iter()
            .any(|name| name.starts_with(&format!("uv-{UV}-"))),
        "{wheels:?}"
    );
    // Each hash is in the lock.
    let lock = fs::read_to_string(project.repo().join("uv.lock")).expect("a lock");
    for line in requirements(&unpacked)
        .lines()
        .filter(|line| line.starts_with(['a', 'b', 'f']))
    {
        let (_, sum) = line.split_once("--hash=").expect("a hash");
        assert!(lock.contains(sum), "{line}");
    }
    // A file from the index that does not match its hash is refused.
    let wheel = project.path("index/files/alpha-1.0-py3-none-any.whl");
    fs::copy(project.path("index/files/beta-2.0-py3-none-any.whl"), wheel).expect("a file");
    let output = project
        .rendering("empty-cache", "exchanged")
        .output()
        .expect("pystrano");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("alpha-1.0-py3-none-any.whl has the SHA-256"),
        "{}",
        said(&output)
    );
}

/// Dependencies from git repositories and from paths in the app's repository.
#[test]
fn dependencies_that_are_no_packages_of_an_index() {
    let project = Project::new("");
    project.write_project("part", "part", "\"beta\"", "");
    let part = project.path("part");
    make_repository(&part);
    let url = format!("git+file://{}", part.display());
    project.write("repo/requirements.txt", &format!("part @ {url}\n"));
    project.commit();
    let unpacked = project.unpack(&project.payload("vcs"), "unpacked-vcs");
    assert_eq!(packages(&unpacked), ["beta==2.5", "part==1.0"]);
    let sha = git(&part, &["rev-parse", "HEAD"]);
    let built = format!("# built of file://{} at {sha}", part.display());
    assert!(
        requirements(&unpacked).contains(&built),
        "{}",
        requirements(&unpacked)
    );

    project.write_project("repo/lib/tool", "tool", "\"beta\"", "");
    project.write("repo/lib/tool/dated", "");
    project.write("repo/requirements.txt", "./lib/tool\n");
    project.commit();
    project.refuses(&["requirements.txt installs from the repository: lib/tool"]);
    project.configure("  venv_mode: release\n");
    let unpacked = project.unpack(&project.payload("local"), "unpacked-local");
    assert_eq!(packages(&unpacked), ["beta==2.5"]);
    // The build sees the same file times, whenever the repository was checked out.
    let script =
        "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).getinfo('dated').date_time)";
    let times = Command::new("python3")
        .args(["-c", script])
        .arg(unpacked.join("source/.pystrano/wheels/tool-1.0-py3-none-any.whl"))
        .output()
        .expect("python3");
    assert_eq!(
        String::from_utf8_lossy(&times.stdout),
        "(1980, 1, 1, 0, 0, 0)\n"
    );

    project.write("repo/requirements.txt", &format!("{}\n", part.display()));
    project.commit();
    project.refuses(&["part lies outside of the repository, in "]);
    project.write(
        "repo/requirements.txt",
        "git+https://127.0.0.1:1/part.git\n",
    );
    project.commit();
    project.refuses(&[
        "requirements.txt cannot be resolved for Python 3.13",
        "https://127.0.0.1:1/part.git",
    ]);
}

/// If the config names no Python, the payload is for the version that the project asks uv for.
#[test]
fn the_python_of_a_project_is_that_of_its_payload() {
    let project = Project::new("");
    project.write_project("repo", "shop", "\"fast\"", "[tool.uv]\npackage = false\n");
    let index = project.index();
    let variables = [
        ("UV_DEFAULT_INDEX", &*index),
        ("UV_PYTHON_DOWNLOADS", "never"),
    ];
    project.lock(&["--python", "3"], &variables);
    project.configure("  package_manager: uv\n");
    project.replace_config("  python: \"3.13\"\n", "");
    for minor in [11, 13] {
        let text = format!("# ours\n3.{minor}.4\n3.12\n");
        project.write("repo/.python-version", &text);
        project.commit();
        let name = format!("out-{minor}");
        let unpacked = project.unpack(&project.payload(&name), &format!("unpacked-{minor}"));
        let wheels = names(&unpacked.join("dependencies/wheels"));
        let tag = format!("cp3{minor}-cp3{minor}");
        let wheel = format!("fast-3.1-{tag}-manylinux_2_17_x86_64.manylinux2014_x86_64.whl");
        assert_eq!(wheels[0], wheel);
    }
}

#[test]
fn mistakes_are_told_where_the_config_has_them() {
    let project = Project::new("beta\n");
    for (fields, place, text) in [
        (
            "  dependency_file: reqs.txt\n",
            "deployment.yml:10:20: ",
            "the repository has no reqs.txt",
        ),
        (
            "  app_dir: backend\n",
            "deployment.yml:10:12: ",
            "the repository has no directory backend",
        ),
        (
            "  revision: v9\n",
            "deployment.yml:10:13: ",
            "the repository has no such branch or tag",
        ),
        (
            "  package_manager: uv\n",
            "deployment.yml:12:5: ",
            "the repository has no uv.lock, nor a uv.lock above it",
        ),
    ] {
        project.configure(fields);
        project.refuses(&[place, text]);
    }
    project.write("repo/requirements.txt", "beta==9\n");
    project.commit();
    project.configure("");
    project.refuses(&["requirements.txt cannot be resolved for Python 3.13"]);
    project.write(
        "repo/requirements.txt",
        &format!("beta==2.0 --hash=sha256:{}\n", "0".repeat(64)),
    );
    project.commit();
    project.refuses(&["requirements.txt"]);
}

#[test]
fn a_script_for_pushes_needs_its_payload() {
    let project = Project::new("beta\n");
    project.configure("  delivery: push\n");
    let run = |arguments: &[&str]| {
        let mut command = project.pystrano("cache");
        command.args(arguments).output().expect("pystrano")
    };
    let alone = run(&["render", "production", "shop", "--output", "out"]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(said(&alone).contains("a has `delivery: push`, whose script comes with a payload; add --payload and --output DIR"), "{}", said(&alone));
    let planned = run(&["deploy", "production", "shop", "--dry-run"]);
    assert!(planned.status.success(), "{}", said(&planned));
    let rendered = project.render("out");
    assert!(rendered.status.success(), "{}", said(&rendered));

    let from = || run(&["deploy", "production", "shop", "--dry-run", "--from", "out"]);
    assert!(from().status.success(), "{}", said(&from()));
    let payload = project.payload_in("out");
    let mut bytes = fs::read(&payload).expect("a payload");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&payload, bytes).expect("a payload");
    assert_eq!(from().status.code(), Some(2));
    assert!(
        said(&from()).contains("is not as it was rendered"),
        "{}",
        said(&from())
    );
    fs::remove_file(&payload).expect("a file");
    assert_eq!(from().status.code(), Some(2));
}
