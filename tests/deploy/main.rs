//! `deploy.sh` in a sandbox, against a local tree and a local repository.

#[path = "../sandbox/mod.rs"]
mod sandbox;

mod app;
mod environment;
mod lock;
mod payload;
mod promotion;
mod releases;
mod restart;
mod unit_log;
mod verification;
