//! How a host installs a payload with the real pip: shared packages once, and the project for each release.

use crate::project::{Project, said};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// Prints the versions that a command of a release finds, and the path of its virtualenv.
const LOOK: &str = "python -c 'import importlib.metadata as m, sys; print(m.version(\"shop\"), m.version(\"alpha\"), sys.prefix)' >seen";

/// Runs `deploy.sh` with the payload beside it and without an index.
fn deploy(project: &Project, release: &str) {
    let output = Command::new("sh")
        .args(["out/localhost/deploy.sh", "deploy", release])
        .current_dir(project.path("."))
        .env("HOME", project.path("."))
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/")
        .env_remove("PIP_FIND_LINKS")
        .output()
        .expect("sh");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", said(&output));
}

#[test]
fn the_project_is_installed_into_each_release_and_its_packages_once() {
    let mut project = Project::new("");
    project.write_project("repo", "shop", "\"alpha\"", "");
    project.commit();
    let user = Command::new("id").arg("-un").output().expect("id").stdout;
    let user = String::from_utf8(user).expect("UTF-8");
    for made in ["root/releases", "root/shared"] {
        fs::create_dir_all(project.path(made)).expect("a directory");
    }
    let top = project.path(".");
    let top = top.canonicalize().expect("a path").display().to_string();
    let config = format!(
        "config_version: 2\ncommon:\n  source_code_url: {top}/repo\n  project_user: {user}  project_root: {top}/root\n  \
         venv_dir: {top}/venv\n  venv_mode: release\n  dependency_file: pyproject.toml\n  branch: main\n  \
         hooks: {{before_promote: {}}}\nservers:\n  - host: localhost\n",
        serde_json::to_string(LOOK).expect("a string")
    );
    project.write("deploy/shop/production/deployment.yml", &config);
    project.payload("out");
    project.stop_index();
    let seen = |release: &str| -> PathBuf {
        let seen = project.path(&format!("root/releases/{release}/seen"));
        let seen = fs::read_to_string(seen).expect("what was seen");
        let words: Vec<&str> = seen.split_whitespace().collect();
        assert_eq!(words[..2], ["1.0", "1.0"], "{seen}");
        PathBuf::from(words[2])
    };
    let package = |venv: &PathBuf| {
        let lib = fs::read_dir(venv.join("lib")).expect("a directory").next();
        let site = lib
            .expect("a Python")
            .expect("an entry")
            .path()
            .join("site-packages");
        fs::metadata(site.join("alpha-1.0.dist-info/METADATA"))
            .expect("a file")
            .ino()
    };
    for release in ["a", "b"] {
        deploy(&project, release);
    }
    let (one, other) = (seen("a"), seen("b"));
    assert_ne!(one, other);
    assert_eq!(package(&one), package(&other), "it was installed twice");
    // The second release has not changed the first, which runs its own programs.
    let ran = Command::new(project.path("root/releases/a/.pystrano/run"))
        .args(["bash", "-c", LOOK])
        .status();
    assert!(ran.expect("the launcher").success());
    assert_eq!(seen("a"), one);
    let pip = fs::read_to_string(other.join("bin/pip")).expect("a script");
    assert!(pip.contains(&other.display().to_string()), "{pip}");
}
