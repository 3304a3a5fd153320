//! Runs one action on many hosts: opens the sessions, passes their events to the barrier and its orders back, and
//! probes hosts whose connection was lost.

mod barrier;
mod connect;
mod deadline;
mod host;
mod interrupt;
mod probe;
mod session_end;

pub use interrupt::die_of_signal;

use crate::config::Server;
use crate::error::Error;
use crate::exit;
use crate::protocol::{Action, Event, Facts, HostResult, Order, Outcome, Phase, Summary};
use crate::report::Report;
use crate::script::ScriptKind;
use crate::ssh::{self, Call, Message};
use barrier::{Barrier, Stage};
use host::{Host, Purpose};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Seconds that a host waits for an order or heartbeat. After that it takes the connection for dead: it stops or, once
/// promoted, keeps its release.
const ORDER_TIMEOUT: u32 = 60;
/// How often hosts that wait for an order get a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// The step of `deploy.sh` that switches `current` to another release.
const PROMOTE: &str = "promote";
/// The step of `deploy.sh` that must not be cut short.
const MIGRATE: &str = "migrate";
/// Attempts to open a connection.
const MAX_ATTEMPTS: u32 = 5;

/// Renders the script of a server, with its secrets, on demand, so that only scripts being sent are in memory.
pub type Scripts = Arc<dyn Fn(ScriptKind, &Server) -> Result<String, Error> + Send + Sync>;

/// The action to run on all servers.
pub struct Job {
    pub action: Action,
    pub release: Option<String>,
    /// More arguments for the script.
    pub options: Vec<String>,
    pub scripts: Scripts,
    /// How many connections may be opened at a time.
    pub jobs: usize,
    pub verbose: bool,
}

impl Job {
    /// The call for one of `servers` servers.
    pub fn call(&self, servers: usize, nonce: String) -> Call {
        Call {
            action: self.action,
            release: self.release.clone(),
            options: self.options.clone(),
            nonce,
            who: ssh::who(),
            barrier: self.is_coordinated(servers).then_some(ORDER_TIMEOUT),
        }
    }

    /// Whether hosts wait for orders. A rollback of a single host does, too: it would otherwise promote before it could
    /// be interrupted.
    fn is_coordinated(&self, servers: usize) -> bool {
        match self.action {
            Action::Deploy => servers > 1,
            Action::Rollback => true,
            Action::Setup | Action::Restart | Action::Status | Action::Logs | Action::History => {
                false
            }
        }
    }
}

/// Runs the job on all servers. Returns the exit code, and the facts of each host.
///
/// # Errors
/// The limit on open files is too low, or signal handlers cannot be installed. No host has been contacted.
pub fn run(
    job: &Job,
    servers: Vec<Server>,
    report: &mut Report,
) -> Result<(u8, Vec<Facts>), Error> {
    ssh::raise_open_files_limit(servers.len()).map_err(|room| Error::OpenFiles {
        servers: servers.len(),
        room,
    })?;
    // Bounded: a host that prints faster than we do is slowed down instead of buffered.
    let (inputs, inbox) = sync_channel(1024);
    let interrupts = inputs.clone();
    let listener = interrupt::SignalListener::new(move || {
        let sent = interrupts.try_send(Input::Interrupt);
        !matches!(sent, Err(TrySendError::Full(_)))
    });
    let _listener = listener.map_err(|source| Error::Signals { source })?;
    let mut fleet = Fleet::new(job, servers, report, inputs);
    fleet.run(&inbox);
    Ok(fleet.finish())
}

/// What the fleet reacts to.
enum Input {
    /// A message from the session with a host.
    Host(usize, Message),
    Interrupt,
}

struct Fleet<'a> {
    job: &'a Job,
    report: &'a mut Report,
    inputs: SyncSender<Input>,
    hosts: Vec<Host>,
    /// Hosts to connect to, and when.
    queue: Vec<(Instant, usize)>,
    /// How many connections are being opened.
    opening: usize,
    barrier: Barrier,
    /// The commit or release that all hosts are to run: the first one that was reported.
    chosen: Option<String>,
    interrupted: bool,
    /// The pause between two batches that promote.
    batch_pause: Duration,
    /// When the next batch may promote.
    batch_due: Option<Instant>,
    began: Instant,
    heartbeat_due: Instant,
}

