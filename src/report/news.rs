//! What happens on hosts, as the views get it and as `--json` writes it.
//!
//! With `--json` every line on stdout is one object. All have `event` and `elapsed` (seconds since the
//! start); all that concern one host have `host`, the label that the text views use, too. Events
//! of one host come in order. New events and fields may be added; none changes its meaning.
//!
//! | event | fields | when |
//! |---|---|---|
//! | `begin` | `action`, `release` (or null), `hosts`, `time` (UTC) | first |
//! | `opening` | `again` | a connection is being opened |
//! | `retry` | `reason`, `seconds` | it was dropped before the script began, and is tried again |
//! | `start` | | the script runs |
//! | `step` | `step` | a step begins |
//! | `done` | `step`, `state` (`ok`, `changed`, `warning`), `text` | it ended well |
//! | `fact` | `key`, `value` | what the host says about itself |
//! | `phase` | `phase` (`ready`, `migrated`, `promoted`) | it waits for the others |
//! | `told` | `word` (`migrate`, `go`, `keep`, `revert`, `stop`) | it was told how to go on |
//! | `output` | `line` | with `--verbose`: a line of foreign output, secrets redacted |
//! | `failed` | `step`, `status`, `text`, `tail` (last lines) | a step failed |
//! | `unstarted` | `reached`, `reason` | no connection, or a login without a script |
//! | `lost` | `step` (or null), `reason`, `tail` | the connection was lost |
//! | `over` | `outcome` | nothing more happens on this host |
//! | `status` | `current`, `commit`, `since`, `by`, `unit`, `unit_state`, `releases`, `lock`, `unfinished`, `last` | `status` only, one for each server, last |
//! | `say` | `text` | for people: an interruption |
//! | `summary` | `code` (the exit code), `interrupted`, `hosts` (`host`, `outcome`, `release`, `commit`, `trouble`) | when all servers are over |
//!
//! Outcomes: `done`, `stopped` (as it was), `reverted` (promoted and put back), `failed` (setup and status),
//! `unreachable`, `untouched` (the script did not begin), `broken` (neither release could be verified), `doubt` (nobody knows).

use crate::fleet::Outcome;
use crate::ssh::{Event, Phase, State};
use serde::Serialize;
use std::time::Duration;

/// Something that happened on one host.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum News<'a> {
    Opening {
        again: bool,
    },
    Retry {
        reason: &'a str,
        seconds: f32,
    },
    Start,
    Step {
        step: &'a str,
    },
    Done {
        step: &'a str,
        state: &'static str,
        text: &'a str,
    },
    Fact {
        key: &'a str,
        value: &'a str,
    },
    Phase {
        phase: &'static str,
    },
    Told {
        word: &'static str,
    },
    Output {
        line: &'a str,
    },
    Failed {
        step: &'a str,
        status: i32,
        text: &'a str,
        tail: &'a [String],
    },
    Unstarted {
        reached: bool,
        reason: &'a str,
    },
    Lost {
        step: Option<&'a str>,
        reason: &'a str,
        tail: &'a [String],
    },
    Over {
        outcome: Outcome,
    },
}

impl<'a> News<'a> {
    /// What a script said; `None` for what a session tells in another way.
    pub fn of(event: &'a Event) -> Option<News<'a>> {
        Some(match event {
            Event::Start => News::Start,
            Event::Step(step) => News::Step { step },
            Event::Done { step, state, text } => News::Done {
                step,
                state: match state {
                    State::Ok => "ok",
                    State::Changed => "changed",
                    State::Warning => "warning",
                },
                text,
            },
            Event::Fact { key, value } => News::Fact { key, value },
            Event::Phase(phase) => News::Phase {
                phase: match phase {
                    Phase::Ready => "ready",
                    Phase::Migrated => "migrated",
                    Phase::Promoted => "promoted",
                },
            },
            Event::Fail { .. } | Event::End { .. } => return None,
        })
    }
}

/// How one host ended.
#[derive(Debug, Serialize)]
pub struct Ended {
    pub outcome: Outcome,
    /// What is current there, where that is known.
    pub release: Option<String>,
    pub commit: Option<String>,
    /// What went wrong, in one line.
    pub trouble: Option<String>,
}

/// How all ended.
#[derive(Debug)]
pub struct Summary {
    /// In the order of the config.
    pub hosts: Vec<Ended>,
    /// The exit code.
    pub code: u8,
    pub elapsed: Duration,
}
