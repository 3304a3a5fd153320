//! The output of one session: its events, and the last lines of everything else.

use super::lines::Piece;
use super::{LOGIN_HINT, Redactor, STDIN_HINT, strip_terminal_codes};
use crate::exit;
use crate::protocol::{CONNECTION_CLOSED, Event, Phase};
use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// Last lines of output that are kept for a failure's report.
const TAIL: usize = 20;

/// What a session sends to the fleet.
#[derive(Debug)]
pub enum Message {
    Event(Event),
    /// The session is over: the last message.
    Closed(Closing),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// The script never began. `logged_in`: there was a login, but no script. `transient`: another try may do.
    Unstarted {
        reason: String,
        logged_in: bool,
        transient: bool,
    },
    /// It began, and the link was gone before its last line.
    Lost { reason: String, tail: Vec<String> },
    /// The script reported its end.
    Ended { status: i32 },
}

/// What was printed so far.
pub struct SessionOutput {
    /// Who logs in.
    user: String,
    pub nonce: String,
    redactor: Arc<Redactor>,
    verbose: bool,
    pub started: bool,
    /// The remote command has begun.
    logged_in: bool,
    /// Its first line was not the one that was sent.
    lost_input: bool,
    pub end: Option<i32>,
    /// The step that runs.
    step: Option<String>,
    /// The last lines of the step's output.
    tail: VecDeque<String>,
    /// The last lines that ssh itself printed.
    pub ssh: VecDeque<String>,
    /// A part of the payload that the script requests.
    pub need: Option<String>,
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
            end: None,
            step: None,
            tail: VecDeque::new(),
            ssh: VecDeque::new(),
            need: None,
        }
    }

    pub fn on_line(&mut self, piece: Piece, from_ssh: bool, send: &dyn Fn(Message)) {
        match piece {
            Piece::Output(bytes) => {
                if !self.started && !from_ssh {
                    self.logged_in |= bytes.ends_with(LOGIN_HINT.as_bytes());
                    self.lost_input |= bytes.ends_with(STDIN_HINT.as_bytes());
                    if bytes.ends_with(LOGIN_HINT.as_bytes()) || self.lost_input {
                        return;
                    }
                }
                let line = self.redactor.clean(bytes);
                if line.trim().is_empty() {
                    return;
                }
                if self.verbose {
                    send(Message::Event(Event::Output { line: line.clone() }));
                }
                let tail = if from_ssh {
                    &mut self.ssh
                } else {
                    &mut self.tail
                };
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
            Piece::Event([b'o', b'u', b't', b' ', line @ ..]) if self.started => {
                self.on_line(Piece::Output(line), false, send);
            }
            Piece::Event(bytes) => match Event::parse(&strip_terminal_codes(bytes)) {
                Some(event) => self.on_event(event, send),
                None => self.on_line(Piece::Output(bytes), from_ssh, send),
            },
        }
    }

    fn on_event(&mut self, mut event: Event, send: &dyn Fn(Message)) {
        // Before the first start and after the end nothing counts, nor does a second start.
        let is_start = event == Event::Start;
        if self.end.is_some() || is_start == self.started {
            return;
        }
        match &mut event {
            Event::Start => {
                self.started = true;
                self.tail.clear();
                self.ssh.clear(); // a banner explains nothing that comes later
            }
            Event::Step { step } => {
                self.tail.clear();
                self.step = Some(step.clone());
            }
            Event::Done { text, .. } => *text = self.redactor.clean(text.as_bytes()),
            // These come from what commands printed.
            Event::Fact { key, value } if matches!(&**key, "packages" | "migrations" | "undo") => {
                *value = self.redactor.clean(value.as_bytes());
            }
            Event::Failed { text, tail, .. } => {
                *text = self.redactor.clean(text.as_bytes());
                *tail = self.tail.drain(..).collect();
                self.step = None;
            }
            Event::End { status } => {
                self.end = Some(*status);
                // The step after the one that failed has failed, too.
                if let Some(step) = self.step.take()
                    && *status == i32::from(exit::IN_DOUBT)
                {
                    send(Message::Event(Event::Failed {
                        step,
                        status: *status,
                        text: String::new(),
                        tail: self.tail.drain(..).collect(),
                    }));
                }
            }
            Event::Need { part } => {
                self.need = Some(std::mem::take(part));
                return;
            }
            // It waits within the step.
            Event::Phase { phase } if *phase != Phase::Cloned => self.step = None,
            _ => {}
        }
        send(Message::Event(event));
    }

    /// Whether a step runs; otherwise the script waits for an order or the lock, or has ended.
    pub fn runs_a_step(&self) -> bool {
        self.end.is_none() && self.step.as_deref().is_some_and(|step| step != "lock")
    }

    /// Whether the step that nothing cuts short is running.
    pub fn is_migrating(&self) -> bool {
        self.end.is_none() && self.step.as_deref() == Some("migrate")
    }

    /// Why the script has not started in time.
    pub fn no_start(&self, limit: Duration) -> String {
        let (user, limit) = (&self.user, limit.as_secs());
        if self.logged_in {
            format!("the script did not start within {limit} s after the login of {user}")
        } else {
            format!(
                "the login was not over within {limit} s: a startup file of {user} hangs, or the host is too slow"
            )
        }
    }

    /// Why this user's login did not start the script, where that is known, and what to do.
    fn explanation(&self) -> Option<String> {
        let user = &self.user;
        let has_line = |part: &str| self.ssh.iter().any(|line| line.contains(part));
        if self.lost_input {
            Some(format!(
                "a startup file of {user} (.bashrc, .profile, .zshenv, config.fish or the like) reads the standard input, \
                 so the script did not arrive whole and nothing was run; let it read only in interactive shells"
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

    /// How the session ended, given how ssh did. What the script reported as its end counts only where
    /// ssh confirms it.
    pub fn close(self, status: io::Result<ExitStatus>) -> Closing {
        let ended = match &status {
            Ok(status) => format!("ssh ended with {status}"),
            Err(error) => format!("ssh: {error}"),
        };
        let code = status.ok().and_then(|status| status.code());
        if let Some(status) = self.end {
            if code == Some(status) {
                return Closing::Ended { status };
            }
            return Closing::Lost {
                reason: format!(
                    "the script reported its end with exit status {status}, but {ended}"
                ),
                tail: self.tail.into(),
            };
        }
        let explanation = self.explanation();
        let errors: Vec<_> = self.ssh.into();
        if self.started {
            return Closing::Lost {
                reason: errors.last().cloned().unwrap_or(ended),
                tail: self.tail.into(),
            };
        }
        let logged_in = code.is_some_and(|code| code != 255);
        let transient = !logged_in && is_transient(&errors);
        let printed: Vec<_> = self.tail.into_iter().chain(errors).collect();
        let printed = if printed.is_empty() {
            ended
        } else {
            summary_of(&printed)
        };
        Closing::Unstarted {
            reason: explanation.unwrap_or(printed),
            logged_in,
            transient,
        }
    }
}

/// The last lines; all of ssh's warning about another host key.
fn summary_of(lines: &[String]) -> String {
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

/// Whether ssh's last lines are those of an overloaded server, not of one that refuses.
fn is_transient(lines: &[String]) -> bool {
    const FINAL: [&str; 6] = [
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
    any(&CONNECTION_CLOSED) && !any(&FINAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::primary_reason;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_banner_is_no_reason_for_a_lost_link() {
        let mut output =
            SessionOutput::new("deploy".to_owned(), "n".to_owned(), Arc::default(), false);
        output.on_line(Piece::Output(b"Authorized use only."), true, &|_| {});
        output.on_line(Piece::Event(b"start deploy -"), false, &|_| {});
        let reason = "ssh ended with exit status: 255".to_owned();
        let lost = Closing::Lost {
            reason,
            tail: Vec::new(),
        };
        assert_eq!(output.close(Ok(ExitStatus::from_raw(255 << 8))), lost);
    }

    #[test]
    fn the_warning_of_another_host_key_is_whole() {
        let text = "@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@\n\
                    IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\nSomeone could be eavesdropping\n\
                    It is also possible that a host key has just been changed.\nThe fingerprint for the ED25519 key is\n\
                    SHA256:x.\nPlease contact your system administrator.\nAdd correct host key in /root/.ssh/known_hosts\n\
                    Offending ED25519 key in /root/.ssh/known_hosts:1\nHost key verification failed.";
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let reason = summary_of(&lines);
        assert!(
            reason.starts_with("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nIT IS"),
            "{reason}"
        );
        assert_eq!(primary_reason(&reason), "Host key verification failed.");
    }

    #[test]
    fn only_an_overloaded_server_is_tried_again() {
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
