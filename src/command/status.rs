//! `status`: what runs on every server.

use super::contact::Contact;
use crate::cli::{self, Cli};
use crate::error::{Error, exit};
use crate::ssh::Action;
use std::process::ExitCode;

/// Runs `deploy.sh status` on every server, and shows the answers as one table. Servers that run
/// different releases give the exit code for that.
pub fn run(cli: &Cli, arguments: &cli::Contact) -> Result<ExitCode, Error> {
    let contact = Contact {
        cli,
        selection: &arguments.selection,
        fleet: &arguments.fleet,
        action: Action::Status,
        release: None,
    };
    contact.run(|report, answers| {
        report.status(answers);
        let differ = answers
            .windows(2)
            .any(|two| two[0].current != two[1].current);
        if differ { exit::IN_DOUBT } else { 0 }
    })
}
