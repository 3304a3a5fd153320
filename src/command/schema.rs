//! `schema`: prints the JSON Schema of a config.

use crate::config;
use crate::error::Error;
use crate::report;
use std::process::ExitCode;

pub fn run() -> Result<ExitCode, Error> {
    report::text(&text());
    Ok(ExitCode::SUCCESS)
}

/// The JSON Schema, with a newline at its end.
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
