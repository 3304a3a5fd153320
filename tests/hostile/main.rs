//! Any string, in any free-text field, any value of the env file and any secret, reaches the arguments, the
//! environment and the files of commands unchanged. `PYSTRANO_CASES=10000` tries that many cases; the default is
//! fewer.

mod deploy;
#[path = "../sandbox/mod.rs"]
mod sandbox;
mod setup;
mod strings;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sandbox::Sandbox;
use std::fs;

/// Tries `PYSTRANO_CASES` cases; a failure is reported for the smallest failing case.
fn hold<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, test: impl Fn(T)) {
    let cases =
        std::env::var("PYSTRANO_CASES").map_or(40, |cases| cases.parse().expect("a number"));
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&strategy, |case| {
        test(case);
        Ok(())
    });
    result.expect("all strings arrive");
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("JSON")
}

/// Values of the env file and secrets appear only in the files meant for them.
#[test]
fn secrets_stay_where_they_belong() {
    let host = Sandbox::new();
    host.write("files/.env", "TOKEN=canary-token\n");
    host.configure("");
    // Every command records the command lines of all running processes.
    host.program(
        "venv/bin/python",
        "#!/bin/sh\nfor p in /proc/[0-9]*; do cat $p/cmdline; echo; done >>\"$SANDBOX/argv\" 2>/dev/null\nexit 0\n",
    );
    for release in ["20260101000000", "20260102000000"] {
        let ran = host.run(&["sh"], &["deploy", release]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    }
    host.fail("pip");
    let ran = host.deploy();
    assert_eq!(ran.status, 3);
    assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    let argv = String::from_utf8_lossy(&fs::read(host.path("argv")).expect("argv")).into_owned();
    assert!(
        argv.contains("deploy.sh") && !argv.contains("canary"),
        "a secret in ps"
    );
    let snapshot = host.snapshot();
    let token = format!("{:?}", b"canary-token");
    let token = token.trim_matches(&['[', ']'][..]).to_owned();
    for line in snapshot.lines().filter(|line| line.contains(&token)) {
        assert!(
            line.contains("/.pystrano/env 100600 ") || line.contains("/.pystrano/run 100700 "),
            "{line}"
        );
    }
    assert!(snapshot.contains(&token));
}
