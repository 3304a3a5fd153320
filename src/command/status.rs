//! `status`: what runs on every server.

use super::contact::Contact;
use crate::cli::{self, Cli};
use crate::error::Error;
use crate::report::Report;
use crate::ssh::Action;
use std::process::ExitCode;

/// Runs `deploy.sh status` on every server, and shows the answers as one table.
pub fn run(cli: &Cli, arguments: &cli::Contact) -> Result<ExitCode, Error> {
    let contact = Contact {
        cli,
        selection: &arguments.selection,
        fleet: &arguments.fleet,
        action: Action::Status,
        release: None,
        prune: false,
    };
    contact.run(Report::status)
}
