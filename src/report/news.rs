//! What happens on hosts, as the views get it and as `--json` writes it.
//!
#![doc = include_str!("events.md")]

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
                    Phase::Cloned => "cloned",
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
    /// What the run left changed in the virtualenv that releases share: names with versions.
    pub packages: Vec<String>,
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
    /// Whether what could be stopped was stopped by a signal.
    pub interrupted: bool,
    pub elapsed: Duration,
}
