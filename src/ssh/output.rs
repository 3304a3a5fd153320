//! Interprets the output of one session: its events, and why it ended.

use super::lines::Piece;
use super::{LOGIN_MARKER, Redactor, STDIN_MARKER, strip_terminal_codes};
use crate::exit;
use crate::protocol::{CONNECTION_CLOSED, Event, Phase};
use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// Lines of output kept for the report of a failure.
const TAIL: usize = 20;

/// A message from a session to the fleet.
#[derive(Debug)]
pub enum Message {
    Event(Event),
    /// The last message.
    Ended(SessionEnd),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// The script did not start. `logged_in`: ssh ended with a status of the remote side. `transient`: worth a retry.
    NotStarted {
        reason: String,
        logged_in: bool,
        transient: bool,
    },
    /// The script started, but its end is not proven: the connection was lost or ssh failed.
    Lost { reason: String, tail: Vec<String> },
    /// The script reported its end, and ssh exited with the same status.
    Ended { status: i32 },
}

/// State of the session, from its output so far.
pub struct SessionOutput {
    /// The user that logs in.
    user: String,
    pub nonce: String,
    redactor: Arc<Redactor>,
    verbose: bool,
    pub started: bool,
    /// Whether the remote command has printed `LOGIN_MARKER`.
    logged_in: bool,
    /// Whether a startup file has consumed input that was meant for the remote command.
    lost_input: bool,
    /// The exit status that the script reported.
    pub end_status: Option<i32>,
    /// The step that is running.
    step: Option<String>,
    /// The last lines of output of the step.
    stdout_tail: VecDeque<String>,
    /// The last lines of ssh's stderr, and our own reasons for ending the session.
    pub stderr_tail: VecDeque<String>,
    /// A part of the payload that the script has just requested.
    pub requested_part: Option<String>,
}

impl SessionOutput {
    pub fn new(user: String, nonce: String, redactor: Arc<Redactor>, verbose: bool) -> Self {
        SessionOutput {
            user,
            nonce,
            redactor,
            verbose,
            started: false,
            logged_in: false,
            lost_input: false,
            end_status: None,
            step: None,
            stdout_tail: VecDeque::new(),
            stderr_tail: VecDeque::new(),
            requested_part: None,
        }
    }

    /// Handles a line or event; `from_ssh` if it is from the stderr of ssh.
    pub fn on_piece(&mut self, piece: Piece, from_ssh: bool, send: &dyn Fn(Message)) {
        match piece {
            Piece::Output(line) => self.on_line(line, from_ssh, send),
            Piece::Event([b'o', b'u', b't', b' ', line @ ..]) if self.started => {
                self.on_line(line, false, send);
            }
            Piece::Event(text) => match Event::parse(&strip_terminal_codes(text)) {
                Some(event) => self.on_event(event, send),
                None => self.on_line(text, from_ssh, send),
            },
        }
    }

    fn on_line(&mut self, line: &[u8], from_ssh: bool, send: &dyn Fn(Message)) {
        if !self.started && !from_ssh {
            // At the end of a line: a startup file may have printed text without a newline.
            let is_login = line.ends_with(LOGIN_MARKER.as_bytes());
            self.logged_in |= is_login;
            self.lost_input |= line.ends_with(STDIN_MARKER.as_bytes());
            if is_login || self.lost_input {
                return;
            }
        }
        let line = self.redactor.clean(line);
        if line.trim().is_empty() {
            return;
        }
        if self.verbose {
            send(Message::Event(Event::Output { line: line.clone() }));
        }
        let tail = if from_ssh {
            &mut self.stderr_tail
        } else {
            &mut self.stdout_tail
        };
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }

