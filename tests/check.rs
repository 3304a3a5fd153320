//! `check`: what wrong and odd configs are told, word for word. `BLESS=1` rewrites the words.

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};

/// Runs every config of a directory; `told` makes the text that must be in the file beside it.
fn words(directory: &str, status: i32, told: fn(&str, &str) -> String) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let configs: Vec<PathBuf> = fs::read_dir(tests.join(directory))
        .expect("the configs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    assert!(!configs.is_empty());
    let mut differing = Vec::new();
    for config in configs {
        let output = check(&config, &tests.join("wrong/files"));
        let expected = config.with_extension("txt");
        let told = told(
            &String::from_utf8_lossy(&output.stdout),
            &String::from_utf8_lossy(&output.stderr),
        );
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &told).expect("the words are written");
        }
        let expected = fs::read_to_string(expected).unwrap_or_default();
        if output.status.code() != Some(status) || told != expected {
            differing.push(format!("{}: {:?}\n{told}", config.display(), output.status));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Checks one config in a directory of its own, which has `files/` beside `deploy/`.
fn check(config: &Path, files: &Path) -> std::process::Output {
    let directory = tempfile::tempdir().expect("a directory");
    copy(files, &directory.path().join("files"));
    let target = directory.path().join("deploy/shop/production");
    fs::create_dir_all(&target).expect("the directory of the config");
    fs::copy(config, target.join("deployment.yml")).expect("the config is copied");
    Command::cargo_bin("pystrano")
        .expect("the program")
        .args(["check", "production", "shop"])
        .current_dir(&directory)
        .env_clear()
        .output()
        .expect("the program runs")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a file is copied")),
        }
    }
}

#[test]
fn mistakes_are_told_in_these_words() {
    words("wrong", 2, |stdout, stderr| {
        assert_eq!(stdout, "");
        stderr.to_owned()
    });
}

#[test]
fn oddities_are_told_in_these_words() {
    words("odd", 0, |stdout, stderr| {
        for secret in ["hunter2", "ghp_", "never shown"] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
        format!("{stderr}{stdout}")
    });
}
