//! Exit codes of the `pystrano` program. `setup.sh` and `deploy.sh` use the same numbers.

use crate::protocol::{Action, Outcome};
use std::process::ExitCode;

/// A host failed: its promoted release was reverted, or a command that promotes nothing, such as `setup`, failed.
pub const FAILED: u8 = 1;
/// The command line or the config is wrong. No host was contacted.
pub const USAGE: u8 = 2;
/// Stopped before promotion. Every host is as it was.
pub const STOPPED: u8 = 3;
/// A host could not be reached, and nothing was promoted.
pub const UNREACHABLE: u8 = 4;
/// Hosts run different releases, or the state of a host is unknown.
pub const IN_DOUBT: u8 = 5;
/// Interrupted. The process kills itself with the signal it received, so a shell reports 130 for Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The outcome of a host whose script exited with this status.
pub fn outcome_of(action: Action, status: i32) -> Outcome {
    match (action.promotes(), u8::try_from(status)) {
        (_, Ok(0)) => Outcome::Done,
        (false, _) => Outcome::Failed,
        (true, Ok(FAILED)) => Outcome::Reverted,
        (true, Ok(USAGE | STOPPED)) => Outcome::Stopped,
        (true, Ok(IN_DOUBT)) => Outcome::Broken,
        (true, _) => Outcome::Unknown,
    }
}

/// Merges the outcomes of all hosts into one exit code. `differ`: the hosts reported different releases.
pub fn merge_outcomes(action: Action, outcomes: &[Outcome], interrupted: bool, differ: bool) -> u8 {
    let any = |outcome| outcomes.contains(&outcome);
    let promoted = action.promotes() && any(Outcome::Done);
    let unfinished = outcomes.iter().any(|outcome| *outcome != Outcome::Done);
    if any(Outcome::Unknown) || any(Outcome::Broken) || (promoted && unfinished) {
        IN_DOUBT
    } else if !unfinished {
        match action {
            _ if differ => IN_DOUBT,
            // `logs --follow` only ever ends by an interrupt.
            Action::Logs if interrupted => INTERRUPTED,
            _ => 0,
        }
    } else if interrupted {
        INTERRUPTED
    } else if any(Outcome::Reverted) || any(Outcome::Failed) {
        FAILED
    } else if any(Outcome::Unreachable) {
        UNREACHABLE
    } else {
        STOPPED
    }
}

/// The exit code when the result could not be written to stdout: success becomes a failure. `contacted`: the command
/// contacted hosts, which rules out [`USAGE`].
pub fn after_lost_stdout(code: ExitCode, contacted: bool) -> ExitCode {
    match (code, contacted) {
        (ExitCode::SUCCESS, true) => ExitCode::from(FAILED),
        (ExitCode::SUCCESS, false) => ExitCode::from(USAGE),
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Broken, Done, Failed, Reverted, Stopped, Unknown, Unreachable, Untouched};

    #[test]
    fn statuses_of_the_script() {
        for (status, outcome) in [(0, Done), (1, Reverted), (2, Stopped), (3, Stopped)] {
            assert_eq!(outcome_of(Action::Deploy, status), outcome);
        }
        assert_eq!(outcome_of(Action::Rollback, 5), Broken);
        for status in [4, 127, 255] {
            assert_eq!(outcome_of(Action::Rollback, status), Unknown);
        }
        assert_eq!(outcome_of(Action::Setup, 1), Failed);
    }

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
            (Action::Deploy, &[Reverted, Stopped], true, 130),
            (Action::Deploy, &[Done, Reverted], false, 5),
            (Action::Deploy, &[Done, Stopped], false, 5),
            (Action::Deploy, &[Unknown, Stopped], true, 5),
            (Action::Deploy, &[Unknown], false, 5),
            (Action::Rollback, &[Done, Reverted], false, 5),
            (Action::Setup, &[Done, Failed], false, 1),
            (Action::Setup, &[Done, Unreachable], false, 4),
            (Action::Setup, &[Failed, Unreachable], false, 1),
            (Action::Setup, &[Done, Untouched], true, 130),
            (Action::Status, &[Done, Done], false, 0),
            (Action::Logs, &[Done, Done], true, 130),
            (Action::Restart, &[Done, Failed], false, 1),
            (Action::Status, &[Unreachable, Done], false, 4),
        ] {
            let merged = merge_outcomes(action, outcomes, interrupted, false);
            assert_eq!(merged, code, "{action:?} {outcomes:?} {interrupted}");
        }
    }
}
