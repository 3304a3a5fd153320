//! What one session has said: its events, and the last lines of everything else.

use super::wire::Piece;
use super::{Event, LOGIN_HINT, Phase, Redactor, STDIN_HINT, strip_terminal_codes};
use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// Last lines of output that are kept for a failure's report.
const TAIL: usize = 20;

/// What a session tells.
#[derive(Debug)]
pub enum Message {
    Event(Event),
    /// A step failed; with the last lines that it printed.
    Failed {
        step: String,
        status: i32,
        text: String,
        tail: Vec<String>,
    },
    /// A line of foreign output, clean.
    Output(String),
    /// The session is over: the last message.
    Closed(Closing),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// The script never began. `reached`: there was a login, but no script. `passing`: another try may do.
    Unstarted {
        reason: String,
        reached: bool,
        passing: bool,
    },
    /// It began, and the link was gone before its last line.
    Lost { reason: String, tail: Vec<String> },
    /// The script said that it has ended.
    Ended { status: i32 },
}

/// What has been said so far.
pub struct Talk {
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
    /// The last lines of ssh's own words.
    pub ssh: VecDeque<String>,
}

impl Talk {
    pub fn new(user: String, nonce: String, redactor: Arc<Redactor>, verbose: bool) -> Self {
        Talk {
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
        }
    }

    pub fn heard(&mut self, piece: Piece, from_ssh: bool, tell: &dyn Fn(Message)) {
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
                    tell(Message::Output(line.clone()));
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
                self.heard(Piece::Output(line), false, tell);
            }
            Piece::Event(bytes) => match Event::parse(&strip_terminal_codes(bytes)) {
                Some(event) => self.happened(event, tell),
                None => self.heard(Piece::Output(bytes), from_ssh, tell),
            },
        }
    }

    fn happened(&mut self, mut event: Event, tell: &dyn Fn(Message)) {
        if let Event::Done { text, .. } | Event::Fail { text, .. } = &mut event {
            *text = self.redactor.clean(text.as_bytes());
        }
        if self.end.is_some() || (event == Event::Start) == self.started {
            return;
        }
        match &event {
            Event::Start => {
                self.started = true;
                self.tail.clear();
                self.ssh.clear(); // a banner explains nothing that comes later
            }
            Event::Step(step) => {
                self.tail.clear();
                self.step = Some(step.clone());
            }
            Event::Fail { .. } => self.step = None,
            Event::End { status } => {
                self.end = Some(*status);
                // In doubt: the step after the one that failed has failed, too.
                if let (5, Some(step)) = (*status, self.step.take()) {
                    let tail = self.tail.drain(..).collect();
                    tell(Message::Failed {
                        step,
                        status: 5,
                        text: String::new(),
                        tail,
                    });
                }
            }
            // It waits within the step.
            Event::Phase(Phase::Cloned) => {}
            Event::Phase(_) => self.step = None,
            Event::Done { .. } | Event::Fact { .. } => {}
        }
        tell(match event {
            Event::Fail { step, status, text } => Message::Failed {
                step,
                status,
                text,
                tail: self.tail.drain(..).collect(),
            },
            event => Message::Event(event),
        });
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

    /// What keeps this user's login from starting the script, where that can be told, and what to do.
    fn explanation(&self) -> Option<String> {
        let user = &self.user;
        let says = |part: &str| self.ssh.iter().any(|line| line.contains(part));
        if self.lost_input {
            Some(format!(
                "a startup file of {user} (.bashrc, .profile, .zshenv, config.fish or the like) reads the standard input, \
                 so the script did not arrive whole and nothing was run; let it read only in interactive shells"
            ))
        } else if says("sudo: a password is required") {
            Some(format!(
                "sudo: a password is required, and nobody is there to type it; let the last rule of sudoers for {user} be \
                 `{user} ALL=(root) NOPASSWD: ALL`, or run the files of `pystrano render --output` by hand"
            ))
        } else if says("sudo") && says("must have a tty") {
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
        let spoken: Vec<_> = self.ssh.into();
        if self.started {
            return Closing::Lost {
                reason: spoken.last().cloned().unwrap_or(ended),
                tail: self.tail.into(),
            };
        }
        let reached = code.is_some_and(|code| code != 255);
        let passing = !reached && is_passing(&spoken);
        let said = match self.tail.into_iter().chain(spoken).collect::<Vec<_>>() {
            said if said.is_empty() => ended,
            said => last_words(&said),
        };
        Closing::Unstarted {
            reason: explanation.unwrap_or(said),
            reached,
            passing,
        }
    }
}

/// The last lines; all of ssh's warning about another host key.
fn last_words(lines: &[String]) -> String {
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

/// What ssh says when the other end is gone, for whatever reason.
const CLOSED: [&str; 5] = [
    "Connection closed by",
    "Connection reset by",
    "kex_exchange_identification",
    "ssh_exchange_identification",
    "banner exchange",
];

/// The one line of a reason that tells the most: the last, but for those that only say that the
/// connection is gone.
pub fn gist(reason: &str) -> &str {
    let telling = |line: &&str| !CLOSED.iter().any(|closed| line.contains(closed));
    let last = reason.lines().next_back();
    reason.lines().rfind(telling).or(last).unwrap_or_default()
}

/// Whether ssh's last words are those of a server that had too much to do, not of one that refuses.
fn is_passing(words: &[String]) -> bool {
    const FINAL: [&str; 6] = [
        "Permission denied",
        "Host key verification failed",
        "IDENTIFICATION HAS CHANGED",
        "Too many authentication failures",
        "Received disconnect",
        "No supported authentication methods",
    ];
    let any = |parts: &[&str]| {
        words
            .iter()
            .any(|line| parts.iter().any(|part| line.contains(part)))
    };
    any(&CLOSED) && !any(&FINAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_banner_is_no_reason_for_a_lost_link() {
        let mut talk = Talk::new("deploy".to_owned(), "n".to_owned(), Arc::default(), false);
        talk.heard(Piece::Output(b"Authorized use only."), true, &|_| {});
        talk.heard(Piece::Event(b"start deploy -"), false, &|_| {});
        let reason = "ssh ended with exit status: 255".to_owned();
        let lost = Closing::Lost {
            reason,
            tail: Vec::new(),
        };
        assert_eq!(talk.close(Ok(ExitStatus::from_raw(255 << 8))), lost);
    }

    #[test]
    fn the_warning_of_another_host_key_is_whole() {
        let text = "@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@\n\
                    IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\nSomeone could be eavesdropping\n\
                    It is also possible that a host key has just been changed.\nThe fingerprint for the ED25519 key is\n\
                    SHA256:x.\nPlease contact your system administrator.\nAdd correct host key in /root/.ssh/known_hosts\n\
                    Offending ED25519 key in /root/.ssh/known_hosts:1\nHost key verification failed.";
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let reason = last_words(&lines);
        assert!(
            reason.starts_with("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nIT IS"),
            "{reason}"
        );
        assert_eq!(gist(&reason), "Host key verification failed.");
    }

    #[test]
    fn the_gist_is_what_was_said_before_the_connection_was_closed() {
        let closed = "Connection closed by UNKNOWN port 65535";
        for (reason, telling) in [
            ("", ""),
            ("one\ntwo", "two"),
            (closed, closed),
            (
                &format!("Host key verification failed.\n{closed}"),
                "Host key verification failed.",
            ),
        ] {
            assert_eq!(gist(reason), telling);
        }
    }

    #[test]
    fn only_an_overloaded_server_is_tried_again() {
        for (words, passing) in [
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
            assert_eq!(is_passing(&words), passing, "{words:?}");
        }
    }
}
