//! Many deploys in a row.

use crate::runner::Test;
use crate::sandbox::names;
use crate::site::{Found, Site, must};
use crate::tally::Tally;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

pub const TESTS: &[Test] = &[
    ("twelve deploys, every third fails", |tally| {
        for mode in ["shared", "release"] {
            failures_between(tally, mode);
        }
    }),
    ("a reader looks all the time", |tally| {
        for mode in ["shared", "release"] {
            for _ in tally.pick(1, 1) {
                tally.count(mode, watched(mode));
            }
        }
    }),
];

fn release(day: usize) -> String {
    format!("202601{day:02}000000")
}

/// The third deploy fails in its build, the sixth in its migration, the ninth in its verification.
fn failures_between(tally: &mut Tally, mode: &'static str) {
    let site = Site::new(mode);
    for day in tally.pick(12, 12).into_iter().map(|place| place + 1) {
        let (fault, status) = match day {
            3 => ("pip".to_owned(), 3),
            6 => ("migrate".to_owned(), 3),
            9 => (format!("sick-{}", release(day)), 1),
            12 => ("collectstatic".to_owned(), 3),
            _ => (String::new(), 0),
        };
        if status != 0 {
            site.host.fail(&fault);
        }
        let found = one_of_many(&site, day, status);
        tally.count(&format!("{mode}, deploy {day}"), found);
        if status != 0 {
            site.host.stop_failing(&fault);
        }
    }
}

fn one_of_many(site: &Site, day: usize, status: i32) -> Found {
    let ran = site.run(&["deploy", &release(day)]);
    must!(ran.status == status, "{ran:?}");
    let mut promoted: Vec<String> = (1..=day).filter(|day| day % 3 != 0).map(release).collect();
    must!(
        site.current() == promoted.last().cloned(),
        "current is {:?}",
        site.current()
    );
    let kept = promoted.split_off(promoted.len().saturating_sub(3));
    let good: Vec<String> = site.good().into_iter().collect();
    must!(good == kept, "kept are {good:?}");
    site.is_whole()?;
    if status == 0 {
        return site.is_tidy();
    }
    // What a failed deploy installed is kept for the next attempt; the next successful deploy removes it.
    let mut shared = names(&site.host.path("root/shared"));
    shared.retain(|name| name.starts_with(".env."));
    must!(shared.is_empty(), "env files are {shared:?}");
    Ok(())
}

/// A reader follows the links to code, env and dependencies while deploys and rollbacks run.
fn watched(mode: &'static str) -> Found {
    let site = Site::with(mode, &[&release(1)]);
    let mut paths = vec!["root/current/version", "root/shared/.env"];
    if mode == "release" {
        paths.push("venv/bin/python");
    }
    let paths: Vec<_> = paths.into_iter().map(|path| site.host.path(path)).collect();
    let over = AtomicBool::new(false);
    let (reads, missed) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut missed) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                for path in &paths {
                    reads += 1;
                    if let Err(error) = fs::read(path) {
                        missed.push(format!("{}: {error}", path.display()));
                    }
                }
            }
            (reads, missed)
        });
        let mut runs = Vec::new();
        for day in 2..=6 {
            runs.push(site.run(&["deploy", &release(day)]));
        }
        runs.push(site.run(&["rollback"]));
        runs.push(site.run(&["rollback", &release(6)]));
        over.store(true, Ordering::Relaxed);
        assert!(runs.iter().all(|ran| ran.status == 0), "{runs:?}");
        reader.join().expect("the reader")
    });
    println!("  {mode}: {reads} reads, {} missed", missed.len());
    must!(reads > 1000, "only {reads} reads");
    must!(missed.is_empty(), "{:?}", missed.first());
    site.is_whole()
}
