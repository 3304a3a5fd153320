//! After a lost connection the host is probed with `status`, never assumed to be well.

use super::barrier::Stage;
use super::deadline::ProbeDeadline;
use super::host::{Purpose, backoff};
use super::{Fleet, MIGRATE};
use crate::protocol::{Event, Outcome};
use crate::ssh::{self, SessionEnd};
use std::time::{Duration, Instant};

/// How often a host is probed again whose log does not say what became of the release.
const INCONCLUSIVE_PROBES: u32 = 2;

impl Fleet<'_> {
    /// A connection ended without a proven end of the script.
    pub(super) fn lost(&mut self, index: usize, reason: String, tail: Vec<String>) {
        let host = &mut self.hosts[index];
        let step = host.step.clone();
        let event = Event::Lost { step, reason, tail };
        host.problem.get_or_insert_with(|| event.problem());
        self.report.on(index, &event);
        let host = &self.hosts[index];
        // Before promotion a script cleans up when its connection is lost. What it did is unknown where it migrates,
        // which it finishes first, where it was cancelled, and where it reported an end that ssh did not confirm.
        let is_unknown =
            host.has_reported_end || host.cancelled || host.step.as_deref() == Some(MIGRATE);
        if !self.job.action.promotes() {
            self.finish_host(index, Outcome::Failed);
        } else if self.barrier.may_have_promoted(index) || is_unknown {
            if !self.barrier.may_have_promoted(index) && self.barrier.can_stop() {
                let orders = self.barrier.stop();
                self.dispatch_orders(orders);
            }
            self.hosts[index].probe = ProbeDeadline::begin(Instant::now());
            self.enqueue(index, Purpose::Probe, Duration::ZERO);
            let orders = self.barrier.probing(index);
            self.dispatch_orders(orders);
        } else {
            self.finish_host(index, Outcome::Stopped);
        }
    }

    pub(super) fn enqueue(&mut self, index: usize, purpose: Purpose, pause: Duration) {
        let host = &mut self.hosts[index];
        if host.purpose != purpose {
            host.purpose = purpose;
            host.tries = 0;
        }
        self.queue.push((Instant::now() + pause, index));
    }

    /// A probe ended: the host answered, or was not reached.
    pub(super) fn on_probe_result(&mut self, index: usize, closing: SessionEnd) {
        let host = &mut self.hosts[index];
        let answered = matches!(closing, SessionEnd::Ended { status: 0 });
        let may_retry = host.probe.may_retry(Instant::now(), answered);
        if !answered || host.answer.lock.is_some() {
            if let Some(holder) = host.answer.lock.take_if(|_| !host.is_busy) {
                host.is_busy = true;
                let label = self.report.label(index);
                self.report.notice(&format!(
                    "{label} is still at work, and is waited for: {holder}"
                ));
            }
            let host = &mut self.hosts[index];
            if may_retry {
                let pause = backoff(host.tries.min(4));
                return self.enqueue(index, Purpose::Probe, pause);
            }
            return self.finish_host(index, Outcome::Unknown);
        }
        let release = self.job.release.as_deref();
        let release = release.or(host.facts.release.as_deref());
        let outcome = host.answer.outcome_of(release, &ssh::who());
        if matches!(outcome, Outcome::Stopped | Outcome::Unknown)
            && host.inconclusive_probes < INCONCLUSIVE_PROBES
        {
            // A free lock proves nothing: the run may have been about to take it. Only the log is proof.
            host.inconclusive_probes += 1;
            return self.enqueue(index, Purpose::Probe, Duration::from_millis(500));
        }
        self.host_finished(index, outcome);
    }

    /// The script ended by itself, with this outcome.
    pub(super) fn host_finished(&mut self, index: usize, outcome: Outcome) {
        if outcome == Outcome::Done && self.barrier.stage() == Stage::Reverting {
            self.revert_host(index);
        } else {
            self.finish_host(index, outcome);
        }
    }

    /// Rolls back a host that kept the release which the others reverted.
    pub(super) fn revert_host(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.facts.previous.is_none() {
            let problem = "it ran no release before, so there is none to go back to";
            host.problem = Some(problem.to_owned());
            return self.finish_host(index, Outcome::Done);
        }
        self.enqueue(index, Purpose::Revert, Duration::ZERO);
    }
}
