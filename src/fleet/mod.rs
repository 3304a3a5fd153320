//! Many hosts as one: opens the sessions, passes events to the barrier and its orders to the hosts, and probes a host
//! whose connection was lost.

mod barrier;
mod closing;
mod connect;
mod deadline;
mod host;
mod interrupt;
mod probe;

pub use interrupt::die;

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

/// Seconds a host waits for an order before it stops or goes on alone: its connection may be frozen.
const ORDER_TIMEOUT: u32 = 60;
/// How often hosts that wait for an order get a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// The step of `deploy.sh` after which the release may be another one.
const PROMOTE: &str = "promote";
/// The step that nothing cuts short.
const MIGRATE: &str = "migrate";
/// Tries to open one connection.
const TRIES: u32 = 5;

/// Gives a script of a server, with its secrets, when it is wanted: no more of them are in memory than are being sent.
pub type Scripts = Arc<dyn Fn(ScriptKind, &Server) -> Result<String, Error> + Send + Sync>;

/// What is to be done, on all servers.
pub struct Job {
    pub action: Action,
    pub release: Option<String>,
    /// Further arguments of the script.
    pub options: Vec<String>,
    pub scripts: Scripts,
    /// Connections being opened at a time.
    pub jobs: usize,
    pub verbose: bool,
}

impl Job {
    /// The call that one of `servers` servers gets.
    pub fn call(&self, servers: usize, nonce: String) -> Call {
        Call {
            action: self.action,
            release: self.release.clone(),
            options: self.options.clone(),
            nonce,
            who: ssh::who(),
            barrier: self.waits(servers).then_some(ORDER_TIMEOUT),
        }
    }

    /// Whether hosts wait for orders. A rollback of one host does, too: it promotes at once, before an interruption
    /// could stop it.
    fn waits(&self, servers: usize) -> bool {
        match self.action {
            Action::Deploy => servers > 1,
            Action::Rollback => true,
            Action::Setup | Action::Restart | Action::Status | Action::Logs | Action::History => {
                false
            }
        }
    }
}

/// Does the job on all servers. Gives the exit code, and the facts of each host.
pub fn run(
    job: &Job,
    servers: Vec<Server>,
    report: &mut Report,
) -> Result<(u8, Vec<Facts>), Error> {
    ssh::raise_open_files_limit(servers.len()).map_err(|room| Error::OpenFiles {
        servers: servers.len(),
        room,
    })?;
    // Bounded, so that hosts that print faster than we do are slowed down and not kept in memory.
    let (inputs, inbox) = sync_channel(1024);
    let interrupts = inputs.clone();
    let listener = interrupt::SignalListener::new(move || {
        let sent = interrupts.try_send(Input::Interrupt);
        !matches!(sent, Err(TrySendError::Full(_)))
    });
    let _listener = listener.map_err(|source| Error::Signals { source })?;
    let mut fleet = Fleet::new(job, servers, report, inputs);
    fleet.work(&inbox);
    Ok(fleet.finish())
}

enum Input {
    Host(usize, Message),
    Interrupt,
}

