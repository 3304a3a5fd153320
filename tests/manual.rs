//! The manual pages and the help.

mod commands;

use assert_cmd::Command;
use commands::COMMANDS;
use predicates::prelude::*;
use predicates::str::contains;

#[test]
fn every_command_has_a_manual_page_and_an_example() {
    let pystrano = || Command::cargo_bin("pystrano").unwrap();
    pystrano()
        .arg("man")
        .assert()
        .success()
        .stdout(contains("pystrano\\-deploy(1)"));
    for command in COMMANDS {
        pystrano()
            .args(["man", command])
            .assert()
            .success()
            .stdout(contains(format!(".TH pystrano-{command} 1")));
        pystrano()
            .args([command, "--help"])
            .assert()
            .success()
            .stdout(contains("Example").and(contains(format!("pystrano {command}"))));
    }
    // Its argument is described.
    let page = pystrano().args(["man", "man"]).output().unwrap().stdout;
    assert!(
        String::from_utf8(page)
            .unwrap()
            .contains("Command whose page it is")
    );
    pystrano()
        .args(["deploy", "--help"])
        .assert()
        .stdout(contains("with --verbose the scripts"));
    pystrano().args(["man", "reboot"]).assert().code(2);
    // Programs read these.
    pystrano()
        .args(["man", "deploy"])
        .assert()
        .success()
        .stdout(contains(".SH \"JSON EVENTS\"").and(contains(".TP\n\\fBsummary\\fR")));
}
