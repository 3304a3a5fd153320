//! `completions`: registers completion in a shell.

use crate::cli::{COMPLETE_VAR, Shell};
use crate::error::Error;
use crate::report;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use std::path::Path;
use std::process::ExitCode;

/// Prints shell code that gets candidates by running this program with [`COMPLETE_VAR`] set.
pub fn run(shell: Shell) -> Result<ExitCode, Error> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let name = env!("CARGO_PKG_NAME");
    let mut script = Vec::new();
    completer
        .write_registration(COMPLETE_VAR, name, name, name, &mut script)
        .map_err(Error::file("write", Path::new("stdout")))?;
    report::text(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}
