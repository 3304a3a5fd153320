//! One file for each subcommand.

use crate::cli::{Cli, Command};
use crate::error::Error;
use std::process::ExitCode;

/// Runs the subcommand; the exit code is that of the outcome.
pub fn run(cli: &Cli) -> Result<ExitCode, Error> {
    match &cli.command {
        Command::Check(_) => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::SUCCESS),
    }
}
