//! Kills deploys, rollbacks and reverts, and checks the invariants that SPEC requires whatever fails:
//! `cargo test --test faults [NAME]`.
//!
//! By default a random sample of the places where a run can be killed is tried. Its seed is printed;
//! `PYSTRANO_SEED=N` repeats it, and `PYSTRANO_EXHAUSTIVE=1` tries every place. The last lines of the output say how
//! many were tried, and for how many all invariants held.

mod kills;
mod payload;
mod rivals;
mod runner;
#[path = "../sandbox/mod.rs"]
mod sandbox;
mod series;
mod signals;
mod site;
mod tally;
mod tracer;

fn main() -> std::process::ExitCode {
    runner::run(&[kills::TESTS, signals::TESTS, rivals::TESTS, series::TESTS])
}
