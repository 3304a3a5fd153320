//! Opens connections, and sends heartbeats over those that wait.

use super::host::Purpose;
use super::{Fleet, HEARTBEAT_INTERVAL, Input};
use crate::protocol::{Action, Event, Facts, Order};
use crate::ssh::{self, Script, Session, SessionEnd, SessionOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a login may take before the host counts as unreachable: the default `LoginGraceTime` of sshd.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a script may print nothing: a script stopped by a signal would block all other hosts.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3600);

impl Fleet<'_> {
    /// Opens the connections that are due, at most `--jobs` at a time.
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

    fn open(&mut self, index: usize) {
        let hosts = self.hosts.len();
        let host = &mut self.hosts[index];
        let nonce = ssh::nonce();
        let mut call = self.job.call(hosts, nonce.clone());
        if host.purpose != Purpose::Run {
            host.probe_facts = Facts::default();
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
                Action::Logs => Duration::MAX, // the log of an idle app is silent
                _ => SILENCE_TIMEOUT,
            },
        };
        let inputs = self.inputs.clone();
        let send = move |message| {
            let _ = inputs.send(Input::Host(index, message));
        };
        host.attempts += 1;
        if host.purpose == Purpose::Run {
            let again = host.attempts > 1;
            self.report.on_event(index, &Event::Opening { again });
        }
        match Session::open(options, send) {
            Ok(session) => {
                host.session = Some(session);
                host.opening = true;
                self.opening += 1;
            }
            Err(error) => self.on_session_end(
                index,
                SessionEnd::NotStarted {
                    reason: format!("cannot start a session: {error}"),
                    logged_in: false,
                    transient: false,
                },
            ),
        }
    }

    /// The connection is open or has failed: another one may be opened.
    pub(super) fn finish_opening(&mut self, index: usize) {
        if std::mem::take(&mut self.hosts[index].opening) {
            self.opening -= 1;
        }
    }

    /// Sends heartbeats to hosts whose script has started. Before that, the login shell would run the line.
    pub(super) fn send_heartbeats(&mut self) {
        if Instant::now() < self.heartbeat_due || !self.job.is_coordinated(self.hosts.len()) {
            return;
        }
        self.heartbeat_due = Instant::now() + HEARTBEAT_INTERVAL;
        for host in &self.hosts {
            if host.purpose == Purpose::Run
                && !host.opening
                && let Some(session) = &host.session
            {
                session.order(Order::KeepAlive);
            }
        }
    }
}
