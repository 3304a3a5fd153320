//! `delivery: push`: code and packages are sent through the one connection of each host.

use crate::support::{Fleet, OLD, OLDER};
use std::time::{Duration, Instant};

/// Hosts for an app with some 3 MB of code.
fn fleet(hosts: usize) -> Fleet {
    let fleet = Fleet::new(hosts);
    fleet.repository();
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    fleet.write("repo/noise", noise.take(3_000_000).collect::<Vec<u8>>());
    fleet.commit("1");
    fleet.configure("  delivery: push\n");
    fleet
}

/// The parts that were sent to a host, according to the events of `--json`.
fn parts(events: &str, host: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an object");
        if event["event"] == "sent" && event["host"] == host && event["bytes"] == event["size"] {
            parts.push(event["part"].as_str().expect("a part").to_owned());
        }
    }
    parts
}

#[test]
fn all_hosts_get_the_code_and_unchanged_packages_once() {
    let fleet = fleet(4);
    let first = fleet.run(&["deploy", "--json"]);
    assert_eq!(first.code(), 0, "{first:?}");
    for host in fleet.hosts() {
        assert_ne!(fleet.current(&host), OLD);
        let expected = ["source.tar.gz", "dependencies.tar"];
        assert_eq!(parts(&first.stdout, &host), expected, "{host}");
        let noise = |path: &str| std::fs::read(fleet.path(path)).expect("a file");
        assert!(noise(&format!("{host}/root/current/noise")) == noise("repo/noise"));
        assert!(
            fleet.read(&format!("{host}/ssh")).starts_with("no "),
            "the agent went along"
        );
    }
    let commit = fleet.commit("2");
    let second = fleet.run(&["deploy", "--json"]);
    assert_eq!(second.code(), 0, "{second:?}");
    for host in fleet.hosts() {
        assert_eq!(parts(&second.stdout, &host), ["source.tar.gz"], "{host}");
        assert_eq!(fleet.read(&format!("{host}/root/current/version")), "2");
        let deployed = fleet.read(&format!("{host}/root/current/.pystrano/commit"));
        assert_eq!(deployed.trim_end(), commit);
    }
    assert!(fleet.order("git").is_empty(), "a host ran git");
}

/// The code is already being sent when the host fails.
#[test]
fn a_host_that_is_not_ready_says_why_and_gets_no_code() {
    let fleet = fleet(2);
    std::fs::remove_file(fleet.path("h2/venv/bin/python")).expect("a virtualenv");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert!(ran.stderr.contains("there is no virtualenv at "), "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
    assert!(!fleet.path("h2/root/.pystrano/part").exists(), "{ran:?}");
}

/// The connection is cut in the middle of the part, and just before its last byte.
#[test]
fn a_link_cut_within_a_part_leaves_all_hosts_as_they_were() {
    for bytes in [1_500_000, 3_000_000] {
        let fleet = fleet(3);
        fleet.write("h2/starve", bytes.to_string());
        let ran = fleet.run(&["deploy"]);
        assert_eq!(ran.code(), 3, "{bytes}: {ran:?}");
        assert!(
            ran.stderr
                .contains("h2 | ✗ the connection was lost in step code"),
            "{ran:?}"
        );
        assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
        for host in fleet.hosts() {
            let part = fleet.path(&format!("{host}/root/.pystrano/part"));
            let began = Instant::now();
            while fleet.releases(&host) != [OLDER, OLD] || part.exists() {
                assert!(
                    began.elapsed() < Duration::from_secs(20),
                    "{host}: {:?}, {}",
                    fleet.releases(&host),
                    part.exists()
                );
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let again = fleet.run(&["deploy"]);
        assert_eq!(again.code(), 0, "{again:?}");
    }
}

/// A missing repository is noticed before any host is contacted.
#[test]
fn a_payload_that_cannot_be_made_contacts_nobody() {
    let fleet = fleet(2);
    std::fs::remove_dir_all(fleet.path("repo")).expect("the repository");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 2, "{ran:?}");
    assert_eq!(fleet.read("h1/ssh"), "");
}
