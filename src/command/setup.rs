//! `setup`: prepares the servers.

use super::contact::Contact;
use crate::cli::{self, Cli};
use crate::error::Error;
use crate::ssh::Action;
use std::process::ExitCode;

/// Runs `setup.sh` on every server, each for itself.
pub fn run(cli: &Cli, arguments: &cli::Setup) -> Result<ExitCode, Error> {
    let contact = Contact {
        cli,
        selection: &arguments.selection,
        fleet: &arguments.fleet,
        action: Action::Setup,
        release: None,
        prune: arguments.prune,
    };
    contact.run(|_, _| {})
}
