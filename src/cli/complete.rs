//! Shell completion, including environments and apps found in the deploy directory.

use super::{Cli, DEFAULT_DEPLOY_DIR, option_value};
use crate::manual;
use clap::CommandFactory;
use clap::builder::Resettable;
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Shells, Zsh};
use clap_complete::{CompletionCandidate, engine};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The environment variable that tells the program to print completion candidates and exit.
pub const COMPLETE_VAR: &str = "PYSTRANO_COMPLETE";

/// Handles a completion request and exits, if [`COMPLETE_VAR`] is set.
pub fn complete_env() {
    // Of a command's visible names clap_complete offers the alphabetically first, which would be `configure`.
    let command = || {
        Cli::command().mut_subcommand("init", |init| {
            init.visible_alias(Resettable::Reset).alias("configure")
        })
    };
    CompleteEnv::with_factory(command)
        .var(COMPLETE_VAR)
        .shells(Shells(&[&SplittingBash, &Zsh, &Fish]))
        .complete();
}

/// Completion for bash, which splits `--option=value` at the `=` (see `COMP_WORDBREAKS`).
struct SplittingBash;

impl EnvCompleter for SplittingBash {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        Bash.write_registration(var, name, bin, completer, buf)
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        let index = std::env::var("_CLAP_COMPLETE_INDEX").ok();
        let index = index.and_then(|index| index.parse().ok());
        let separator = std::env::var("_CLAP_IFS").unwrap_or_else(|_| "\n".to_owned());
        let words: Vec<OsString> = words
            .into_iter()
            .take(index.unwrap_or(0_usize) + 1)
            .collect();
        let typed = words.last().map_or(0, |word| word.len());
        let words = join_option_values(words);
        let Some(last) = words.last() else {
            return Ok(());
        };
        // Bash replaces only the value, so candidates must not repeat `--option=`.
        let kept = last.len() - typed;
        let index = words.len() - 1;
        let values: Vec<String> = engine::complete(command, words, index, directory)?
            .iter()
            .map(|candidate| candidate.get_value().to_string_lossy())
            .filter_map(|value| value.get(kept..).map(str::to_owned))
            .collect();
        write!(buf, "{}", values.join(&separator))
    }
}

/// Undoes bash's splitting: joins `--option`, `=` and `value` into one word.
fn join_option_values(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut lacks_value = false;
    for word in words {
        match joined.last_mut() {
            Some(last) if lacks_value => {
                last.push(word);
                lacks_value = false;
            }
            Some(last) if word == "=" && last.as_encoded_bytes().starts_with(b"--") => {
                last.push(word);
                lacks_value = true;
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// The words of the command line that is being completed.
fn words() -> Vec<String> {
    let words = join_option_values(std::env::args_os()).into_iter();
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Completes a page of the manual: commands with their descriptions, then the other pages with their titles.
pub fn pages(current: &OsStr) -> Vec<CompletionCandidate> {
    let cli = Cli::command();
    let commands = cli.get_subcommands().map(|command| {
        CompletionCandidate::new(command.get_name().to_owned()).help(command.get_about().cloned())
    });
    let others = manual::PAGES
        .iter()
        .map(|page| CompletionCandidate::new(page.name).help(Some(page.title().into())));
    let current = current.to_string_lossy();
    let matches =
        |page: &CompletionCandidate| page.get_value().to_string_lossy().starts_with(&*current);
    commands.chain(others).filter(matches).collect()
}

/// Completes an environment: those of all apps.
pub fn environments(current: &OsStr) -> Vec<CompletionCandidate> {
    let root = deploy_directory();
    let names = directories(&root)
        .into_iter()
        .flat_map(|app| directories(&root.join(app)));
    candidates(names.collect(), current)
}

/// Completes an app: those that have the environment typed before it, or all if none has.
pub fn apps(current: &OsStr) -> Vec<CompletionCandidate> {
    let root = deploy_directory();
    let words = words();
    let all = directories(&root);
    let matching: Vec<String> = all
        .iter()
        .filter(|app| {
            directories(&root.join(app))
                .iter()
                .any(|environment| words.contains(environment))
        })
        .cloned()
        .collect();
    candidates(if matching.is_empty() { all } else { matching }, current)
}

/// The value of `--deploy-config-dir` on the command line that is being completed, or its default.
fn deploy_directory() -> PathBuf {
    let words = words();
    PathBuf::from(option_value(&words, "--deploy-config-dir").unwrap_or(DEFAULT_DEPLOY_DIR))
}

/// Sorted names of the subdirectories of `path`; empty if it cannot be read.
pub fn directories(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The names that start with `current`, sorted and without duplicates.
fn candidates(mut names: Vec<String>, current: &OsStr) -> Vec<CompletionCandidate> {
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| name.starts_with(&*current.to_string_lossy()))
        .map(CompletionCandidate::new)
        .collect()
}
