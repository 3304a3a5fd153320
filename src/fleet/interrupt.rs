//! Ctrl-C: the first is told to the fleet, the second ends the program at once.

use signal_hook::consts::SIGINT;
use signal_hook::iterator::{Handle, Signals};
use std::thread;

/// Listens until it is dropped.
pub struct Watch(Handle);

impl Watch {
    /// Calls `tell` at the first SIGINT, in a thread of its own.
    pub fn new(tell: impl Fn() + Send + 'static) -> std::io::Result<Watch> {
        let mut signals = Signals::new([SIGINT])?;
        let handle = signals.handle();
        thread::Builder::new().spawn(move || {
            let mut arrivals = signals.forever();
            if arrivals.next().is_some() {
                tell();
            }
            if arrivals.next().is_some() {
                die();
            }
        })?;
        Ok(Watch(handle))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Ends this process as SIGINT does by default, so that a shell sees it.
pub fn die() {
    let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
}
