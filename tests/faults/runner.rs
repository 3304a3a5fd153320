//! Runs the tests two at a time and prints their counts.

use crate::tally::{SEED, Tally};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The name of a test and its function.
pub type Test = (&'static str, fn(&mut Tally));

/// Runs the tests whose names contain one of the program's arguments; prints the counts last.
pub fn run(tests: &[&[Test]]) -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let tests: Vec<Test> = tests
        .concat()
        .into_iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(word)))
        .collect();
    println!("running {} tests, PYSTRANO_SEED={}", tests.len(), *SEED);
    let next = AtomicUsize::new(0);
    let tallies = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = one(*test);
                    tallies.lock().expect("tallies").push(tally);
                }
            });
        }
    });
    conclude(tallies.into_inner().expect("tallies"))
}

fn one((name, test): Test) -> Tally {
    let begun = Instant::now();
    let mut tally = Tally::new(name);
    if catch_unwind(AssertUnwindSafe(|| test(&mut tally))).is_err() {
        tally.failures.push("it panicked".into());
    }
    let verdict = match tally.failures[..] {
        [] => "ok",
        _ => "FAILED",
    };
    println!(
        "test {name} ... {verdict} ({:.1} s)",
        begun.elapsed().as_secs_f32()
    );
    for failure in tally.failures.iter().take(10) {
        println!("  {failure}");
    }
    tally
}

fn conclude(mut tallies: Vec<Tally>) -> ExitCode {
    let failed = tallies.iter().filter(|tally| !tally.failures.is_empty());
    let failed = failed.count();
    println!(
        "\ntest result: {}. {} passed; {failed} failed\n",
        if failed == 0 { "ok" } else { "FAILED" },
        tallies.len() - failed
    );
    tallies.sort_by_key(|tally| tally.name);
    println!(
        "{:>6} {:>6} {:>8}  seed {}",
        "places", "tried", "survived", *SEED
    );
    for tally in &tallies {
        println!(
            "{:>6} {:>6} {:>8}  {}",
            tally.of, tally.tried, tally.survived, tally.name
        );
    }
    let sum = |field: fn(&Tally) -> usize| tallies.iter().map(field).sum::<usize>();
    println!(
        "{:>6} {:>6} {:>8}  in all",
        sum(|tally| tally.of),
        sum(|tally| tally.tried),
        sum(|tally| tally.survived)
    );
    ExitCode::from(u8::from(failed != 0))
}
