//! Tests on real Debian hosts: `cargo test --test hosts`, as root. See `support` for the harness.

mod apps;
mod attempts;
mod commands;
mod dependencies;
#[path = "../sandbox/executable.rs"]
mod executable;
mod failures;
mod faults;
mod first_deploy;
mod fleet;
mod harness;
mod init;
mod launcher;
mod load;
mod migrations;
mod offline;
mod options;
mod others;
mod ownership;
mod package;
mod push;
#[path = "../readme/block.rs"]
mod readme;
mod releases;
mod reported;
mod reuse;
mod rollback;
mod runner;
mod secrets;
mod setup;
mod setup_directories;
mod setup_system;
mod status_and_history;
mod support;
mod takeover;
#[path = "../init/terminal.rs"]
#[allow(dead_code)] // `start` is for the tests of `init`
mod terminal;
mod trial_setup;
mod unit_log;
mod units;
