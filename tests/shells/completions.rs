//! Completion as real shells request it.

use std::fs;
use std::process;
use tempfile::TempDir;

/// A project with three apps, and a `bin` directory for PATH with the program.
fn project() -> TempDir {
    let directory = TempDir::new().unwrap();
    for path in [
        "deploy/shop/production",
        "deploy/shop/staging",
        "deploy/blog/production",
        "ops/wiki/intern",
    ] {
        fs::create_dir_all(directory.path().join(path)).unwrap();
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_pystrano"));
    fs::create_dir(directory.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(program, directory.path().join("bin/pystrano")).unwrap();
    directory
}

/// Runs a script with a shell in the project; returns the words that it prints.
fn shell(project: &TempDir, shell: &str, arguments: &[&str], script: &str) -> Vec<String> {
    let path = format!(
        "{}:{}",
        project.path().join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let output = process::Command::new(shell)
        .args(arguments)
        .args(["-c", script])
        .current_dir(project)
        .env("PATH", path)
        .env("HOME", project.path())
        .env("TERM", "dumb")
        .output()
        .unwrap_or_else(|error| panic!("{shell}: {error}; install it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.split_whitespace().map(str::to_owned).collect()
}

/// The candidates for the last word of a command line, in each shell.
fn offers(line: &[&str]) -> Vec<Vec<String>> {
    let project = project();
    let last = line.len() - 1;
    let bash = format!(
        "source <(pystrano completions bash); COMP_WORDS=({}); COMP_CWORD={last}; \
         _clap_complete_pystrano pystrano \"${{COMP_WORDS[{last}]}}\" x 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line.iter()
            .map(|word| format!("'{word}' "))
            .collect::<String>()
    );
    // compadd works only in zsh's line editor; this one prints its arguments.
    let zsh = format!(
        "compdef() {{ }}; _describe() {{ for item in ${{(P)@[-1]}}; do print -r -- ${{item%%:*}}; done }}; \
         source <(pystrano completions zsh); words=({}); CURRENT={}; _clap_dynamic_completer_pystrano",
        line.iter()
            .map(|word| format!("'{word}' "))
            .collect::<String>(),
        last + 1
    );
    let fish = format!(
        "pystrano completions fish | source; complete --do-complete '{}' | string split -f1 \\t",
        line.join(" ")
    );
    vec![
        shell(&project, "bash", &["--norc"], &bash),
        shell(&project, "zsh", &["-f"], &zsh),
        shell(&project, "fish", &["--no-config"], &fish),
    ]
}

#[test]
fn environments_and_apps_come_from_the_deploy_directory() {
    for (line, expected) in [
        (&["pystrano", "deploy", "p"][..], &["production"][..]),
        (&["pystrano", "status", "production", ""], &["blog", "shop"]),
        (&["pystrano", "check", "staging", ""], &["shop"]),
        (
            &["pystrano", "--deploy-config-dir", "ops", "setup", ""],
            &["intern"],
        ),
        (&["pystrano", "rol"], &["rollback"]),
        (&["pystrano", "completions", "z"], &["zsh"]),
        (&["pystrano", "man", "ro"], &["rollback"]),
    ] {
        for (shell, offered) in ["bash", "zsh", "fish"].iter().zip(offers(line)) {
            let words: Vec<&str> = offered
                .iter()
                .map(String::as_str)
                .filter(|word| !word.starts_with('-'))
                .collect();
            assert_eq!(words, expected, "{shell}: {line:?}");
        }
    }
}
