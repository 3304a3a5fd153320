//! The README and the manual show the real output.

mod block;
mod modules;

use assert_cmd::Command;
use block::block;
use std::path::Path;

const README: &str = include_str!("../../README.md");
const FIELDS: &str = include_str!("../../src/manual/fields.md");
const COMMANDS: &str = include_str!("../../src/manual/commands.md");

/// The output of a `cargo run` command line of the README, run in this directory.
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
    let [cd, check, render] = block(README, "From a clone")[..] else {
        panic!("there are three commands");
    };
    let directory = cd.strip_prefix("cd ").expect(cd);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let answer = block(README, "`check` answers").join("\n") + "\n";
    assert_eq!(printed(&directory, check), answer);
    let script = printed(&directory, render);
    assert!(script.starts_with("#!/bin/sh\n# deploy.sh"), "{script}");
}

#[test]
fn the_table_of_commands_says_what_the_help_says() {
    let help = Command::cargo_bin("pystrano")
        .expect("pystrano")
        .arg("--help")
        .assert();
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let row = |line: &str| {
        let (name, about) = line.trim().split_once(' ')?;
        let about = about.trim();
        let (about, alias) = match about.split_once(" [alias: ") {
            Some((about, alias)) => (about, format!(" (`{}`)", alias.trim_end_matches(']'))),
            None => (about, String::new()),
        };
        (name != "help").then(|| format!("| `{name}`{alias} | {about} |"))
    };
    let rows: Vec<String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(row)
        .collect();
    assert!(rows.len() >= 10, "{rows:?}");
    compare("commands", COMMANDS, "| command | what it does |", &rows);
}

/// The README's table of manual pages has a row for each page.
#[test]
fn every_page_is_in_the_table_of_the_manual() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual");
    let files = std::fs::read_dir(directory).expect("the manual");
    let mut pages: Vec<String> = files
        .filter_map(|file| {
            let name = file.expect("a page").file_name();
            Some(name.to_str()?.strip_suffix(".md")?.to_owned())
        })
        .collect();
    pages.sort();
    let list = Command::cargo_bin("pystrano")
        .expect("pystrano")
        .args(["man", "--list"])
        .assert();
    let list = String::from_utf8_lossy(&list.get_output().stdout).into_owned();
    for page in &pages {
        assert!(
            list.contains(&format!("pystrano-{page}.")),
            "{page}: {list}"
        );
        let link = format!("| [`{page}`](src/manual/{page}.md) | ");
        assert!(README.lines().any(|line| line.starts_with(&link)), "{link}");
    }
    let rows = table(README, "| page | about |");
    assert_eq!(rows.len(), pages.len(), "{rows:?}");
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
    // `anyOf`, because `common` may also be null.
    let fields = &schema["properties"]["common"]["anyOf"][0]["properties"];
    let row = |(name, field): (&String, &serde_json::Value)| {
        let description = field["description"].as_str().expect("a description");
        let (meaning, default) = match description.split_once(" [default: ") {
            Some((meaning, default)) => (meaning, default.trim_end_matches(']')),
            None => (description, ""),
        };
        let required = if required.contains(&name.as_str()) {
            "; required"
        } else {
            ""
        };
        let row = format!("| `{name}` | {meaning}{required} | {default} |");
        row.replace("|  |", "| |")
    };
    let fields = fields.as_object().expect("fields");
    let rows: Vec<String> = fields.iter().map(row).collect();
    compare("fields", FIELDS, "| field | meaning | default |", &rows);
}

/// The tests named in the tables of permissions and of hostile attempts exist.
#[test]
fn named_tests_exist() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut directories = vec![top.join("src"), top.join("tests")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).expect("a source");
            }
        }
    }
    let mut missing = Vec::new();
    for (page, head, least) in [
        ("src/README.md", "| actor | to | can | cannot | tests |", 15),
        (
            "tests/README.md",
            "| trial | attempt | result now | tests |",
            30,
        ),
        ("tests/attempts.md", ATTEMPTS, 60),
    ] {
        let text = std::fs::read_to_string(top.join(page)).expect("a page");
        let rows = table(&text, head);
        assert!(rows.len() >= least, "{page}: {}", rows.len());
        for row in rows {
            let cell = row
                .trim_end_matches([' ', '|'])
                .rsplit('|')
                .next()
                .unwrap_or_default();
            let names = cell.split('`').skip(1).step_by(2);
            missing.extend(names.clone().next().is_none().then(|| row.to_owned()));
            missing.extend(
                names
                    .filter(|name| name.contains('_') && !sources.contains(&format!("fn {name}(")))
                    .map(str::to_owned),
            );
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

const ATTEMPTS: &str = "| who | attempt | of them | outcome | shown by |";

#[test]
fn the_attempts_are_counted() {
    let text = include_str!("../attempts.md");
    let count = |row: &str| row.split(" | ").nth(2).and_then(|cell| cell.parse().ok());
    let counts: Option<Vec<usize>> = table(text, ATTEMPTS).into_iter().map(count).collect();
    let sum: usize = counts.expect("numbers").iter().sum();
    assert!(text.contains(&format!("\n{sum} things ")), "{sum}");
}

/// Compares the rows of a table in a manual page. BLESS=1 rewrites them, existing rows in their order and new ones at
/// the end.
fn compare(page: &str, text: &str, head: &str, rows: &[String]) {
    let old = table(text, head);
    let name = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let place = |row: &String| old.iter().position(|old| name(old) == name(row));
    let mut rows: Vec<&String> = rows.iter().collect();
    rows.sort_by_key(|row| place(row).unwrap_or(old.len()));
    if std::env::var_os("BLESS").is_some() {
        let rows: Vec<&str> = rows.into_iter().map(String::as_str).collect();
        let text = text.replace(&old.join("\n"), &rows.join("\n"));
        let path = format!("{}/src/manual/{page}.md", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, text).expect("the page is written");
    } else {
        assert_eq!(rows, old, "BLESS=1 writes the table anew");
    }
}

/// The rows of the table with this header.
fn table<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let rows = text.lines().skip_while(|line| *line != head).skip(2);
    rows.take_while(|line| line.starts_with('|')).collect()
}
