//! The outcome of one host, and of a command on all hosts.

use serde::Serialize;
use std::time::Duration;

/// How the command ended on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The action succeeded.
    Done,
    /// Stopped or failed before promotion; the host is unchanged.
    Stopped,
    /// Promoted, then reverted to the previous release.
    Reverted,
    /// An action that does not promote failed, such as `setup` or `status`.
    Failed,
    /// `ssh` could not log in.
    Unreachable,
    /// The command was stopped before the script started.
    Untouched,
    /// Failed after promotion, and the previous release could not be verified either.
    Broken,
    /// The connection was lost, and probes did not show what the script did.
    Unknown,
}

/// The result of one host.
#[derive(Debug, Serialize)]
pub struct HostResult {
    pub outcome: Outcome,
    /// The current release, if known.
    pub release: Option<String>,
    pub commit: Option<String>,
    /// Packages that the run left changed in the shared virtualenv, with their versions.
    pub packages: Vec<String>,
    /// Migrations that stay applied although their release was not kept.
    pub migrations: Vec<String>,
    /// The command that reverses these migrations.
    pub undo: Option<String>,
    /// A one-line description of the failure.
    pub problem: Option<String>,
}

/// The result of a command on all hosts.
#[derive(Debug)]
pub struct Summary {
    /// In the order of the config.
    pub hosts: Vec<HostResult>,
    /// The exit code.
    pub code: u8,
    /// Whether a signal made the command stop or revert.
    pub interrupted: bool,
    pub elapsed: Duration,
}
