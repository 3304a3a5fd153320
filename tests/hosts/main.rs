//! Tests on real Debian hosts: `cargo test --test hosts`, as root. See `support` for the harness.

mod first_deploy;
mod harness;
mod init;
mod setup;
mod setup_directories;
mod setup_system;
mod support;
