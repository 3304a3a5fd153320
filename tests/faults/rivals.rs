//! Two concurrent runs, and processes that a killed run leaves running.

use crate::runner::Test;
use crate::site::{Found, Site, must};
use crate::tally::Tally;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("two deploys at once", two_at_once),
    ("the install outlives its shell", |tally| {
        for mode in ["shared", "release"] {
            for _ in tally.pick(1, 1) {
                tally.count(mode, outlived(mode));
            }
        }
    }),
    ("the migration outlives its shell", |tally| {
        for _ in tally.pick(1, 1) {
            tally.count("it is waited for", migrates_on());
        }
    }),
    ("a virtualenv is half pruned", |tally| {
        for _ in tally.pick(1, 1) {
            tally.count("its mark is left", half_pruned());
        }
    }),
];

const OLD: &str = "20260101000000";
const ONE: &str = "20260104000000";
const OTHER: &str = "20260104000001";
const NEXT: &str = "20260105000000";

fn two_at_once(tally: &mut Tally) {
    let site = Site::with("shared", &[OLD]);
    site.save();
    for round in tally.pick(50, 50) {
        site.restore();
        tally.count(&format!("round {round}"), rivals(&site, round));
    }
}

/// The run that holds the lock is kept busy until both have tried to take it; they start up to 50 ms apart.
fn rivals(site: &Site, round: usize) -> Found {
    site.host
        .program("venv/bin/pip", "#!/bin/sh\nuntil [ -e \"$SANDBOX/go\" ]; do sleep 0.02; done\ncp requirements.txt \"${0%/bin/pip}/package\"\n");
    let _ = fs::remove_file(site.host.path("go"));
    let start = |release| {
        let mut command = site.command(&["deploy", release]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a shell")
    };
    site.prepare(&["deploy", OTHER]);
    let mut runs = vec![start(ONE)];
    std::thread::sleep(Duration::from_millis(round as u64));
    runs.push(start(OTHER));
    let begun = Instant::now();
    while runs
        .iter_mut()
        .all(|run| run.try_wait().expect("a child").is_none())
    {
        must!(begun.elapsed() < Duration::from_secs(20), "nobody lost");
        std::thread::sleep(Duration::from_millis(5));
    }
    site.host.write("go", "");
    let mut ended = runs.into_iter().map(|run| {
        let output = run.wait_with_output().expect("an end");
        crate::sandbox::Ran::from(output)
    });
    let mut both = [ended.next().expect("one"), ended.next().expect("other")];
    let winner = if both[0].status == 0 { ONE } else { OTHER };
    both.sort_by_key(|ran| ran.status);
    must!(both[0].status == 0 && both[1].status == 3, "{both:?}");
    let named = format!("deploy {winner} since 20");
    must!(
        both[1].stderr.contains("another run holds the lock on ")
            && both[1].stderr.contains(&named),
        "{both:?}"
    );
    must!(
        site.current().as_deref() == Some(winner),
        "current is {:?}",
        site.current()
    );
    site.is_tidy()
}

/// The shell is killed while its pip runs, which would go on writing into the virtualenv.
fn outlived(mode: &'static str) -> Found {
    let site = Site::with(mode, &[OLD]);
    let pip = "#!/bin/sh\n[ ! -e \"$SANDBOX/slow\" ] || { rm \"$SANDBOX/slow\"; echo $$ >\"$SANDBOX/pip\"; kill -KILL $(sed \"s/.* pid //\" \"$SANDBOX/root/.pystrano/lock\"); \
               while sleep 0.01; do echo straggler >\"${0%/bin/pip}/package\"; done; }\n\
               cp requirements.txt \"${0%/bin/pip}/package\"\n";
    site.host.program("stand-ins/pip", pip);
    if mode == "shared" {
        site.host.program("venv/bin/pip", pip);
    }
    site.host.write("slow", "");
    let begun = Instant::now();
    let killed = site.command(&["deploy", ONE]).status().expect("a shell");
    must!(!killed.success(), "it was not killed");
    must!(begun.elapsed() < Duration::from_secs(20), "it took long");
    let free = site.run(&["status"]);
    must!(!free.stdout.contains("lock"), "the lock is held: {free:?}");
    site.recovers(NEXT)?;
    let pip = site.host.read("pip");
    must!(
        !fs::exists(format!("/proc/{}/fd/8", pip.trim())).expect("/proc"),
        "pip still works"
    );
    std::thread::sleep(Duration::from_millis(50));
    let package = site.host.read("venv/package");
    must!(package == format!("{NEXT}\n"), "installed: {package:?}");
    site.is_whole()
}

/// The shell is killed while it migrates; the next run must not begin before the migration has ended.
fn migrates_on() -> Found {
    let site = Site::with("shared", &[OLD]);
    let python = "#!/bin/sh\n[ \"$2\" = migrate ] && [ -e \"$SANDBOX/slow\" ] || exit 0\n\
                  rm \"$SANDBOX/slow\"; kill -KILL $(sed \"s/.* pid //\" \"$SANDBOX/root/.pystrano/lock\"); sleep 1; : >\"$SANDBOX/migrated\"\n";
    site.host.program("venv/bin/python", python);
    site.host.write("slow", "");
    let killed = site.command(&["deploy", ONE]).status().expect("a shell");
    must!(!killed.success(), "it was not killed");
    let migrated = site.host.path("migrated");
    must!(!migrated.exists(), "the migration is over already");
    let ran = site.run(&["deploy", NEXT]);
    must!(ran.status == 0 && migrated.exists(), "{ran:?}");
    let told = "warning Waiting for the migration of a killed run, process ";
    must!(ran.stdout.contains(told), "{ran:?}");
    site.is_whole()?;
    site.is_tidy()
}

/// The power fails while an unused virtualenv is being removed; a later release needs the same virtualenv again.
fn half_pruned() -> Found {
    let site = Site::with("release", &[OLD]);
    let rm = "#!/bin/sh\n[ -e \"$2\" ] && case $2 in */venvs/*) /bin/rm \"$SANDBOX/bin/rm\"; \
              for venv in \"$SANDBOX\"/root/venvs/* \"$SANDBOX\"/root/venvs/.trash-*; do [ ! -e \"$venv/lost\" ] || /bin/rm \"$venv/package\"; done; \
              kill -KILL $PPID; exit; esac\nexec /bin/rm \"$@\"\n";
    for release in [ONE, OTHER] {
        must!(site.run(&["deploy", release]).status == 0, "{release}");
    }
    let venv = fs::canonicalize(
        site.host
            .path("root/releases")
            .join(OLD)
            .join(".pystrano/venv"),
    )
    .expect("a virtualenv");
    fs::write(venv.join("lost"), "").expect("a mark");
    site.host.program("bin/rm", rm);
    let killed = site.run(&["deploy", NEXT]);
    must!(killed.status != 0, "it was not killed: {killed:?}");
    must!(
        !venv.join(".complete").exists(),
        "half a virtualenv counts as a whole one"
    );
    site.recovers("20260106000000")
}
