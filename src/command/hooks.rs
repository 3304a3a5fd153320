//! Hooks on the controller: commands that get the result of a deploy or rollback.

#![expect(clippy::disallowed_methods, reason = "it starts the hooks")]

use crate::config::Hooks;
use crate::diagnostics::quoted;
use crate::report;
use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};

/// Runs the hooks for an exit code, one after another, when the hosts' locks are free. Each gets `summary`, the JSON
/// object, on its stdin; what it prints goes to stderr. One that fails is a warning: the exit code stays that of the
/// deploy.
pub fn run(hooks: &Hooks, code: u8, summary: &str) {
    let point = match code {
        0 => Hooks::ON_SUCCESS,
        _ => Hooks::ON_FAILURE,
    };
    for command in hooks.at(point) {
        let why = match start(command, summary) {
            Ok(status) if status.success() => continue,
            Ok(status) => format!("failed with {status}"),
            Err(error) => format!("could not be run: {error}"),
        };
        report::note(format_args!(
            "warning: the hook {point}, {}, {why}",
            quoted(command)
        ));
    }
}

fn start(command: &str, summary: &str) -> io::Result<ExitStatus> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(io::stderr())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read it.
        let _ = writeln!(stdin, "{summary}");
    }
    child.wait()
}
