//! What happens on hosts: read from a script's lines, shown to people, written by `--json`.
//!
#![doc = include_str!("events.md")]

use super::Outcome;
use serde::de::value::{Error as NoSuchWord, StrDeserializer};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// Something that happened on one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A connection is being opened.
    Opening {
        again: bool,
    },
    /// It was dropped, and is opened again.
    Retry {
        reason: String,
        seconds: f32,
    },
    /// The script runs.
    Start,
    Step {
        step: String,
    },
    Done {
        step: String,
        state: State,
        text: String,
    },
    Fact {
        key: String,
        value: String,
    },
    /// The script waits for a part of the payload.
    Need {
        part: String,
    },
    /// So much of a part of the payload is on its way.
    Sent {
        part: String,
        bytes: u64,
        size: u64,
    },
    /// A waiting point is reached.
    Phase {
        phase: Phase,
    },
    /// An order was sent.
    Order {
        order: Order,
    },
    /// A line that a command printed.
    Output {
        line: String,
    },
    /// A step failed; with the last lines that it printed.
    Failed {
        step: String,
        status: i32,
        text: String,
        tail: Vec<String>,
    },
    /// The script's last line: its exit status. The outcome after it is for people, and not parsed.
    End {
        status: i32,
    },
    /// The script did not begin.
    NotStarted {
        logged_in: bool,
        reason: String,
    },
    /// The connection was lost.
    Lost {
        step: Option<String>,
        reason: String,
        tail: Vec<String>,
    },
    /// Nothing more happens on this host.
    Finished {
        outcome: Outcome,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Ok,
    Changed,
    Warning,
}

/// Where a host waits for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It has reported its commit, and waits for the one that all deploy.
    Cloned,
    Ready,
    Migrated,
    Promoted,
}

/// What a host that waits is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The commit to deploy.
    Commit(String),
    Migrate,
    Go,
    Keep,
    Revert,
    /// Another order will come.
    KeepAlive,
    /// Ends the script's input: before promotion it cleans up and ends. A connection that is still being
    /// opened is closed.
    Stop,
}

/// As the script reads it.
impl Display for Order {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        match self {
            Order::Commit(commit) => write!(out, "commit {commit}"),
            Order::Migrate => out.write_str("migrate"),
            Order::Go => out.write_str("go"),
            Order::Keep => out.write_str("keep"),
            Order::Revert => out.write_str("revert"),
            Order::KeepAlive => out.write_str("wait"),
            Order::Stop => out.write_str("stop"),
        }
    }
}

impl Serialize for Order {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Cloned => "cloned",
            Phase::Ready => "ready",
            Phase::Migrated => "migrated",
            Phase::Promoted => "promoted",
        }
    }
}

impl Event {
    /// What went wrong, in one line.
    pub fn problem(&self) -> String {
        match self {
            Event::Failed {
                step, status, text, ..
            } => match text.as_str() {
                "" => format!("{step} failed with exit status {status}"),
                text => format!("{step} failed: {text}"),
            },
            Event::Lost { step, reason, .. } => match step {
                Some(step) => format!("the connection was lost in step {step}: {reason}"),
                None => format!("the connection was lost: {reason}"),
            },
            Event::NotStarted { reason, .. } => primary_reason(reason).to_owned(),
            _ => String::new(),
        }
    }

    /// Reads what stands behind the marker of a script's line; `None` for what no script of ours prints.
    pub fn parse(line: &str) -> Option<Event> {
        let (kind, rest) = word(line);
        let (first, more) = word(rest);
        let event = match kind {
            "start" => Event::Start,
            "step" => Event::Step {
                step: named(first)?,
            },
            "done" => {
                let (state, text) = word(more);
                Event::Done {
                    step: named(first)?,
                    state: one_of(state)?,
                    text: text.to_owned(),
                }
            }
            "fact" => Event::Fact {
                key: named(first)?,
                value: more.to_owned(),
            },
            "need" => Event::Need {
                part: named(first)?,
            },
            "phase" => Event::Phase {
                phase: one_of(first)?,
            },
            "fail" => {
                let (status, text) = word(more);
                Event::Failed {
                    step: named(first)?,
                    status: status.parse().ok()?,
                    text: text.to_owned(),
                    tail: Vec::new(),
                }
            }
            "end" => Event::End {
                status: first.parse().ok()?,
            },
            _ => return None,
        };
        Some(event)
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn named(word: &str) -> Option<String> {
    (!word.is_empty()).then(|| word.to_owned())
}

/// The variant with this name.
fn one_of<'a, T: Deserialize<'a>>(name: &'a str) -> Option<T> {
    T::deserialize(StrDeserializer::<NoSuchWord>::new(name)).ok()
}

/// What ssh prints when the connection was closed, for whatever reason.
pub const CLOSED: [&str; 5] = [
    "Connection closed by",
    "Connection reset by",
    "kex_exchange_identification",
    "ssh_exchange_identification",
    "banner exchange",
];

/// The most telling line of a reason: the last that is not only about the closed connection.
pub fn primary_reason(reason: &str) -> &str {
    let telling = |line: &&str| !CLOSED.iter().any(|closed| line.contains(closed));
    let last = reason.lines().next_back();
    reason.lines().rfind(telling).or(last).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_protocol() {
        let done = Event::Done {
            step: "clone".into(),
            state: State::Changed,
            text: "Pulled branch main".into(),
        };
        assert_eq!(
            Event::parse("done clone changed Pulled branch main"),
            Some(done)
        );
        assert_eq!(
            Event::parse("start deploy 20260101000000"),
            Some(Event::Start)
        );
        let phase = Event::Phase {
            phase: Phase::Cloned,
        };
        assert_eq!(Event::parse("phase cloned"), Some(phase));
        let failed = Event::Failed {
            step: "clone".into(),
            status: 128,
            text: String::new(),
            tail: Vec::new(),
        };
        assert_eq!(Event::parse("fail clone 128 "), Some(failed));
        for wrong in [
            "",
            "step",
            "done x maybe",
            "fail x y z",
            "end",
            "phase x",
            "hm",
        ] {
            assert_eq!(Event::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_primary_reason_is_what_was_said_before_the_connection_was_closed() {
        let closed = "Connection closed by UNKNOWN port 65535";
        let denied = format!("Host key verification failed.\n{closed}");
        for (reason, telling) in [
            ("", ""),
            ("one\ntwo", "two"),
            (closed, closed),
            (&denied, "Host key verification failed."),
        ] {
            assert_eq!(primary_reason(reason), telling);
        }
    }
}
