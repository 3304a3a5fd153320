//! `schema`: the JSON Schema of a config.

use crate::config;
use crate::error::Error;
use crate::report;
use std::process::ExitCode;

/// Prints it.
pub fn run() -> Result<ExitCode, Error> {
    report::text(&text());
    Ok(ExitCode::SUCCESS)
}

/// Its text, which ends with a newline.
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
