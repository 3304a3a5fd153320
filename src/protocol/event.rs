//! Events on hosts: parsed from the script's output, shown in the text views, serialized by `--json`.
//!
#![doc = include_str!("events.md")]

use super::Outcome;
use serde::de::value::{Error as UnknownVariant, StrDeserializer};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// An event on one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A connection is being opened; `again` if an earlier attempt failed.
    Opening {
        again: bool,
    },
    /// The connection was dropped before the script started, and is retried after `seconds`.
    Retry {
        reason: String,
        seconds: f32,
    },
    /// The script has started.
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
    /// Progress in sending a part of the payload.
    Sent {
        part: String,
        bytes: u64,
        size: u64,
    },
    /// The host has reached a waiting point.
    Phase {
        phase: Phase,
    },
    /// The controller has sent an order.
    Order {
        order: Order,
    },
    /// A line of command output.
    Output {
        line: String,
    },
    /// A step failed; `tail` holds the last lines of its output.
    Failed {
        step: String,
        status: i32,
        text: String,
        tail: Vec<String>,
    },
    /// The script's last line, with its exit status. The outcome that follows is for humans and is not parsed.
    End {
        status: i32,
    },
    /// The script did not start.
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
    /// The host has its outcome.
    Finished {
        outcome: Outcome,
    },
}

/// The state of a finished step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Ok,
    Changed,
    Warning,
}

/// A waiting point, at which a host waits for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The host has reported its commit and waits for the one that all hosts deploy.
    Cloned,
    Ready,
    Migrated,
    Promoted,
}

/// An order to a host at a waiting point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The commit to deploy.
    Commit(String),
    Migrate,
    Go,
    Keep,
    Revert,
    /// Heartbeat: keep waiting.
    KeepAlive,
    /// Closes the script's stdin, at which it cleans up and exits if it has not promoted yet. A connection that
    /// is still being opened is terminated.
    Stop,
}

/// Formats the order as the script reads it.
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
    /// A one-line description of a failure; empty for other events.
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

    /// Parses the text behind the `@<nonce> ` marker; `None` if it is no event of our scripts.
    pub fn parse(line: &str) -> Option<Event> {
        let (kind, rest) = split_word(line);
        let (first, more) = split_word(rest);
        let event = match kind {
            "start" => Event::Start,
            "step" => Event::Step {
                step: non_empty(first)?,
            },
            "done" => {
                let (state, text) = split_word(more);
                Event::Done {
                    step: non_empty(first)?,
                    state: parse_variant(state)?,
                    text: text.to_owned(),
                }
            }
            "fact" => Event::Fact {
                key: non_empty(first)?,
                value: more.to_owned(),
            },
            "need" => Event::Need {
                part: non_empty(first)?,
            },
            "phase" => Event::Phase {
                phase: parse_variant(first)?,
            },
            "fail" => {
                let (status, text) = split_word(more);
                Event::Failed {
                    step: non_empty(first)?,
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

/// Splits off the first word.
fn split_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn non_empty(word: &str) -> Option<String> {
    (!word.is_empty()).then(|| word.to_owned())
}

/// Parses the kebab-case name of a unit variant.
fn parse_variant<'a, T: Deserialize<'a>>(name: &'a str) -> Option<T> {
    T::deserialize(StrDeserializer::<UnknownVariant>::new(name)).ok()
}

/// Fragments of what ssh prints when the connection is closed, whatever the cause.
pub const CONNECTION_CLOSED: [&str; 5] = [
    "Connection closed by",
    "Connection reset by",
    "kex_exchange_identification",
    "ssh_exchange_identification",
    "banner exchange",
];

/// The most specific line of a reason: the last one that says more than that the connection was closed.
pub fn primary_reason(reason: &str) -> &str {
    let is_specific = |line: &&str| !CONNECTION_CLOSED.iter().any(|closed| line.contains(closed));
    let last = reason.lines().next_back();
    reason
        .lines()
        .rfind(is_specific)
        .or(last)
        .unwrap_or_default()
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
    fn the_primary_reason_is_more_specific_than_a_closed_connection() {
        let closed = "Connection closed by UNKNOWN port 65535";
        let denied = format!("Host key verification failed.\n{closed}");
        for (reason, primary) in [
            ("", ""),
            ("one\ntwo", "two"),
            (closed, closed),
            (&denied, "Host key verification failed."),
        ] {
            assert_eq!(primary_reason(reason), primary);
        }
    }
}
