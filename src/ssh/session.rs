//! One host's session: one child process and one thread that serves all its pipes.

use super::Dial;
use super::talk::{Closing, Message, Talk};
use super::wire::Lines;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const STACK: usize = 256 * 1024;
/// How long a host may clean up after it was told to stop.
const GRACE: Duration = Duration::from_secs(60);
/// How long `ssh` may take to end when the script has, and from TERM to KILL.
const LINGER: Duration = Duration::from_secs(2);
/// How long a login that has read all of its input may take to show it, when that ends.
const LAST_LOGIN: Duration = Duration::from_secs(5);
/// How often a silent child is looked at: something else may hold its pipes open.
const GLANCE: Duration = Duration::from_secs(5);

/// What a host that waits is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The commit to deploy.
    Commit(String),
    Migrate,
    Go,
    Keep,
    Revert,
    /// Another order will come.
    Wait,
    /// Ends the script's input: before promotion it cleans up and ends. A connection that is still being
    /// opened is closed.
    Stop,
}

impl Order {
    pub fn name(&self) -> &'static str {
        match self {
            Order::Commit(_) => "commit",
            Order::Migrate => "migrate",
            Order::Go => "go",
            Order::Keep => "keep",
            Order::Revert => "revert",
            Order::Wait => "wait",
            Order::Stop => "stop",
        }
    }
}

/// As the script reads it.
impl Display for Order {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        match self {
            Order::Commit(commit) => write!(out, "commit {commit}"),
            other => out.write_str(other.name()),
        }
    }
}

/// The controller's end of a session.
pub struct Session {
    orders: Sender<Order>,
    /// Gets a byte for each order, which ends the thread's wait.
    bell: UnixStream,
}

impl Session {
    /// Starts a thread that runs one `ssh` and tells what it says; the last message is `Closed`.
    pub fn open(dial: Dial, tell: impl Fn(Message) + Send + 'static) -> io::Result<Session> {
        let (orders, inbox) = channel();
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        thread::Builder::new().stack_size(STACK).spawn(move || {
            let closing = serve(dial, inbox, rung, &tell);
            tell(Message::Closed(closing));
        })?;
        Ok(Session { orders, bell })
    }

    /// Never blocks; after the end it does nothing.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        let _ = (&self.bell).write(b"!");
    }
}

fn serve(dial: Dial, orders: Receiver<Order>, bell: UnixStream, tell: &dyn Fn(Message)) -> Closing {
    let unstarted = |reason| Closing::Unstarted {
        reason,
        reached: false,
        passing: false,
    };
    let pending = match (dial.script)() {
        Ok(script) => (dial.preamble + &script).into_bytes(),
        Err(error) => return unstarted(error.to_string()),
    };
    let child = Command::new(&dial.program)
        .args(&dial.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C at the terminal is for the controller; it tells the hosts.
        .process_group(0)
        // BatchMode does not reach the ssh of a ProxyJump, which would stop for ever when it asks at the
        // terminal from the background: each question is answered with no.
        .env("SSH_ASKPASS", "false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            return unstarted(format!("cannot run {}: {error}", dial.program.display()));
        }
    };
    let mut link = Link {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        orders,
        bell: Some(bell),
        pending,
        sent: 0,
        login: Some(dial.patience),
        deadline: Some(Instant::now() + dial.patience),
        ending: false,
        killed: false,
        talk: Talk::new(dial.user, dial.nonce, dial.redactor, dial.verbose),
        child,
    };
    link.run(tell);
    link.close()
}

struct Link {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    orders: Receiver<Order>,
    bell: Option<UnixStream>,
    /// Bytes for the host, of which `sent` are on their way.
    pending: Vec<u8>,
    sent: usize,
    /// How long the script may take to start when its last byte is sent, until it has.
    login: Option<Duration>,
    /// When a child that does not end is ended.
    deadline: Option<Instant>,
    /// The script has ended, and ssh is to follow.
    ending: bool,
    killed: bool,
    talk: Talk,
}

