//! The only module that prints, but for the prompts of `init`: results to stdout, messages to stderr.

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

/// Why the first result that is missing on stdout could not be written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Decides whether stdout and stderr are colored; for `Auto` the environment and each stream do.
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

/// The time now, in UTC, formatted by `strftime`.
pub fn utc(format: &str) -> String {
    jiff::Timestamp::now().strftime(format).to_string()
}

/// What fills up `width` columns of which so many are used. Widths in a format string end at 65,535.
fn spaces(width: usize, used: usize) -> String {
    " ".repeat(width.saturating_sub(used))
}

/// `1 server`, `2 servers`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The one error that ends the program. The mistakes of a config stand first, each with its place.
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

/// Prints why clap gives no command line: help and the version as results, a mistake as a message.
pub fn usage(stop: &clap::Error) -> ExitCode {
    let printed = stop.print();
    if !stop.use_stderr() {
        keep(printed);
    }
    match stop.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::USAGE),
    }
}

/// What works but should be looked at.
pub fn warnings(warnings: &[Diagnostic]) {
    let mut out = io::stderr().lock();
    for warning in warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
}

/// One line of a result, to stdout.
pub fn result(line: impl Display) {
    keep(writeln!(io::stdout().lock(), "{line}"));
}

/// A result as it is, to stdout.
pub fn text(text: &str) {
    keep(io::stdout().lock().write_all(text.as_bytes()));
}

/// Remembers why a result was not written. A closed pipe is no error: its reader wants no more.
fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Whether results were lost so far.
pub fn is_lost() -> bool {
    keep(io::stdout().flush());
    LOST.get().is_some()
}

/// The exit code of the program: no success where a result was lost, which a message reports.
pub fn finish(code: ExitCode) -> ExitCode {
    if !is_lost() {
        return code;
    }
    if let Some(error) = LOST.get() {
        note(format_args!(
            "error: cannot write to stdout: {error}; send the result elsewhere"
        ));
    }
    exit::after_lost_stdout(code, false)
}

/// One message, to stderr, as plain text: a repository or a file may have named what it is about.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", sanitize(&line.to_string()));
}

/// Messages, to stderr in one piece.
fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
