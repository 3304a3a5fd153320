//! `restart`: restarts the units of the current release.

use crate::sandbox::Sandbox;
use crate::unit_log::{SHOWN, logging};

#[test]
fn a_restart_changes_nothing_and_is_verified() {
    let sandbox = logging();
    let log = "root/.pystrano/revisions.log";
    // A restart changes the recorded start times.
    let starts = "root/.pystrano/starts";
    let started = sandbox.read(starts);
    let before = sandbox.snapshot();
    let commit = sandbox.repo(&["rev-parse", "HEAD"]);
    let ran = sandbox.run(&["sh"], &["restart"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stdout.ends_with(&format!("Restarted 1 ({commit})\n")),
        "{ran:?}"
    );
    let line = format!(" 1 {commit} ");
    let logged = sandbox.read(log);
    let last = logged.lines().last().expect("a line");
    assert!(
        last.contains(&line) && last.ends_with(" restarted"),
        "{logged}"
    );
    sandbox.write(
        log,
        logged
            .strip_suffix(&format!("{last}\n"))
            .expect("a last line"),
    );
    sandbox.write(starts, &started);
    assert_eq!(sandbox.snapshot(), before);
    assert!(
        sandbox
            .read("calls/systemctl")
            .ends_with("restart app.service releases/1\n")
    );

    // A failed restart shows the unit's log and is recorded in the revision log.
    for (fault, failure) in [
        ("restart", "failed  restart, exit status 1\n"),
        (
            "curl",
            "failed  verify, exit status 1: http://127.0.0.1:8000/ did not answer",
        ),
    ] {
        sandbox.fail(fault);
        let ran = sandbox.run(&["sh"], &["restart"]);
        sandbox.stop_failing(fault);
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.starts_with(failure), "{ran:?}");
        assert_eq!(ran.stdout.matches(SHOWN).count(), 1, "{ran:?}");
        assert!(
            ran.stdout
                .ends_with("app.service does not run as it should; look at this host now\n"),
            "{ran:?}"
        );
        assert!(sandbox.read(log).ends_with(" restart-failed\n"));
        assert_eq!(sandbox.current().as_deref(), Some("1"));
    }
    let mut session = sandbox.controlled(&["restart"]);
    session.wait_for("fact release 1");
    assert_eq!(session.end(), ("end 0 restarted".to_owned(), 0));
    assert_eq!(sandbox.run(&["sh"], &["restart", "1"]).status, 2);

    // Without a current release there is nothing to restart; without a unit the script has no such action.
    let empty = Sandbox::new();
    empty.configure("");
    let ran = empty.run(&["sh"], &["restart"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("there is no release to restart; deploy first"),
        "{ran:?}"
    );
    empty.configure("service_file: -\n");
    assert_eq!(empty.run(&["sh"], &["restart"]).status, 2);
}
