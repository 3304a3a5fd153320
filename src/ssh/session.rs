//! One host's session: one child process and one thread that serves all its pipes.

#![expect(clippy::disallowed_methods, reason = "it starts ssh")]

use super::lines::{Lines, drain, is_for_later};
use super::output::{Closing, Message, SessionOutput};
use super::parts::Parts;
use super::{NO_PROMPTS, SessionOptions};
use crate::protocol::Order;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const STACK: usize = 256 * 1024;
/// How long a host may clean up after the order to stop.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long `ssh` may take to end when the script has, and from TERM to KILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a login that has consumed the script may go on after the end of its input.
const LAST_LOGIN: Duration = Duration::from_secs(5);
/// How often a silent child is looked at: something else may hold its pipes open.
const REAP_INTERVAL: Duration = Duration::from_secs(5);

/// The controller's end of a session.
pub struct Session {
    orders: Sender<Order>,
    /// Gets a byte for each order, which ends the thread's poll.
    waker: UnixStream,
}

impl Session {
    /// Starts a thread that runs one `ssh` and sends its events; the last message is `Closed`.
    pub fn open(
        options: SessionOptions,
        send: impl Fn(Message) + Send + 'static,
    ) -> io::Result<Session> {
        let (orders, inbox) = channel();
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        thread::Builder::new().stack_size(STACK).spawn(move || {
            let closing = serve(options, inbox, woken, &send);
            send(Message::Closed(closing));
        })?;
        Ok(Session { orders, waker })
    }

    /// Never blocks; after the end it does nothing.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        let _ = (&self.waker).write(b"!");
    }
}

fn serve(
    options: SessionOptions,
    orders: Receiver<Order>,
    woken: UnixStream,
    send: &dyn Fn(Message),
) -> Closing {
    let unstarted = |reason| Closing::Unstarted {
        reason,
        logged_in: false,
        transient: false,
    };
    let pending = match (options.script)() {
        Ok(script) => (options.preamble + &script).into_bytes(),
        Err(error) => return unstarted(error.to_string()),
    };
    let child = Command::new(&options.program)
        .args(&options.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C at the terminal is for the controller, which orders the hosts to stop.
        .process_group(0)
        .envs(NO_PROMPTS)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            return unstarted(format!("cannot run {}: {error}", options.program.display()));
        }
    };
    let mut connection = Connection {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        orders,
        woken: Some(woken),
        pending,
        sent: 0,
        parts: Parts::of(options.payload),
        login: Some(options.login_timeout),
        silence_timeout: options.silence_timeout,
        last_output: Instant::now(),
        deadline: Some(Instant::now() + options.login_timeout),
        ending: false,
        killed: false,
        output: SessionOutput::new(
            options.user,
            options.nonce,
            options.redactor,
            options.verbose,
        ),
        child,
    };
    connection.run(send);
    connection.close()
}

struct Connection {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    orders: Receiver<Order>,
    woken: Option<UnixStream>,
    /// Bytes for the host, of which `sent` are on their way.
    pending: Vec<u8>,
    sent: usize,
    parts: Parts,
    /// How long the script may take to start when its last byte is sent, until it has.
    login: Option<Duration>,
    silence_timeout: Duration,
    last_output: Instant,
    /// When a child that does not end is ended.
    deadline: Option<Instant>,
    /// The script has ended, and ssh is to follow.
    ending: bool,
    killed: bool,
    output: SessionOutput,
}