impl Link {
    /// Serves the pipes until the host's output ends.
    fn run(&mut self, tell: &dyn Fn(Message)) {
        if let Err(error) = self.unblock() {
            self.talk.ssh.push_back(error.to_string());
            self.kill(Signal::KILL);
            return;
        }
        let mut output = Lines::new(Some(&self.talk.nonce));
        let mut words = Lines::new(None);
        let mut buffer = vec![0; 16 * 1024];
        while self.stdout.is_some() {
            let Some(ready) = self.wait() else {
                if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                    break;
                }
                continue;
            };
            if ready.orders {
                self.obey();
            }
            if ready.stdin {
                self.write();
            }
            if ready.stderr {
                let ended = drain(self.stderr.as_mut(), &mut buffer, |bytes| {
                    words.feed(bytes, |piece| self.talk.heard(piece, true, tell));
                });
                if ended {
                    self.stderr = None;
                }
            }
            if ready.stdout {
                let ended = drain(self.stdout.as_mut(), &mut buffer, |bytes| {
                    output.feed(bytes, |piece| self.talk.heard(piece, false, tell));
                });
                if ended {
                    self.stdout = None;
                }
            }
            if self.talk.started && self.login.take().is_some() {
                self.deadline = None;
            }
            if self.talk.end.is_some() && !self.ending {
                self.ending = true;
                self.stdin = None;
                self.deadline = Some(Instant::now() + LINGER);
            }
        }
        output.finish(|piece| self.talk.heard(piece, false, tell));
        self.last_words(&mut words, &mut buffer, tell);
    }

    /// Waits for ssh to end, and takes what it says until then.
    fn last_words(&mut self, words: &mut Lines, buffer: &mut [u8], tell: &dyn Fn(Message)) {
        self.stdin = None;
        let deadline = Instant::now() + LINGER;
        loop {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            drain(self.stderr.as_mut(), buffer, |bytes| {
                words.feed(bytes, |piece| self.talk.heard(piece, true, tell));
            });
            if ended || Instant::now() >= deadline {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        words.finish(|piece| self.talk.heard(piece, true, tell));
    }

    fn unblock(&self) -> rustix::io::Result<()> {
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

    /// Blocks until something can be done; `None` when the time has come to look at the child.
    fn wait(&mut self) -> Option<Ready> {
        let now = Instant::now();
        let mut patience = GLANCE;
        if let Some(deadline) = self.deadline {
            if deadline <= now && self.login.is_some() && self.stdin.take().is_some() {
                // A login file that has read the script goes on at its end, and the remote command tells.
                self.deadline = Some(now + LAST_LOGIN);
            } else if deadline <= now {
                if let Some(login) = self.login {
                    self.talk.ssh.push_back(self.talk.no_start(login));
                }
                self.kill(if self.killed {
                    Signal::KILL
                } else {
                    Signal::TERM
                });
            }
            patience = patience.min(deadline.saturating_duration_since(now));
        }
        let unsent = self.sent < self.pending.len();
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
        if let Some(bell) = &self.bell {
            polled.push(PollFd::new(bell, PollFlags::IN));
            slots.push(&mut ready.orders);
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| unsent) {
            polled.push(PollFd::new(stdin, PollFlags::OUT));
            slots.push(&mut ready.stdin);
        }
        let timeout = Timespec::try_from(patience).ok();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        for (polled, slot) in polled.iter().zip(slots) {
            *slot = !polled.revents().is_empty();
        }
        Some(ready)
    }

    fn obey(&mut self) {
        let read = |bell: &mut UnixStream| bell.read(&mut [0; 16]);
        if let Some(Ok(0)) = self.bell.as_mut().map(read) {
            self.bell = None;
        }
        while let Ok(order) = self.orders.try_recv() {
            if order != Order::Stop {
                let line = format!("{} {order}\n", self.talk.nonce);
                self.pending.extend_from_slice(line.as_bytes());
                self.write();
                continue;
            }
            self.stdin = None;
            if self.talk.is_migrating() {
                self.deadline = None; // it comes to its end, however long it takes
            } else if self.talk.started {
                self.deadline = Some(Instant::now() + GRACE);
            } else {
                self.kill(Signal::TERM);
            }
        }
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
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
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
        self.deadline = Some(Instant::now() + LINGER);
    }

    fn close(mut self) -> Closing {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill(Signal::KILL);
        }
        let status = self.child.wait();
        self.talk.close(status)
    }
}

#[derive(Default)]
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    orders: bool,
}

/// Reads what is there, one buffer at a time; true at the end of the stream.
fn drain(source: Option<&mut impl Read>, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> bool {
    let Some(source) = source else {
        return true;
    };
    match source.read(buffer) {
        Ok(0) => true,
        Ok(count) => {
            take(&buffer[..count]);
            false
        }
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Call, remote};
    use super::*;
    use std::sync::mpsc::channel;

    /// How a session ends whose `ssh` is this shell command.
    fn closing_of(command: String) -> Closing {
        let call = Call {
            action: Action::Status,
            release: None,
            prune: false,
            nonce: String::new(),
            who: "ada@laptop".to_owned(),
            barrier: None,
        };
        let dial = Dial {
            program: "sh".into(),
            arguments: vec!["-c".to_owned(), command],
            user: "deploy".to_owned(),
            preamble: call.preamble(),
            nonce: String::new(),
            script: Box::new(|| Ok("# nothing\n".repeat(100_000))),
            redactor: std::sync::Arc::default(),
            verbose: false,
            patience: Duration::from_millis(300),
        };
        let (sender, messages) = channel();
        let _session = Session::open(dial, move |message| {
            let _ = sender.send(message);
        });
        match messages.recv() {
            Ok(Message::Closed(closing)) => closing,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_login_that_hangs_is_ended() {
        for command in ["exec sleep 20", "trap '' TERM; cat >/dev/null; sleep 20"] {
            let began = Instant::now();
            let unstarted = Closing::Unstarted {
                reason: "the login was not over within 0 s: a startup file of deploy hangs, or the host is too slow"
                    .to_owned(),
                reached: false,
                passing: false,
            };
            assert_eq!(closing_of(command.to_owned()), unstarted, "{command}");
            assert!(began.elapsed() < Duration::from_secs(15), "{command}");
        }
    }

    #[test]
    fn a_login_that_reads_all_of_its_input_is_told() {
        for login in ["cat >/dev/null", "timeout 0.2 cat >/dev/null"] {
            let closing = closing_of(format!("{login}; {}", remote(true)));
            let Closing::Unstarted {
                reason, reached, ..
            } = closing
            else {
                panic!("{closing:?}");
            };
            let told = "a startup file of deploy (.bashrc, .profile, .zshenv, config.fish or the like) reads";
            assert!(reached && reason.starts_with(told), "{login}: {reason}");
        }
    }
}
