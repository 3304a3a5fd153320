//! Runs the tests two at a time and counts the places that they tried.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Instant, SystemTime};

/// A name and what it runs.
pub type Test = (&'static str, fn(&mut Tally));

/// What one test tried.
pub struct Tally {
    name: &'static str,
    random: u64,
    tried: usize,
    survived: usize,
    /// How many places there are to try.
    of: usize,
    failures: Vec<String>,
}

static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("PYSTRANO_SEED") {
    Ok(seed) => seed.parse().expect("PYSTRANO_SEED is a number"),
    Err(_) => SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs(),
});

impl Tally {
    /// Some of the places 0..`of`: about `sample` of them, or all in an exhaustive run.
    pub fn pick(&mut self, of: usize, sample: usize) -> Vec<usize> {
        self.of += of;
        if std::env::var_os("PYSTRANO_EXHAUSTIVE").is_some() || sample >= of {
            return (0..of).collect();
        }
        // One at random out of each of as many equal parts: no stretch is left out.
        (0..sample)
            .map(|part| {
                let (begin, end) = (part * of / sample, (part + 1) * of / sample);
                begin + usize::try_from(self.next()).expect("64 bits") % (end - begin)
            })
            .collect()
    }

    // xorshift64
    fn next(&mut self) -> u64 {
        for shift in [-13, 7, -17_i32] {
            self.random ^= match shift {
                ..0 => self.random << -shift,
                _ => self.random >> shift,
            };
        }
        self.random >> 1
    }

    /// Counts one place; `found` is what was wrong there.
    pub fn count(&mut self, place: &str, found: Result<(), String>) {
        self.tried += 1;
        match found {
            Ok(()) => self.survived += 1,
            Err(what) => self.failures.push(format!("{place}: {what}")),
        }
    }
}

/// Runs those whose name holds one of the program's arguments; prints the counts last.
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
    let mut tally = Tally {
        name,
        random: *SEED ^ 0x9e37_79b9_7f4a_7c15,
        tried: 0,
        survived: 0,
        of: 0,
        failures: Vec::new(),
    };
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
