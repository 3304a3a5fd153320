//! The controller's end of a session with one host.

use super::SessionOptions;
use super::connection;
use super::output::Message;
use crate::protocol::Order;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Smaller than the default, since each host has a thread.
const STACK_SIZE: usize = 256 * 1024;

/// A running session, to which orders can be sent.
pub struct Session {
    orders: Sender<Order>,
    /// Receives a byte for each order, which wakes the thread's `poll`.
    waker: UnixStream,
}

impl Session {
    /// Starts a thread that runs `ssh` and sends its events; the last message is [`Message::Ended`].
    ///
    /// # Errors
    /// The thread or its wake-up socket cannot be created.
    pub fn open(
        options: SessionOptions,
        send: impl Fn(Message) + Send + 'static,
    ) -> io::Result<Session> {
        let (orders, inbox) = channel();
        let (waker, wakeups) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        wakeups.set_nonblocking(true)?;
        thread::Builder::new()
            .stack_size(STACK_SIZE)
            .spawn(move || {
                let end = connection::serve(options, inbox, wakeups, &send);
                send(Message::Ended(end));
            })?;
        Ok(Session { orders, waker })
    }

    /// Sends an order without blocking; has no effect after the session has ended.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        let _ = (&self.waker).write(b"!");
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::SessionEnd;
    use super::super::{Call, remote_command};
    use super::*;
    use crate::protocol::{Action, Event};
    use std::time::{Duration, Instant};

    /// Options for a session whose `ssh` is this shell command.
    pub fn options(command: String) -> SessionOptions {
        let call = Call {
            action: Action::Status,
            release: None,
            options: Vec::new(),
            nonce: String::new(),
            who: "ada@laptop".to_owned(),
            barrier: None,
        };
        SessionOptions {
            program: "sh".into(),
            arguments: vec!["-c".to_owned(), command],
            user: "deploy".to_owned(),
            preamble: call.preamble(),
            nonce: String::new(),
            script: Box::new(|| Ok("# nothing\n".repeat(100_000))),
            payload: None,
            redactor: std::sync::Arc::default(),
            verbose: false,
            login_timeout: Duration::from_millis(300),
            silence_timeout: Duration::from_millis(300),
        }
    }

    /// Runs a session. Returns its events, and how it ended.
    pub fn run(options: SessionOptions) -> (Vec<Event>, SessionEnd) {
        let (sender, messages) = channel();
        let _session = Session::open(options, move |message| {
            let _ = sender.send(message);
        });
        let mut events = Vec::new();
        for message in messages {
            match message {
                Message::Event(event) => events.push(event),
                Message::Ended(end) => return (events, end),
            }
        }
        panic!("no last message");
    }

    fn end_of(command: String) -> SessionEnd {
        run(options(command)).1
    }

    #[test]
    fn a_login_that_hangs_is_ended() {
        for command in ["exec sleep 20", "trap '' TERM; cat >/dev/null; sleep 20"] {
            let began = Instant::now();
            let expected = SessionEnd::NotStarted {
                reason: "the login was not over within 0 s: a startup file of deploy hangs, or the host is too slow"
                    .to_owned(),
                logged_in: false,
                transient: false,
            };
            assert_eq!(end_of(command.to_owned()), expected, "{command}");
            assert!(began.elapsed() < Duration::from_secs(15), "{command}");
        }
    }

    /// A stopped process prints nothing and only dies of KILL.
    #[test]
    fn trial_20_a_script_that_is_stopped_is_ended() {
        let began = Instant::now();
        let end = end_of("echo '@ start deploy -'; echo '@ step clone'; kill -STOP $$".to_owned());
        let SessionEnd::Lost { reason, .. } = end else {
            panic!("{end:?}");
        };
        let expected = "the script has printed nothing for 0 min: it was stopped, or hangs";
        assert_eq!(reason, expected);
        assert!(began.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_login_that_reads_all_of_its_input_is_explained() {
        for login in ["cat >/dev/null", "timeout 0.2 cat >/dev/null"] {
            let end = end_of(format!("{login}; {}", remote_command(false)));
            let SessionEnd::NotStarted {
                reason, logged_in, ..
            } = end
            else {
                panic!("{end:?}");
            };
            let expected = "a startup file of deploy (.bashrc, .profile, .zshenv, config.fish or the like) reads";
            assert!(
                logged_in && reason.starts_with(expected),
                "{login}: {reason}"
            );
        }
    }
}
