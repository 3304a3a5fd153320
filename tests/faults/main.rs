//! Kills deploys, rollbacks and reverts, and checks what SPEC calls the rules that hold whatever
//! fails: `cargo test --test faults [NAME]`.
//!
//! Every day a sample of the places where a run can be hit is tried. Its seed is printed;
//! `PYSTRANO_SEED=N` repeats it, and `PYSTRANO_EXHAUSTIVE=1` takes every place. The last lines of
//! the output say how many were tried, and in how many all rules held.

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
