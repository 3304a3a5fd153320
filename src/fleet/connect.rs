//! Opens the connections, as many at a time as may be, and keeps those alive that wait.

use super::host::Purpose;
use super::{Fleet, HEARTBEAT_INTERVAL, Input};
use crate::protocol::{Action, Event, Facts, Order};
use crate::ssh::{self, Script, Session, SessionEnd, SessionOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a login may take before the host counts as unreachable; sshd waits as long for its user.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a script may print nothing: one that was stopped by a signal would hold the others for good.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3600);

impl Fleet<'_> {
    /// Opens the connections whose time has come, as many at a time as may be.
    pub(super) fn open_due(&mut self) {
        let now = Instant::now();
        while self.opening < self.job.jobs {
            let Some(at) = self.queue.iter().position(|(due, _)| *due <= now) else {
                return;
            };
            let (_, host) = self.queue.remove(at);
            self.open(host);
        }
    }

    pub(super) fn open(&mut self, index: usize) {
        let hosts = self.hosts.len();
        let host = &mut self.hosts[index];
        let nonce = ssh::nonce();
        let mut call = self.job.call(hosts, nonce.clone());
        if host.purpose != Purpose::Run {
            host.answer = Facts::default();
            call.barrier = None;
            call.options = Vec::new();
            (call.action, call.release) = match host.purpose {
                Purpose::Revert => (Action::Rollback, host.facts.previous.clone()),
                _ => (Action::Status, None),
            };
        }
        let server = Arc::clone(&host.server);
        let action = call.action;
        let scripts = Arc::clone(&self.job.scripts);
        let options = SessionOptions {
            program: ssh::program(),
            arguments: call.arguments(&server),
            user: call.user(&server).to_owned(),
            preamble: call.preamble(),
            nonce,
            payload: server.payload.clone().filter(|_| action == Action::Deploy),
            script: Box::new(move || scripts(action.script(), &server)) as Script,
            redactor: Arc::clone(&host.redactor),
            verbose: self.job.verbose || action == Action::Logs,
            login_timeout: LOGIN_TIMEOUT,
            silence_timeout: match action {
                Action::Logs => Duration::MAX, // followed for as long as somebody wants
                _ => SILENCE_TIMEOUT,
            },
        };
        let inputs = self.inputs.clone();
        let send = move |message| {
            let _ = inputs.send(Input::Host(index, message));
        };
        host.tries += 1;
        if host.purpose == Purpose::Run {
            let again = host.tries > 1;
            self.report.on(index, &Event::Opening { again });
        }
        match Session::open(options, send) {
            Ok(session) => {
                host.session = Some(session);
                host.opening = true;
                self.opening += 1;
            }
            Err(error) => self.closed(
                index,
                SessionEnd::NotStarted {
                    reason: format!("cannot start a session: {error}"),
                    logged_in: false,
                    transient: false,
                },
            ),
        }
    }

    pub(super) fn opened(&mut self, index: usize) {
        if std::mem::take(&mut self.hosts[index].opening) {
            self.opening -= 1;
        }
    }

    /// Sends heartbeats to hosts that wait for orders, once their script has started: before, a shell would run the line.
    pub(super) fn send_heartbeats(&mut self) {
        if Instant::now() < self.heartbeat_due || !self.job.waits(self.hosts.len()) {
            return;
        }
        self.heartbeat_due = Instant::now() + HEARTBEAT_INTERVAL;
        for host in &self.hosts {
            if host.purpose == Purpose::Run && !host.opening {
                host.session
                    .iter()
                    .for_each(|it| it.order(Order::KeepAlive));
            }
        }
    }
}
