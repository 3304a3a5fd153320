//! `rollback`: an earlier release, with its env, on every server or on none.

use super::contact::Contact;
use crate::cli::{self, Cli};
use crate::error::Error;
use crate::ssh::Action;
use std::process::ExitCode;

/// Runs `deploy.sh rollback` on every server.
pub fn run(cli: &Cli, arguments: &cli::Rollback) -> Result<ExitCode, Error> {
    if let Some(release) = arguments.release.as_deref().filter(|name| !is_name(name)) {
        let name = release.to_owned();
        return Err(Error::ReleaseName { name });
    }
    let contact = Contact {
        cli,
        selection: &arguments.selection,
        fleet: &arguments.fleet,
        action: Action::Rollback,
        release: arguments.release.clone(),
        prune: false,
    };
    contact.run(|_, _| {})
}

/// Letters, digits, `.`, `_` and `-`, of which the first is a letter or a digit.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
