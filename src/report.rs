//! The only place, with `main`, that prints: results to stdout, talk to stderr.

use crate::cli::Color;
use crate::error::Error;
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

/// Whether a switch of the environment is set: not empty, and not the value that turns it off.
fn set(name: &str, off: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != off)
}

/// The one error that ends the program.
pub fn error(error: &Error) {
    let _ = writeln!(std::io::stderr().lock(), "error: {error}");
}
