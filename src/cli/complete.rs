//! Completion of environments and apps from the deploy directory.

use clap_complete::CompletionCandidate;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The variable that makes the program answer a shell's question instead of running.
pub const COMPLETE: &str = "PYSTRANO_COMPLETE";

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
    let words: Vec<String> = std::env::args().collect();
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

/// What the words say, or the default.
fn deploy_directory() -> PathBuf {
    const OPTION: &str = "--deploy-config-dir";
    let words: Vec<String> = std::env::args().collect();
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

/// Names of the directories in a directory; none if it cannot be read.
fn directories(path: &Path) -> Vec<String> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
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
