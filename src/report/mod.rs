//! The only place, with `main`, that prints: results to stdout, talk to stderr.

mod live;
mod news;
mod paint;
mod plain;
mod progress;
mod summary;
mod table;

pub use news::{Ended, News, Summary};
pub use progress::Report;

use crate::cli::Color;
use crate::config::Diagnostic;
use crate::error::Error;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

static COLOR: OnceLock<(bool, bool)> = OnceLock::new();

/// Decides once whether stdout and stderr, each for itself, are colored.
pub fn set_color(when: Color) {
    let decide = |terminal: bool| match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR", "") => false,
        Color::Auto => set("CLICOLOR_FORCE", "0") || terminal,
    };
    let _ = COLOR.set((
        decide(std::io::stdout().is_terminal()),
        decide(std::io::stderr().is_terminal()),
    ));
}

/// Whether talk is colored.
fn talk_is_colored() -> bool {
    COLOR.get().is_some_and(|(_, stderr)| *stderr)
}

/// The time now, in UTC, formatted by `strftime`.
pub fn utc(format: &str) -> String {
    jiff::Timestamp::now().strftime(format).to_string()
}

/// Whether a switch of the environment is set: not empty, and not the value that turns it off.
fn set(name: &str, off: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != off)
}

/// What fills up `width` columns of which so many are used. Widths in a format string end at 65,535.
fn spaces(width: usize, used: usize) -> String {
    " ".repeat(width.saturating_sub(used))
}

/// The one error that ends the program. The mistakes of a config stand first, each with its place.
pub fn error(error: &Error) {
    if let Error::Config {
        warnings: found, ..
    } = error
    {
        warnings(found);
    }
    let mut out = std::io::stderr().lock();
    let _ = match error {
        Error::Config { mistakes, .. } => {
            let count = match mistakes.len() {
                1 => "1 mistake".to_owned(),
                count => format!("{count} mistakes"),
            };
            writeln!(out, "{error}\nerror: {count} in the config")
        }
        _ => writeln!(out, "error: {error}"),
    };
}

/// What works but should be looked at.
pub fn warnings(warnings: &[Diagnostic]) {
    let mut out = std::io::stderr().lock();
    for warning in warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
}

/// One line of a result, to stdout.
pub fn result(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A result as it is, to stdout.
pub fn text(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// One line of talk, to stderr.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