    fn on_event(&mut self, mut event: Event, send: &dyn Fn(Message)) {
        // Ignore a second `start`, and everything before the first one and after the end.
        let is_start = event == Event::Start;
        if self.end_status.is_some() || is_start == self.started {
            return;
        }
        match &mut event {
            Event::Start => {
                self.started = true;
                self.stdout_tail.clear();
                self.stderr_tail.clear(); // a banner explains no later failure
            }
            Event::Step { step } => {
                self.stdout_tail.clear();
                self.step = Some(step.clone());
            }
            Event::Done { text, .. } => *text = self.redactor.clean(text.as_bytes()),
            // The values of these facts come from the output of commands.
            Event::Fact { key, value } if matches!(&**key, "packages" | "migrations" | "undo") => {
                *value = self.redactor.clean(value.as_bytes());
            }
            Event::Failed { text, tail, .. } => {
                *text = self.redactor.clean(text.as_bytes());
                *tail = self.stdout_tail.drain(..).collect();
                self.step = None;
            }
            Event::End { status } => {
                self.end_status = Some(*status);
                // A step that still runs at an end in doubt is the revert after a failed step: it has failed, too.
                if let Some(step) = self.step.take()
                    && *status == i32::from(exit::IN_DOUBT)
                {
                    send(Message::Event(Event::Failed {
                        step,
                        status: *status,
                        text: String::new(),
                        tail: self.stdout_tail.drain(..).collect(),
                    }));
                }
            }
            Event::Need { part } => {
                self.requested_part = Some(std::mem::take(part));
                return;
            }
            // At the other waiting points no step is running.
            Event::Phase { phase } if *phase != Phase::Cloned => self.step = None,
            _ => {}
        }
        send(Message::Event(event));
    }

    /// Whether a step is running. Otherwise the script waits for an order or for the lock, or has ended.
    pub fn is_running_step(&self) -> bool {
        self.end_status.is_none() && self.step.as_deref().is_some_and(|step| step != "lock")
    }

    /// Whether migrations are running, which must not be cut short.
    pub fn is_migrating(&self) -> bool {
        self.end_status.is_none() && self.step.as_deref() == Some("migrate")
    }

    /// Why the script has not started within `limit`.
    pub fn login_timeout_reason(&self, limit: Duration) -> String {
        let (user, limit) = (&self.user, limit.as_secs());
        if self.logged_in {
            format!("the script did not start within {limit} s after the login of {user}")
        } else {
            format!(
                "the login was not over within {limit} s: a startup file of {user} hangs, or the host is too slow"
            )
        }
    }

    /// Why the login did not start the script, and what to do about it, if the cause is a known one.
    fn explain_login(&self) -> Option<String> {
        let user = &self.user;
        let has_line = |part: &str| self.stderr_tail.iter().any(|line| line.contains(part));
        if self.lost_input {
            Some(format!(
                "a startup file of {user} (.bashrc, .profile, .zshenv, config.fish or the like) reads the standard input, \
                 so the script did not arrive completely and nothing was run; let it read only in interactive shells"
            ))
        } else if has_line("sudo: a password is required") {
            Some(format!(
                "sudo: a password is required, and nobody is there to type it; let the last rule of sudoers for {user} be \
                 `{user} ALL=(root) NOPASSWD: ALL`, or run the files of `pystrano render --output` by hand"
            ))
        } else if has_line("sudo") && has_line("must have a tty") {
            Some(format!(
                "sudo: {user} must have a terminal (requiretty); add `Defaults:{user} !requiretty` to sudoers, \
                 or run the files of `pystrano render --output` by hand"
            ))
        } else {
            None
        }
    }

    /// How the session ended, given the exit status of ssh. The end that the script reported counts only if ssh
    /// exited with the same status.
    pub fn end(self, status: io::Result<ExitStatus>) -> SessionEnd {
        let ended = match &status {
            Ok(status) => format!("ssh ended with {status}"),
            Err(error) => format!("ssh: {error}"),
        };
        let code = status.ok().and_then(|status| status.code());
        if let Some(status) = self.end_status {
            if code == Some(status) {
                return SessionEnd::Ended { status };
            }
            return SessionEnd::Lost {
                reason: format!(
                    "the script reported its end with exit status {status}, but {ended}"
                ),
                tail: self.stdout_tail.into(),
            };
        }
        let explanation = self.explain_login();
        let errors: Vec<_> = self.stderr_tail.into();
        if self.started {
            return SessionEnd::Lost {
                reason: errors.last().cloned().unwrap_or(ended),
                tail: self.stdout_tail.into(),
            };
        }
        let logged_in = code.is_some_and(|code| code != 255);
        let transient = !logged_in && is_transient(&errors);
        let printed: Vec<_> = self.stdout_tail.into_iter().chain(errors).collect();
        let reason = explanation.unwrap_or_else(|| match printed.as_slice() {
            [] => ended,
            lines => last_lines(lines),
        });
        SessionEnd::NotStarted {
            reason,
            logged_in,
            transient,
        }
    }
}

