//! The controller over many hosts, each played by a directory of this machine.

mod commands;
mod everyday;
mod faults;
mod hooks;
mod interrupts;
mod links;
mod output;
mod support;
