//! What the README shows is what happens.

mod block;

use assert_cmd::Command;
use block::{README, block};
use std::path::Path;

/// What a command line with `cargo run` prints, in the directory that the README goes to.
fn printed(directory: &Path, line: &str) -> String {
    let words = line.strip_prefix("cargo run -q -- ").expect(line);
    let output = Command::cargo_bin("pystrano")
        .expect("pystrano")
        .args(words.split_whitespace())
        .current_dir(directory)
        .assert()
        .success();
    String::from_utf8(output.get_output().stdout.clone()).expect("UTF-8")
}

#[test]
fn the_first_commands_work() {
    let [cd, check, render] = block("From a clone")[..] else {
        panic!("there are three commands");
    };
    let directory = cd.strip_prefix("cd ").expect(cd);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let answer = block("`check` answers").join("\n") + "\n";
    assert_eq!(printed(&directory, check), answer);
    let script = printed(&directory, render);
    assert!(script.starts_with("#!/bin/sh\n# deploy.sh"), "{script}");
}

#[test]
fn every_command_has_its_row() {
    let rows: Vec<&str> = README
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let named = |name: &str| {
        rows.iter().any(|row| {
            row.split('|')
                .nth(1)
                .is_some_and(|cell| cell.contains(name))
        })
    };
    let help = Command::cargo_bin("pystrano")
        .expect("pystrano")
        .arg("--help")
        .assert();
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands.iter().filter(|name| **name != "help") {
        assert!(
            named(command),
            "the README does not tell of the command {command}"
        );
    }
}

#[test]
fn the_table_of_fields_says_what_the_schema_says() {
    let schema = Command::cargo_bin("pystrano")
        .expect("pystrano")
        .arg("schema")
        .assert();
    let schema: serde_json::Value =
        serde_json::from_slice(&schema.get_output().stdout).expect("JSON");
    let required: Vec<&str> = schema["allOf"]
        .as_array()
        .expect("requirements")
        .iter()
        .filter_map(|rule| rule["anyOf"][0]["properties"]["common"]["required"][0].as_str())
        .collect();
    assert!(!required.is_empty());
    // `common` may also be null.
    let fields = &schema["properties"]["common"]["anyOf"][0]["properties"];
    let row = |(name, field): (&String, &serde_json::Value)| {
        let description = field["description"].as_str().expect("a description");
        let (meaning, default) = match description.split_once(" [default: ") {
            Some((meaning, default)) => (meaning, default.trim_end_matches(']')),
            None if required.contains(&name.as_str()) => (description, "required"),
            None => (description, ""),
        };
        let row = format!("| `{name}` | {meaning} | {default} |");
        row.replace("|  |", "| |")
    };
    let fields = fields.as_object().expect("fields");
    let mut expected: Vec<String> = fields.iter().map(row).collect();
    expected.sort();
    if std::env::var_os("BLESS").is_some() {
        bless(&expected);
        return;
    }
    let mut rows = table("| field | meaning | default |");
    rows.sort_unstable();
    assert_eq!(rows, expected);
}

/// Writes the rows into the table of fields, new ones at its end.
fn bless(rows: &[String]) {
    let head = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let old = table("| field | meaning | default |");
    let mut new: Vec<&str> = Vec::new();
    for row in &old {
        new.extend(
            rows.iter()
                .map(String::as_str)
                .filter(|new| head(new) == head(row)),
        );
    }
    let added = rows
        .iter()
        .filter(|row| !old.iter().any(|old| head(old) == head(row)));
    new.extend(added.map(String::as_str));
    let text = README.replace(&old.join("\n"), &new.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::write(path, text).expect("the README is written");
}

/// The rows of the table with this head.
fn table(head: &str) -> Vec<&'static str> {
    let rows = README.lines().skip_while(|line| *line != head).skip(2);
    rows.take_while(|line| line.starts_with('|')).collect()
}
