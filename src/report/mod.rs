//! Prints everything except the prompts of `init`: results to stdout, messages to stderr.

#![expect(clippy::disallowed_methods, reason = "it prints")]

mod live;
mod log;
mod paint;
mod plain;
mod plan;
mod progress;
mod summary;
mod table;

pub use log::Log;
pub use plan::Plan;
pub use progress::Report;

use crate::diagnostics::{Diagnostic, sanitize};
use crate::error::Error;
use crate::exit;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// The first error of a write to stdout.
static STDOUT_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Sets whether stdout and stderr are colored. `Auto` depends on the environment, and on whether each is a terminal.
pub fn set_color(when: clap::ColorChoice) {
    match when {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Whether stderr is colored.
pub fn stderr_is_colored() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// The current time in UTC, in a `strftime` format.
pub fn utc(format: &str) -> String {
    jiff::Timestamp::now().strftime(format).to_string()
}

/// The spaces that pad `used` columns to `width`, which may exceed the limit of format strings, 65,535.
fn spaces(width: usize, used: usize) -> String {
    " ".repeat(width.saturating_sub(used))
}

/// `1 server`, `2 servers`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Prints the error that ends the program; for a config, all mistakes and warnings.
pub fn error(error: &Error) {
    match error {
        Error::Config {
            mistakes,
            warnings: found,
        } => {
            warnings(found);
            let count = counted(mistakes.len(), "mistake");
            write_stderr(&format!("{error}\nerror: {count} in the config\n"));
        }
        _ => write_stderr(&format!("error: {error}\n")),
    }
}

/// Prints what clap returned instead of a command line: help or the version to stdout, a usage error to stderr.
pub fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if !error.use_stderr() {
        keep_error(printed);
    }
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::USAGE),
    }
}

/// Prints warnings about a config.
pub fn warnings(warnings: &[Diagnostic]) {
    let mut out = io::stderr().lock();
    for warning in warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
}

/// Prints one line of a result to stdout.
pub fn result(line: impl Display) {
    keep_error(writeln!(io::stdout().lock(), "{line}"));
}

/// Prints a result to stdout as it is.
pub fn text(text: &str) {
    keep_error(io::stdout().lock().write_all(text.as_bytes()));
}

/// Keeps the first error. A closed pipe is none: its reader wants no more.
fn keep_error(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = STDOUT_ERROR.set(error);
    }
}

/// Flushes stdout. Returns whether any result could not be written.
pub fn has_lost_results() -> bool {
    keep_error(io::stdout().flush());
    STDOUT_ERROR.get().is_some()
}

/// The exit code of the program: a lost result is reported, and is no success.
pub fn finish(code: ExitCode) -> ExitCode {
    if !has_lost_results() {
        return code;
    }
    if let Some(error) = STDOUT_ERROR.get() {
        note(format_args!(
            "error: cannot write to stdout: {error}; send the result elsewhere"
        ));
    }
    exit::after_lost_stdout(code, false)
}

/// Prints one message to stderr, without control characters: it may name files of a repository.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", sanitize(&line.to_string()));
}

/// Writes to stderr in one piece.
fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
