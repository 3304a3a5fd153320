//! Compiles a YAML config into `setup.sh` and `deploy.sh` for each server, and runs them over ssh.

#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod cli;
mod command;
mod config;
mod credentials;
mod diagnostics;
mod error;
mod exit;
mod fleet;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod manual;
mod pack;
mod payload;
mod protocol;
mod report;
mod script;
mod ssh;
mod yaml;

use clap::Parser;
#[cfg(fuzzing)]
pub use fuzz::{dotenv, events, known_hosts, redactor, yaml};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::complete_env();
    let parsed = cli::Cli::try_parse();
    report::set_color(match &parsed {
        Ok(cli) => cli.color,
        Err(_) => cli::color(std::env::args_os()),
    });
    report::finish(match parsed {
        Ok(cli) => command::run(&cli).unwrap_or_else(|error| {
            report::error(&error);
            ExitCode::from(exit::USAGE)
        }),
        Err(error) => report::usage(&error),
    })
}
