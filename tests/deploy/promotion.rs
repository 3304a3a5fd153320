//! Which releases are promoted, which are not, and which are reverted.

use crate::sandbox::{Sandbox, names};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_deploy_makes_a_release_and_switches_current() {
    let host = Sandbox::new();
    host.configure("");
    let commit = host.repo(&["rev-parse", "HEAD"]);
    let ran = host.run(&["sh"], &["deploy", "20260101000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        ran.stdout.lines().last(),
        Some(format!("Deployed 20260101000000 ({commit})").as_str())
    );
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
    assert_eq!(host.read("root/current/manage.py"), "# version 1\n");
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
    let mode = fs::metadata(host.path("root/shared/.env"))
        .expect("env")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(host.read("root/current/key.txt"), "canary-key\n");
    assert_eq!(
        fs::canonicalize(host.path("root/current/media")).expect("media"),
        fs::canonicalize(host.path("root/shared/media")).expect("media")
    );
    assert!(!host.path("root/current/.pystrano/unfinished").exists());
    let log = host.read("root/.pystrano/revisions.log");
    let fields: Vec<&str> = log.split_whitespace().collect();
    assert_eq!(fields[1..3], ["20260101000000", &commit]);
    assert_eq!(fields[4], "deployed");
    assert_eq!(
        host.read("calls/systemctl"),
        "restart app.service releases/20260101000000\n"
    );
    assert_eq!(
        host.read("calls/python"),
        "manage.py\0collectstatic\0--noinput\0manage.py\0migrate\0--noinput\0"
    );
    assert!(
        host.read("environments/python")
            .contains("\0GREETING=hello world\0")
    );
    assert!(!host.read("environments/pip").contains("GREETING"));
}

#[test]
fn what_fails_before_promotion_leaves_the_host_as_it_was() {
    for (fault, step) in [
        ("pip", "dependencies"),
        ("python", "static"),
        ("sudo", "release"),
    ] {
        let host = Sandbox::new();
        host.configure("");
        host.deployed("20260101000000");
        let before = host.snapshot();
        host.fail(fault);
        let ran = host.deploy();
        assert_eq!(ran.status, 3, "{fault}: {ran:?}");
        assert!(
            ran.stderr
                .contains(&format!("failed  {step}, exit status ")),
            "{ran:?}"
        );
        assert_eq!(
            ran.stdout.lines().last(),
            Some("Stopped before promotion; current is still 20260101000000")
        );
        assert_eq!(host.snapshot(), before, "{fault}");
        host.stop_failing(fault);
        assert_eq!(host.deploy().status, 0, "{fault}: the next deploy");
    }
}

#[test]
fn a_branch_that_is_not_there_fails_the_clone() {
    let host = Sandbox::new();
    host.configure("branch: nowhere");
    let before = host.snapshot();
    let ran = host.deploy();
    assert_eq!(ran.status, 3);
    assert!(
        ran.stdout.contains("Remote branch nowhere not found"),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("failed  clone, exit status 128"),
        "{ran:?}"
    );
    assert_eq!(host.snapshot(), before);
}

#[test]
fn an_unbalanced_quote_breaks_its_step_only() {
    let host = Sandbox::new();
    host.configure("framework: fastapi\nstatic_files_command: \"echo 'oops\"\n");
    let ran = host.deploy();
    assert_eq!(ran.status, 3);
    assert!(
        ran.stderr.contains("failed  static, exit status"),
        "{ran:?}"
    );
    assert!(host.releases().is_empty());
}

#[test]
fn what_does_not_verify_goes_back() {
    for fault in ["restart", "unit", "health-20260102000000"] {
        let host = Sandbox::new();
        host.configure("");
        host.deployed("20260101000000");
        if fault == "health-20260102000000" {
            host.fail(fault);
            let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
            assert_eq!(ran.status, 1, "{ran:?}");
            assert_eq!(
                ran.stdout.lines().last(),
                Some("20260102000000 failed at verify; current is 20260101000000 again")
            );
            assert!(
                ran.stderr
                    .contains("did not answer with 200-399 within 1 s; its last answer was 500"),
                "{ran:?}"
            );
            assert!(
                host.read("root/.pystrano/revisions.log")
                    .ends_with(" reverted\n")
            );
            assert_eq!(host.releases(), ["20260101000000"]);
        } else {
            // The old release does not start either.
            host.fail(fault);
            let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
            assert_eq!(ran.status, 5, "{ran:?}");
        }
        assert_eq!(host.current().as_deref(), Some("20260101000000"), "{fault}");
        assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
    }
}

#[test]
fn a_first_deploy_that_does_not_verify_leaves_nothing_behind() {
    let host = Sandbox::new();
    host.configure("");
    host.fail("curl");
    let ran = host.deploy();
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(host.current(), None);
    assert!(host.releases().is_empty());
    assert_eq!(
        names(&host.path("root/shared")),
        [".env", "key.txt", "media"]
    );
}

#[test]
fn a_second_deploy_names_the_first() {
    let host = Sandbox::new();
    host.configure("");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(host.path("gate"))
            .status()
            .expect("mkfifo")
            .success()
    );
    host.program("venv/bin/pip", "#!/bin/sh\ncat \"$SANDBOX/gate\"\n");
    let mut first = host.controlled(&["deploy", "20260101000000"]);
    first.wait_for("step dependencies");
    let second = host.deploy();
    assert_eq!(second.status, 3);
    assert!(
        second.stderr.contains("another run holds the lock on "),
        "{second:?}"
    );
    assert!(
        second
            .stderr
            .contains(": ada@laptop deploy 20260101000000 since 20"),
        "{second:?}"
    );
    let status = host.run(&["sh"], &["status"]);
    assert!(
        status
            .stdout
            .contains("\nlock      ada@laptop deploy 20260101000000 since 20"),
        "{status:?}"
    );
    assert!(
        status.stdout.contains("\nunfinished 20260101000000\n"),
        "{status:?}"
    );
    host.write("gate", "");
    assert_eq!(first.end(), ("end 0 deployed".to_owned(), 0));
}

#[test]
fn rollback_is_refused_where_it_could_not_restart() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.deployed("20260102000000");
    host.fail("sudo");
    let ran = host.run(&["sh"], &["rollback"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("may not run without a password: sudo systemctl restart"),
        "{ran:?}"
    );
    assert_eq!(host.current().as_deref(), Some("20260102000000"));
}

#[test]
fn only_its_user_may_run_it() {
    let host = Sandbox::new();
    host.configure("project_user: somebody-else\nproject_root: /srv/somewhere\n");
    let ran = host.deploy();
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("run it as somebody-else"), "{ran:?}");
}

#[test]
fn wrong_words_are_refused() {
    let host = Sandbox::new();
    host.configure("");
    for words in [
        &["dploy"][..],
        &["deploy", "../x"],
        &["deploy", "-x"],
        &["deploy", "a", "b"],
    ] {
        let ran = host.run(&["sh"], words);
        assert_eq!(ran.status, 2, "{words:?}");
        assert_eq!(
            ran.stderr,
            "usage: sh deploy.sh [deploy|rollback|restart|status] [RELEASE] [lock-wait=SECONDS]\n"
        );
    }
}
