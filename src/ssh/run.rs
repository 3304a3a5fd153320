//! `pystrano run`: replaces this process by an `ssh` that runs one command.

#![expect(clippy::disallowed_methods, reason = "it starts ssh")]

use super::{NO_PROMPTS, NO_TERMINAL, program, ssh_arguments};
use crate::config::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Limit on the remote command: Linux refuses a single argument of 128 KiB or more.
const MAX_COMMAND: usize = 130_000;

/// Arguments for `ssh` that run `words` in the current release on a server; `None` if they are too long.
///
/// The words are base64-encoded, since login shells differ in their quoting. With `terminal`, the command gets a
/// pseudo-terminal and ssh may prompt.
pub fn exec_arguments(server: &Server, words: &[OsString], terminal: bool) -> Option<Vec<String>> {
    let remote = format!(
        "exec sh -c 'eval \"$(printf %s {} | base64 -d)\"'",
        STANDARD.encode(script(server, words))
    );
    if remote.len() > MAX_COMMAND {
        return None;
    }
    let terminal: &[&str] = if terminal { &["-t"] } else { NO_TERMINAL };
    Some(ssh_arguments(
        server,
        &server.project_user,
        terminal,
        &["-a"],
        &remote,
    ))
}

/// A script for `sh` that runs the command through the launcher of the current release. The shell stays in between to
/// turn death by a signal into an exit status: ssh would report 255 for it.
fn script(server: &Server, words: &[OsString]) -> Vec<u8> {
    let launcher = format!("{}/current/.pystrano/run", &*server.project_root);
    let launcher = quote(launcher.as_bytes());
    let mut script = b"umask 022; trap : INT QUIT; [ -x ".to_vec();
    script.extend_from_slice(&launcher);
    script.extend_from_slice(
        b" ] || { echo 'pystrano: no release runs here that commands can be run in; deploy first' >&2; exit 3; }; ",
    );
    script.extend_from_slice(&launcher);
    for word in words {
        script.push(b' ');
        script.extend(quote(word.as_bytes()));
    }
    script.extend_from_slice(b"; exit");
    script
}

/// Quotes one word for `sh`; unlike `shell_line`, words need not be UTF-8.
fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Replaces this process by `ssh`, which exits with the status of the command. Returns only if that fails.
pub fn exec(arguments: &[String], terminal: bool) -> io::Error {
    let mut command = Command::new(program());
    command.args(arguments);
    if !terminal {
        command.envs(NO_PROMPTS);
    }
    command.exec()
}
