//! `status`, `rollback`, `restart`, `--revision`, `--branch`, `--dry-run`, `--json` and `--host` over many hosts.

use crate::support::{Fleet, OLD, OLDER, ran};
use serde_json::Value;

#[test]
fn status_is_a_table_of_all_hosts() {
    let fleet = Fleet::new(2);
    let ran = fleet.run(&["status"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(ran.stderr, "");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    let expected = [
        "h1",
        OLD,
        "0123456789ab",
        "2026-01-01T00:00:00Z",
        "ada@laptop",
        "app.service",
        "active",
        OLDER,
    ];
    assert_eq!(words, expected);
}

/// The exit code is that of the outcome, but never 0.
#[test]
fn a_result_that_is_lost_is_told() {
    let fleet = Fleet::new(2);
    let full = |arguments: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = fleet.command(arguments);
        command.stdout(full.expect("a device"));
        ran(command.spawn().expect("pystrano"))
    };
    let told = "error: cannot write to stdout: No space left on device (os error 28); send the result elsewhere\n";
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["deploy", "--json"],
    ] {
        let ran = full(arguments);
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert_eq!(ran.stderr, told);
    }
    let ran = full(&["deploy", "--dry-run"]);
    assert_eq!((ran.code(), ran.stderr.as_str()), (2, told));
    fleet.write("h1/fail/pip", "");
    assert_eq!(full(&["deploy", "--json"]).code(), 3);
}

