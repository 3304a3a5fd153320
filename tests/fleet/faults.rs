//! A failure injected at each phase on each host: afterwards all hosts run the same release.

use crate::support::{Fleet, OLD, ran};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn all_hosts_get_the_release() {
    let fleet = Fleet::new(4);
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let current = fleet.all_current();
    assert_ne!(current[0], OLD);
    assert!(
        current.iter().all(|release| *release == current[0]),
        "{current:?}"
    );
    assert_eq!(fleet.order("migrate"), ["h1", "h2"]);
    // No host restarts before all have built and migrated.
    let order = fleet.read("order");
    let first = order.find(" restart").expect("a restart");
    assert!(order.rfind(" migrate").expect("a migration") < first);
    assert!(order.rfind(" static").expect("static files") < first);
}

#[test]
fn a_failure_at_any_phase_on_any_host_leaves_all_on_the_old_release() {
    for (what, step, code) in [
        ("git", "clone", 3),
        ("pip", "dependencies", 3),
        ("static", "static", 3),
        ("migrate", "migrate", 3),
        ("restart", "restart", 1),
        ("curl", "verify", 1),
    ] {
        let hosts = if what == "migrate" { 2 } else { 4 };
        for number in 1..=hosts {
            let fleet = Fleet::new(4);
            let host = format!("h{number}");
            fleet.write(&format!("{host}/fail/{what}"), "");
            let ran = fleet.run(&["deploy"]);
            let place = format!("{what} on {host}: {ran:?}");
            assert_eq!(ran.code(), code, "{place}");
            assert_eq!(fleet.all_current(), [OLD; 4], "{place}");
            let told = format!("{host} | ✗ {step} failed with exit status");
            assert!(ran.stderr.contains(&told), "{place}");
            for host in fleet.hosts() {
                assert_eq!(fleet.releases(&host).len(), 2, "{host}, {place}");
            }
            let migrated = if code == 1 {
                2
            } else {
                number * usize::from(what == "migrate")
            };
            assert_eq!(fleet.order("migrate").len(), migrated, "{place}");
        }
    }
}

/// One server is promoted at a time: the others wait for their turn, and all for the verdict.
#[test]
fn a_failure_of_any_batch_takes_all_back() {
    for (what, step, code) in [
        ("pip", "dependencies", 3),
        ("migrate", "migrate", 3),
        ("restart", "restart", 1),
        ("curl", "verify", 1),
    ] {
        for number in 1..=3 {
            if what == "migrate" && number == 3 {
                continue; // the third host runs no migrations
            }
            let fleet = Fleet::new(3);
            fleet.configure("  promote_batch: 1\n");
            let host = format!("h{number}");
            fleet.write(&format!("{host}/fail/{what}"), "");
            let ran = fleet.run(&["deploy"]);
            let case = format!("{what} on {host}: {ran:?}");
            assert_eq!(ran.code(), code, "{case}");
            assert_eq!(fleet.all_current(), [OLD; 3], "{case}");
            let told = format!("{host} | ✗ {step} failed with exit status");
            assert!(ran.stderr.contains(&told), "{case}");
            for (index, host) in fleet.hosts().enumerate() {
                assert_eq!(fleet.releases(&host).len(), 2, "{host}, {case}");
                let restarts = fleet
                    .order("restart")
                    .iter()
                    .filter(|of| **of == host)
                    .count();
                // Promoted hosts restart twice, for the release and for the revert; those of later batches do not
                // restart.
                let expected = if code == 1 && index < number { 2 } else { 0 };
                assert_eq!(restarts, expected, "{host}, {case}");
            }
        }
    }
}

