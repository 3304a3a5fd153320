//! The child process of a session: runs `ssh` and serves its pipes, within timeouts.

#![expect(clippy::disallowed_methods, reason = "it starts ssh")]

use super::lines::{Lines, is_retryable, read_available};
use super::output::{Message, SessionEnd, SessionOutput};
use super::parts::Parts;
use super::{NO_PROMPTS, SessionOptions};
use crate::protocol::Order;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// How long the script may take to clean up after its input has ended.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long `ssh` may take to exit after the script, and after TERM before it gets KILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a login may take to exit after EOF on its stdin, once the login timeout has expired.
const LOGIN_EOF_TIMEOUT: Duration = Duration::from_secs(5);
/// How often to check whether a silent child has exited: another process may hold its pipes open.
const REAP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs one session to its end. `wakeups` is readable when `orders` has an order.
pub fn serve(
    options: SessionOptions,
    orders: Receiver<Order>,
    wakeups: UnixStream,
    send: &dyn Fn(Message),
) -> SessionEnd {
    let not_started = |reason| SessionEnd::NotStarted {
        reason,
        logged_in: false,
        transient: false,
    };
    let pending = match (options.script)() {
        Ok(script) => (options.preamble + &script).into_bytes(),
        Err(error) => return not_started(error.to_string()),
    };
    let child = Command::new(&options.program)
        .args(&options.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Only the controller gets Ctrl-C from the terminal; it orders the hosts to stop.
        .process_group(0)
        .envs(NO_PROMPTS)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            return not_started(format!("cannot run {}: {error}", options.program.display()));
        }
    };
    let mut connection = Connection {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        orders,
        wakeups: Some(wakeups),
        pending,
        sent: 0,
        parts: Parts::new(options.payload),
        login_timeout: Some(options.login_timeout),
        silence_timeout: options.silence_timeout,
        last_output: Instant::now(),
        deadline: Some(Instant::now() + options.login_timeout),
        script_ended: false,
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
    connection.end()
}

struct Connection {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    orders: Receiver<Order>,
    wakeups: Option<UnixStream>,
    /// Bytes for the host, of which the first `sent` have been written.
    pending: Vec<u8>,
    sent: usize,
    parts: Parts,
    /// How long the script may take to start after its last byte is sent; `None` once it has started.
    login_timeout: Option<Duration>,
    silence_timeout: Duration,
    last_output: Instant,
    /// When to signal a child that is still running.
    deadline: Option<Instant>,
    script_ended: bool,
    killed: bool,
    output: SessionOutput,
}

impl Connection {
    /// Serves the pipes until the end of stdout.
    fn run(&mut self, send: &dyn Fn(Message)) {
        if let Err(error) = self.set_nonblocking() {
            self.output.stderr_tail.push_back(error.to_string());
            self.kill(Signal::KILL);
            return;
        }
        let mut stdout = Lines::new(Some(&self.output.nonce));
        let mut stderr = Lines::new(None);
        let mut buffer = vec![0; 16 * 1024];
        while self.stdout.is_some() {
            self.enforce_timeouts();
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
            if ready.stderr && self.read_stderr(&mut stderr, &mut buffer, send) {
                self.stderr = None;
            }
            if ready.stdout {
                self.last_output = Instant::now();
                let ended = read_available(self.stdout.as_mut(), &mut buffer, |bytes| {
                    stdout.feed(bytes, |piece| self.output.on_piece(piece, false, send));
                });
                if ended {
                    self.stdout = None;
                }
                if let Some(name) = self.output.requested_part.take() {
                    self.announce_part(&name, send);
                }
            }
            if self.output.started && self.login_timeout.take().is_some() {
                self.deadline = None;
            }
            if self.output.end_status.is_some() && !self.script_ended {
                self.script_ended = true;
                self.stdin = None;
                self.deadline = Some(Instant::now() + KILL_TIMEOUT);
            }
        }
        stdout.finish(|piece| self.output.on_piece(piece, false, send));
        self.drain_stderr(&mut stderr, &mut buffer, send);
    }

