//! Runs the system's `ssh` and `ssh-keygen`: command lines, and one session for each host.

mod connection;
mod lines;
mod output;
mod parts;
mod redact;
mod run;
mod sanitize;
mod session;
mod signature;

#[cfg(any(test, fuzzing))]
pub use lines::{Lines, Piece};
pub use output::{Message, SessionEnd};
pub use redact::Redactor;
pub use run::{exec, exec_arguments};
pub use sanitize::strip_terminal_codes;
pub use session::Session;
pub use signature::{sign, verify};

use crate::config::Server;
use crate::error::Error;
use crate::payload::Payload;
use crate::protocol::Action;
use crate::script::{ScriptKind, shell_line};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One run of a script on one host.
#[derive(Debug, Clone)]
pub struct Call {
    pub action: Action,
    pub release: Option<String>,
    /// More arguments for the script.
    pub options: Vec<String>,
    /// Prefixes the script's events and the orders sent to it.
    pub nonce: String,
    /// `user@machine` of the controller, for the log on the host.
    pub who: String,
    /// Seconds that the host waits for an order at a waiting point; `None` disables the waiting points.
    pub barrier: Option<u32>,
}

/// Allocates no terminal and never prompts on one.
const NO_TERMINAL: &[&str] = &["-T", "-o", "BatchMode=yes"];

/// Arguments for `ssh` that run `remote` on the server as `user`. `terminal` and `agent` are options put first.
fn ssh_arguments(
    server: &Server,
    user: &str,
    terminal: &[&str],
    agent: &[&str],
    remote: &str,
) -> Vec<String> {
    let options = [
        "-o",
        "ConnectTimeout=15",
        "-o",
        "ServerAliveInterval=15",
        "-o",
        "ServerAliveCountMax=3",
    ];
    let mut arguments: Vec<String> = [terminal, agent, &options]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    if let Some(port) = server.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    arguments.extend(["-l", user, "--", &server.host, remote].map(str::to_owned));
    arguments
}

impl Call {
    /// The user that logs in.
    pub fn user<'a>(&self, server: &'a Server) -> &'a str {
        match self.action {
            Action::Setup => &server.setup_user,
            _ => &server.project_user,
        }
    }

    /// Arguments for `ssh`.
    pub fn arguments(&self, server: &Server) -> Vec<String> {
        let user = self.user(server);
        let needs_root = self.action == Action::Setup && user != "root";
        let forward =
            self.action == Action::Deploy && server.forward_agent && server.payload.is_none();
        // A forwarding session never shares a ControlMaster connection: the script removes the agent's socket, and a
        // later session on that connection would get no new one.
        let agent: &[&str] = if forward {
            &["-A", "-o", "ControlPath=none"]
        } else {
            &["-a"]
        };
        ssh_arguments(
            server,
            user,
            NO_TERMINAL,
            agent,
            &remote_command(needs_root),
        )
    }

    /// What is sent before the script: a line that proves that no startup file has read stdin, and the script's
    /// arguments, since every user of the host can read command lines.
    pub fn preamble(&self) -> String {
        let mut arguments = self.script_arguments();
        arguments.push(format!("nonce={}", self.nonce));
        format!("{MAGIC}\nset -- {}\n", shell_line(arguments))
    }

    /// The script's arguments, without the nonce.
    pub fn script_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.action.script() == ScriptKind::Deploy {
            arguments.push(self.action.argument().to_owned());
        }
        arguments.extend(self.release.clone());
        arguments.extend(self.options.iter().cloned());
        arguments.push(format!("who={}", self.who));
        arguments.extend(self.barrier.map(|seconds| format!("barrier={seconds}")));
        arguments
    }
}

/// `BatchMode` is not passed on to the ssh process of a `ProxyJump`, which would hang on a prompt in the background.
/// With these variables every prompt is answered by `false`.
const NO_PROMPTS: [(&str, &str); 2] = [("SSH_ASKPASS", "false"), ("SSH_ASKPASS_REQUIRE", "force")];