impl Connection {
    /// Serves the pipes until the host's output ends.
    fn run(&mut self, send: &dyn Fn(Message)) {
        if let Err(error) = self.set_nonblocking() {
            self.output.ssh.push_back(error.to_string());
            self.kill(Signal::KILL);
            return;
        }
        let mut output = Lines::new(Some(&self.output.nonce));
        let mut errors = Lines::new(None);
        let mut buffer = vec![0; 16 * 1024];
        while self.stdout.is_some() {
            let Some(ready) = self.wait() else {
                if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                    break;
                }
                continue;
            };
            if ready.orders {
                self.handle_orders();
            }
            if ready.stdin {
                self.send_part(send);
                self.write();
            }
            if ready.stderr {
                let ended = drain(self.stderr.as_mut(), &mut buffer, |bytes| {
                    errors.feed(bytes, |piece| self.output.on_line(piece, true, send));
                });
                if ended {
                    self.stderr = None;
                }
            }
            if ready.stdout {
                self.last_output = Instant::now();
                let ended = drain(self.stdout.as_mut(), &mut buffer, |bytes| {
                    output.feed(bytes, |piece| self.output.on_line(piece, false, send));
                });
                if ended {
                    self.stdout = None;
                }
                if let Some(name) = self.output.need.take() {
                    self.begin_part(&name, send);
                }
            }
            if self.output.started && self.login.take().is_some() {
                self.deadline = None;
            }
            if self.output.end.is_some() && !self.ending {
                self.ending = true;
                self.stdin = None;
                self.deadline = Some(Instant::now() + KILL_TIMEOUT);
            }
        }
        output.finish(|piece| self.output.on_line(piece, false, send));
        self.drain_stderr(&mut errors, &mut buffer, send);
    }

    /// Waits for ssh to end, and takes what it prints until then.
    fn drain_stderr(&mut self, errors: &mut Lines, buffer: &mut [u8], send: &dyn Fn(Message)) {
        self.stdin = None;
        let deadline = Instant::now() + KILL_TIMEOUT;
        loop {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            drain(self.stderr.as_mut(), buffer, |bytes| {
                errors.feed(bytes, |piece| self.output.on_line(piece, true, send));
            });
            if ended || Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        errors.finish(|piece| self.output.on_line(piece, true, send));
    }

    fn set_nonblocking(&self) -> rustix::io::Result<()> {
        fn set(descriptor: Option<impl AsFd>) -> rustix::io::Result<()> {
            let Some(descriptor) = descriptor else {
                return Ok(());
            };
            fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)
        }
        set(self.stdin.as_ref())?;
        set(self.stdout.as_ref())?;
        set(self.stderr.as_ref())
    }

    /// Whether the step that runs should have printed something by now.
    fn is_silent(&self, now: Instant) -> bool {
        let is_bounded = self.output.runs_a_step() && !self.output.is_migrating();
        is_bounded && !self.killed && now.duration_since(self.last_output) >= self.silence_timeout
    }

    /// Blocks until something can be done; `None` when the time has come to look at the child.
    fn wait(&mut self) -> Option<Ready> {
        let now = Instant::now();
        let mut pause = REAP_INTERVAL;
        if self.is_silent(now) {
            let minutes = self.silence_timeout.as_secs() / 60;
            let reason = format!(
                "the script has printed nothing for {minutes} min: it was stopped, or hangs"
            );
            self.output.ssh.push_back(reason);
            self.kill(Signal::TERM);
        }
        if let Some(deadline) = self.deadline {
            if deadline <= now && self.login.is_some() && self.stdin.take().is_some() {
                // A login file that has read the script goes on at its end, and the remote command reports that.
                self.deadline = Some(now + LAST_LOGIN);
            } else if deadline <= now {
                if let Some(login) = self.login {
                    self.output.ssh.push_back(self.output.no_start(login));
                }
                self.kill(if self.killed {
                    Signal::KILL
                } else {
                    Signal::TERM
                });
            }
            pause = pause.min(deadline.saturating_duration_since(now));
        }
        let unsent = !self.pending.is_empty() || self.parts.is_sending();
        let mut ready = Ready::default();
        let mut polled = Vec::with_capacity(4);
        let mut slots = Vec::with_capacity(4);
        if let Some(stdout) = &self.stdout {
            polled.push(PollFd::new(stdout, PollFlags::IN));
            slots.push(&mut ready.stdout);
        }
        if let Some(stderr) = &self.stderr {
            polled.push(PollFd::new(stderr, PollFlags::IN));
            slots.push(&mut ready.stderr);
        }
        if let Some(woken) = &self.woken {
            polled.push(PollFd::new(woken, PollFlags::IN));
            slots.push(&mut ready.orders);
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| unsent) {
            polled.push(PollFd::new(stdin, PollFlags::OUT));
            slots.push(&mut ready.stdin);
        }
        let timeout = Timespec::try_from(pause).ok();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        for (polled, slot) in polled.iter().zip(slots) {
            *slot = !polled.revents().is_empty();
        }
        Some(ready)
    }

    fn handle_orders(&mut self) {
        let read = |woken: &mut UnixStream| woken.read(&mut [0; 16]);
        if let Some(Ok(0)) = self.woken.as_mut().map(read) {
            self.woken = None;
        }
        while let Ok(order) = self.orders.try_recv() {
            if order == Order::KeepAlive && self.parts.is_sending() {
                continue; // it would be taken for bytes of the part
            }
            if order != Order::Stop {
                let line = format!("{} {order}\n", self.output.nonce);
                self.pending.extend_from_slice(line.as_bytes());
                self.write();
                continue;
            }
            self.stdin = None;
            if self.output.is_migrating() {
                self.deadline = None; // nothing cuts a migration short
            } else if self.output.started {
                self.deadline = Some(Instant::now() + CLEANUP_TIMEOUT);
            } else {
                self.kill(Signal::TERM);
            }
        }
    }

    /// Announces a part that the script requested.
    fn begin_part(&mut self, name: &str, send: &dyn Fn(Message)) {
        match self.parts.begin(name) {
            Ok(event) => {
                let line = format!("{} part {name}\n", self.output.nonce);
                self.pending.extend_from_slice(line.as_bytes());
                send(Message::Event(event));
            }
            Err(reason) => self.give_up(reason),
        }
    }

    /// Takes more of the part that is being sent, once all before it is gone.
    fn send_part(&mut self, send: &dyn Fn(Message)) {
        if !self.pending.is_empty() || !self.parts.is_sending() {
            return;
        }
        self.last_output = Instant::now(); // the script prints nothing meanwhile
        match self.parts.next() {
            Ok((bytes, event)) => {
                self.pending = bytes;
                event.map(Message::Event).map(send);
            }
            Err(reason) => self.give_up(reason),
        }
    }

    /// Ends the script's input, at which it cleans up.
    fn give_up(&mut self, reason: String) {
        self.output.ssh.push_back(reason);
        self.stdin = None;
        self.deadline = Some(Instant::now() + CLEANUP_TIMEOUT);
    }

    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else {
            return;
        };
        match stdin.write(&self.pending[self.sent..]) {
            Ok(count) => {
                self.sent += count;
                if let Some(login) = self.login {
                    self.deadline = Some(Instant::now() + login);
                }
            }
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.stdin = None,
        }
        if self.sent == self.pending.len() {
            self.pending = Vec::new();
            self.sent = 0;
        }
    }

    /// Signals ssh and what it started; the next time with KILL.
    fn kill(&mut self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(group) = Pid::from_raw(id)
        {
            let _ = kill_process_group(group, signal);
        }
        self.killed = true;
        self.login = None;
        self.deadline = Some(Instant::now() + KILL_TIMEOUT);
    }

    fn close(mut self) -> Closing {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill(Signal::KILL);
        }
        let status = self.child.wait();
        self.output.close(status)
    }
}