/// The last four lines, or the whole warning of ssh about a changed host key, without its frame.
fn last_lines(lines: &[String]) -> String {
    let warning = lines
        .iter()
        .position(|line| line.contains("HOST IDENTIFICATION HAS CHANGED"));
    let first = warning.unwrap_or(lines.len().saturating_sub(4));
    let framed = lines[first..]
        .iter()
        .map(|line| line.trim_matches(['@', ' ']));
    let lines: Vec<_> = framed.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Whether the lines look like an overloaded sshd, which a retry may reach, rather than a refusal.
fn is_transient(lines: &[String]) -> bool {
    const PERMANENT: [&str; 6] = [
        "Permission denied",
        "Host key verification failed",
        "IDENTIFICATION HAS CHANGED",
        "Too many authentication failures",
        "Received disconnect",
        "No supported authentication methods",
    ];
    let any = |parts: &[&str]| {
        lines
            .iter()
            .any(|line| parts.iter().any(|part| line.contains(part)))
    };
    any(&CONNECTION_CLOSED) && !any(&PERMANENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::primary_reason;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_banner_is_no_reason_for_a_lost_connection() {
        let mut output =
            SessionOutput::new("deploy".to_owned(), "n".to_owned(), Arc::default(), false);
        output.on_piece(Piece::Output(b"Authorized use only."), true, &|_| {});
        output.on_piece(Piece::Event(b"start deploy -"), false, &|_| {});
        let reason = "ssh ended with exit status: 255".to_owned();
        let lost = SessionEnd::Lost {
            reason,
            tail: Vec::new(),
        };
        assert_eq!(output.end(Ok(ExitStatus::from_raw(255 << 8))), lost);
    }

    #[test]
    fn the_warning_about_a_changed_host_key_is_kept_whole() {
        let text = "@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@\n\
                    IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\nSomeone could be eavesdropping\n\
                    It is also possible that a host key has just been changed.\nThe fingerprint for the ED25519 key is\n\
                    SHA256:x.\nPlease contact your system administrator.\nAdd correct host key in /root/.ssh/known_hosts\n\
                    Offending ED25519 key in /root/.ssh/known_hosts:1\nHost key verification failed.";
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let reason = last_lines(&lines);
        assert!(
            reason.starts_with("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nIT IS"),
            "{reason}"
        );
        assert_eq!(primary_reason(&reason), "Host key verification failed.");
    }

    #[test]
    fn only_transient_errors_are_retried() {
        for (words, transient) in [
            (
                "kex_exchange_identification: Connection closed by remote host",
                true,
            ),
            ("Connection closed by 10.0.0.1 port 22", true),
            ("Connection reset by 10.0.0.1 port 22", true),
            ("Connection timed out during banner exchange", true),
            ("ssh: connect to host a port 22: Connection refused", false),
            (
                "ssh: connect to host a port 22: Connection timed out",
                false,
            ),
            (
                "ssh: Could not resolve hostname a: Name or service not known",
                false,
            ),
            (
                "deploy@a: Permission denied (publickey).\nConnection closed by a",
                false,
            ),
            ("Host key verification failed.", false),
            (
                "Received disconnect from a: 2: Too many authentication failures\nConnection closed by a",
                false,
            ),
        ] {
            let words: Vec<_> = words.lines().map(str::to_owned).collect();
            assert_eq!(is_transient(&words), transient, "{words:?}");
        }
    }
}
