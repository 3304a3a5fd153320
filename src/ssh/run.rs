//! One command on one host, in the place of this program.

#![expect(clippy::disallowed_methods, reason = "it starts ssh")]

use super::{NO_PROMPTS, NO_TERMINAL, connection, program};
use crate::config::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// So long may a remote command be: Linux takes no longer argument.
const LONGEST: usize = 130_000;

/// The arguments of `ssh` that run a command in the release that runs on a server; `None` if it is too long.
///
/// The remote command holds the words as base64, which means the same to every login shell. With `terminal` the command
/// has one, and ssh may prompt.
pub fn call(server: &Server, words: &[OsString], terminal: bool) -> Option<Vec<String>> {
    let remote = format!(
        "exec sh -c 'eval \"$(printf %s {} | base64 -d)\"'",
        STANDARD.encode(script(server, words))
    );
    if remote.len() > LONGEST {
        return None;
    }
    let terminal: &[&str] = if terminal { &["-t"] } else { NO_TERMINAL };
    Some(connection(
        server,
        &server.project_user,
        terminal,
        &["-a"],
        &remote,
    ))
}

/// Text for `sh` that starts the command by the release's launcher. The shell stays, so that a command that a signal
/// ends has an exit status; ssh has none for it.
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

/// One word of `sh`.
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

/// Becomes `ssh`; its exit code is that of the command. Comes back only with an error.
pub fn replace(arguments: &[String], terminal: bool) -> io::Error {
    let mut command = Command::new(program());
    command.args(arguments);
    if !terminal {
        command.envs(NO_PROMPTS);
    }
    command.exec()
}
