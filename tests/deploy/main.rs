//! `deploy.sh` run by hand, against a local tree and a local repository.

#[path = "../sandbox/mod.rs"]
mod sandbox;

mod app;
mod environment;
mod promotion;
mod releases;
mod verification;
