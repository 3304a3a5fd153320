//! The log of a unit that fails is shown below the failure.

use crate::sandbox::Sandbox;

/// A sandbox with a release, whose unit logs something before and after each restart.
pub fn logging() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure("");
    sandbox.write(
        "files/.env",
        "DB_PASSWORD='correct horse'\nURL=postgres://app:pw-1234@db/app\nGREETING='hello world'\nAPI_KEY='two\nlines!'\nPIN_TOKEN=1234\n",
    );
    sandbox.deployed("1");
    let mut log =
        String::from("1000.000001 host gunicorn[7]: of an earlier start\n   with a second line\n");
    for line in 1..30 {
        log += &format!("9999999999.000001 host gunicorn[8]: line {line}\n");
    }
    log += "9999999999.5 host gunicorn[8]: hello world, correct horse correct horse pw-1234 lines! 1234\n    \
            \x1b[31mModuleNotFoundError\x1b[0m\n9999999999.6 host systemd[1]: app.service: Failed\n";
    sandbox.write("files/journal", log);
    sandbox
}

/// The lines of the unit's log that are shown.
pub const SHOWN: &str = "gunicorn[8]: hello world, [secret] [secret] [secret] [secret] 1234\n    ModuleNotFoundError\nsystemd[1]: app.service: Failed\n";

/// Only the last lines since this start are shown.
#[test]
fn a_unit_that_fails_is_told_with_its_log() {
    let sandbox = logging();
    for (fault, failure) in [
        ("restart", "failed  restart, exit status 1\n"),
        (
            "unit",
            "failed  verify, exit status 1: app.service did not stay up\n",
        ),
        (
            "curl",
            "failed  verify, exit status 1: http://127.0.0.1:8000/ did not answer with 200-399 within 1 s; its last answer was 500\n",
        ),
    ] {
        sandbox.fail(fault);
        let ran = sandbox.run(&["sh"], &["deploy", "2"]);
        sandbox.stop_failing(fault);
        // The previous release fails, too.
        assert_eq!(ran.status, 5, "{ran:?}");
        assert!(ran.stderr.starts_with(failure), "{ran:?}");
        let lines: Vec<&str> = ran
            .stdout
            .lines()
            .filter(|line| line.starts_with("gunicorn[8]: line "))
            .collect();
        assert_eq!(lines.len(), 34, "{ran:?}");
        assert_eq!(lines[0], "gunicorn[8]: line 13", "{ran:?}");
        assert_eq!(ran.stdout.matches(SHOWN).count(), 2, "{ran:?}");
        assert!(
            !ran.stdout.contains("earlier") && !ran.stdout.contains("second line"),
            "{ran:?}"
        );
        let calls = sandbox.read("calls/journalctl");
        let call = "--no-pager --unit=app.service --output=short-unix --lines=10000";
        assert!(calls.lines().all(|line| line == call), "{calls}");
        sandbox.deployed(&format!("after-{fault}"));
    }
}

/// Under a controller the lines come before the event of the failure, because output belongs to the event that
/// follows it.
#[test]
fn a_controller_gets_the_log_with_the_failure() {
    let sandbox = logging();
    sandbox.fail("health-2");
    let mut session = sandbox.controlled(&["deploy", "2"]);
    session.wait_for("step verify");
    session.wait_for("out gunicorn[8]: line 13");
    session.wait_for("out systemd[1]: app.service: Failed");
    session.wait_for("fail verify 1");
    assert_eq!(session.end(), ("end 1 reverted".to_owned(), 1));
}

/// No log is read if another host failed, if the build failed, or if `setup` has not yet allowed the app user to read
/// it.
#[test]
fn a_log_is_shown_only_where_it_tells_something() {
    let sandbox = logging();
    let mut session = sandbox.controlled(&["deploy", "2", "barrier=20"]);
    session.wait_for("phase ready");
    session.say("migrate");
    session.wait_for("phase migrated");
    session.say("go");
    session.wait_for("phase promoted");
    session.say("revert");
    assert_eq!(session.end(), ("end 1 reverted".to_owned(), 1));
    sandbox.fail("pip");
    assert_eq!(sandbox.deploy().status, 3);
    sandbox.stop_failing("pip");
    assert!(!sandbox.path("calls/journalctl").exists());
    sandbox.fail("sudo-journalctl");
    sandbox.fail("health-3");
    let ran = sandbox.run(&["sh"], &["deploy", "3"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let told = "may not read the log of app.service here; run setup.sh again, or look as root: journalctl --unit=app.service";
    assert!(ran.stdout.contains(told), "{ran:?}");
    assert!(!ran.stdout.contains("gunicorn"), "{ran:?}");
}
