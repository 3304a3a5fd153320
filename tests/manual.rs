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
    // The argument of `man` is described.
    let page = pystrano().args(["man", "man"]).output().unwrap().stdout;
    assert!(
        String::from_utf8(page)
            .unwrap()
            .contains("A command, or `fields`")
    );
    pystrano()
        .args(["deploy", "--help"])
        .assert()
        .stdout(contains("with --verbose the scripts"));
    pystrano().args(["man", "reboot"]).assert().code(2);
    // Without a terminal the page is printed as roff.
    pystrano()
        .args(["man", "deploy"])
        .assert()
        .success()
        .stdout(contains(".SH \"JSON EVENTS\"").and(contains(".TP\n\\fBsummary\\fR")));
}

/// man-db and mandoc accept each page without a warning, and show all of its text.
#[test]
fn every_page_of_the_list_is_sound() {
    let pystrano = |words: &[&str]| {
        let output = Command::cargo_bin("pystrano").unwrap().args(words).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let list = pystrano(&["man", "--list"]);
    assert!(list.contains("pystrano.1\npystrano-init.1\n"), "{list}");
    for page in ["commands.7", "fields.5", "faq.7", "coming-from.7"] {
        assert!(list.contains(&format!("pystrano-{page}\n")), "{list}");
    }
    for file in list.lines() {
        let (name, section) = file.rsplit_once('.').unwrap();
        let text = match name.strip_prefix("pystrano-") {
            Some(name) => pystrano(&["man", name]),
            None => pystrano(&["man"]),
        };
        assert!(
            text.replace("\\-", "-")
                .contains(&format!(".TH {name} {section}")),
            "{file}"
        );
        for line in text.lines() {
            let request = line.split([' ', '\\']).next().unwrap_or_default();
            let known = [
                "", ".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".RS", ".RE", ".nf", ".fi", ".ie",
                ".el", ".br",
            ];
            assert!(
                !line.starts_with(['.', '\'']) || known.contains(&request),
                "{file}: {line}"
            );
            assert!(!text.contains("](") && !text.contains("|---"), "{file}");
        }
    }
    let fields = pystrano(&["man", "fields"]);
    assert!(
        fields.contains(
            ".TP\n\\fBkeep_releases\\fR\nReleases to keep; 0 or less for all\n(default: 5)\n"
        ),
        "{fields}"
    );
}
