//! What a script is asked to do.

use crate::script::ScriptKind;

/// The script's first word, but for `setup`, which is a script of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Setup,
    Deploy,
    Rollback,
    Restart,
    Status,
    /// Of a script of its own, too.
    Logs,
    /// Asks for the status, too, and shows the last runs.
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

    /// The first word of the script's arguments.
    pub fn word(self) -> &'static str {
        match self {
            Action::History => "status",
            other => other.name(),
        }
    }

    /// Whether it only looks.
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