    /// Waits for ssh to exit, and reads its stderr until then.
    fn drain_stderr(&mut self, lines: &mut Lines, buffer: &mut [u8], send: &dyn Fn(Message)) {
        self.stdin = None;
        let deadline = Instant::now() + KILL_TIMEOUT;
        loop {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            self.read_stderr(lines, buffer, send);
            if ended || Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        lines.finish(|piece| self.output.on_piece(piece, true, send));
    }

    /// Reads what is available on the stderr of ssh. Returns whether the stream has ended.
    fn read_stderr(
        &mut self,
        lines: &mut Lines,
        buffer: &mut [u8],
        send: &dyn Fn(Message),
    ) -> bool {
        read_available(self.stderr.as_mut(), buffer, |bytes| {
            lines.feed(bytes, |piece| self.output.on_piece(piece, true, send));
        })
    }

    fn set_nonblocking(&self) -> rustix::io::Result<()> {
        let stdin = self.stdin.as_ref().map(AsFd::as_fd);
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        let stderr = self.stderr.as_ref().map(AsFd::as_fd);
        for pipe in [stdin, stdout, stderr].into_iter().flatten() {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(())
    }

    /// Whether the running step has printed nothing for too long.
    fn is_silent(&self, now: Instant) -> bool {
        let is_bounded = self.output.is_running_step() && !self.output.is_migrating();
        is_bounded && !self.killed && now.duration_since(self.last_output) >= self.silence_timeout
    }

    /// Ends a script that is silent, and a child that is still running at its deadline.
    fn enforce_timeouts(&mut self) {
        let now = Instant::now();
        if self.is_silent(now) {
            let minutes = self.silence_timeout.as_secs() / 60;
            let reason = format!(
                "the script has printed nothing for {minutes} min: it was stopped, or hangs"
            );
            self.output.stderr_tail.push_back(reason);
            self.kill(Signal::TERM);
        }
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        if let Some(limit) = self.login_timeout {
            if self.stdin.take().is_some() {
                // At EOF a startup file that reads stdin continues, and the remote command reports the lost input.
                self.deadline = Some(now + LOGIN_EOF_TIMEOUT);
                return;
            }
            let reason = self.output.login_timeout_reason(limit);
            self.output.stderr_tail.push_back(reason);
        }
        self.kill(if self.killed {
            Signal::KILL
        } else {
            Signal::TERM
        });
    }

    /// Blocks until a pipe is ready or a timeout is near; `None` if no pipe is ready.
    fn wait(&self) -> Option<Ready> {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let pause = self.deadline.map_or(REAP_INTERVAL, left).min(REAP_INTERVAL);
        let unsent = !self.pending.is_empty() || self.parts.is_sending();
        let stdin = self.stdin.as_ref().filter(|_| unsent);
        let pipes = [
            stdin.map(|pipe| PollFd::new(pipe, PollFlags::OUT)),
            readable(self.stdout.as_ref()),
            readable(self.stderr.as_ref()),
            readable(self.wakeups.as_ref()),
        ];
        let mut polled: Vec<PollFd> = pipes.iter().flatten().cloned().collect();
        match poll(&mut polled, Timespec::try_from(pause).ok().as_ref()) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let mut results = polled.iter().map(|pipe| !pipe.revents().is_empty());
        let [stdin, stdout, stderr, orders] =
            pipes.map(|pipe| pipe.is_some() && results.next() == Some(true));
        Some(Ready {
            stdin,
            stdout,
            stderr,
            orders,
        })
    }

    fn handle_orders(&mut self) {
        let read = |wakeups: &mut UnixStream| wakeups.read(&mut [0; 16]);
        if let Some(Ok(0)) = self.wakeups.as_mut().map(read) {
            self.wakeups = None; // the `Session` was dropped
        }
        while let Ok(order) = self.orders.try_recv() {
            if order == Order::KeepAlive && self.parts.is_sending() {
                continue; // the line would become part of the payload
            }
            if order != Order::Stop {
                let line = format!("{} {order}\n", self.output.nonce);
                self.pending.extend_from_slice(line.as_bytes());
                self.write();
                continue;
            }
            self.stdin = None;
            if self.output.is_migrating() {
                self.deadline = None; // a migration is never cut short
            } else if self.output.started {
                self.deadline = Some(Instant::now() + CLEANUP_TIMEOUT);
            } else {
                self.kill(Signal::TERM);
            }
        }
    }

    /// Announces a part that the script has requested.
    fn announce_part(&mut self, name: &str, send: &dyn Fn(Message)) {
        match self.parts.open(name) {
            Ok(event) => {
                let line = format!("{} part {name}\n", self.output.nonce);
                self.pending.extend_from_slice(line.as_bytes());
                send(Message::Event(event));
            }
            Err(reason) => self.abort(reason),
        }
    }

    /// Queues more of the part that is being sent, once everything queued has been written.
    fn send_part(&mut self, send: &dyn Fn(Message)) {
        if !self.pending.is_empty() || !self.parts.is_sending() {
            return;
        }
        self.last_output = Instant::now(); // the script prints nothing while it reads
        match self.parts.next_chunk() {
            Ok((bytes, event)) => {
                self.pending = bytes;
                event.map(Message::Event).map(send);
            }
            Err(reason) => self.abort(reason),
        }
    }

    /// Closes the script's stdin, at which it cleans up.
    fn abort(&mut self, reason: String) {
        self.output.stderr_tail.push_back(reason);
        self.stdin = None;
        self.deadline = Some(Instant::now() + CLEANUP_TIMEOUT);
    }

    /// Writes as many pending bytes as the pipe takes.
    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else {
            return;
        };
        match stdin.write(&self.pending[self.sent..]) {
            Ok(count) => {
                self.sent += count;
                if let Some(limit) = self.login_timeout {
                    self.deadline = Some(Instant::now() + limit);
                }
            }
            Err(error) if is_retryable(&error) => {}
            Err(_) => self.stdin = None,
        }
        if self.sent == self.pending.len() {
            self.pending = Vec::new();
            self.sent = 0;
        }
    }

    /// Signals the process group of ssh. If it does not exit in time, the next signal is KILL.
    fn kill(&mut self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
        self.killed = true;
        self.login_timeout = None;
        self.deadline = Some(Instant::now() + KILL_TIMEOUT);
    }

    fn end(mut self) -> SessionEnd {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill(Signal::KILL);
        }
        let status = self.child.wait();
        self.output.end(status)
    }
}

fn readable<Pipe: AsFd>(pipe: Option<&Pipe>) -> Option<PollFd<'_>> {
    pipe.map(|pipe| PollFd::new(pipe, PollFlags::IN))
}

/// The pipes that `poll` found ready.
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    orders: bool,
}
