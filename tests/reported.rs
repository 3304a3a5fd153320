//! Failures from public reports about other deployment tools, tried on `deploy.sh` in a directory that plays the
//! host. Each test is named after its report, or after its subject.

#[path = "reported/dependencies.rs"]
mod dependencies;
#[path = "reported/files.rs"]
mod files;
#[path = "reported/repository.rs"]
mod repository;
mod sandbox;
#[path = "reported/web.rs"]
mod web;

use sandbox::{Ran, Sandbox};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A deploy that must stop before promotion for this reason.
#[track_caller]
fn stops(host: &Sandbox, reason: &str) -> Ran {
    let current = host.current();
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stderr.contains(reason), "no {reason:?} in {ran:?}");
    assert_eq!(host.current(), current);
    ran
}

/// A deploy that must succeed.
#[track_caller]
fn deploys(host: &Sandbox) -> Ran {
    let ran = host.deploy();
    assert_eq!(ran.status, 0, "{ran:?}");
    ran
}

fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(directory)
        .output()
        .expect("git");
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

/// `-p 22` would override the port from ssh_config.
#[test]
fn capistrano_1956_ssh_config_decides_the_port() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(
        dir.path().join("ssh_config"),
        "Host shop-web\nHostName 127.0.0.1\nPort 2322\n",
    )
    .expect("a file");
    fs::create_dir_all(dir.path().join("deploy/app/test")).expect("a directory");
    for (port, used) in [("", "port 2322"), (", port: 2022", "port 2022")] {
        let config = format!(
            "config_version: 2\ncommon: {{source_code_url: 'https://example.com/a.git', project_user: deploy, project_root: a, venv_dir: v}}\nservers:\n  - {{host: shop-web{port}}}\n"
        );
        fs::write(dir.path().join("deploy/app/test/deployment.yml"), config).expect("a file");
        let run = |command: &mut Command| {
            let output = command.current_dir(dir.path()).output().expect("a program");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let arguments = ["status", "test", "app", "--dry-run", "--json"];
        let plan = run(Command::new(env!("CARGO_BIN_EXE_pystrano")).args(arguments));
        let plan: serde_json::Value = serde_json::from_str(&plan).expect("an object");
        let words = plan["command"].as_array().expect("words").iter().skip(1);
        let words = words.map(|word| word.as_str().expect("a word"));
        let known = run(Command::new("ssh")
            .args(["-F", "ssh_config", "-G"])
            .args(words));
        assert!(
            known.lines().any(|line| line == used),
            "no {used:?} in {known}"
        );
    }
}
