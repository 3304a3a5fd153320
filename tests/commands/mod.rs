//! The names of the commands, in the order of the help.

pub const COMMANDS: [&str; 14] = [
    "init",
    "check",
    "render",
    "setup",
    "deploy",
    "rollback",
    "status",
    "logs",
    "run",
    "restart",
    "history",
    "schema",
    "completions",
    "man",
];
