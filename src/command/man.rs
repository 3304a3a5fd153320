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
                let name = name.to_owned();
                return Err(Error::UnknownCommand { name });
            }
        },
    };
    let tells_events = page
        .get_arguments()
        .any(|argument| argument.get_id() == "json");
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(Error::file("write", Path::new("stdout")))?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if tells_events {
        text.push_str(&events(include_str!("../protocol/events.md")));
    }
    report::text(&text);
    Ok(ExitCode::SUCCESS)
}

/// The section on the events of `--json`: text as it is, a row of the table as an item.
fn events(markdown: &str) -> String {
    let mut roff = String::from(".SH \"JSON EVENTS\"\n");
    let rows = markdown.replace('`', "").replace('\\', "\\\\");
    for line in rows.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            ["event" | "---", ..] => {}
            [event, fields, when] => {
                roff += &format!(".TP\n\\fB{event}\\fR {fields}\n{when}\n");
            }
            _ if line.is_empty() => roff += ".PP\n",
            _ => roff += &format!("{line}\n"),
        }
    }
    roff
}
