//! Ctrl-C and other termination signals, in every phase.

use crate::support::{Fleet, OLD, ran};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn interrupt(child: &Child) {
    signal(child, Signal::INT);
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a signal");
}

#[test]
fn the_first_before_promotion_stops_and_cleans_up() {
    for (hosts, what) in [(1, "pip"), (3, "git"), (3, "pip"), (3, "static")] {
        let fleet = Fleet::new(hosts);
        fleet.write(&format!("h1/slow/{what}"), "20");
        let child = fleet.start(&["deploy"]);
        fleet.wait_for("order", &format!("h1 {what}"));
        interrupt(&child);
        let ran = ran(child);
        let place = format!("{what} of {hosts}: {ran:?}");
        assert_eq!(ran.code(), 130, "{place}");
        assert!(
            ran.stderr
                .contains("Interrupted: stopping before promotion"),
            "{place}"
        );
        for host in fleet.hosts() {
            assert_eq!(fleet.current(&host), OLD, "{place}");
            assert_eq!(fleet.releases(&host).len(), 2, "{place}");
        }
        let again = fleet.run(&["status"]);
        assert_eq!(again.code(), 0, "no lock is left: {again:?}");
        assert!(!again.stdout.contains("locked"), "{again:?}");
    }
}

#[test]
fn the_first_while_hosts_are_being_connected_to_contacts_no_more() {
    let fleet = Fleet::new(3);
    fleet.write("h1/slow/pip", "20");
    fleet.write("h3/dropped", "99");
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("order", "h1 pip");
    fleet.wait_for("h3/ssh", "exec sh");
    interrupt(&child);
    let ran = ran(child);
    assert_eq!(ran.code(), 130, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3]);
    assert!(fleet.read("h3/ssh").lines().count() < 5, "{ran:?}");
}

#[test]
fn the_first_after_promotion_is_told_and_waits() {
    for hosts in [1, 3] {
        let fleet = Fleet::new(hosts);
        fleet.write("h1/slow/restart", "1");
        let child = fleet.start(&["deploy"]);
        fleet.wait_for("order", "h1 restart");
        interrupt(&child);
        let ran = ran(child);
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(
            ran.stderr.contains("promotion has begun: waiting"),
            "{ran:?}"
        );
        for host in fleet.hosts() {
            assert_ne!(fleet.current(&host), OLD, "{ran:?}");
        }
    }
}

/// The first server is promoted, the others wait for their turn.
#[test]
fn between_two_batches_it_takes_the_first_back() {
    let fleet = Fleet::new(3);
    fleet.configure("  promote_batch: 1\n  promote_pause: 600\n");
    let mut child = fleet.start(&["deploy"]);
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
    let mut line = String::new();
    while line != "1 of 3 servers promoted; the next in 600 s\n" {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("a line") > 0, "no pause");
    }
    assert_ne!(fleet.current("h1"), OLD);
    interrupt(&child);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("the rest");
    assert_eq!(ran(child).code(), 130, "{rest}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{rest}");
    for told in [
        "the servers that have promoted go back",
        "Interrupted: every server runs what it ran before",
    ] {
        assert!(rest.contains(told), "{rest}");
    }
}

#[test]
fn a_link_that_stays_when_the_script_has_ended_is_not_waited_for() {
    let fleet = Fleet::new(1);
    fleet.write("h1/linger", "");
    fleet.write("h1/slow/pip", "20");
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("order", "h1 pip");
    let began = Instant::now();
    interrupt(&child);
    let ran = ran(child);
    assert_eq!(ran.code(), 130, "{ran:?}");
    assert!(began.elapsed().as_secs() < 15, "{ran:?}");
}

/// The host has the whole script and its arguments and has reported that it is ready, but the report has not arrived
/// yet.
#[test]
fn a_lone_rollback_that_is_not_heard_of_yet_goes_nowhere() {
    let fleet = Fleet::new(1);
    fleet.write("h1/mute", "");
    let child = fleet.start(&["rollback"]);
    fleet.wait_for("h1/muted", "phase ready");
    interrupt(&child);
    let ran = ran(child);
    assert_eq!(ran.code(), 130, "{ran:?}");
    sleep(Duration::from_secs(1));
    assert_eq!(fleet.current("h1"), OLD, "{ran:?}");
}

/// The host's connection was lost after promotion, and the probe has not been answered yet.
#[test]
fn a_host_that_is_being_asked_is_waited_for() {
    let fleet = Fleet::new(1);
    fleet.write("h1/cut", "step restart");
    fleet.write("h1/slow/restart", "2");
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("h1/calls", " status 'who=");
    interrupt(&child);
    let ran = ran(child);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let told = "promotion has begun: waiting";
    assert!(ran.stderr.contains(told), "{ran:?}");
    assert_ne!(fleet.current("h1"), OLD, "{ran:?}");
}

/// A setup that has begun is not interrupted, either.
#[test]
fn what_does_not_promote_is_waited_for_and_no_more_is_begun() {
    let fleet = Fleet::new(2);
    fleet.write("h1/slow/systemctl", "2");
    fleet.write("h2/dropped", "99");
    let child = fleet.start(&["status", "--json"]);
    fleet.wait_for("order", "h1 systemctl");
    fleet.wait_for("h2/ssh", "exec sh");
    interrupt(&child);
    let ran = ran(child);
    assert_eq!(ran.code(), 130, "{ran:?}");
    assert!(
        ran.stdout.contains("waiting for those in progress"),
        "{ran:?}"
    );
    let summary = ran.summary();
    assert_eq!(summary["interrupted"], true, "{ran:?}");
    let hosts = &summary["hosts"];
    assert_eq!(hosts[0]["outcome"], "done", "{ran:?}");
    assert_eq!(hosts[1]["outcome"], "untouched", "{ran:?}");
    let stop = r#""host":"h1","event":"order""#;
    assert!(!ran.stdout.contains(stop), "{ran:?}");
    assert!(fleet.read("h2/ssh").lines().count() < 5, "{ran:?}");
}

