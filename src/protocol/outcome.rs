//! What became of a host, and of all of them together.

use serde::Serialize;
use std::time::Duration;

/// What became of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has done all that the action asks for.
    Done,
    /// It was stopped, or failed, before promotion: it is as it was.
    Stopped,
    /// It was promoted and put back.
    Reverted,
    /// `setup` or `status` failed.
    Failed,
    /// `ssh` could not get there.
    Unreachable,
    /// The script did not begin there.
    Untouched,
    /// It failed after promotion, and what it ran before could not be verified either.
    Broken,
    /// Neither the connection nor probes showed what it did.
    Unknown,
}

/// How one host ended.
#[derive(Debug, Serialize)]
pub struct HostResult {
    pub outcome: Outcome,
    /// What is current there, where that is known.
    pub release: Option<String>,
    pub commit: Option<String>,
    /// What the run left changed in the virtualenv that releases share: names with versions.
    pub packages: Vec<String>,
    /// The migrations that the run applied and its end did not take back.
    pub migrations: Vec<String>,
    /// The command that undoes them.
    pub undo: Option<String>,
    /// What went wrong, in one line.
    pub problem: Option<String>,
}

/// How all ended.
#[derive(Debug)]
pub struct Summary {
    /// In the order of the config.
    pub hosts: Vec<HostResult>,
    /// The exit code.
    pub code: u8,
    /// Whether what could be stopped was stopped by a signal.
    pub interrupted: bool,
    pub elapsed: Duration,
}