struct Fleet<'a> {
    job: &'a Job,
    report: &'a mut Report,
    inputs: SyncSender<Input>,
    hosts: Vec<Host>,
    /// Hosts to connect to, each not before its time.
    queue: Vec<(Instant, usize)>,
    opening: usize,
    barrier: Barrier,
    /// The commit or release that all are to run; the first host to report one decides.
    chosen: Option<String>,
    interrupted: bool,
    /// Between two batches that promote.
    pause: Duration,
    /// When the next batch may promote.
    batch_due: Option<Instant>,
    began: Instant,
    /// When the next heartbeat is due.
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
            job.waits(servers.len()),
            servers.iter().map(migrates).collect(),
            batch.map(|batch| batch.size(servers.len())),
        );
        let hosts = Host::all(servers);
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
            pause: Duration::from_secs(pause.map_or(0, |pause| pause.0.into())),
            batch_due: None,
            began,
            heartbeat_due: began + HEARTBEAT_INTERVAL,
        }
    }

    fn work(&mut self, inbox: &Receiver<Input>) {
        loop {
            self.open_due();
            self.send_heartbeats();
            self.promote_next_batch();
            if self.barrier.is_over() {
                return;
            }
            let due = self.queue.iter().map(|(due, _)| *due).min();
            let due = due.filter(|_| self.opening < self.job.jobs);
            let pause = due.map(|due| due.saturating_duration_since(Instant::now()));
            let batch = self
                .batch_due
                .map(|due| due.saturating_duration_since(Instant::now()));
            let pauses = [pause, batch, self.report.pause()];
            let pause = pauses.into_iter().flatten().min();
            match inbox.recv_timeout(pause.unwrap_or(HEARTBEAT_INTERVAL).min(HEARTBEAT_INTERVAL)) {
                Ok(Input::Host(host, message)) => self.on_message(host, message),
                Ok(Input::Interrupt) => self.interrupt(),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.report.tick();
        }
    }

    /// Lets the next batch promote, some time after the one before it is verified.
    fn promote_next_batch(&mut self) {
        if !self.barrier.is_between_batches() {
            self.batch_due = None;
            return;
        }
        let now = Instant::now();
        let due = *self.batch_due.get_or_insert_with(|| {
            if !self.pause.is_zero() {
                let (promoted, seconds) = (self.barrier.promoted(), self.pause.as_secs());
                let servers = self.hosts.len();
                self.report.notice(&format!(
                    "{promoted} of {servers} servers promoted; the next in {seconds} s"
                ));
            }
            now + self.pause
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
                self.opened(index);
                self.hosts[index].session = None;
                self.closed(index, end);
            }
        }
    }

    fn on_event(&mut self, index: usize, event: Event) {
        if event == Event::Start {
            self.opened(index);
        }
        let host = &mut self.hosts[index];
        match &event {
            Event::Failed { status, .. } => {
                let is_own = host.purpose == Purpose::Run;
                // A host that was cancelled has not failed, unless its revert failed.
                if host.cancelled && is_own && *status != i32::from(exit::IN_DOUBT) {
                    return;
                }
                if host.purpose != Purpose::Probe {
                    host.problem = Some(event.problem());
                }
                return self.report.on(index, &event);
            }
            Event::Output { .. } => return self.report.on(index, &event),
            Event::Fact { key, value } if host.purpose == Purpose::Probe => {
                host.answer.record(key, value);
            }
            _ => {}
        }
        if self.hosts[index].purpose != Purpose::Run {
            return;
        }
        self.report.on(index, &event);
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

    /// What a host that has come to a waiting point is to do. All deploy the commit, or roll back to the
    /// release, that the first of them named.
    fn at_phase(&mut self, index: usize, phase: Phase) -> Vec<(usize, Order)> {
        if self.barrier.stage() == Stage::Building
            && let Some(planned) = self.planned(&self.hosts[index]).cloned()
        {
            let chosen = self.chosen.get_or_insert_with(|| planned.clone());
            match phase {
                Phase::Cloned if is_commit(chosen) => {
                    return vec![(index, Order::Commit(chosen.clone()))];
                }
                Phase::Ready if planned == *chosen => {}
                _ => return self.abort_diverging(),
            }
        }
        self.barrier.reached(index, phase)
    }

    /// What must be the same on all hosts: the commit of a deploy, the release of a rollback.
    fn planned<'h>(&self, host: &'h Host) -> Option<&'h String> {
        match self.job.action {
            Action::Deploy => host.facts.commit.as_ref(),
            Action::Rollback => host.facts.release.as_ref(),
            Action::Setup | Action::Restart | Action::Status | Action::Logs | Action::History => {
                None
            }
        }
    }

    /// Servers that run one release, of one commit, would run several.
    fn abort_diverging(&mut self) -> Vec<(usize, Order)> {
        let planned: Vec<_> = self
            .hosts
            .iter()
            .map(|host| self.planned(host).cloned())
            .collect();
        let is_deploy = self.job.action == Action::Deploy;
        let would = if is_deploy {
            "it has commit"
        } else {
            "it would go back to"
        };
        for (host, planned) in self.hosts.iter_mut().zip(planned) {
            host.problem = planned.map(|planned| format!("{would} {planned}"));
        }
        self.report.notice(if is_deploy {
            "The servers cloned different commits, as when a push comes in between: deploy again, or set revision"
        } else {
            "The servers would go back to different releases: name the one that all are to run"
        });
        self.barrier.stop()
    }

    /// Sends the barrier's orders to their hosts. What waits for its connection and is ordered to stop is not connected.
    fn dispatch_orders(&mut self, orders: Vec<(usize, Order)>) {
        for (index, order) in &orders {
            let host = &mut self.hosts[*index];
            host.cancelled |= matches!(order, Order::Stop | Order::Revert);
            if let Some(session) = &host.session {
                session.order(order.clone());
            }
        }
        for (host, order) in orders {
            let waiting = self.queue.iter().position(|(_, queued)| *queued == host);
            if waiting.is_none() {
                let order = order.clone();
                self.report.on(host, &Event::Order { order });
            }
            match (order, waiting) {
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
        self.report.on(index, &Event::Finished { outcome });
        let orders = self.barrier.ended(index, outcome);
        self.dispatch_orders(orders);
    }

    /// Whether the answers to `status` name more than one release, or commit.
    fn servers_differ(&self) -> bool {
        let mut commits = self
            .hosts
            .iter()
            .filter_map(|host| host.facts.commit.as_ref());
        let commit = commits.next();
        let releases = self.hosts.windows(2);
        commits.any(|other| Some(other) != commit)
            || releases
                .into_iter()
                .any(|two| two[0].facts.current != two[1].facts.current)
    }

    fn finish(self) -> (u8, Vec<Facts>) {
        let outcomes = self.barrier.outcomes().unwrap_or_default();
        let differ = self.job.action == Action::Status && self.servers_differ();
        let code = exit::merge_outcomes(self.job.action, &outcomes, self.interrupted, differ);
        let ended = self
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
                // Only of the release that is now current.
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
        self.report.end(&Summary {
            hosts: ended.collect(),
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

/// Whether a host named a commit, and not something else that would be sent to the others.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
