//! How long a host is probed.

use std::time::{Duration, Instant};

/// How long a host is probed that cannot be reached, from when it last answered.
const PROBE_UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a host is probed whose lock is still held.
const PROBE_LOCKED_TIMEOUT: Duration = Duration::from_secs(900);

/// Since when a host has been probed.
pub struct ProbeDeadline {
    since: Instant,
    /// When its link was lost, or when it last answered.
    answered: Instant,
}

impl ProbeDeadline {
    pub fn begin(now: Instant) -> Self {
        ProbeDeadline {
            since: now,
            answered: now,
        }
    }

    /// Another attempt is over. Whether there is time for the next one.
    pub fn may_retry(&mut self, now: Instant, answered: bool) -> bool {
        if answered {
            self.answered = now;
            now - self.since < PROBE_LOCKED_TIMEOUT
        } else {
            now - self.answered < PROBE_UNREACHABLE_TIMEOUT
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
        let mut probe = ProbeDeadline::begin(began);
        assert!(probe.may_retry(at(59), false));
        assert!(!probe.may_retry(at(60), false));
        assert!(probe.may_retry(at(60), true));
        assert!(probe.may_retry(at(61), false));
        assert!(probe.may_retry(at(119), false));
        assert!(!probe.may_retry(at(120), false));
        assert!(!probe.may_retry(at(900), true), "it is busy for too long");
    }
}
