//! What became of a host, and of all of them together.

use crate::error::exit;
use crate::ssh::Action;
use serde::Serialize;

/// What became of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did all that was asked.
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
    /// Nobody knows.
    Doubt,
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
            (true, _) => Outcome::Doubt,
        }
    }
}

/// The exit code for what became of all hosts.
pub fn exit_code(action: Action, outcomes: &[Outcome], interrupted: bool) -> u8 {
    let any = |outcome| outcomes.contains(&outcome);
    let promoted = action.promotes() && any(Outcome::Done);
    let unfinished = outcomes.iter().any(|outcome| *outcome != Outcome::Done);
    if any(Outcome::Doubt) || any(Outcome::Broken) || (promoted && unfinished) {
        exit::IN_DOUBT
    } else if !unfinished {
        0
    } else if any(Outcome::Reverted) {
        exit::FAILED
    } else if interrupted {
        exit::INTERRUPTED
    } else if any(Outcome::Failed) {
        exit::FAILED
    } else if any(Outcome::Unreachable) {
        exit::UNREACHABLE
    } else {
        exit::STOPPED
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Broken, Done, Doubt, Failed, Reverted, Stopped, Unreachable, Untouched};
    use super::*;

    #[test]
    fn codes_of_all_hosts_are_merged() {
        for (action, outcomes, interrupted, code) in [
            (Action::Deploy, &[Done, Done][..], false, 0),
            (Action::Deploy, &[Done, Done], true, 0),
            (Action::Deploy, &[Reverted, Reverted], false, 1),
            (Action::Deploy, &[Reverted, Stopped], false, 1),
            (Action::Deploy, &[Stopped, Stopped], false, 3),
            (Action::Deploy, &[Unreachable, Stopped], false, 4),
            (Action::Deploy, &[Unreachable, Untouched], false, 4),
            (Action::Deploy, &[Stopped, Untouched], true, 130),
            (Action::Deploy, &[Done, Reverted], false, 5),
            (Action::Deploy, &[Done, Stopped], false, 5),
            (Action::Deploy, &[Doubt, Stopped], true, 5),
            (Action::Deploy, &[Doubt], false, 5),
            (Action::Rollback, &[Done, Reverted], false, 5),
            (Action::Setup, &[Done, Failed], false, 1),
            (Action::Setup, &[Done, Unreachable], false, 4),
            (Action::Setup, &[Failed, Unreachable], false, 1),
            (Action::Setup, &[Done, Untouched], true, 130),
            (Action::Status, &[Done, Done], false, 0),
            (Action::Status, &[Unreachable, Done], false, 4),
        ] {
            let merged = exit_code(action, outcomes, interrupted);
            assert_eq!(merged, code, "{action:?} {outcomes:?} {interrupted}");
        }
    }

    #[test]
    fn statuses_of_the_script() {
        for (status, outcome) in [(0, Done), (1, Reverted), (2, Stopped), (3, Stopped)] {
            assert_eq!(Outcome::of(Action::Deploy, status), outcome);
        }
        assert_eq!(Outcome::of(Action::Rollback, 5), Broken);
        for status in [4, 127, 255] {
            assert_eq!(Outcome::of(Action::Rollback, status), Doubt);
        }
        assert_eq!(Outcome::of(Action::Setup, 1), Failed);
    }
}
