//! The commands by their first names, in the order of the help.

pub const COMMANDS: [&str; 10] = [
    "init",
    "check",
    "render",
    "setup",
    "deploy",
    "rollback",
    "status",
    "schema",
    "completions",
    "man",
];
