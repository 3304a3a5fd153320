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
