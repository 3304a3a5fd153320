//! What a command does on the hosts.

use crate::script::ScriptKind;

/// The action of a script's run. `setup.sh` and `logs.sh` have one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Setup,
    Deploy,
    Rollback,
    Restart,
    Status,
    Logs,
    /// The status, of which the last runs are shown.
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
    pub fn word(self) -> &'static str {
        match self {
            Action::History => "status",
            other => other.name(),
        }
    }

    /// Whether it changes nothing.
    pub fn is_query(self) -> bool {
        matches!(self, Action::Status | Action::History | Action::Logs)
    }

    /// The script that it needs.
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

    /// Whether the release that runs may be another one afterwards.
    pub fn promotes(self) -> bool {
        matches!(self, Action::Deploy | Action::Rollback)
    }
}
