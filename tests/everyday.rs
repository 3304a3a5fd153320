//! What a unit logs when it fails, restarts without a release, and a lock that is waited for: `deploy.sh` run in a
//! sandbox.

mod sandbox;

use sandbox::Sandbox;

/// A sandbox with a release, whose unit has logged something before and after each restart.
fn logging() -> Sandbox {
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

const SHOWN: &str = "gunicorn[8]: hello world, [secret] [secret] [secret] [secret] 1234\n    ModuleNotFoundError\nsystemd[1]: app.service: Failed\n";

/// The last lines of this start alone, below the failure.
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
        sandbox.mend(fault);
        // What ran before fails, too.
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

/// Under a controller they come before the event of the failure, to whose output they belong.
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

/// Nothing is read where another host failed, where the build failed, or where setup has not been run since.
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
    sandbox.mend("pip");
    assert!(!sandbox.path("calls/journalctl").exists());
    sandbox.fail("sudo-journalctl");
    sandbox.fail("health-3");
    let ran = sandbox.run(&["sh"], &["deploy", "3"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let told = "may not read the log of app.service here; run setup.sh again, or look as root: journalctl --unit=app.service";
    assert!(ran.stdout.contains(told), "{ran:?}");
    assert!(!ran.stdout.contains("gunicorn"), "{ran:?}");
}

/// A process that holds the lock of a sandbox, as a run does, until its input ends.
fn holder(sandbox: &Sandbox) -> std::process::Child {
    use std::io::BufRead;
    let lock = sandbox.path("root/.pystrano/lock");
    let script = "exec 9>>\"$0\"; flock 9; echo \"bob@desk deploy 9 since now pid $$\" >\"$0\"; echo held; read -r _; exit 0";
    let mut holder = sandbox
        .command(&["bash", "-c", script])
        .arg(lock)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut line = String::new();
    let output = holder.stdout.as_mut().expect("stdout");
    std::io::BufReader::new(output)
        .read_line(&mut line)
        .expect("a line");
    assert_eq!(line, "held\n");
    holder
}

#[test]
fn a_lock_is_waited_for_when_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.configure("");
    sandbox.deployed("1");
    let mut other = holder(&sandbox);
    let held = "failed  lock, exit status 3: another run holds the lock on ";
    let ran = sandbox.run(&["sh"], &["deploy", "2"]);
    assert!(ran.status == 3 && ran.stderr.starts_with(held), "{ran:?}");
    let ran = sandbox.run(&["sh"], &["deploy", "2", "lock-wait=1"]);
    assert!(ran.status == 3 && ran.stderr.starts_with(held), "{ran:?}");
    assert!(ran.stderr.contains("bob@desk deploy 9"), "{ran:?}");
    let waits = "warning Waiting up to 1 s for another run, which holds the lock: bob@desk deploy 9 since now pid ";
    assert!(ran.stdout.starts_with(waits), "{ran:?}");
    for wrong in ["lock-wait=", "lock-wait=1m", "lock-wait=-1"] {
        assert_eq!(
            sandbox.run(&["sh"], &["deploy", wrong]).status,
            2,
            "{wrong}"
        );
    }

    // A controller that goes away ends the waiting, and so does a signal.
    let mut session = sandbox.controlled(&["deploy", "2", "lock-wait=600"]);
    session.wait_for("done lock warning Waiting up to 600 s");
    session.hang_up();
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
    let mut session = sandbox.controlled(&["rollback", "lock-wait=600"]);
    session.wait_for("done lock warning Waiting up to 600 s");
    let id = session.child.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(kill.expect("kill").success());
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));

    // It goes on when the other one is over, and the orders after that are heard.
    let mut session = sandbox.controlled(&["deploy", "2", "lock-wait=600", "barrier=20"]);
    session.wait_for("done lock warning Waiting up to 600 s");
    session.say("wait");
    other.stdin = None;
    session.wait_for("phase ready");
    session.say("migrate");
    session.wait_for("phase migrated");
    session.say("go");
    session.wait_for("phase promoted");
    session.say("keep");
    assert_eq!(session.end(), ("end 0 deployed".to_owned(), 0));
    assert_eq!(sandbox.current().as_deref(), Some("2"));
    assert_eq!(other.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_restart_changes_nothing_and_is_verified() {
    let sandbox = logging();
    let log = "root/.pystrano/revisions.log";
    // The times of the starts are not what a restart must keep.
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

    // One that fails is told with the unit's log, and is in the log.
    for (fault, failure) in [
        ("restart", "failed  restart, exit status 1\n"),
        (
            "curl",
            "failed  verify, exit status 1: http://127.0.0.1:8000/ did not answer",
        ),
    ] {
        sandbox.fail(fault);
        let ran = sandbox.run(&["sh"], &["restart"]);
        sandbox.mend(fault);
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

    // Where nothing runs there is nothing to restart; without a unit there is no such action.
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