/// A closed terminal or a cancelled CI job must not leave hosts with different releases.
#[test]
fn every_signal_that_asks_for_an_end_waits_for_the_verdict() {
    for asked in [Signal::TERM, Signal::HUP] {
        let fleet = Fleet::new(2);
        fleet.write("h2/slow/restart", "2");
        let child = fleet.start(&["deploy"]);
        fleet.wait_for("order", "h2 restart");
        signal(&child, asked);
        // A closing terminal may send SIGHUP twice: from the shell and from the kernel.
        if asked == Signal::HUP {
            sleep(Duration::from_millis(300));
            signal(&child, asked);
        }
        let ran = ran(child);
        assert_eq!(ran.code(), 0, "{ran:?}");
        let current = fleet.all_current();
        assert!(current[0] != OLD && current[0] == current[1], "{ran:?}");

        let fleet = Fleet::new(2);
        fleet.write("h2/slow/pip", "20");
        let child = fleet.start(&["deploy"]);
        fleet.wait_for("order", "h2 pip");
        signal(&child, asked);
        let ran = self::ran(child);
        assert_eq!(ran.code(), 128 + asked.as_raw(), "{ran:?}");
        assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
    }
}

#[test]
fn what_nohup_has_ignored_is_ignored() {
    let fleet = Fleet::new(1);
    fleet.write("h1/slow/pip", "1");
    let deploy = fleet.command(&["deploy"]);
    let mut ignoring = Command::new(deploy.get_program());
    ignoring
        .arg("--ignore-signal=HUP")
        .args(deploy.get_args().skip(1))
        .current_dir(deploy.get_current_dir().expect("a directory"))
        .envs(
            deploy
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stderr(Stdio::piped());
    let child = ignoring.spawn().expect("sh");
    fleet.wait_for("order", "h1 pip");
    signal(&child, Signal::HUP);
    let ran = ran(child);
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[test]
fn the_second_leaves_even_where_nobody_takes_the_output() {
    let fleet = Fleet::new(2);
    fleet.write("h1/talk/pip", "x\n".repeat(1024 * 1024));
    let mut child = fleet.start(&["deploy", "--verbose"]);
    fleet.wait_for("order", "h1 pip");
    // Give the pipe and the queue time to fill up.
    sleep(Duration::from_secs(1));
    let began = Instant::now();
    interrupt(&child);
    sleep(Duration::from_millis(300));
    interrupt(&child);
    while child.try_wait().expect("a child").is_none() {
        assert!(began.elapsed().as_secs() < 15, "it hangs");
        sleep(Duration::from_millis(10));
    }
    assert_eq!(ran(child).code(), 130);
}

/// A host that takes long to clean up is waited for, until a second signal.
#[test]
fn the_second_leaves_at_once() {
    for what in ["migrate", "restart"] {
        let fleet = Fleet::new(3);
        fleet.write(&format!("h1/slow/{what}"), "15");
        let child = fleet.start(&["deploy"]);
        fleet.wait_for("order", &format!("h1 {what}"));
        let began = Instant::now();
        interrupt(&child);
        sleep(Duration::from_millis(300));
        interrupt(&child);
        let ran = ran(child);
        assert!(began.elapsed().as_secs() < 10, "{what}: {ran:?}");
        assert_eq!(ran.code(), 130, "{what}: {ran:?}");
    }
}

/// The migration takes longer than the timeout for cleaning up.
#[test]
fn a_migration_is_waited_for_however_long_it_takes() {
    let fleet = Fleet::new(2);
    fleet.write("h1/slow/migrate", "64");
    let began = Instant::now();
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("order", "h1 migrate");
    interrupt(&child);
    let ran = ran(child);
    assert!(began.elapsed().as_secs() >= 64, "{ran:?}");
    assert_eq!(ran.code(), 130, "{ran:?}");
    let told = "Interrupted: stopping before promotion, once the migration on h1 has ended; press";
    assert!(ran.stderr.contains(told), "{ran:?}");
    assert!(!ran.stderr.contains("lost"), "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
    assert_eq!(fleet.releases("h1").len(), 2, "{ran:?}");
}

/// The connection is lost during the migration, at its first line of output, so that the host is probed while it
/// still migrates.
#[test]
fn nobody_says_as_it_was_while_a_migration_runs() {
    let fleet = Fleet::new(2);
    // The migration writes to a file after each line, whether or not anybody reads its output.
    let migration = "for number in 1 2 3 4 5; do
        echo \"Applying $number\" || exit 1
        sleep 1.3
        echo $number >>\"$SANDBOX/applied\"\ndone\n";
    fleet.write("h1/before/migrate", migration);
    fleet.write("h1/cut", "Applying 1");
    let began = Instant::now();
    let ran = fleet.run(&["deploy"]);
    assert!(began.elapsed().as_secs() >= 6, "{ran:?}");
    assert_eq!(ran.code(), 3, "{ran:?}");
    let told = "h1 is still busy; waiting for it: ada@";
    assert!(ran.stderr.contains(told), "{ran:?}");
    assert_eq!(fleet.read("h1/applied"), "1\n2\n3\n4\n5\n", "{ran:?}");
    assert_eq!(fleet.releases("h1").len(), 2, "{ran:?}");
}
