//! Commands on the controller that get the result of a deploy or rollback.

use crate::support::Fleet;
use serde_json::Value;
use std::fs;

/// `on_success` saves the result and checks that the hosts are unlocked; the first command of `on_failure` fails
/// after saving the result.
const HOOKS: &str = "  hooks:
    on_success:
      - cat >success.json; echo the chat knows
      - for host in h1 h2; do flock -n $host/root/.pystrano/lock true || touch held; done
    on_failure: [cat >failure.json; exit 7, touch second]
";

fn result(fleet: &Fleet, name: &str) -> Value {
    serde_json::from_str(&fleet.read(name)).expect("an object")
}

#[test]
fn hooks_get_the_result_on_stdin_when_the_hosts_are_free() {
    let fleet = Fleet::new(2);
    fleet.configure(HOOKS);
    let ran = fleet.run(&["deploy", "--json"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(result(&fleet, "success.json"), ran.summary());
    let summary = ran.summary();
    assert_eq!(summary["action"], "deploy");
    assert_eq!(summary["target"], "test app");
    assert_eq!(summary["hosts"][1]["outcome"], "done");
    assert!(ran.stderr.contains("the chat knows\n"), "{ran:?}");
    assert!(!ran.stdout.contains("the chat knows"), "{ran:?}");
    assert!(!fleet.path("held").exists() && !fleet.path("failure.json").exists());
    fleet.run(&["rollback"]);
    assert_eq!(result(&fleet, "success.json")["action"], "rollback");
    fleet.write("success.json", "");
    fleet.run(&["status"]);
    assert_eq!(fleet.read("success.json"), "");
}

#[test]
fn a_hook_that_fails_hides_no_failure() {
    let fleet = Fleet::new(2);
    fleet.configure(HOOKS);
    fleet.write("h2/fail/restart", "");
    fleet.write("h2/talk/restart", "no login as app with correct horse\n");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    let failure = result(&fleet, "failure.json");
    assert_eq!(failure["code"], 1);
    assert_eq!(failure["hosts"][1]["outcome"], "reverted");
    let problem = failure["hosts"][1]["problem"].as_str().expect("a problem");
    assert!(problem.contains("restart"), "{failure}");
    let warning =
        "warning: the hook on_failure, \"cat >failure.json; exit 7\", failed with exit status: 7\n";
    assert!(ran.stderr.contains(warning), "{ran:?}");
    assert!(fleet.path("second").exists() && !fleet.path("success.json").exists());
    let told = "    no login as app with [redacted]\n";
    assert!(ran.stderr.contains(told), "{ran:?}");
    fs::remove_file(fleet.path("h2/talk/restart")).expect("a file");
    // A hook that fails without reading its stdin does not change the exit code either.
    fs::remove_file(fleet.path("h2/fail/restart")).expect("a file");
    fleet.configure("  hooks:\n    on_success: exit 9\n");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("failed with exit status: 9"), "{ran:?}");
}

#[test]
fn hooks_get_no_secret() {
    let fleet = Fleet::new(2);
    fleet.configure(HOOKS);
    fleet.write("env", "PASSWORD=correct_horse\n");
    fleet.write("h1/talk/migrate", "  Applying pages.correct_horse... OK\n");
    fleet.write("h2/fail/restart", "");
    let ran = fleet.run(&["deploy", "--json"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    let failure = result(&fleet, "failure.json");
    assert_eq!(failure["hosts"][0]["migrations"][0], "pages.[redacted]");
    for text in [&fleet.read("failure.json"), &ran.stdout, &ran.stderr] {
        assert!(!text.contains("correct_horse"), "{text}");
    }
}
