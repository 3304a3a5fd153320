//! What a script is asked to do.

use crate::script::ScriptKind;

/// The script's first word, but for `setup`, which is a script of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Setup,
    Deploy,
    Rollback,
    Status,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Setup => "setup",
            Action::Deploy => "deploy",
            Action::Rollback => "rollback",
            Action::Status => "status",
        }
    }

    /// The script that it needs.
    pub fn script(self) -> ScriptKind {
        match self {
            Action::Setup => ScriptKind::Setup,
            Action::Deploy | Action::Rollback | Action::Status => ScriptKind::Deploy,
        }
    }

    /// Whether the release that runs may be another one afterwards.
    pub fn promotes(self) -> bool {
        matches!(self, Action::Deploy | Action::Rollback)
    }
}
