//! The system `ssh` and `ssh-keygen`, and one host's session.

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
pub use output::{Closing, Message};
pub use redact::Redactor;
pub use run::{call, replace};
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

/// One run of a script on one host: its user and its arguments.
#[derive(Debug, Clone)]
pub struct Call {
    pub action: Action,
    pub release: Option<String>,
    /// Further arguments of the script.
    pub options: Vec<String>,
    /// Marks the script's events and the orders sent to it.
    pub nonce: String,
    /// `user@machine` of the controller, for the log on the host.
    pub who: String,
    /// Seconds the host waits for an order at a waiting point; `None` goes straight through.
    pub barrier: Option<u32>,
}

/// No terminal, and no questions on one.
const NO_TERMINAL: &[&str] = &["-T", "-o", "BatchMode=yes"];

/// The arguments of an `ssh` that runs `remote` on the server as `user`; `terminal` and `agent` are options.
fn connection(
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
    /// Who logs in.
    pub fn user<'a>(&self, server: &'a Server) -> &'a str {
        match self.action {
            Action::Setup => &server.setup_user,
            _ => &server.project_user,
        }
    }

    /// The arguments of `ssh`.
    pub fn arguments(&self, server: &Server) -> Vec<String> {
        let user = self.user(server);
        let is_root = self.action != Action::Setup || user == "root";
        let forward =
            self.action == Action::Deploy && server.forward_agent && server.payload.is_none();
        // A connection of its own: the agent's socket is removed when it is no longer needed, and a later run
        // through the same connection would get no other.
        let agent: &[&str] = if forward {
            &["-A", "-o", "ControlPath=none"]
        } else {
            &["-a"]
        };
        connection(server, user, NO_TERMINAL, agent, &remote(is_root))
    }

    /// What the host reads before the script's bytes: that nothing was lost on the way, and the
    /// script's arguments. They are in no command line, which everybody on the host could read.
    pub fn preamble(&self) -> String {
        let mut words = self.words();
        words.push(format!("nonce={}", self.nonce));
        format!("{MAGIC}\nset -- {}\n", shell_line(words))
    }

    /// The script's arguments, but for the nonce.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.action.script() == ScriptKind::Deploy {
            words.push(self.action.argument().to_owned());
        }
        words.extend(self.release.clone());
        words.extend(self.options.iter().cloned());
        words.push(format!("who={}", self.who));
        words.extend(self.barrier.map(|seconds| format!("barrier={seconds}")));
        words
    }
}

/// BatchMode does not reach the ssh of a ProxyJump, which would hang when it prompts from the background: with these
/// variables the answer to each prompt is no.
const NO_PROMPTS: [(&str, &str); 2] = [("SSH_ASKPASS", "false"), ("SSH_ASKPASS_REQUIRE", "force")];

/// The line that begins what a host reads.
const MAGIC: &str = "pystrano-1";
/// What the remote command prints when the login is over.
pub const LOGIN_HINT: &str = "@pystrano login";
/// What it prints when the first line that it reads is not [`MAGIC`].
pub const STDIN_HINT: &str = "@pystrano stdin";

/// The constant remote command: a login shell may be fish or tcsh, so within the single quotes there is
/// nothing that means something to one of them.
fn remote(is_root: bool) -> String {
    let sudo = if is_root { "" } else { "sudo -n " };
    format!(
        "exec {sudo}sh -c 'echo {LOGIN_HINT}; IFS= read -r line; \
         case $line in {MAGIC}) exec sh -s;; esac; echo {STDIN_HINT}; exit 2'"
    )
}

/// The program that is run: `PYSTRANO_SSH`, or `ssh` found on `PATH`.
pub fn program() -> OsString {
    std::env::var_os("PYSTRANO_SSH")
        .filter(|program| !program.is_empty())
        .unwrap_or_else(|| "ssh".into())
}

/// That program, if it can be run: nobody is contacted with one that is missing.
pub fn find_program() -> Result<(), Error> {
    let program = program();
    let found = if Path::new(&program).components().count() > 1 {
        is_executable(Path::new(&program))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::split_paths(&path).any(|place| is_executable(&place.join(&program)))
    };
    if found {
        return Ok(());
    }
    Err(Error::NoSsh { program })
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

/// Who runs this, as `user@machine` in letters that need no quoting.
pub fn who() -> String {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()));
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    format!("{}@{}", plain(&user), plain(&machine))
}

fn plain(text: &str) -> String {
    text.chars()
        .take(64)
        .map(|character| match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-' => character,
            _ => '_',
        })
        .collect()
}

/// Makes the script when it is wanted, so that no more are in memory than are being sent.
pub type Script = Box<dyn FnOnce() -> Result<String, Error> + Send>;

/// What a session needs to begin.
pub struct SessionOptions {
    pub program: OsString,
    pub arguments: Vec<String>,
    /// Who logs in.
    pub user: String,
    /// Comes before the script; see [`Call::preamble`].
    pub preamble: String,
    pub nonce: String,
    pub script: Script,
    /// The parts that the script may request.
    pub payload: Option<Arc<Payload>>,
    pub redactor: Arc<Redactor>,
    /// Whether lines of output are wanted as they come.
    pub verbose: bool,
    /// How long the script may take to start when its last byte is sent.
    pub login_timeout: Duration,
    /// How long a script that has started may print nothing, except while it migrates.
    pub silence_timeout: Duration,
}

/// Lets every host have its descriptors: the soft limit goes up to what `hosts` sessions take.
/// The error is the number of sessions that fit where the hard limit is lower.
pub fn raise_limits(hosts: usize) -> Result<(), u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// stdin, stdout, stderr and both ends of the order channel, and two while a child starts.
    const EACH: u64 = 7;
    const OTHERS: u64 = 32;
    let wanted = hosts as u64 * EACH + OTHERS;
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
        Ok(()) => Err(raised.saturating_sub(OTHERS) / EACH),
        Err(_) => Err(limit.current.unwrap_or(0).saturating_sub(OTHERS) / EACH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_made_of_plain_letters() {
        assert_eq!(plain("DOMAIN\\José 'x'"), "DOMAIN_Jos___x_");
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