#[test]
fn batches_promote_in_the_order_of_the_config() {
    for (batch, first) in [("1", 1), ("50%", 2), ("9", 4)] {
        let fleet = Fleet::new(4);
        fleet.configure(&format!("  promote_batch: {batch}\n  promote_pause: 1\n"));
        fleet.write("h1/slow/curl", "1");
        let ran = fleet.run(&["deploy"]);
        assert_eq!(ran.code(), 0, "{batch}: {ran:?}");
        let current = fleet.all_current();
        assert!(
            current.iter().all(|release| *release != OLD),
            "{batch}: {current:?}"
        );
        // No host of the second batch restarts before the first batch is verified.
        let order = fleet.read("order");
        let verified = order.find("h1 curl").expect("a health check");
        let before = order[..verified].matches(" restart\n").count();
        assert!(before <= first, "{batch}: {order}");
        // The pause lies between the promotions of two batches, after the slow verification of the first.
        let promoted = |host: usize| {
            let link = std::fs::symlink_metadata(fleet.path(&format!("h{host}/root/current")));
            link.expect("a link").modified().expect("a time")
        };
        for next in (first + 1..=4).step_by(first) {
            let gap = promoted(next)
                .duration_since(promoted(next - 1))
                .expect("an order");
            let least = Duration::from_secs(if next == first + 1 { 2 } else { 1 });
            assert!(gap >= least, "{batch}: h{next} after {gap:?}");
        }
        let told = format!("{first} of 4 servers promoted; the next in 1 s\n");
        assert_eq!(ran.stderr.contains(&told), first < 4, "{batch}: {ran:?}");
    }
}

