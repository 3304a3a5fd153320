//! `man`: the manual pages.

use crate::cli::Cli;
use crate::error::Error;
use crate::manual::{self, PAGES, Page};
use crate::report;
use clap::CommandFactory;
use std::path::Path;
use std::process::ExitCode;

/// Prints a page as roff: `pystrano(1)` without a name, otherwise that of a command or a page of the manual.
///
/// # Errors
/// If there is no page of this name.
pub fn run(name: Option<&str>) -> Result<ExitCode, Error> {
    let text = match name.and_then(Page::find) {
        Some(page) => page.roff(),
        None => command_page(name)?,
    };
    report::text(&text);
    Ok(ExitCode::SUCCESS)
}

/// Prints the file name of each page, such as `pystrano-deploy.1`.
pub fn list() -> ExitCode {
    let cli = Cli::command();
    let mut names = String::from("pystrano.1\n");
    for command in cli.get_subcommands() {
        names += &format!("pystrano-{}.1\n", command.get_name());
    }
    for page in PAGES {
        names += &format!("pystrano-{}.{}\n", page.name, page.section);
    }
    report::text(&names);
    ExitCode::SUCCESS
}

/// The page of a command, or of the program for `None`.
fn command_page(name: Option<&str>) -> Result<String, Error> {
    let mut cli = Cli::command();
    cli.build();
    let command = match name {
        None => cli,
        Some(name) => match cli.find_subcommand(name) {
            Some(command) => command
                .clone()
                .name(format!("{}-{}", cli.get_name(), command.get_name()).leak() as &str),
            None => {
                let name = name.to_owned();
                return Err(Error::NoPage { name });
            }
        },
    };
    let has_events = command
        .get_arguments()
        .any(|argument| argument.get_id() == "json");
    let mut text = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut text)
        .map_err(Error::file("write", Path::new("stdout")))?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if has_events {
        text += ".SH \"JSON EVENTS\"\n";
        text += &manual::roff(include_str!("../protocol/events.md"));
    }
    if name.is_none() {
        text += ".SH \"SEE ALSO\"\n";
        for page in PAGES {
            let name = page.name.replace('-', "\\-");
            let title = page.title().replace('-', "\\-");
            text += &format!(
                ".TP\n\\fBpystrano\\-{name}\\fR({})\n{title}\n",
                page.section
            );
        }
    }
    Ok(text)
}
