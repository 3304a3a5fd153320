//! The state of one host of the fleet.

use super::deadline::ProbeDeadline;
use crate::config::Server;
use crate::protocol::{Action, Facts};
use crate::ssh::{Redactor, Session};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why the fleet connects to a host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To run the command.
    Run,
    /// To find out what a run did whose connection was lost.
    Probe,
    /// To roll back a release that this host kept and the others reverted.
    Revert,
}

pub struct Host {
    pub server: Arc<Server>,
    pub redactor: Arc<Redactor>,
    pub purpose: Purpose,
    pub session: Option<Session>,
    /// Whether the connection counts towards `--jobs`.
    pub opening: bool,
    /// Connections attempted for this purpose.
    pub attempts: u32,
    pub facts: Facts,
    /// The answer to the last probe.
    pub probe_facts: Facts,
    pub probe_deadline: ProbeDeadline,
    /// Probes that did not show what became of the release.
    pub inconclusive_probes: u32,
    /// Whether the script reported its end.
    pub has_reported_end: bool,
    /// Whether the user was told that a probe found the lock held.
    pub busy_notified: bool,
    /// Whether the host was ordered to stop or to revert.
    pub cancelled: bool,
    /// A one-line description of the failure.
    pub problem: Option<String>,
    /// The step that is running.
    pub step: Option<String>,
}

impl Host {
    fn new(server: Server, redactor: Arc<Redactor>) -> Self {
        Host {
            redactor,
            server: Arc::new(server),
            purpose: Purpose::Run,
            session: None,
            opening: false,
            attempts: 0,
            facts: Facts::default(),
            probe_facts: Facts::default(),
            probe_deadline: ProbeDeadline::new(Instant::now()),
            inconclusive_probes: 0,
            has_reported_end: false,
            busy_notified: false,
            cancelled: false,
            problem: None,
            step: None,
        }
    }

    /// Creates one host for each server.
    pub fn for_servers(servers: Vec<Server>) -> Vec<Host> {
        let mut redactors = RedactorCache::default();
        let host = |server| {
            let redactor = redactors.get(&server);
            Host::new(server, redactor)
        };
        servers.into_iter().map(host).collect()
    }

    /// What all hosts must have in common: the commit of a deploy, or the release of a rollback.
    pub fn planned(&self, action: Action) -> Option<&String> {
        match action {
            Action::Deploy => self.facts.commit.as_ref(),
            Action::Rollback => self.facts.release.as_ref(),
            Action::Setup | Action::Restart | Action::Status | Action::Logs | Action::History => {
                None
            }
        }
    }
}

/// Shares a redactor between servers with the same files and settings, unless their names allow different secrets.
#[derive(Default)]
struct RedactorCache(HashMap<(Vec<usize>, String), Arc<Redactor>>);

impl RedactorCache {
    fn get(&mut self, server: &Server) -> Arc<Redactor> {
        let env = server.env_file.iter().map(|env| Arc::as_ptr(env).addr());
        let secrets = server.secrets.iter();
        let secrets = secrets.map(|secret| Arc::as_ptr(secret).addr());
        let key = server.deploy_key.iter().map(|key| Arc::as_ptr(key).addr());
        let files = env.chain(secrets).chain(key).collect();
        let texts = Redactor::texts_with_urls(server)
            .collect::<Vec<_>>()
            .join("\0");
        let entry = self.0.entry((files, texts));
        let redactor = entry.or_insert_with(|| Arc::new(Redactor::new(server)));
        redactor.allow_names_of(server)
    }
}

/// The pause before the next attempt: doubles with each one. The jitter of ±50% keeps hosts that were dropped together
/// from reconnecting together.
pub fn backoff(attempts: u32) -> Duration {
    let mut random = [0; 2];
    let jitter = match getrandom::fill(&mut random) {
        Ok(()) => u64::from(u16::from_ne_bytes(random)) * 1000 / u64::from(u16::MAX),
        Err(_) => 500,
    };
    Duration::from_millis((250 << attempts.min(5)) * (500 + jitter) / 1000)
}
