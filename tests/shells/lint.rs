//! Every golden script passes `shellcheck` and `shfmt`.

use crate::sandbox::names;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn golden_scripts_are_clean() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut scripts: Vec<PathBuf> = Vec::new();
    for case in names(&golden) {
        let servers = golden.join(case).join("scripts");
        for server in names(&servers) {
            for name in ["setup.sh", "deploy.sh"] {
                scripts.push(servers.join(&server).join(name));
            }
        }
    }
    scripts.retain(|script| script.exists());
    assert!(scripts.len() >= 20, "only {} scripts", scripts.len());
    // The script that `logs` sends is in no golden case.
    let directory = tempfile::tempdir().expect("a directory");
    let logs = directory.path().join("logs.sh");
    let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .args(["logs", "production", "api", "--host", "app1.example.com"])
        .args(["--dry-run", "--verbose"])
        .current_dir(golden.join("django-pip-gunicorn"))
        .output()
        .expect("pystrano");
    let text = String::from_utf8_lossy(&output.stdout);
    let start = text.find("#!/bin/sh").expect("a script");
    std::fs::write(&logs, format!("{}\n", text[start..].trim_end())).expect("a file");
    scripts.push(logs);
    for tool in [&["shellcheck", "-s", "sh"][..], &["shfmt", "-d"]] {
        let ran = Command::new(tool[0])
            .args(&tool[1..])
            .args(&scripts)
            .output()
            .expect(tool[0]);
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stdout)
        );
    }
}