#[test]
fn status_tells_when_hosts_differ() {
    let fleet = Fleet::new(2);
    let rolled = fleet.run(&["rollback", "--host", "h2"]);
    assert_eq!(rolled.code(), 0, "{rolled:?}");
    assert_eq!(fleet.all_current(), [OLD, OLDER]);
    let ran = fleet.run(&["status"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stdout.contains(OLDER));
    assert!(
        ran.stderr.starts_with("✗ Servers run different releases"),
        "{ran:?}"
    );
    let ran = fleet.run(&["status", "--json"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert_eq!(ran.summary()["code"], 5);
}

/// The releases have the same name, as when two controllers deployed in the same second.
#[test]
fn status_tells_when_commits_differ_which_units_are_down_and_what_a_lock_waits_for() {
    let fleet = Fleet::new(2);
    fleet.write("h2/commit", "fedcba9876543210fedcba9876543210fedcba98\n");
    fleet.write("h2/down", "");
    let ran = fleet.run(&["status"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    let told = "✗ Servers run different releases, or different commits";
    assert!(ran.stderr.starts_with(told), "{ran:?}");
    let told = "\nh2: app.service is failed since Thu 2026-01-01 01:02:03 UTC\n";
    assert!(ran.stdout.contains(told), "{ran:?}");
    let ran = fleet.run(&["status", "--json", "--host", "h2"]);
    let units = r#""units":[{"name":"app.service","state":"failed","since":"Thu 2026-01-01 01:02:03 UTC"}]"#;
    assert!(ran.stdout.contains(units), "{ran:?}");

    let fleet = Fleet::new(2);
    fleet.write(
        "h2/before/pip",
        "until [ -e \"$SANDBOX/go\" ]; do sleep 0.05; done",
    );
    let child = fleet.start(&["deploy"]);
    let lock = "h1/root/.pystrano/lock";
    fleet.wait_for(lock, "waits");
    let status = fleet.run(&["status"]);
    fleet.write("h2/go", "");
    assert_eq!(ran_of(child), 0);
    let told = " waits for the controller (ready), pid ";
    let line = status
        .stdout
        .lines()
        .find(|line| line.starts_with("h1 is locked: ada@"));
    assert!(line.is_some_and(|line| line.contains(told)), "{status:?}");
}

fn ran_of(child: std::process::Child) -> i32 {
    ran(child).code()
}

#[test]
fn history_is_the_last_runs_of_all_hosts() {
    let fleet = Fleet::new(2);
    assert_eq!(fleet.run(&["deploy"]).code(), 0);
    fleet.write("h2/fail/curl", "");
    assert_eq!(fleet.run(&["rollback", "--host", "h1"]).code(), 0);
    let ran = fleet.run(&["history"]);
    assert_eq!(ran.code(), 0, "hosts may differ: {ran:?}");
    assert_eq!(ran.stderr, "", "{ran:?}");
    let lines: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["TIME", "SERVER", "RELEASE", "COMMIT", "BY", "RESULT"]
    );
    let first = [
        "2026-01-01T00:00:00Z",
        "h1",
        OLD,
        "-",
        "ada@laptop",
        "deployed",
    ];
    assert_eq!(lines[1], first);
    assert_eq!(lines.len(), 6, "{ran:?}");
    let last = lines.iter().rfind(|line| line[1] == "h1").expect("a line");
    assert_eq!((last[2], last[5]), (OLD, "rolled-back"), "{ran:?}");
    let ran = fleet.run(&["history", "--json", "--host", "h1"]);
    let runs: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let runs: Vec<&Value> = runs.iter().filter(|run| run["event"] == "run").collect();
    assert_eq!(runs.len(), 3, "{ran:?}");
    assert_eq!(runs[1]["result"], "deployed", "{ran:?}");
    assert_eq!(
        runs[1]["commit"], "0123456789abcdef0123456789abcdef01234567",
        "{ran:?}"
    );
    assert_eq!(runs[2]["result"], "rolled-back", "{ran:?}");
}

#[test]
fn rollback_takes_all_hosts_or_none() {
    let fleet = Fleet::new(3);
    let ran = fleet.run(&["rollback"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLDER; 3]);
    assert!(fleet.order("migrate").is_empty());

    let fleet = Fleet::new(3);
    fleet.write("h2/fail/restart", "");
    let ran = fleet.run(&["rollback", OLDER]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3]);

    let ran = fleet.run(&["rollback", "-x"]);
    assert_eq!(ran.code(), 2, "{ran:?}");
    let ran = fleet.run(&["rollback", "19990101000000"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3]);
}

#[test]
fn a_rollback_to_different_releases_is_called_off() {
    let fleet = Fleet::new(3);
    let older = "20240101000000";
    fleet.write(&format!("h2/root/releases/{older}/.pystrano/commit"), "1");
    fleet.write(&format!("h2/root/releases/{OLD}/.pystrano/previous"), older);
    let ran = fleet.run(&["rollback"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 3], "{ran:?}");
    let said = ran.stderr.matches("name the one that all are to run");
    assert_eq!(said.count(), 1, "{ran:?}");
    let told = format!("h2: as it was; it would go back to {older}\n");
    assert!(ran.stderr.contains(&told), "{ran:?}");

    let ran = fleet.run(&["rollback", OLDER]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLDER; 3], "{ran:?}");
}

#[test]
fn json_is_one_event_per_line() {
    let fleet = Fleet::new(2);
    let ran = fleet.run(&["deploy", "--json"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(ran.stderr, "");
    let events: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let name = |event: &Value| {
        event["event"]
            .as_str()
            .map(str::to_owned)
            .expect("an event")
    };
    assert_eq!(name(&events[0]), "begin");
    assert_eq!(events[0]["action"], "deploy");
    assert_eq!(events[0]["hosts"][1], "h2");
    let last = events.last().expect("events");
    assert_eq!(name(last), "summary");
    assert_eq!(last["code"], 0);
    assert_eq!(last["hosts"][1]["host"], "h2");
    assert_eq!(last["hosts"][1]["outcome"], "done");
    assert_eq!(last["hosts"][1]["release"], events[0]["release"]);
    let of_second: Vec<String> = events
        .iter()
        .filter(|event| event["host"] == "h2")
        .map(name)
        .collect();
    let order = [
        "opening", "start", "step", "done", "fact", "phase", "order", "end", "finished",
    ];
    let firsts: Vec<_> = order
        .iter()
        .map(|wanted| of_second.iter().position(|event| event == wanted))
        .collect();
    assert!(
        firsts.is_sorted() && firsts.iter().all(Option::is_some),
        "{firsts:?}"
    );
    assert!(events.iter().all(|event| event["elapsed"].is_number()));

    let ran = fleet.run(&["status", "--json"]);
    let found = ran
        .stdout
        .lines()
        .find(|line| line.contains(r#""event":"status""#))
        .expect("a status");
    let status: Value = serde_json::from_str(found).expect("an object");
    assert_eq!(status["releases"], serde_json::json!([OLDER, OLD]));
    assert_eq!(status["units"][0]["state"], "active");
    let summary = ran.summary();
    for host in 0..2 {
        assert_eq!(summary["hosts"][host]["release"], status["current"]);
        assert_eq!(summary["hosts"][host]["commit"], status["commit"]);
    }
}

#[test]
fn a_reverted_host_has_no_commit_of_what_it_gave_up() {
    let fleet = Fleet::new(2);
    fleet.write("h2/fail/curl", "");
    let ran = fleet.run(&["deploy", "--json"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    for host in 0..2 {
        let host = &ran.summary()["hosts"][host];
        assert_eq!(host["release"], OLD);
        assert_eq!(host["commit"], Value::Null);
    }
}

#[test]
fn a_dry_run_contacts_nobody() {
    let fleet = Fleet::new(2);
    fleet.configure("  forward_agent: true\n");
    for command in ["setup", "deploy", "rollback", "status"] {
        let ran = fleet.run(&[command, "--dry-run"]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert_eq!(ran.stdout.lines().count(), 6, "{ran:?}");
        assert!(!ran.stdout.contains(" -p "), "ssh_config decides: {ran:?}");
        assert!(ran.stdout.contains(" bytes, sha256 "), "{ran:?}");
        assert_eq!(ran.stdout.contains(" -A "), command == "deploy", "{ran:?}");
    }
    assert_eq!(fleet.read("h1/ssh"), "");
}

#[test]
fn a_dry_run_in_json_is_one_event_for_each_server() {
    let fleet = Fleet::new(2);
    for (command, script) in [("setup", "setup.sh"), ("deploy", "deploy.sh")] {
        for more in [&[][..], &["--verbose"]] {
            let arguments = [&[command, "--dry-run", "--json"][..], more].concat();
            let ran = fleet.run(&arguments);
            assert_eq!(ran.code(), 0, "{ran:?}");
            let plans: Vec<Value> = ran
                .stdout
                .lines()
                .map(|line| serde_json::from_str(line).expect("an object"))
                .collect();
            assert_eq!(plans.len(), 2, "{ran:?}");
            for (plan, host) in plans.iter().zip(["h1", "h2"]) {
                assert_eq!(plan["event"], "plan");
                assert_eq!(plan["host"], host);
                assert!(plan["elapsed"].is_number());
                let words = plan["command"].as_array().expect("words");
                assert_eq!(words[0], fleet.path("ssh").to_str().expect("UTF-8"));
                assert_eq!(words[words.len() - 2], host);
                assert_eq!(plan["script"], script);
                let words = plan["arguments"].as_array().expect("words");
                let last = words.last().and_then(Value::as_str).expect("a word");
                assert!(last.starts_with(if script == "setup.sh" {
                    "who=ada@"
                } else {
                    "barrier="
                }));
                assert!(plan["bytes"].as_u64() > Some(1000));
                assert_eq!(plan["sha256"].as_str().map(str::len), Some(64));
                let text = plan.get("text").and_then(Value::as_str);
                assert_eq!(text.is_some(), !more.is_empty());
                assert!(text.is_none_or(|text| text.starts_with("#!/bin/sh\n# ")));
            }
            assert!(!ran.stdout.contains("correct horse"));
        }
    }
    assert_eq!(fleet.read("h1/ssh"), "");
}

/// The orders that a host received, one for each time it waited for one.
fn orders(fleet: &Fleet, host: &str) -> Vec<String> {
    let heard = fleet.read(&format!("{host}/heard"));
    let (_, nonce) = heard.split_once("nonce=").expect("a nonce");
    let mark = format!("{} ", &nonce[..32]);
    let orders = heard
        .lines()
        .filter_map(|line| line.strip_prefix(mark.as_str()));
    let words = orders.filter_map(|order| order.split(' ').next());
    words
        .filter(|order| *order != "wait")
        .map(str::to_owned)
        .collect()
}

#[test]
fn several_hosts_wait_once_more_for_the_commit() {
    let fleet = Fleet::new(2);
    fleet.write("h1/heard", "");
    assert_eq!(fleet.run(&["deploy"]).code(), 0);
    assert_eq!(orders(&fleet, "h1"), ["commit", "migrate", "go", "keep"]);
    assert_eq!(fleet.run(&["rollback"]).code(), 0);
    assert_eq!(orders(&fleet, "h1"), ["go", "keep"]);
    assert_eq!(fleet.run(&["deploy", "--host", "h1"]).code(), 0);
    assert!(orders(&fleet, "h1").is_empty());
}

#[test]
fn one_host_alone_gets_no_barrier() {
    let fleet = Fleet::new(2);
    let ran = fleet.run(&["deploy", "--host", "h2"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let told = fleet.read("h2/calls");
    assert!(told.starts_with("set -- deploy 2"), "{told}");
    assert!(!told.contains("barrier"), "{told}");
    let command = fleet.read("h2/ssh");
    assert!(command.contains(" exec sh -c "), "{command}");
    for secret in ["nonce=", "who="] {
        assert!(
            !command.contains(secret),
            "a command line is for all to read: {command}"
        );
    }
    assert_eq!(fleet.read("h1/ssh"), "");
    assert!(
        ran.stderr.starts_with("✓ Locked "),
        "one host needs no prefix: {ran:?}"
    );
    assert!(ran.stderr.contains("✓ Pulled branch main"), "{ran:?}");
}

#[test]
fn a_restart_is_of_all_hosts_and_makes_no_release() {
    let fleet = Fleet::new(3);
    let restarted = fleet.run(&["restart", "--lock-wait", "5"]);
    assert_eq!(restarted.code(), 0, "{restarted:?}");
    assert!(
        restarted
            .stderr
            .contains(&format!("✓ Restarted {OLD} on 3 servers in ")),
        "{restarted:?}"
    );
    let mut order = fleet.order("restart");
    order.sort();
    assert_eq!(order, ["h1", "h2", "h3"]);
    assert!(fleet.read("h1/calls").contains("restart lock-wait=5 "));
    fleet.write("h2/fail/old", "");
    fleet.write("h2/fail/curl", "");
    fleet.write(
        "h2/journal",
        "9999999999.000000 app2 gunicorn[8]: it is correct horse\n",
    );
    let failed = fleet.run(&["restart"]);
    assert_eq!(failed.code(), 1, "{failed:?}");
    assert!(
        failed
            .stderr
            .contains("h2 | ✗ verify failed with exit status 1"),
        "{failed:?}"
    );
    assert!(
        failed
            .stderr
            .contains("h2 |     gunicorn[8]: it is [redacted]\n"),
        "{failed:?}"
    );
    assert_eq!(fleet.all_current(), [OLD; 3].map(str::to_owned));
    fleet.configure("");
    let text = fleet.read("deploy/app/test/deployment.yml");
    let unit = text
        .lines()
        .find(|line| line.contains("service_file"))
        .expect("a unit");
    fleet.write(
        "deploy/app/test/deployment.yml",
        text.replace(&format!("{unit}\n"), ""),
    );
    for command in ["restart", "logs"] {
        let none = fleet.run(&[command]);
        assert!(
            none.code() == 2
                && none
                    .stderr
                    .contains("h1 has no unit; name its `service_file`"),
            "{none:?}"
        );
    }
}

#[test]
fn a_revision_or_branch_is_for_one_time() {
    let fleet = Fleet::new(1);
    fleet.configure("  revision: v1\n");
    let script = |words: &[&str]| {
        let ran = fleet.run(&[&["deploy", "--dry-run", "--verbose"], words].concat());
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran.stdout
    };
    let other = script(&["--revision", "v2"]);
    assert!(
        other.contains("\trevision=v2\n") && other.contains("\tbranch=main\n"),
        "{other}"
    );
    let branch = script(&["--branch", "topic/x"]);
    assert!(
        branch.contains("\tbranch=topic/x\n") && !branch.contains("\trevision="),
        "{branch}"
    );
    fleet.configure("");
    let pinned = script(&["--revision", "v2"]);
    assert!(
        pinned.contains("\trevision=v2\n") && !pinned.contains("--depth"),
        "{pinned}"
    );
    assert!(!script(&[]).contains("\trevision="));
    for (words, told) in [
        (["--revision", "-x"], "starts with `-`"),
        (["--revision", "a b"], "revision"),
        (["--branch", "a..b"], "it has `..`"),
        (
            ["--branch", "0123456789abcdef0123456789abcdef01234567"],
            "is a commit, not a branch",
        ),
    ] {
        let wrong = fleet.run(&["deploy", &format!("{}={}", words[0], words[1])]);
        assert!(
            wrong.code() == 2 && wrong.stderr.contains(told),
            "{wrong:?}"
        );
    }
    assert!(!fleet.path("h1/ssh").exists(), "nothing is contacted");
}
