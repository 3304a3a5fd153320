//! `deploy`: a new release on every server, or on none.

use super::contact::Contact;
use crate::cli::{self, Cli};
use crate::error::Error;
use crate::report;
use crate::ssh::Action;
use std::process::ExitCode;

/// Runs `deploy.sh` on every server. The release is named once for all, by the time in UTC.
pub fn run(cli: &Cli, arguments: &cli::Contact) -> Result<ExitCode, Error> {
    let contact = Contact {
        cli,
        selection: &arguments.selection,
        fleet: &arguments.fleet,
        action: Action::Deploy,
        release: Some(report::utc("%Y%m%d%H%M%S")),
        prune: false,
    };
    contact.run(|_, _| {})
}
