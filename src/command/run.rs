//! `run`: a command in the release that runs on one server.

#![expect(
    clippy::disallowed_methods,
    reason = "it asks whether there is a terminal"
)]

use crate::cli::{Cli, Run};
use crate::error::Error;
use crate::report;
use crate::script::shell_line;
use crate::ssh;
use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

/// Becomes the `ssh` that runs the command, with this program's stdin, stdout and stderr. There is a terminal where both
/// stdin and stdout are one, so that what goes into a file or a pipe goes there as it is.
///
/// # Errors
/// A command that is too long; otherwise it comes back only where `ssh` cannot be run.
pub fn run(cli: &Cli, arguments: &Run) -> Result<ExitCode, Error> {
    let config = super::load(cli, &arguments.target, arguments.host.as_slice())?;
    let Some(server) = config.servers.first() else {
        return Ok(ExitCode::SUCCESS); // a config has a server
    };
    let terminal = stdin().is_terminal() && stdout().is_terminal();
    let call = ssh::call(server, &arguments.command, terminal).ok_or(Error::LongCommand)?;
    let program = ssh::program();
    if arguments.dry_run {
        let mut words = vec![program.to_string_lossy().into_owned()];
        words.extend(call);
        report::result(shell_line(words));
        return Ok(ExitCode::SUCCESS);
    }
    ssh::find_program()?;
    let source = ssh::replace(&call, terminal);
    Err(Error::Ssh { program, source })
}
