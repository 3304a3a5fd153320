//! Hooks: commands that run on the controller after a deploy or rollback.

#![expect(clippy::disallowed_methods, reason = "it starts the hooks")]

use crate::config::Hooks;
use crate::diagnostics::quoted;
use crate::report;
use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};

/// Runs the `on_success` or `on_failure` hooks one after another, with `summary`, a JSON object, on stdin and stdout
/// redirected to stderr. A hook that fails only causes a warning: the exit code stays that of the deploy. The hosts'
/// locks are free by then.
pub fn run(hooks: &Hooks, code: u8, summary: &str) {
    let point = match code {
        0 => Hooks::ON_SUCCESS,
        _ => Hooks::ON_FAILURE,
    };
    for command in hooks.at(point) {
        let failure = match run_hook(command, summary) {
            Ok(status) if status.success() => continue,
            Ok(status) => format!("failed with {status}"),
            Err(error) => format!("could not be run: {error}"),
        };
        report::note(format_args!(
            "warning: the hook {point}, {}, {failure}",
            quoted(command)
        ));
    }
}

fn run_hook(command: &str, summary: &str) -> io::Result<ExitStatus> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(io::stderr())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Fails with EPIPE if the hook does not read its stdin, which is fine.
        let _ = writeln!(stdin, "{summary}");
    }
    child.wait()
}
