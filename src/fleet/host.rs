//! One host of the fleet, and what it shares with others.

use super::deadline::ProbeDeadline;
use crate::config::Server;
use crate::protocol::Facts;
use crate::ssh::{Redactor, Session};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a host is connected to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To run the command.
    Run,
    /// To find out what a lost run has done.
    Probe,
    /// To roll back a release that it kept and the others reverted.
    Revert,
}

pub struct Host {
    pub server: Arc<Server>,
    pub redactor: Arc<Redactor>,
    pub purpose: Purpose,
    pub session: Option<Session>,
    /// Whether its connection counts among those being opened.
    pub opening: bool,
    /// Connections tried for this purpose.
    pub tries: u32,
    pub facts: Facts,
    /// What it answered when it was probed.
    pub answer: Facts,
    pub probe: ProbeDeadline,
    /// Answers from which its state was not clear.
    pub inconclusive_probes: u32,
    /// Whether its script reported an end.
    pub has_reported_end: bool,
    /// Whether it was found at work when it was probed.
    pub is_busy: bool,
    /// Whether it was ordered to stop or to go back.
    pub cancelled: bool,
    /// What went wrong, in one line.
    pub problem: Option<String>,
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
            tries: 0,
            facts: Facts::default(),
            answer: Facts::default(),
            probe: ProbeDeadline::begin(Instant::now()),
            inconclusive_probes: 0,
            has_reported_end: false,
            is_busy: false,
            cancelled: false,
            problem: None,
            step: None,
        }
    }

    /// One host for each server.
    pub fn all(servers: Vec<Server>) -> Vec<Host> {
        let mut redactors = Redactors::default();
        servers
            .into_iter()
            .map(|server| {
                let redactor = redactors.get(&server);
                Host::new(server, redactor)
            })
            .collect()
    }
}

/// One redactor for all servers with the same secrets.
#[derive(Default)]
struct Redactors(HashMap<(Vec<usize>, String), Arc<Redactor>>);

impl Redactors {
    fn get(&mut self, server: &Server) -> Arc<Redactor> {
        let env = server.env_file.iter().map(|env| Arc::as_ptr(env).addr());
        let secrets = server.secrets.iter();
        let secrets = secrets.map(|secret| Arc::as_ptr(secret).addr());
        let key = server.deploy_key.iter().map(|key| Arc::as_ptr(key).addr());
        let files = env.chain(secrets).chain(key).collect();
        let texts = Redactor::texts_with_urls(server)
            .collect::<Vec<_>>()
            .join("\0");
        let made = self.0.entry((files, texts));
        Arc::clone(made.or_insert_with(|| Arc::new(Redactor::new(server))))
    }
}

/// Doubles with each try, spread by half so that hosts dropped together do not come back together.
pub fn backoff(tries: u32) -> Duration {
    let mut random = [0; 2];
    let spread = match getrandom::fill(&mut random) {
        Ok(()) => u64::from(u16::from_ne_bytes(random)) * 1000 / u64::from(u16::MAX),
        Err(_) => 500,
    };
    Duration::from_millis((250 << tries.min(5)) * (500 + spread) / 1000)
}
