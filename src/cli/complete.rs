//! Completion of commands, and of environments and apps from the deploy directory.

use super::Cli;
use crate::manual;
use clap::CommandFactory;
use clap::builder::Resettable;
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Shells, Zsh};
use clap_complete::{CompletionCandidate, engine};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The variable with which a shell runs the program for candidates.
pub const COMPLETE: &str = "PYSTRANO_COMPLETE";

/// Prints the candidates that a shell asks for and ends the program, if [`COMPLETE`] is set.
pub fn complete_env() {
    // One name of a command is offered, the first in the alphabet if both were visible.
    let command = || {
        Cli::command().mut_subcommand("init", |init| {
            init.visible_alias(Resettable::Reset).alias("configure")
        })
    };
    CompleteEnv::with_factory(command)
        .var(COMPLETE)
        .shells(Shells(&[&SplittingBash, &Zsh, &Fish]))
        .complete();
}

/// Bash, for which the `=` of `--option=value` is a word of its own.
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
        let words = joined(words);
        let Some(last) = words.last() else {
            return Ok(());
        };
        // Bash replaces what it takes for the word: the value alone.
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

/// The words of a command line, each option with its value after `=` in one piece.
fn joined(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
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
    let words = joined(std::env::args_os()).into_iter();
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Pages of the manual: commands, with what they do, and others, with their titles.
pub fn pages(current: &OsStr) -> Vec<CompletionCandidate> {
    let cli = Cli::command();
    let commands = cli.get_subcommands().map(|command| {
        CompletionCandidate::new(command.get_name().to_owned()).help(command.get_about().cloned())
    });
    let others = manual::PAGES
        .iter()
        .map(|page| CompletionCandidate::new(page.name).help(Some(page.title().into())));
    let current = current.to_string_lossy();
    let starts =
        |page: &CompletionCandidate| page.get_value().to_string_lossy().starts_with(&*current);
    commands.chain(others).filter(starts).collect()
}

/// Environments of any app.
pub fn environments(current: &OsStr) -> Vec<CompletionCandidate> {
    let root = deploy_directory();
    let names = directories(&root)
        .into_iter()
        .flat_map(|app| directories(&root.join(app)));
    candidates(names.collect(), current)
}

/// Apps that have the environment that was typed; all of them if none has.
pub fn apps(current: &OsStr) -> Vec<CompletionCandidate> {
    let root = deploy_directory();
    let words = words();
    let all = directories(&root);
    let fitting: Vec<String> = all
        .iter()
        .filter(|app| {
            directories(&root.join(app))
                .iter()
                .any(|environment| words.contains(environment))
        })
        .cloned()
        .collect();
    candidates(if fitting.is_empty() { all } else { fitting }, current)
}

/// The directory of `--deploy-config-dir`, or the default.
fn deploy_directory() -> PathBuf {
    const OPTION: &str = "--deploy-config-dir";
    let words = words();
    let value =
        words
            .iter()
            .enumerate()
            .find_map(|(index, word)| match word.strip_prefix(OPTION)? {
                "" => words.get(index + 1).map(String::as_str),
                rest => rest.strip_prefix('='),
            });
    PathBuf::from(value.unwrap_or("./deploy"))
}

/// Names of the directories in a directory, sorted; none if it cannot be read.
pub fn directories(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn candidates(mut names: Vec<String>, current: &OsStr) -> Vec<CompletionCandidate> {
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| name.starts_with(&*current.to_string_lossy()))
        .map(CompletionCandidate::new)
        .collect()
}