/// The old release of this host fails its verification, too; those of the others do not.
#[test]
fn a_host_that_cannot_go_back_takes_the_others_back() {
    let fleet = Fleet::new(3);
    fleet.write("h2/fail/curl", "");
    fleet.write("h2/fail/old", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
    let told = "h2: it does not run as it should, look at it";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

/// The old release of h1 fails its health check by the time it is reverted.
#[test]
fn why_a_host_that_was_called_off_does_not_run_is_told() {
    let fleet = Fleet::new(2);
    fleet.write("h2/slow/restart", "2");
    fleet.write("h2/fail/curl", "");
    let child = fleet.start(&["deploy"]);
    fleet.wait_for("order", "h2 restart");
    fleet.wait_for("order", "h1 curl");
    // Give h1 time to finish its promotion.
    sleep(Duration::from_millis(500));
    fleet.write("h1/fail/old", "");
    fleet.write("h1/fail/curl", "");
    let ran = ran(child);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
    let reason =
        "http://127.0.0.1:8000/ did not answer with 200-399 within 1 s; its last answer was 500\n";
    let told = format!("h1 | ✗ verify failed with exit status 5: {reason}");
    assert!(ran.stderr.contains(&told), "{ran:?}");
    let told = "h1: it does not run as it should, look at it; verify failed: http";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

#[test]
fn an_unreachable_host_stops_all() {
    for (how, reason) in [
        (
            "refused",
            "unreachable: ssh: connect to host h3 port 22: Connection refused",
        ),
        (
            "denied",
            "unreachable: deploy@h3: Permission denied (publickey).",
        ),
    ] {
        let fleet = Fleet::new(4);
        fleet.write(&format!("h3/{how}"), "");
        let ran = fleet.run(&["deploy"]);
        assert_eq!(ran.code(), 4, "{ran:?}");
        assert_eq!(fleet.all_current(), [OLD; 4]);
        assert!(
            ran.stderr.contains(&format!("h3 | ✗ {reason}\n")),
            "{ran:?}"
        );
        assert_eq!(
            fleet.read("h3/ssh").lines().count(),
            1,
            "it is not tried again"
        );
    }
}

#[test]
fn a_dropped_connection_is_tried_again() {
    let fleet = Fleet::new(2);
    fleet.write("h2/dropped", "2");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(fleet.read("h2/ssh").lines().count(), 3);
}

#[test]
fn a_host_that_drops_each_connection_is_unreachable() {
    let fleet = Fleet::new(2);
    fleet.write("h2/dropped", "99");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 4, "{ran:?}");
    assert_eq!(fleet.read("h2/ssh").lines().count(), 5);
    assert_eq!(fleet.all_current(), [OLD; 2]);
}

#[test]
fn the_slowest_host_decides_when_all_promote() {
    let fleet = Fleet::new(4);
    fleet.write("h4/slow/pip", "2");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let order = fleet.read("order");
    let built = order.find("h4 static").expect("the slow host builds");
    assert!(
        built < order.find(" restart").expect("a restart"),
        "{order}"
    );
    assert!(
        built < order.find(" migrate").expect("a migration"),
        "{order}"
    );
}

/// Hosts that clone with the real git. `held` waits at a git `call` until host `first` builds; then `push` runs.
fn pushed_between_clones(first: &str, held: &str, call: &str, push: &str) -> (Fleet, String) {
    let fleet = Fleet::new(3);
    let commit = fleet.repository();
    let wait = format!(
        "case $* in {call}) until grep -q '^{first} pip' \"$FLEET/order\"; do sleep 0.02; done; {push} ;; esac"
    );
    fleet.write(&format!("{held}/before/git"), wait);
    (fleet, commit)
}

const PUSH: &str = "(cd \"$FLEET/repo\" && echo 2 >version && git -c user.name=Ada -c user.email=a@b commit --quiet --all -m 2)";

/// A push lands between the clones of two hosts, or between the clone and the report of one of them.
#[test]
fn openship_748_hosts_whose_clones_differ_deploy_one_commit() {
    for (depth, first, held, call, version) in [
        ("1", "h1", "h2", "*' clone '*", "1"),
        ("0", "h1", "h2", "*' clone '*", "1"),
        ("1", "h2", "h1", "*rev-parse*", "1"),
        ("1", "h2", "h1", "*' clone '*", "1"),
    ] {
        let (fleet, commit) = pushed_between_clones(first, held, call, PUSH);
        fleet.configure(&format!("  clone_depth: {depth}\n"));
        let ran = fleet.run(&["deploy", "--json"]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        let summary = ran.summary();
        for (index, host) in fleet.hosts().enumerate() {
            assert_eq!(
                fleet.read(&format!("{host}/root/current/version")),
                version,
                "{ran:?}"
            );
            assert_eq!(summary["hosts"][index]["commit"], commit, "{ran:?}");
        }
    }
}

/// A forced push replaced the commit that the first host cloned.
#[test]
fn openship_748_hosts_that_cannot_have_one_commit_do_not_promote() {
    let amend = PUSH.replace("commit", "commit --amend");
    let (fleet, commit) = pushed_between_clones("h1", "h2", "*' clone '*", &amend);
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
    assert!(fleet.order("migrate").is_empty(), "{ran:?}");
    let told = format!("another has {commit}, which is not among the last 100 of branch main");
    assert!(
        ran.stderr
            .contains("h2 | ✗ clone failed with exit status 3: this server has commit "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains(&told), "{ran:?}");
}

/// A host that reports another commit than the one ordered.
#[test]
fn openship_748_hosts_with_different_commits_do_not_promote() {
    let fleet = Fleet::new(3);
    let other = "fedcba9876543210fedcba9876543210fedcba98";
    fleet.write("h2/commit", other);
    fleet.write(
        "h2/before/git",
        "until grep -q 'h1 pip' \"$FLEET/order\"; do sleep 0.02; done; case $* in *rev-list*) echo 0123456789abcdef0123456789abcdef01234567 ;; esac",
    );
    let script = fleet.read("ssh");
    fleet.write("ssh", script.replace("[ -e cut ] ||", "[ $host != h2 ] || { sh -c \"$command\" | sed -u \"s/fact commit 0.*/fact commit $(cat commit)/\"; exit; }; [ -e cut ] ||"));
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
    assert!(fleet.order("migrate").is_empty(), "{ran:?}");
    for told in [
        "The servers cloned different commits",
        "h1, h3: as it was; it has commit 0123456789abcdef0123456789abcdef01234567\n",
        "h2: as it was; it has commit fedcba9876543210fedcba9876543210fedcba98\n",
    ] {
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

/// A reported commit that is not a SHA is not sent to other hosts in an order.
#[test]
fn what_is_no_commit_is_sent_to_no_other_host() {
    for named in ["$(reboot)", "0123456789abcdef", &"g".repeat(40)] {
        let fleet = Fleet::new(2);
        fleet.write("h1/commit", named);
        // Makes h1 the first host to report its commit.
        fleet.write(
            "h2/before/git",
            "until [ -s \"$FLEET/h1/named\" ]; do sleep 0.02; done",
        );
        let script = fleet.read("ssh");
        fleet.write("ssh", script.replace("[ -e cut ] ||", "[ $host != h1 ] || { sh -c \"$command\" | sed -u \"s/fact commit 0.*/fact commit $(cat commit)/; /fact commit/w named\"; exit; }; [ -e cut ] ||"));
        let ran = fleet.run(&["deploy", "--json"]);
        assert_eq!(ran.code(), 3, "{ran:?}");
        assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
        assert!(ran.stdout.contains("\"key\":\"commit\""), "{ran:?}");
        assert!(!ran.stdout.contains("\"order\":\"commit"), "{ran:?}");
    }
}
