//! Ctrl-C at every phase, sent as a real signal.

use crate::support::{Fleet, OLD, ran};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Child;

fn interrupt(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::INT).expect("a signal");
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
    interrupt(&child);
    let ran = ran(child);
    assert!([130, 4].contains(&ran.code()), "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3]);
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

/// Its link was lost after promotion, and it has not answered yet.
#[test]
fn a_host_that_is_being_asked_is_waited_for() {
    let fleet = Fleet::new(1);
    fleet.write("h1/cut", "step promote");
    fleet.write("h1/slow/restart", "2");
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("h1/ssh", " status nonce=");
    interrupt(&child);
    let ran = ran(child);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_ne!(fleet.current("h1"), OLD, "{ran:?}");
}

#[test]
fn the_second_leaves_at_once() {
    for what in ["pip", "restart"] {
        let fleet = Fleet::new(3);
        fleet.write(&format!("h1/slow/{what}"), "5");
        let child = fleet.start(&["deploy"]);
        fleet.wait_for("order", &format!("h1 {what}"));
        let began = std::time::Instant::now();
        interrupt(&child);
        std::thread::sleep(std::time::Duration::from_millis(100));
        interrupt(&child);
        let ran = ran(child);
        assert!(began.elapsed().as_secs() < 2, "{what}: {ran:?}");
        assert!([130, 3].contains(&ran.code()), "{what}: {ran:?}");
    }
}
