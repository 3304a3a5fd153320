//! Connections that are lost at each point: the hosts are probed, and all end with the same release.

use crate::support::{Fleet, OLD, OLDER, ran};
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

/// Lines of the script at which the connection of one host is cut, and the exit code of the deploy.
const CUTS: [(&str, i32); 10] = [
    ("start deploy", 3),
    ("step clone", 3),
    ("done dependencies", 3),
    ("phase ready", 3),
    ("phase migrated", 3),
    ("step promote", 0),
    ("step restart", 0),
    ("done verify", 0),
    ("phase promoted", 0),
    ("step prune", 0),
];

#[test]
fn a_link_cut_anywhere_leaves_all_hosts_alike() {
    for (cut, code) in CUTS {
        let fleet = Fleet::new(3);
        fleet.write("h2/cut", cut);
        let ran = fleet.run(&["deploy"]);
        let place = format!("cut at {cut}: {ran:?}");
        // The other hosts may get the order to promote before the loss is noticed, or before the cut host begins a
        // promotion that can no longer be stopped; then they revert. Or the cut host got the order too; then all are
        // promoted.
        let raced = match ran.code() {
            0 => cut == "phase migrated",
            1 => cut.starts_with("phase") && code == 3 || cut == "step promote",
            _ => false,
        };
        assert!(ran.code() == code || raced, "{place}");
        let current = fleet.all_current();
        assert!(
            current.iter().all(|release| *release == current[0]),
            "{place}"
        );
        assert_eq!(current[0] == OLD, ran.code() != 0, "{place}");
        let told = "h2 | ✗ the connection was lost";
        assert!(ran.stderr.contains(told), "{place}");
    }
}

#[test]
fn a_link_cut_on_the_only_host_is_asked_after() {
    for (cut, _) in CUTS.iter().filter(|(cut, _)| !cut.starts_with("phase")) {
        let fleet = Fleet::new(1);
        fleet.write("h1/cut", cut);
        let ran = fleet.run(&["deploy"]);
        let promoted = fleet.current("h1") != OLD;
        assert_eq!(
            ran.code(),
            if promoted { 0 } else { 3 },
            "cut at {cut}: {ran:?}"
        );
        assert!(
            fleet.read("h1/calls").contains("set -- status 'who="),
            "{ran:?}"
        );
    }
}

/// A rollback waits for an order, and without one changes nothing.
#[test]
fn a_link_cut_on_the_only_host_stops_its_rollback() {
    let fleet = Fleet::new(1);
    fleet.write("h1/cut", "step lock");
    let ran = fleet.run(&["rollback"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.current("h1"), OLD, "{ran:?}");

    let fleet = Fleet::new(1);
    fleet.write("h1/cut", "step restart");
    let ran = fleet.run(&["rollback"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(fleet.current("h1"), OLDER, "{ran:?}");
}

#[test]
fn a_host_that_kept_what_the_others_gave_up_is_put_back() {
    let fleet = Fleet::new(3);
    fleet.write("h2/cut", "phase promoted");
    fleet.write("h3/fail/curl", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
    let asked = fleet.read("h2/calls");
    assert!(asked.contains(&format!("rollback {OLD} 'who=")), "{asked}");
}

/// A rollback without a release's name would go to any older release on the host.
#[test]
fn a_host_that_kept_its_first_release_is_not_put_back_to_another() {
    let fleet = Fleet::new(3);
    std::fs::remove_file(fleet.path("h2/root/current")).expect("no current");
    fleet.write("h2/cut", "phase promoted");
    fleet.write("h3/fail/curl", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(!fleet.read("h2/calls").contains("rollback"), "{ran:?}");
    let kept = fleet.current("h2");
    assert!(kept != OLD && kept != OLDER, "{ran:?}");
    let told =
        format!("h2: runs {kept}; it ran no release before, so there is none to go back to\n");
    assert!(ran.stderr.contains(&told), "{ran:?}");
}

/// A deploy in which `h1` has reported that it kept the release, and `h2` is about to revert.
fn one_that_kept() -> (Fleet, Child) {
    let fleet = Fleet::new(2);
    fleet.write("h1/cut", "phase promoted");
    fleet.write("h2/slow/restart", "3");
    fleet.write("h2/fail/restart", "");
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("h1/calls", " status 'who=");
    sleep(Duration::from_millis(1500));
    (fleet, child)
}

#[test]
fn a_put_back_whose_connection_is_dropped_is_tried_again() {
    let (fleet, child) = one_that_kept();
    fleet.write("h1/dropped", "2");
    let ran = ran(child);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
}

#[test]
fn why_a_put_back_fails_is_told() {
    let (fleet, child) = one_that_kept();
    fleet.write("h1/fail/old", "");
    fleet.write("h1/fail/curl", "");
    let ran = ran(child);
    assert_eq!(ran.code(), 5, "{ran:?}");
    let told = "h1 | ✗ verify failed with exit status";
    assert!(ran.stderr.contains(told), "{ran:?}");
    let told = "h1: not known, look at it; verify failed";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

/// The release to go back to was removed.
#[test]
fn a_put_back_that_is_refused_is_not_tried_again() {
    let (fleet, child) = one_that_kept();
    std::fs::remove_dir_all(fleet.path(&format!("h1/root/releases/{OLD}"))).expect("a release");
    let ran = ran(child);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert_eq!(
        fleet.read("h1/calls").matches("-- rollback ").count(),
        1,
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("; release failed: there is no release"),
        "{ran:?}"
    );
}

#[test]
fn a_host_that_reverted_while_its_link_was_cut_takes_the_others_back() {
    let fleet = Fleet::new(3);
    fleet.write("h2/cut", "step restart");
    fleet.write("h2/fail/curl", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
}

#[test]
fn a_host_that_dies_before_promotion_stops_all() {
    let fleet = Fleet::new(3);
    fleet.write("h2/cut", "done static");
    fleet.write("h2/dead", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
}

/// Takes a minute, the time for which an unreachable host is probed.
#[test]
fn a_host_that_dies_after_promotion_is_named_and_in_doubt() {
    let fleet = Fleet::new(3);
    fleet.write("h2/cut", "step restart");
    fleet.write("h2/dead", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(
        ran.stderr
            .contains("  h2: not known, look at it; the connection was lost in step restart"),
        "{ran:?}"
    );
    assert_ne!(fleet.current("h1"), OLD);
    assert_eq!(fleet.current("h1"), fleet.current("h3"));
}

/// A host whose connection hangs gets no heartbeats, and decides on its own after a minute.
#[test]
fn hosts_that_wait_hear_that_somebody_is_there() {
    let fleet = Fleet::new(2);
    fleet.write("h1/heard", "");
    fleet.write("h2/slow/pip", "16");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let heard = fleet.read("h1/heard");
    let words = heard
        .lines()
        .rev()
        .take(4)
        .map(|line| line.split(' ').nth(1));
    let words: Vec<&str> = words.map(|word| word.expect("a word")).collect();
    assert_eq!(words, ["keep", "go", "migrate", "wait"]);
}
