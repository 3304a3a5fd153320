//! Limits how long a host is probed.

use std::time::{Duration, Instant};

/// How long an unreachable host is probed after its last answer.
const PROBE_UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a host is probed whose lock is held, which means that the run goes on.
const PROBE_LOCKED_TIMEOUT: Duration = Duration::from_secs(900);

/// When to give up on a host.
pub struct ProbeDeadline {
    started: Instant,
    /// The last answer; at first, when the connection was lost.
    last_answer: Instant,
}

impl ProbeDeadline {
    pub fn new(now: Instant) -> Self {
        ProbeDeadline {
            started: now,
            last_answer: now,
        }
    }

    /// Notes the end of an attempt. Returns whether there is time for another one.
    pub fn may_retry(&mut self, now: Instant, answered: bool) -> bool {
        if answered {
            self.last_answer = now;
            now - self.started < PROBE_LOCKED_TIMEOUT
        } else {
            now - self.last_answer < PROBE_UNREACHABLE_TIMEOUT
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_has_just_answered_is_not_given_up() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut probe = ProbeDeadline::new(began);
        assert!(probe.may_retry(at(59), false));
        assert!(!probe.may_retry(at(60), false));
        assert!(probe.may_retry(at(60), true));
        assert!(probe.may_retry(at(61), false));
        assert!(probe.may_retry(at(119), false));
        assert!(!probe.may_retry(at(120), false));
        assert!(!probe.may_retry(at(900), true), "it is busy for too long");
    }
}
