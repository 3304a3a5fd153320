//! The candidates of shell completion. `tests/shells/completions.rs` requests them from real shells.

mod commands;

use commands::COMMANDS;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The candidates for the last word of a command line, which is split as bash splits it.
fn offers(words: &[&str]) -> Vec<String> {
    let project = TempDir::new().expect("a directory");
    for path in ["deploy/shop/production", "ops/wiki/intern"] {
        fs::create_dir_all(project.path().join(path)).expect("a directory");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .args(["--", "pystrano"])
        .args(words)
        .current_dir(&project)
        .env("PYSTRANO_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .output()
        .expect("pystrano");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// The candidates without options.
fn words_for(words: &[&str]) -> Vec<String> {
    let mut offers = offers(words);
    offers.retain(|word| !word.starts_with('-'));
    offers
}

#[test]
fn commands_go_by_their_first_names() {
    assert_eq!(words_for(&[""]), [&COMMANDS[..], &["help"]].concat());
    let pages = words_for(&["man", ""]);
    assert_eq!(pages[..COMMANDS.len()], COMMANDS);
    assert_eq!(pages[COMMANDS.len()..][..2], ["commands", "fields"]);
    assert_eq!(words_for(&["man", "ro"]), ["rollback"]);
    assert_eq!(words_for(&["conf"]), ["configure"]);
    assert_eq!(words_for(&["configure", ""]), ["production"]);
}

#[test]
fn an_option_with_its_value_may_come_in_pieces() {
    for words in [
        &["--deploy-config-dir", "=", "ops", "deploy", ""][..],
        &["deploy", "--deploy-config-dir", "=", "ops", ""],
        &["deploy", "--deploy-config-dir", "=", "ops", "in"],
        &["deploy", "--deploy-config-dir=ops", "in"],
        &["deploy", "--deploy-config-dir", "ops", "in"],
    ] {
        assert_eq!(words_for(words), ["intern"], "{words:?}");
    }
    assert_eq!(
        words_for(&["deploy", "--deploy-config-dir", "=", "ops", "intern", ""]),
        ["wiki"]
    );
    assert_eq!(offers(&["--color", "=", "al"]), ["always"]);
    assert_eq!(offers(&["--color=al"]), ["--color=always"]);
}
