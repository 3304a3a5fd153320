//! Probes a host with `status` after its connection was lost, to find out what the run did.

use super::barrier::Stage;
use super::deadline::ProbeDeadline;
use super::host::{Purpose, backoff};
use super::{Fleet, MIGRATE};
use crate::protocol::{Event, Outcome};
use crate::ssh::{self, SessionEnd};
use std::time::{Duration, Instant};

/// How often to repeat a probe whose answer does not show what became of the release.
const MAX_INCONCLUSIVE_PROBES: u32 = 2;

impl Fleet<'_> {
    /// Handles a connection that ended without a proven end of the script.
    pub(super) fn on_lost(&mut self, index: usize, reason: String, tail: Vec<String>) {
        let host = &mut self.hosts[index];
        let step = host.step.clone();
        let event = Event::Lost { step, reason, tail };
        host.problem.get_or_insert_with(|| event.problem());
        self.report.on_event(index, &event);
        let host = &self.hosts[index];
        // A script that loses its connection before promotion cleans up. What it did is nevertheless unknown if it was
        // migrating, which it finishes first, if it was cancelled, or if it reported an end that ssh did not confirm.
        let is_unknown =
            host.has_reported_end || host.cancelled || host.step.as_deref() == Some(MIGRATE);
        if !self.job.action.promotes() {
            self.finish_host(index, Outcome::Failed);
        } else if self.barrier.may_have_promoted(index) || is_unknown {
            if !self.barrier.may_have_promoted(index) && self.barrier.can_stop() {
                let orders = self.barrier.stop();
                self.dispatch_orders(orders);
            }
            self.hosts[index].probe_deadline = ProbeDeadline::new(Instant::now());
            self.enqueue(index, Purpose::Probe, Duration::ZERO);
            let orders = self.barrier.on_probing(index);
            self.dispatch_orders(orders);
        } else {
            self.finish_host(index, Outcome::Stopped);
        }
    }

    /// Queues a connection to a host, to be opened after `pause`.
    pub(super) fn enqueue(&mut self, index: usize, purpose: Purpose, pause: Duration) {
        let host = &mut self.hosts[index];
        if host.purpose != purpose {
            host.purpose = purpose;
            host.attempts = 0;
        }
        self.queue.push((Instant::now() + pause, index));
    }

    /// Handles the end of a probe: the host answered, or was not reached.
    pub(super) fn on_probe_end(&mut self, index: usize, end: SessionEnd) {
        let host = &mut self.hosts[index];
        let answered = matches!(end, SessionEnd::Ended { status: 0 });
        let may_retry = host.probe_deadline.may_retry(Instant::now(), answered);
        if !answered || host.probe_facts.lock.is_some() {
            if let Some(holder) = host.probe_facts.lock.take_if(|_| !host.busy_notified) {
                host.busy_notified = true;
                let label = self.report.label(index);
                self.report
                    .notice(&format!("{label} is still busy; waiting for it: {holder}"));
            }
            let host = &mut self.hosts[index];
            if may_retry {
                let pause = backoff(host.attempts.min(4));
                return self.enqueue(index, Purpose::Probe, pause);
            }
            return self.finish_host(index, Outcome::Unknown);
        }
        let release = self.job.release.as_deref();
        let release = release.or(host.facts.release.as_deref());
        let outcome = host.probe_facts.outcome_of(release, &ssh::who());
        if matches!(outcome, Outcome::Stopped | Outcome::Unknown)
            && host.inconclusive_probes < MAX_INCONCLUSIVE_PROBES
        {
            // A free lock proves nothing: the run may have been about to take it. Only the log is proof.
            host.inconclusive_probes += 1;
            return self.enqueue(index, Purpose::Probe, Duration::from_millis(500));
        }
        self.finish_or_revert(index, outcome);
    }

    /// Finishes a host whose script has ended, or reverts it if the others are reverted.
    pub(super) fn finish_or_revert(&mut self, index: usize, outcome: Outcome) {
        if outcome == Outcome::Done && self.barrier.stage() == Stage::Reverting {
            self.revert_host(index);
        } else {
            self.finish_host(index, outcome);
        }
    }

    /// Rolls back a host that kept its release, since the others reverted theirs.
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
