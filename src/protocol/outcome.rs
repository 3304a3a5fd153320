//! What became of a host, and of all of them together.

use super::Action;
use serde::Serialize;
use std::time::Duration;

/// What became of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has done all that the action asks for.
    Done,
    /// It was stopped, or failed, before promotion: it is as it was.
    Stopped,
    /// It was promoted and put back.
    Reverted,
    /// `setup` or `status` failed.
    Failed,
    /// `ssh` could not get there.
    Unreachable,
    /// The script did not begin there.
    Untouched,
    /// It failed after promotion, and what it ran before could not be verified either.
    Broken,
    /// Neither the connection nor probes showed what it did.
    Unknown,
}

impl Outcome {
    /// From the exit status of the script.
    pub fn of(action: Action, status: i32) -> Outcome {
        match (action.promotes(), status) {
            (_, 0) => Outcome::Done,
            (false, _) => Outcome::Failed,
            (true, 1) => Outcome::Reverted,
            (true, 2 | 3) => Outcome::Stopped,
            (true, 5) => Outcome::Broken,
            (true, _) => Outcome::Unknown,
        }
    }
}

/// How one host ended.
#[derive(Debug, Serialize)]
pub struct HostResult {
    pub outcome: Outcome,
    /// What is current there, where that is known.
    pub release: Option<String>,
    pub commit: Option<String>,
    /// What the run left changed in the virtualenv that releases share: names with versions.
    pub packages: Vec<String>,
    /// The migrations that the run applied and its end did not take back.
    pub migrations: Vec<String>,
    /// The command that undoes them.
    pub undo: Option<String>,
    /// What went wrong, in one line.
    pub problem: Option<String>,
}

/// How all ended.
#[derive(Debug)]
pub struct Summary {
    /// In the order of the config.
    pub hosts: Vec<HostResult>,
    /// The exit code.
    pub code: u8,
    /// Whether what could be stopped was stopped by a signal.
    pub interrupted: bool,
    pub elapsed: Duration,
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Broken, Done, Failed, Reverted, Stopped, Unknown};
    use super::*;

    #[test]
    fn statuses_of_the_script() {
        for (status, outcome) in [(0, Done), (1, Reverted), (2, Stopped), (3, Stopped)] {
            assert_eq!(Outcome::of(Action::Deploy, status), outcome);
        }
        assert_eq!(Outcome::of(Action::Rollback, 5), Broken);
        for status in [4, 127, 255] {
            assert_eq!(Outcome::of(Action::Rollback, status), Unknown);
        }
        assert_eq!(Outcome::of(Action::Setup, 1), Failed);
    }
}
