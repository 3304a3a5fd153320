//! Decides what follows the end of a session: a retry, a probe, or the outcome of the host.

use super::barrier::Stage;
use super::host::{Purpose, backoff};
use super::{Fleet, MAX_ATTEMPTS};
use crate::exit;
use crate::protocol::{Action, Event, Outcome};
use crate::ssh::SessionEnd;

impl Fleet<'_> {
    pub(super) fn on_session_end(&mut self, index: usize, end: SessionEnd) {
        match self.hosts[index].purpose {
            Purpose::Run => self.on_run_end(index, end),
            Purpose::Probe => self.on_probe_end(index, end),
            Purpose::Revert => {
                let attempts = self.hosts[index].attempts;
                let outcome = match end {
                    SessionEnd::NotStarted {
                        transient: true, ..
                    } if attempts < MAX_ATTEMPTS => {
                        return self.enqueue(index, Purpose::Revert, backoff(attempts));
                    }
                    SessionEnd::Ended { status: 0 } => Outcome::Reverted,
                    // The rollback failed: the host runs the release that it kept.
                    SessionEnd::Ended { status: 1..=3 } => Outcome::Done,
                    _ => Outcome::Unknown,
                };
                self.finish_host(index, outcome);
            }
        }
    }

    /// Whether a host that reported success also reported what must precede it: the release, its commit, and its
    /// promotion.
    fn is_success_proven(&self, index: usize) -> bool {
        let facts = &self.hosts[index].facts;
        let named = self.job.release.as_deref();
        let is_named = facts.release.is_some()
            && named.is_none_or(|name| facts.release.as_deref() == Some(name));
        let has_commit = facts.commit.is_some() || self.job.action != Action::Deploy;
        !self.job.action.promotes() || is_named && has_commit && self.barrier.has_promoted(index)
    }

    fn on_run_end(&mut self, index: usize, end: SessionEnd) {
        match end {
            SessionEnd::Ended { status: 0 } if !self.is_success_proven(index) => {
                let reason = "the script reported success, but not what must come before it";
                self.on_lost(index, reason.to_owned(), Vec::new());
            }
            SessionEnd::Ended { status } => {
                self.finish_or_revert(index, exit::outcome_of(self.job.action, status));
            }
            SessionEnd::NotStarted {
                reason,
                logged_in,
                transient,
            } => {
                let stopping = self.barrier.stage() == Stage::Stopping;
                let attempts = self.hosts[index].attempts;
                if transient && !stopping && attempts < MAX_ATTEMPTS {
                    let pause = backoff(attempts);
                    let seconds = pause.as_secs_f32();
                    self.report
                        .on_event(index, &Event::Retry { reason, seconds });
                    return self.enqueue(index, Purpose::Run, pause);
                }
                let is_stopped =
                    transient || self.job.action.promotes() || self.job.action == Action::Logs;
                if stopping && is_stopped {
                    return self.finish_host(index, Outcome::Untouched);
                }
                let event = Event::NotStarted { logged_in, reason };
                self.hosts[index].problem = Some(event.problem());
                self.report.on_event(index, &event);
                self.finish_host(
                    index,
                    match (logged_in, self.job.action.promotes()) {
                        (false, _) => Outcome::Unreachable,
                        (true, true) => Outcome::Stopped,
                        (true, false) => Outcome::Failed,
                    },
                );
            }
            SessionEnd::Lost { reason, tail } => self.on_lost(index, reason, tail),
        }
    }
}
