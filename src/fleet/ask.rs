//! What happens when a link was lost: the host is asked what became of it, never assumed to be well.

use super::barrier::Stage;
use super::host::{Errand, backoff};
use super::{Fleet, MIGRATE, Outcome};
use crate::report::News;
use crate::ssh::{self, Closing};
use std::time::{Duration, Instant};

/// How long a host is asked that cannot be reached, from when it was last heard of.
const ASK_ABSENT: Duration = Duration::from_secs(60);
/// How long a host is asked whose lock is still held.
const ASK_BUSY: Duration = Duration::from_secs(900);

/// How often a host is asked again whose log does not tell what became of the release.
const ASK_AGAIN: u32 = 2;

/// Since when a host has been asked.
pub struct Asked {
    since: Instant,
    /// When its link was lost, or when it last answered.
    heard: Instant,
}

impl Asked {
    pub fn begin(now: Instant) -> Self {
        Asked {
            since: now,
            heard: now,
        }
    }

    /// Another attempt is over. Whether there is time for the next one.
    fn goes_on(&mut self, now: Instant, answered: bool) -> bool {
        if answered {
            self.heard = now;
            now - self.since < ASK_BUSY
        } else {
            now - self.heard < ASK_ABSENT
        }
    }
}

impl Fleet<'_> {
    /// A connection ended without a word that can be believed.
    pub(super) fn lost(&mut self, index: usize, reason: &str, tail: &[String]) {
        let host = &mut self.hosts[index];
        let step = host.step.as_deref();
        let news = News::Lost { step, reason, tail };
        self.report.news(index, &news);
        let during = step.map_or_else(String::new, |step| format!(" in step {step}"));
        host.trouble
            .get_or_insert(format!("the connection was lost{during}: {reason}"));
        // It cleans up when its link is gone, but for a migration, which it ends first; and one that was
        // cancelled or that reported its end has not done what it should.
        let is_unsure =
            host.has_reported_end || host.called_off || host.step.as_deref() == Some(MIGRATE);
        if !self.job.action.promotes() {
            self.over(index, Outcome::Failed);
        } else if self.barrier.may_have_promoted(index) || is_unsure {
            if !self.barrier.may_have_promoted(index) && self.barrier.can_stop() {
                let orders = self.barrier.stop();
                self.carry(orders);
            }
            self.hosts[index].asked = Asked::begin(Instant::now());
            self.queue_errand(index, Errand::Ask, Duration::ZERO);
            let orders = self.barrier.asked(index);
            self.carry(orders);
        } else {
            self.over(index, Outcome::Stopped);
        }
    }

    pub(super) fn queue_errand(&mut self, index: usize, errand: Errand, pause: Duration) {
        let host = &mut self.hosts[index];
        if host.errand != errand {
            host.errand = errand;
            host.tries = 0;
        }
        self.queue.push((Instant::now() + pause, index));
    }

    /// The host said how it is, or could not be asked.
    pub(super) fn answered(&mut self, index: usize, closing: Closing) {
        let host = &mut self.hosts[index];
        let answered = matches!(closing, Closing::Ended { status: 0 });
        let goes_on = host.asked.goes_on(Instant::now(), answered);
        if !answered || host.answer.is_busy() {
            if let Some(holder) = host.answer.lock.take_if(|_| !host.is_busy) {
                host.is_busy = true;
                let label = self.report.label(index);
                self.report.say(&format!(
                    "{label} is still at work, and is waited for: {holder}"
                ));
            }
            let host = &mut self.hosts[index];
            if goes_on {
                let pause = backoff(host.tries.min(4));
                return self.queue_errand(index, Errand::Ask, pause);
            }
            return self.over(index, Outcome::Doubt);
        }
        let release = self.job.release.as_deref();
        let release = release.or(host.facts.release.as_deref());
        let outcome = host.answer.outcome_of(release, &ssh::who());
        if matches!(outcome, Outcome::Stopped | Outcome::Doubt) && host.unsure < ASK_AGAIN {
            // Only the log is proof: a look at the lock can miss a run that is still at it.
            host.unsure += 1;
            return self.queue_errand(index, Errand::Ask, Duration::from_millis(500));
        }
        self.settled(index, outcome);
    }

    /// The host has ended by itself, with this outcome.
    pub(super) fn settled(&mut self, index: usize, outcome: Outcome) {
        if outcome == Outcome::Done && self.barrier.stage() == Stage::Reverting {
            self.put_back(index);
        } else {
            self.over(index, outcome);
        }
    }

    /// It kept what the others gave up: the release before is put back there too.
    pub(super) fn put_back(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.facts.previous.is_none() {
            let trouble = "it ran no release before, so there is none to go back to";
            host.trouble = Some(trouble.to_owned());
            return self.over(index, Outcome::Done);
        }
        self.queue_errand(index, Errand::PutBack, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_has_just_answered_is_not_given_up() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut asked = Asked::begin(began);
        assert!(asked.goes_on(at(59), false));
        assert!(!asked.goes_on(at(60), false));
        assert!(asked.goes_on(at(60), true));
        assert!(asked.goes_on(at(61), false));
        assert!(asked.goes_on(at(119), false));
        assert!(!asked.goes_on(at(120), false));
        assert!(!asked.goes_on(at(900), true), "it is busy for too long");
    }
}
