//! Results are written to stdout completely, or the program fails with an error.

use std::fs::{self, OpenOptions};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Runs a command in a project with one server.
fn run(arguments: &[&str], stdout: impl Into<Stdio>) -> Output {
    let directory = TempDir::new().expect("a directory");
    let target = directory.path().join("deploy/shop/production");
    fs::create_dir_all(&target).expect("a directory");
    let config = "config_version: 2\ncommon: {source_code_url: u, project_root: shop, \
                  project_user: deploy, venv_dir: .venv}\nservers: [{host: a}]\n";
    fs::write(target.join("deployment.yml"), config).expect("a file");
    Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .args(arguments)
        .current_dir(&directory)
        .stdout(stdout)
        .output()
        .expect("pystrano")
}

const COMMANDS: [&[&str]; 8] = [
    &["--help"],
    &["--version"],
    &["check", "production", "shop"],
    &["render", "production", "shop"],
    &["deploy", "production", "shop", "--dry-run"],
    &["schema"],
    &["completions", "bash"],
    &["man"],
];

#[test]
fn a_full_disk_is_told_once() {
    for arguments in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let output = run(arguments, full.expect("a device"));
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "error: cannot write to stdout: No space left on device (os error 28); send the result elsewhere\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn a_reader_that_went_away_is_no_mistake() {
    for arguments in COMMANDS {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = run(arguments, writer);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?} {output:?}");
    }
}
