//! The action that a subcommand runs on each host.

use crate::script::ScriptKind;

/// Selects the script and, for `deploy.sh`, its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Setup,
    Deploy,
    Rollback,
    Restart,
    Status,
    Logs,
    /// Runs `status`; only the logged runs are shown.
    History,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Setup => "setup",
            Action::Deploy => "deploy",
            Action::Rollback => "rollback",
            Action::Restart => "restart",
            Action::Status => "status",
            Action::Logs => "logs",
            Action::History => "history",
        }
    }

    /// The first argument of `deploy.sh`.
    pub fn argument(self) -> &'static str {
        match self {
            Action::History => "status",
            other => other.name(),
        }
    }

    /// Whether the action only reads from the host.
    pub fn is_query(self) -> bool {
        matches!(self, Action::Status | Action::History | Action::Logs)
    }

    /// The script that implements the action.
    pub fn script(self) -> ScriptKind {
        match self {
            Action::Setup => ScriptKind::Setup,
            Action::Deploy
            | Action::Rollback
            | Action::Restart
            | Action::Status
            | Action::History => ScriptKind::Deploy,
            Action::Logs => ScriptKind::Logs,
        }
    }

    /// Whether the action switches `current` to another release.
    pub fn promotes(self) -> bool {
        matches!(self, Action::Deploy | Action::Rollback)
    }
}
