//! `deploy`: a new release on every server, or on none.

use super::contact::Contact;
use crate::cli::{self, Cli};
use crate::error::Error;
use crate::report;
use crate::ssh::Action;
use std::process::ExitCode;
use std::time::Duration;

/// Names a release by the second.
const NAME: &str = "%Y%m%d%H%M%S";

/// Runs `deploy.sh` on every server. The release is named once for all, by the time in UTC.
pub fn run(cli: &Cli, arguments: &cli::Contact) -> Result<ExitCode, Error> {
    let release = report::utc(NAME);
    let contact = Contact {
        cli,
        selection: &arguments.selection,
        fleet: &arguments.fleet,
        action: Action::Deploy,
        release: Some(release.clone()),
        prune: false,
    };
    let code = contact.run(|_, _| {})?;
    // The next deploy has to find another name.
    while !arguments.fleet.dry_run && report::utc(NAME) == release {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(code)
}