#[derive(Default)]
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    orders: bool,
}

#[cfg(test)]
pub mod tests {
    use super::super::{Call, remote};
    use super::*;
    use crate::protocol::{Action, Event};
    use std::sync::mpsc::channel;

    /// Those of a session whose `ssh` is this shell command.
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

    /// The events of a session, and how it ends.
    pub fn played(options: SessionOptions) -> (Vec<Event>, Closing) {
        let (sender, messages) = channel();
        let _session = Session::open(options, move |message| {
            let _ = sender.send(message);
        });
        let mut events = Vec::new();
        for message in messages {
            match message {
                Message::Event(event) => events.push(event),
                Message::Closed(closing) => return (events, closing),
            }
        }
        panic!("no last message");
    }

    fn closing_of(command: String) -> Closing {
        played(options(command)).1
    }

    #[test]
    fn a_login_that_hangs_is_ended() {
        for command in ["exec sleep 20", "trap '' TERM; cat >/dev/null; sleep 20"] {
            let began = Instant::now();
            let unstarted = Closing::Unstarted {
                reason: "the login was not over within 0 s: a startup file of deploy hangs, or the host is too slow"
                    .to_owned(),
                logged_in: false,
                transient: false,
            };
            assert_eq!(closing_of(command.to_owned()), unstarted, "{command}");
            assert!(began.elapsed() < Duration::from_secs(15), "{command}");
        }
    }

    /// It prints no more, and no signal but KILL ends it.
    #[test]
    fn trial_20_a_script_that_is_stopped_is_ended() {
        let began = Instant::now();
        let closing =
            closing_of("echo '@ start deploy -'; echo '@ step clone'; kill -STOP $$".to_owned());
        let Closing::Lost { reason, .. } = closing else {
            panic!("{closing:?}");
        };
        let said = "the script has printed nothing for 0 min: it was stopped, or hangs";
        assert_eq!(reason, said);
        assert!(began.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_login_that_reads_all_of_its_input_is_explained() {
        for login in ["cat >/dev/null", "timeout 0.2 cat >/dev/null"] {
            let closing = closing_of(format!("{login}; {}", remote(true)));
            let Closing::Unstarted {
                reason, logged_in, ..
            } = closing
            else {
                panic!("{closing:?}");
            };
            let told = "a startup file of deploy (.bashrc, .profile, .zshenv, config.fish or the like) reads";
            assert!(logged_in && reason.starts_with(told), "{login}: {reason}");
        }
    }
}
