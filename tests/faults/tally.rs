//! Picks the places that a test tries, and counts them.

use std::sync::LazyLock;
use std::time::SystemTime;

/// The counts of one test.
pub struct Tally {
    pub name: &'static str,
    random: u64,
    pub tried: usize,
    pub survived: usize,
    /// The number of places that could be tried.
    pub of: usize,
    pub failures: Vec<String>,
}

/// The seed: `PYSTRANO_SEED`, or else the current time.
pub static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("PYSTRANO_SEED") {
    Ok(seed) => seed.parse().expect("PYSTRANO_SEED is a number"),
    Err(_) => SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs(),
});

impl Tally {
    pub fn new(name: &'static str) -> Tally {
        Tally {
            name,
            random: *SEED ^ 0x9e37_79b9_7f4a_7c15,
            tried: 0,
            survived: 0,
            of: 0,
            failures: Vec::new(),
        }
    }

    /// Picks places from 0..`of`: about `sample` of them, or all in an exhaustive run.
    pub fn pick(&mut self, of: usize, sample: usize) -> Vec<usize> {
        self.of += of;
        if std::env::var_os("PYSTRANO_EXHAUSTIVE").is_some() || sample >= of {
            return (0..of).collect();
        }
        // One random place from each of `sample` equal parts, so that no part is skipped.
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

    /// Counts one place; an error in `found` is a failure.
    pub fn count(&mut self, place: &str, found: Result<(), String>) {
        self.tried += 1;
        match found {
            Ok(()) => self.survived += 1,
            Err(what) => self.failures.push(format!("{place}: {what}")),
        }
    }
}