/// The first line sent to a host.
const MAGIC: &str = "pystrano-1";
/// Printed by the remote command when the startup files of the login shell have run.
pub const LOGIN_MARKER: &str = "@pystrano login";
/// Printed by the remote command when the first line on stdin is not [`MAGIC`].
pub const STDIN_MARKER: &str = "@pystrano stdin";

/// The remote command. The login shell may be fish or tcsh, so the text within the single quotes has no character
/// that is special to them there.
fn remote_command(needs_root: bool) -> String {
    let sudo = if needs_root { "sudo -n " } else { "" };
    format!(
        "exec {sudo}sh -c 'echo {LOGIN_MARKER}; IFS= read -r line; \
         case $line in {MAGIC}) exec sh -s;; esac; echo {STDIN_MARKER}; exit 2'"
    )
}

/// The `ssh` program: `PYSTRANO_SSH`, or `ssh` on `PATH`.
pub fn program() -> OsString {
    std::env::var_os("PYSTRANO_SSH")
        .filter(|program| !program.is_empty())
        .unwrap_or_else(|| "ssh".into())
}

/// Checks that the `ssh` program exists, before any host is contacted.
///
/// # Errors
/// [`Error::NoSsh`] if it is not an executable file.
pub fn check_program() -> Result<(), Error> {
    let program = program();
    let found = if Path::new(&program).components().count() > 1 {
        is_executable(Path::new(&program))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::split_paths(&path).any(|directory| is_executable(&directory.join(&program)))
    };
    if found {
        Ok(())
    } else {
        Err(Error::NoSsh { program })
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// 128 random bits in hex.
pub fn nonce() -> String {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the system gives random bytes");
    format!("{:032x}", u128::from_ne_bytes(bits))
}

/// The local user as `user@machine`, in characters that need no quoting.
pub fn who() -> String {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()));
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    format!("{}@{}", unquoted(&user), unquoted(&machine))
}

/// At most 64 characters, with `_` for those that may need quoting in a shell.
fn unquoted(text: &str) -> String {
    text.chars()
        .take(64)
        .map(|character| match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-' => character,
            _ => '_',
        })
        .collect()
}

/// Renders the script on demand, so that only scripts being sent are in memory.
pub type Script = Box<dyn FnOnce() -> Result<String, Error> + Send>;

/// Everything that a session needs to start.
pub struct SessionOptions {
    pub program: OsString,
    pub arguments: Vec<String>,
    /// The user that logs in, for messages.
    pub user: String,
    /// Sent before the script; see [`Call::preamble`].
    pub preamble: String,
    pub nonce: String,
    pub script: Script,
    /// The parts that the script may request.
    pub payload: Option<Arc<Payload>>,
    pub redactor: Arc<Redactor>,
    /// Whether each line of output becomes an event.
    pub verbose: bool,
    /// How long the script may take to start after its last byte is sent.
    pub login_timeout: Duration,
    /// How long a started script may print nothing, except while it migrates.
    pub silence_timeout: Duration,
}

/// Raises the soft limit on open files to what `hosts` sessions need.
///
/// # Errors
/// The number of sessions that fit, if the hard limit is too low for all of them.
pub fn raise_open_files_limit(hosts: usize) -> Result<(), u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// stdin, stdout, stderr, both ends of the wake-up socket, and two while the child starts.
    const PER_SESSION: u64 = 7;
    const RESERVED: u64 = 32;
    let wanted = hosts as u64 * PER_SESSION + RESERVED;
    let sessions = |limit: u64| limit.saturating_sub(RESERVED) / PER_SESSION;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let new = Rlimit {
        current: Some(raised),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, new) {
        Ok(()) if raised >= wanted => Ok(()),
        Ok(()) => Err(sessions(raised)),
        Err(_) => Err(sessions(limit.current.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_no_quoting() {
        assert_eq!(unquoted("DOMAIN\\José 'x'"), "DOMAIN_Jos___x_");
        assert!(
            who()
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "._@-".contains(letter))
        );
    }

    #[test]
    fn nonces_are_32_hex_digits_and_differ() {
        let (one, two) = (nonce(), nonce());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }
}
