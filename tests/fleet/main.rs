//! The controller with many hosts, each played by a directory on this machine.

mod commands;
mod env_command;
#[path = "../sandbox/executable.rs"]
mod executable;
mod faults;
mod hooks;
mod interrupts;
mod links;
mod logs;
mod output;
mod push;
mod reviewed;
mod run;
mod support;
