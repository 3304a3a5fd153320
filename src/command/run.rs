//! `run`: runs a command in the current release of one server.

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

/// Replaces this process by the `ssh` that runs the command. It requests a terminal only if both stdin and stdout are
/// one: a remote terminal would alter data that is redirected to a file or a pipe.
///
/// # Errors
/// If the command is too long or `ssh` cannot be run; otherwise this returns only for `--dry-run`.
pub fn run(cli: &Cli, arguments: &Run) -> Result<ExitCode, Error> {
    let config = super::load(cli, &arguments.target, arguments.host.as_slice())?;
    let Some(server) = config.servers.first() else {
        return Ok(ExitCode::SUCCESS); // unreachable: a config has at least one server
    };
    let terminal = stdin().is_terminal() && stdout().is_terminal();
    let ssh_arguments =
        ssh::exec_arguments(server, &arguments.command, terminal).ok_or(Error::LongCommand)?;
    let program = ssh::program();
    if arguments.dry_run {
        let mut words = vec![program.to_string_lossy().into_owned()];
        words.extend(ssh_arguments);
        report::result(shell_line(words));
        return Ok(ExitCode::SUCCESS);
    }
    ssh::check_program()?;
    let source = ssh::exec(&ssh_arguments, terminal);
    Err(Error::Ssh { program, source })
}