impl<'a> Fleet<'a> {
    fn new(
        job: &'a Job,
        servers: Vec<Server>,
        report: &'a mut Report,
        inputs: SyncSender<Input>,
    ) -> Self {
        let began = Instant::now();
        let migrates = |server: &Server| job.action == Action::Deploy && server.run_migrations;
        let first = servers.first().filter(|_| job.action == Action::Deploy);
        let batch = first.and_then(|server| server.promote_batch);
        let pause = first.and_then(|server| server.promote_pause);
        let barrier = Barrier::new(
            job.is_coordinated(servers.len()),
            servers.iter().map(migrates).collect(),
            batch.map(|batch| batch.size(servers.len())),
        );
        let hosts = Host::for_servers(servers);
        report.begin(job.release.as_deref());
        Fleet {
            job,
            report,
            inputs,
            queue: (0..hosts.len()).map(|host| (began, host)).collect(),
            hosts,
            opening: 0,
            barrier,
            chosen: None,
            interrupted: false,
            batch_pause: Duration::from_secs(pause.map_or(0, |pause| pause.0.into())),
            batch_due: None,
            began,
            heartbeat_due: began + HEARTBEAT_INTERVAL,
        }
    }

    /// Handles events until every host has finished.
    fn run(&mut self, inbox: &Receiver<Input>) {
        loop {
            self.open_due();
            self.send_heartbeats();
            self.promote_next_batch();
            if self.barrier.all_finished() {
                return;
            }
            let may_open = self.opening < self.job.jobs;
            let next_open = self.queue.iter().map(|(due, _)| *due).min();
            let now = Instant::now();
            let timeout = [next_open.filter(|_| may_open), self.batch_due]
                .into_iter()
                .flatten()
                .map(|due| due.saturating_duration_since(now))
                .chain(self.report.redraw_interval())
                .fold(HEARTBEAT_INTERVAL, Duration::min);
            match inbox.recv_timeout(timeout) {
                Ok(Input::Host(host, message)) => self.on_message(host, message),
                Ok(Input::Interrupt) => self.interrupt(),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.report.tick();
        }
    }

    /// Lets the next batch promote once the pause after the previous one is over.
    fn promote_next_batch(&mut self) {
        if !self.barrier.is_between_batches() {
            self.batch_due = None;
            return;
        }
        let now = Instant::now();
        let due = *self.batch_due.get_or_insert_with(|| {
            if !self.batch_pause.is_zero() {
                let (promoted, seconds) =
                    (self.barrier.promoted_count(), self.batch_pause.as_secs());
                let servers = self.hosts.len();
                self.report.notice(&format!(
                    "{promoted} of {servers} servers promoted; the next in {seconds} s"
                ));
            }
            now + self.batch_pause
        });
        if now >= due {
            self.batch_due = None;
            let orders = self.barrier.next_batch();
            self.dispatch_orders(orders);
        }
    }

    fn on_message(&mut self, index: usize, message: Message) {
        match message {
            Message::Event(event) => self.on_event(index, event),
            Message::Ended(end) => {
                self.finish_opening(index);
                self.hosts[index].session = None;
                self.on_session_end(index, end);
            }
        }
    }

    fn on_event(&mut self, index: usize, event: Event) {
        if event == Event::Start {
            self.finish_opening(index);
        }
        let host = &mut self.hosts[index];
        match &event {
            Event::Failed { status, .. } => {
                let is_run = host.purpose == Purpose::Run;
                // A host that was cancelled has not failed, unless its revert failed.
                if host.cancelled && is_run && *status != i32::from(exit::IN_DOUBT) {
                    return;
                }
                if host.purpose != Purpose::Probe {
                    host.problem = Some(event.problem());
                }
                return self.report.on_event(index, &event);
            }
            Event::Output { .. } => return self.report.on_event(index, &event),
            Event::Fact { key, value } if host.purpose == Purpose::Probe => {
                host.probe_facts.record(key, value);
            }
            _ => {}
        }
        if self.hosts[index].purpose != Purpose::Run {
            return;
        }
        self.report.on_event(index, &event);
        let host = &mut self.hosts[index];
        match event {
            Event::Fact { key, value } => host.facts.record(&key, &value),
            Event::Step { step } => {
                if step == PROMOTE {
                    self.barrier.promoting_uncoordinated(index);
                }
                host.step = Some(step);
            }
            Event::Phase { phase } => {
                if phase != Phase::Cloned {
                    host.step = None;
                }
                let orders = self.at_phase(index, phase);
                self.dispatch_orders(orders);
            }
            Event::End { .. } => host.has_reported_end = true,
            _ => {}
        }
    }

    /// The orders that follow when a host reaches a waiting point. All hosts deploy the commit, or roll back to the
    /// release, that was reported first.
    fn at_phase(&mut self, index: usize, phase: Phase) -> Vec<(usize, Order)> {
        if self.barrier.stage() == Stage::Building
            && let Some(planned) = self.hosts[index].planned(self.job.action).cloned()
        {
            let chosen = self.chosen.get_or_insert_with(|| planned.clone());
            match phase {
                Phase::Cloned if is_commit(chosen) => {
                    return vec![(index, Order::Commit(chosen.clone()))];
                }
                Phase::Ready if planned == *chosen => {}
                _ => return self.stop_diverging(),
            }
        }
        self.barrier.on_phase(index, phase)
    }

    /// Stops all hosts, since they would end up on different releases or commits.
    fn stop_diverging(&mut self) -> Vec<(usize, Order)> {
        let (would, notice) = if self.job.action == Action::Deploy {
            (
                "it has commit",
                "The servers cloned different commits, as when a push comes in between: deploy again, or set revision",
            )
        } else {
            (
                "it would go back to",
                "The servers would go back to different releases: name the one that all are to run",
            )
        };
        for host in &mut self.hosts {
            let planned = host.planned(self.job.action);
            host.problem = planned.map(|planned| format!("{would} {planned}"));
        }
        self.report.notice(notice);
        self.barrier.stop()
    }

    /// Sends the barrier's orders to their hosts. A queued host that is ordered to stop is not connected to any more.
    fn dispatch_orders(&mut self, orders: Vec<(usize, Order)>) {
        for (index, order) in &orders {
            let host = &mut self.hosts[*index];
            host.cancelled |= matches!(order, Order::Stop | Order::Revert);
            if let Some(session) = &host.session {
                session.order(order.clone());
            }
        }
        for (host, order) in orders {
            let queued_at = self.queue.iter().position(|(_, queued)| *queued == host);
            if queued_at.is_none() {
                let order = order.clone();
                self.report.on_event(host, &Event::Order { order });
            }
            match (order, queued_at) {
                (Order::Stop, Some(at)) => {
                    self.queue.remove(at);
                    self.finish_host(host, Outcome::Untouched);
                }
                (Order::Revert, None) if self.hosts[host].session.is_none() => {
                    self.revert_host(host)
                }
                _ => {}
            }
        }
    }

    fn finish_host(&mut self, index: usize, outcome: Outcome) {
        self.report.on_event(index, &Event::Finished { outcome });
        let orders = self.barrier.on_finished(index, outcome);
        self.dispatch_orders(orders);
    }

    /// Whether `status` found different releases, or different commits.
    fn servers_differ(&self) -> bool {
        let mut commits = self
            .hosts
            .iter()
            .filter_map(|host| host.facts.commit.as_ref());
        let first = commits.next();
        let mut pairs = self.hosts.windows(2);
        commits.any(|commit| Some(commit) != first)
            || pairs.any(|pair| pair[0].facts.current != pair[1].facts.current)
    }

    fn finish(self) -> (u8, Vec<Facts>) {
        let outcomes = self.barrier.outcomes().unwrap_or_default();
        let differ = self.job.action == Action::Status && self.servers_differ();
        let code = exit::merge_outcomes(self.job.action, &outcomes, self.interrupted, differ);
        let results = self
            .hosts
            .iter()
            .zip(&outcomes)
            .map(|(host, outcome)| HostResult {
                outcome: *outcome,
                release: match outcome {
                    Outcome::Done if self.job.action.is_query() => host.facts.current.clone(),
                    Outcome::Done => self.job.release.clone().or(host.facts.release.clone()),
                    Outcome::Stopped | Outcome::Reverted => host.facts.previous.clone(),
                    _ => None,
                },
                // Only if the commit is that of the current release.
                commit: host
                    .facts
                    .commit
                    .clone()
                    .filter(|_| *outcome == Outcome::Done),
                packages: host.facts.packages.clone(),
                migrations: host.facts.migrations.clone(),
                undo: host.facts.undo.clone(),
                problem: host.problem.clone(),
            });
        self.report.finish(&Summary {
            hosts: results.collect(),
            code,
            interrupted: self.interrupted,
            elapsed: self.began.elapsed(),
        });
        (
            code,
            self.hosts.into_iter().map(|host| host.facts).collect(),
        )
    }
}

/// Whether the text is a full commit hash: a malicious host could report anything, which would be sent to the others.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
