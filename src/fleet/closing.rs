//! What follows when a session has ended.

use super::barrier::Stage;
use super::host::{Errand, backoff};
use super::{Fleet, Outcome, TRIES};
use crate::report::News;
use crate::ssh::{self, Action, Closing};

impl Fleet<'_> {
    pub(super) fn closed(&mut self, index: usize, closing: Closing) {
        match self.hosts[index].errand {
            Errand::Job => self.job_closed(index, closing),
            Errand::Ask => self.answered(index, closing),
            Errand::PutBack => {
                let tries = self.hosts[index].tries;
                let outcome = match closing {
                    Closing::Unstarted { passing: true, .. } if tries < TRIES => {
                        return self.queue_errand(index, Errand::PutBack, backoff(tries));
                    }
                    Closing::Ended { status: 0 } => Outcome::Reverted,
                    // It runs what it kept.
                    Closing::Ended { status: 1..=3 } => Outcome::Done,
                    _ => Outcome::Doubt,
                };
                self.over(index, outcome);
            }
        }
    }

    /// Whether a host that reported success also reported what comes before: the release, its commit, and
    /// that it was promoted.
    fn is_proved(&self, index: usize) -> bool {
        let facts = &self.hosts[index].facts;
        let named = self.job.release.as_deref();
        let is_named = facts.release.is_some()
            && named.is_none_or(|name| facts.release.as_deref() == Some(name));
        let has_commit = facts.commit.is_some() || self.job.action != Action::Deploy;
        !self.job.action.promotes() || is_named && has_commit && self.barrier.has_promoted(index)
    }

    fn job_closed(&mut self, index: usize, closing: Closing) {
        match closing {
            Closing::Ended { status: 0 } if !self.is_proved(index) => {
                let reason = "the script reported success, but not what must come before it";
                self.lost(index, reason, &[]);
            }
            Closing::Ended { status } => {
                self.settled(index, Outcome::of(self.job.action, status));
            }
            Closing::Unstarted {
                reason,
                reached,
                passing,
            } => {
                let stopping = self.barrier.stage() == Stage::Stopping;
                if passing && !stopping && self.hosts[index].tries < TRIES {
                    let pause = backoff(self.hosts[index].tries);
                    self.report.news(
                        index,
                        &News::Retry {
                            reason: &reason,
                            seconds: pause.as_secs_f32(),
                        },
                    );
                    return self.queue_errand(index, Errand::Job, pause);
                }
                if stopping && (passing || self.job.action.promotes()) {
                    return self.over(index, Outcome::Untouched);
                }
                self.report.news(
                    index,
                    &News::Unstarted {
                        reached,
                        reason: &reason,
                    },
                );
                self.hosts[index].trouble = Some(ssh::gist(&reason).to_owned());
                self.over(
                    index,
                    match (reached, self.job.action.promotes()) {
                        (false, _) => Outcome::Unreachable,
                        (true, true) => Outcome::Stopped,
                        (true, false) => Outcome::Failed,
                    },
                );
            }
            Closing::Lost { reason, tail } => self.lost(index, &reason, &tail),
        }
    }
}
