//! Signals: the first SIGINT, SIGTERM or SIGHUP interrupts the fleet; a second SIGINT or SIGTERM ends the program.

use super::barrier::Stage;
use super::host::Host;
use super::{Fleet, MIGRATE};
use crate::protocol::Action;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

/// Signals closer together than this count as one: `timeout` signals the process, and then its group.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// The first signal.
static FIRST_SIGNAL: AtomicI32 = AtomicI32::new(SIGINT);

/// Handles signals until it is dropped. After that, the next SIGINT or SIGTERM ends the program.
pub struct SignalListener {
    handle: Handle,
    /// Whether the next signal ends the program.
    exit_on_next: Arc<AtomicBool>,
}

impl SignalListener {
    /// Calls `notify` at the first signal, from a thread, and again until it returns true. `notify` must not block:
    /// output that nobody reads can hold up the fleet, and a second signal has to end the program even then.
    ///
    /// # Errors
    /// The handlers or the thread cannot be installed.
    pub fn new(notify: impl Fn() -> bool + Send + 'static) -> std::io::Result<SignalListener> {
        let handled: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter(|signal| !is_ignored(*signal))
            .collect();
        let exit_on_next = Arc::new(AtomicBool::new(false));
        // Except SIGHUP: a terminal that closes may send it more than once.
        for signal in handled.iter().filter(|signal| **signal != SIGHUP) {
            flag::register_conditional_default(*signal, Arc::clone(&exit_on_next))?;
        }
        let mut signals = Signals::new(handled)?;
        let handle = signals.handle();
        let armed = Arc::clone(&exit_on_next);
        thread::Builder::new().spawn(move || {
            let Some(first) = signals.forever().next() else {
                return;
            };
            FIRST_SIGNAL.store(first, Ordering::Relaxed);
            let mut notified = notify();
            thread::sleep(DEBOUNCE);
            armed.store(true, Ordering::Relaxed);
            while !notified {
                thread::sleep(DEBOUNCE);
                notified = notify();
            }
        })?;
        Ok(SignalListener {
            handle,
            exit_on_next,
        })
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.exit_on_next.store(true, Ordering::Relaxed);
        self.handle.close();
    }
}

impl Fleet<'_> {
    /// Stops or reverts all hosts if that is still possible, and tells the user what happens.
    pub(super) fn interrupt(&mut self) {
        let promotes = self.job.action.promotes();
        let can_stop = self.barrier.can_stop();
        let can_abort = self.barrier.can_abort();
        let what = if !promotes {
            "Interrupted: no further servers are started; waiting for those in progress"
        } else if can_stop || self.barrier.stage() == Stage::Stopping {
            "Interrupted: stopping before promotion"
        } else if can_abort {
            "Interrupted: the servers that have promoted go back"
        } else {
            "Interrupted, but promotion has begun: waiting for its end"
        };
        let migrating =
            |host: &Host| !host.has_reported_end && host.step.as_deref() == Some(MIGRATE);
        let hosts = (0..self.hosts.len()).filter(|host| migrating(&self.hosts[*host]));
        let labels: Vec<_> = hosts.map(|host| self.report.label(host)).collect();
        let condition = match labels.join(", ") {
            names if names.is_empty() => String::new(),
            names => format!(", once the migration on {names} has ended"),
        };
        let reads_log = self.job.action == Action::Logs;
        if !reads_log {
            self.report.notice(&format!(
                "{what}{condition}; press Ctrl-C again to leave at once"
            ));
        }
        if can_stop {
            self.interrupted = true;
            let mut orders = self.barrier.stop();
            // Other actions run to their end where they have begun.
            orders.retain(|(host, _)| promotes || reads_log || self.hosts[*host].session.is_none());
            self.dispatch_orders(orders);
        } else if can_abort {
            self.interrupted = true;
            let orders = self.barrier.abort();
            self.dispatch_orders(orders);
        }
    }
}

/// Whether the signal is ignored already, as under `nohup`.
#[expect(
    unsafe_code,
    reason = "no crate reads a signal's action without setting it"
)]
fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with a null `act`, sigaction only writes to `oldact`, which is read only after success.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Ends this process by the default action of the first signal, so that a parent shell sees the signal.
pub fn die_of_signal() {
    let _ = signal_hook::low_level::emulate_default_handler(FIRST_SIGNAL.load(Ordering::Relaxed));
}
