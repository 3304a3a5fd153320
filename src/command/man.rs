//! `man`: the manual pages.

use crate::cli::Cli;
use crate::error::Error;
use crate::report;
use clap::CommandFactory;
use std::path::Path;
use std::process::ExitCode;

/// Prints `pystrano(1)` as roff, or the page of one command.
///
/// # Errors
/// No such command.
pub fn run(command: Option<&str>) -> Result<ExitCode, Error> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => cli,
        Some(name) => match cli.find_subcommand(name) {
            Some(command) => command
                .clone()
                .name(format!("{}-{}", cli.get_name(), command.get_name()).leak() as &str),
            None => {
                return Err(Error::Usage {
                    what: format!("there is no command {name:?}"),
                    help: "`pystrano help` lists them".to_owned(),
                });
            }
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(Error::file("write", Path::new("stdout")))?;
    report::text(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
