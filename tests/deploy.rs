//! `deploy.sh` run by hand, against a local tree and a local repository.

mod sandbox;

use sandbox::{Sandbox, names};
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
fn a_release_is_named_by_the_time_in_utc() {
    let host = Sandbox::new();
    host.configure("");
    assert_eq!(host.deploy().status, 0);
    let name = host.current().expect("a release");
    assert_eq!(name.len(), 14, "{name}");
    assert!(name.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
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
        host.mend(fault);
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
            // The old release does not come up either.
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
fn rollback_brings_back_what_ran_before_with_its_env() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.write("files/.env", "GREETING=second\n");
    host.deployed("20260102000000");
    host.deployed("20260103000000");
    assert_eq!(host.run(&["sh"], &["rollback", "20260101000000"]).status, 0);
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
    host.deployed("20260104000000");
    // What ran before was the first, not the third.
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
    let ran = host.run(&["sh"], &["rollback", "20260109000000"]);
    assert_eq!(ran.status, 3);
    assert!(
        ran.stderr
            .contains("there is no release 20260109000000 to go back to"),
        "{ran:?}"
    );
    let status = host.run(&["sh"], &["status"]);
    assert!(
        status.stdout.starts_with("current   20260101000000\n"),
        "{status:?}"
    );
    assert!(
        status.stdout.contains("\nunit      app.service active\n"),
        "{status:?}"
    );
}

#[test]
fn prune_keeps_the_newest_and_what_ran_before() {
    let host = Sandbox::new();
    host.configure("");
    for day in 1..=5 {
        host.deployed(&format!("2026010{day}000000"));
    }
    assert_eq!(
        host.releases(),
        ["20260103000000", "20260104000000", "20260105000000"]
    );
    assert_eq!(host.run(&["sh"], &["rollback", "20260103000000"]).status, 0);
    host.deployed("20260106000000");
    assert_eq!(
        host.releases(),
        ["20260103000000", "20260105000000", "20260106000000"],
        "promoted last"
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

/// Files of another user, for one: root's, after somebody ran something as root in a release.
#[test]
fn what_cannot_be_removed_is_in_nobodys_way() {
    let host = Sandbox::new();
    host.configure("keep_releases: 1");
    host.deployed("20260101000000");
    host.deployed("20260102000000");
    host.write("root/releases/.trash-20260101000000/root/file", "");
    host.write("root/releases/.new-20260105000000/manage.py", "");
    host.program(
        "bin/rm",
        "#!/bin/sh\ncase $* in *.trash-20260101000000*) echo denied >&2; exit 1 ;; esac\n/bin/rm \"$@\"\n",
    );
    for name in ["20260103000000", "20260104000000"] {
        let ran = host.run(&["sh"], &["deploy", name]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.stdout.contains("warning Could not remove "), "{ran:?}");
    }
    assert!(host.path("root/releases/.trash-20260101000000").exists());
    assert!(!host.path("root/releases/.new-20260105000000").exists());
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
}

#[test]
fn what_is_left_of_a_release_does_not_take_the_next_of_its_name() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    for left in [".trash-", ".new-"] {
        host.write(&format!("root/releases/{left}20260101000000/manage.py"), "");
        host.deployed("20260102000000");
        assert!(host.releases().contains(&"20260101000000".to_owned()));
        assert_eq!(host.run(&["sh"], &["rollback"]).status, 0, "{left}");
        assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
        fs::remove_dir_all(host.path("root/releases/20260102000000")).expect("a release");
    }
}

#[test]
fn shared_may_lie_on_another_volume() {
    let host = Sandbox::new();
    host.configure("");
    fs::create_dir(host.path("volume")).expect("a directory");
    fs::rename(host.path("root/shared"), host.path("volume/app-shared")).expect("moved");
    std::os::unix::fs::symlink(host.path("volume/app-shared"), host.path("root/shared"))
        .expect("a link");
    host.deployed("20260101000000");
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
    assert_eq!(host.read("root/current/key.txt"), "canary-key\n");
}

#[test]
fn a_virtualenv_of_the_running_release_is_not_shared() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    fs::rename(host.path("venv"), host.path("kept")).expect("moved");
    std::os::unix::fs::symlink(host.path("kept"), host.path("root/current/.pystrano/venv"))
        .expect("a link");
    std::os::unix::fs::symlink(host.path("root/current/.pystrano/venv"), host.path("venv"))
        .expect("a link");
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stderr.contains("name another venv_dir"), "{ran:?}");
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

/// For another Python than it found, uv makes the virtualenv anew, without pip and itself.
#[test]
fn a_virtualenv_that_uv_made_anew_is_no_dead_end() {
    let host = Sandbox::new();
    host.configure("package_manager: uv");
    host.makes_venvs();
    host.program(
        "venv/bin/pip",
        "#!/bin/sh\ncp \"$SANDBOX/kept-uv\" \"${0%/*}/uv\"\n",
    );
    fs::rename(host.path("venv/bin/uv"), host.path("kept-uv")).expect("moved");
    host.write("repo/uv.lock", "");
    host.commit("lock");
    host.deployed("20260101000000");
    assert!(host.path("venv/bin/uv").exists());
    fs::remove_file(host.path("venv/bin/uv")).expect("uv");
    fs::rename(host.path("venv/bin/pip"), host.path("kept-pip")).expect("moved");
    host.program(
        "bin/python3",
        "#!/bin/sh\nmkdir -p \"$4/bin\"\ncp \"$SANDBOX/kept-pip\" \"$4/bin/pip\"\n",
    );
    for release in ["20260102000000", "20260103000000"] {
        host.deployed(release);
        assert!(!host.path("venv/bin/uv").exists());
        assert!(
            host.read("calls/uv")
                .contains("--project\0.\0sync\0--frozen\0--no-dev\0")
        );
    }
}

#[test]
fn a_killed_deploy_is_cleaned_up_by_the_next() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let kill = "#!/bin/sh\nkill -KILL \"$(sed 's/.* pid //' \"$SANDBOX/root/.pystrano/lock\")\"\n";
    host.program("venv/bin/pip", kill);
    assert_ne!(host.run(&["sh"], &["deploy", "20260102000000"]).status, 0);
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
    assert!(
        host.path("root/releases/20260102000000/.pystrano/unfinished")
            .exists()
    );
    host.program("venv/bin/pip", "#!/bin/sh\n");
    let ran = host.run(&["sh"], &["rollback", "20260102000000"]);
    assert_eq!(ran.status, 3, "never promoted, never rolled back to");
    host.deployed("20260103000000");
    assert_eq!(host.releases(), ["20260101000000", "20260103000000"]);
}

#[test]
fn releases_of_the_python_tool_are_taken_over() {
    let host = Sandbox::new();
    host.configure("");
    for (name, greeting) in [("20250101000000", "one"), ("20250102000000", "two")] {
        host.write(&format!("root/releases/{name}/manage.py"), greeting);
        host.write(
            &format!("root/shared/.env.{name}"),
            format!("GREETING={greeting}\n"),
        );
    }
    let root = host.path("root");
    std::os::unix::fs::symlink(root.join("releases/20250102000000"), root.join("current"))
        .expect("current");
    std::os::unix::fs::symlink(
        root.join("shared/.env.20250102000000"),
        root.join("shared/.env"),
    )
    .expect("env");
    host.deployed("20260101000000");
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(host.current().as_deref(), Some("20250102000000"));
    assert_eq!(host.read("root/shared/.env"), "GREETING=two\n");
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(host.read("root/shared/.env"), "GREETING=one\n");
}

#[test]
fn a_revision_on_another_branch_is_reached() {
    let host = Sandbox::new();
    host.repo(&["checkout", "--quiet", "-b", "side"]);
    host.write("repo/manage.py", "# side\n");
    let side = host.commit("side");
    host.repo(&["checkout", "--quiet", "main"]);
    host.configure(&format!("revision: \"{side}\""));
    host.deployed("20260101000000");
    assert_eq!(host.read("root/current/manage.py"), "# side\n");
    // A ref that no branch or tag reaches.
    host.repo(&["checkout", "--quiet", "--detach"]);
    host.write("repo/manage.py", "# pull\n");
    let pull = host.commit("pull");
    host.repo(&["update-ref", "refs/pull/1/head", &pull]);
    host.repo(&["checkout", "--quiet", "main"]);
    host.configure("revision: refs/pull/1/head");
    host.deployed("20260102000000");
    assert_eq!(host.read("root/current/manage.py"), "# pull\n");
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

/// A release of an earlier version has no launcher, by which the unit starts the app now.
#[test]
fn a_unit_that_needs_the_launcher_finds_one_in_earlier_releases_too() {
    let host = Sandbox::new();
    let unit = host.path("root/current/.pystrano/run");
    let unit = format!("[Service]\nExecStart={} gunicorn\n", unit.display());
    host.write("files/app.service", unit);
    host.configure("");
    host.deployed("20260101000000");
    host.deployed("20260102000000");
    // Version 0.1.0 kept env files in shared.
    for release in ["20260101000000", "20260102000000"] {
        let at = format!("root/releases/{release}/.pystrano");
        fs::remove_file(host.path(&format!("{at}/run"))).expect("a launcher");
        let kept = host.path(&format!("root/shared/.env.{release}"));
        fs::rename(host.path(&format!("{at}/env")), &kept).expect("an env");
        let link = format!("../../../shared/.env.{release}");
        std::os::unix::fs::symlink(link, host.path(&format!("{at}/env"))).expect("a link");
    }
    // Before the same env was deployed nothing is known that another one could be started with.
    host.write("files/.env", "GREETING=other\n");
    for words in [&["deploy"][..], &["rollback"]] {
        let ran = host.run(&["sh"], words);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(
            ran.stderr
                .contains(", of an earlier version, has none, and another env than this one"),
            "{ran:?}"
        );
        assert_eq!(host.current().as_deref(), Some("20260102000000"));
        assert!(
            !host
                .path("root/releases/20260101000000/.pystrano/run")
                .exists()
        );
    }
    host.write("files/.env", "GREETING='hello world'\n");
    host.fail("health-20260103000000");
    assert_eq!(host.run(&["sh"], &["deploy", "20260103000000"]).status, 1);
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    for release in ["20260101000000", "20260102000000"] {
        let env = host.path(&format!("root/releases/{release}/.pystrano/env"));
        assert!(fs::symlink_metadata(env).expect("an env").is_file());
        let launcher = host.path(&format!("root/releases/{release}/.pystrano/run"));
        let told = std::process::Command::new(launcher)
            .args(["sh", "-c", "pwd; printf '%s\\n' \"$GREETING\""])
            .output()
            .expect("the launcher");
        let root = host.path("root").display().to_string();
        assert_eq!(
            String::from_utf8_lossy(&told.stdout),
            format!("{root}/releases/{release}\nhello world\n")
        );
    }
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
}

/// Whoever can write in shared may put anything in the place of the env.
#[test]
fn what_was_put_in_place_of_the_env_is_replaced() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let at = host.path("root/shared/.env");
    for (index, plant) in [
        "mkfifo",
        "mkdir",
        "ln -s /dev/zero",
        "ln -s /nowhere",
        "touch",
    ]
    .iter()
    .enumerate()
    {
        fs::remove_file(&at).expect("the link");
        let planted = std::process::Command::new("sh")
            .args(["-c", &format!("{plant} \"$1\"",), "sh"])
            .arg(&at)
            .status();
        assert!(planted.expect("sh").success(), "{plant}");
        let ran = host.run(&["sh"], &["deploy", &format!("2026010200000{index}")]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(
            ran.stdout.contains("shared/.env had been replaced"),
            "{ran:?}"
        );
        assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
        let ran = host.run(&["sh"], &["rollback"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(!ran.stdout.contains("had been replaced"), "{ran:?}");
    }
}

#[test]
fn capistrano_124_1810_releases_are_kept_in_the_order_of_their_promotion() {
    let host = Sandbox::new();
    host.configure("keep_releases: 2");
    for release in ["v8", "v9", "v10"] {
        host.deployed(release);
    }
    assert_eq!(host.releases(), ["v10", "v9"]);
    // A clock that was ahead made the first of these.
    for release in ["20990101000000", "20260101000000", "20260102000000"] {
        host.deployed(release);
    }
    assert_eq!(host.releases(), ["20260101000000", "20260102000000"]);
    let status = host.run(&["sh"], &["status"]);
    assert!(
        status.stdout.contains("\nrelease   20260101000000\n"),
        "{status:?}"
    );
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
}

/// Gone back to is promoted again.
#[test]
fn a_rollback_makes_a_release_the_newest() {
    let host = Sandbox::new();
    host.configure("keep_releases: 2");
    for release in ["a", "b"] {
        host.deployed(release);
    }
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    host.deployed("c");
    assert_eq!(host.releases(), ["a", "c"]);
    let ran = host.run(&["sh"], &["rollback", "b"]);
    assert!(ran.stderr.contains("; there are: a c "), "{ran:?}");
}

#[test]
fn what_ran_before_and_is_gone_is_not_replaced_by_a_guess() {
    let host = Sandbox::new();
    host.configure("");
    for release in ["a", "b", "c"] {
        host.deployed(release);
    }
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    fs::remove_dir_all(host.path("root/releases/a")).expect("a release");
    let ran = host.run(&["sh"], &["rollback"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("there is no release a to go back to; there are: c b"),
        "{ran:?}"
    );
}

/// An earlier version kept its log in shared.
#[test]
fn an_earlier_log_is_taken_over() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let kept = host.path("root/.pystrano/revisions.log");
    let old = host.path("root/shared/revisions.log");
    fs::rename(&kept, &old).expect("the log");
    let status = host.run(&["sh"], &["status"]);
    assert!(status.stdout.contains(" deployed\n"), "{status:?}");
    host.deployed("20260102000000");
    assert_eq!(host.read("root/.pystrano/revisions.log").lines().count(), 2);
    assert!(!old.exists());
}

#[test]
fn trial_10_what_the_app_puts_in_place_of_the_log_is_not_opened() {
    for plant in [
        "mkfifo",
        "mkdir",
        "ln -s /dev/zero",
        "ln -s $SANDBOX/files/.env",
    ] {
        let host = Sandbox::new();
        host.configure("");
        let planted = host
            .command(&["sh", "-c", &format!("{plant} root/shared/revisions.log")])
            .status();
        assert!(planted.expect("sh").success(), "{plant}");
        assert_eq!(host.run(&["sh"], &["status"]).status, 0, "{plant}");
        host.deployed("20260101000000");
        let log = host.read("root/.pystrano/revisions.log");
        assert!(
            log.ends_with(" deployed\n") && log.lines().count() == 1,
            "{log}"
        );
        assert_eq!(host.read("files/.env"), "GREETING='hello world'\n");
    }
}

#[test]
fn trial_19_read_only_directories_are_removed_with_their_release() {
    use std::os::unix::process::CommandExt;
    let host = Sandbox::new();
    // Root may remove what others may not.
    let nobody = 65_534;
    host.configure("keep_releases: 1");
    for release in ["a", "b"] {
        host.deployed(release);
    }
    host.write("root/releases/a/cache/deep/file", "");
    for made in ["cache/deep", "cache", ""] {
        let made = host.path("root/releases/a").join(made);
        fs::set_permissions(made, fs::Permissions::from_mode(0o500)).expect("a mode");
    }
    let script = host
        .read("deploy.sh")
        .replace("\tuser=root\n", "\tuser=nobody\n");
    host.write("deploy.sh", script);
    for owned in [host.dir.path().to_owned(), host.path("repo/.git")] {
        let given = std::process::Command::new("chown")
            .args(["-R", "nobody"])
            .arg(owned)
            .status();
        assert!(given.expect("chown").success());
    }
    let ran = host
        .command(&["sh", "deploy.sh", "deploy", "c"])
        .uid(nobody)
        .output()
        .expect("sh");
    let ran = sandbox::Ran::from(ran);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(!ran.stdout.contains("Could not remove"), "{ran:?}");
    assert_eq!(host.releases(), ["b", "c"]);
}

#[test]
fn a_health_check_says_for_whom_it_asks_and_what_counts() {
    let host = Sandbox::new();
    host.program(
        "bin/curl",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$SANDBOX/calls/curl\"\nprintf '%s' \"$(cat \"$SANDBOX/answer\")\"\n",
    );
    let deploy = |extra: &str, answer: &str| {
        host.write("answer", answer);
        host.configure(extra);
        host.deploy()
    };
    let ran = deploy(
        "health_check_host: shop.example.com\nhealth_check_statuses: 200-299,404\nhealth_check_url: \"unix:/run/shop.sock:/up\"",
        "404 ",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    let called = host.read("calls/curl");
    for words in [
        "--unix-socket\n/run/shop.sock\n",
        "--header\nX-Forwarded-Proto: https\n",
        "--header\nHost: shop.example.com\n",
        "--\nhttp://localhost/up\n",
    ] {
        assert!(called.contains(words), "{called}");
    }
    let ran = deploy("health_check_statuses: 200-299,404", "302 https://x/");
    // The old release answers so, too.
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(
        ran.stderr
            .contains("did not answer with 200-299,404 within 1 s; its last answer was 302"),
        "{ran:?}"
    );
}

#[test]
fn silentsuite_326_a_redirect_to_https_is_told() {
    let host = Sandbox::new();
    host.program(
        "bin/curl",
        "#!/bin/sh\nprintf '%s' \"$(cat \"$SANDBOX/answer\")\"\n",
    );
    for (url, answer, told) in [
        ("http://127.0.0.1:8000/", "301 https://127.0.0.1/", true),
        (
            "http://127.0.0.1:8000",
            "301 https://shop.example.com/",
            true,
        ),
        (
            "http://127.0.0.1:8000/up?a=b",
            "308 https://h:8443/up?a=b",
            true,
        ),
        (
            "http://127.0.0.1:8000/",
            "302 https://127.0.0.1/login",
            false,
        ),
        ("http://127.0.0.1:8000/", "302 http://127.0.0.1/", false),
        ("http://127.0.0.1:8000/", "200 ", false),
    ] {
        host.configure(&format!("health_check_url: {url}"));
        host.write("answer", answer);
        let ran = host.deploy();
        assert_eq!(ran.status, 0, "{ran:?}");
        let warned = ran.stdout.contains("warning") && ran.stdout.contains("only leads to https");
        assert_eq!(warned, told, "{url} {answer}: {ran:?}");
    }
}

/// systemd stays silent about a process that works elsewhere.
#[test]
fn a_unit_that_works_in_an_earlier_release_is_no_success() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let old = host.path("root/releases/20260101000000");
    let mut sleep = std::process::Command::new("sleep")
        .arg("60")
        .current_dir(&old)
        .spawn()
        .expect("sleep");
    let systemctl = host.read("bin/systemctl");
    let told = format!("MainPID={}", sleep.id());
    host.program("bin/systemctl", &systemctl.replace("MainPID=0", &told));
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    sleep.kill().expect("sleep ended");
    sleep.wait().expect("an end");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stderr
            .contains("its WorkingDirectory must lead through "),
        "{ran:?}"
    );
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
}

/// Three seconds is what a unit must survive, not what it takes to see that it died.
#[test]
fn a_unit_that_dies_is_noticed_at_once() {
    let host = Sandbox::new();
    host.configure("health_check_url: -\nhealth_check_timeout: -");
    host.deployed("20260101000000");
    let dies = "\"InvocationID=$(case $(readlink \"$SANDBOX/root/current\") in *2) od -An -N8 -tx8 /dev/urandom ;; esac)\"";
    let systemctl = host.read("bin/systemctl");
    host.program("bin/systemctl", &systemctl.replace("InvocationID=1", dies));
    let begun = std::time::Instant::now();
    let ran = host.run(&["sh"], &["deploy", "release2"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    // The old release is watched for its three seconds.
    let took = ran.stdout.lines().find(|line| line.contains("Restarted"));
    assert!(took.is_some(), "{ran:?}");
    assert!(
        ran.stderr.contains("app.service did not stay up"),
        "{ran:?}"
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
    let calls = ran.stdout.matches("Promoted").count();
    assert_eq!(calls, 2, "{ran:?}");
}

/// Of two virtualenvs that were taken over, the second gets a name of its own.
#[test]
fn another_venv_dir_is_taken_over_beside_the_first() {
    let host = Sandbox::new();
    host.makes_venvs();
    host.configure("");
    host.deployed("20260101000000");
    host.configure("venv_mode: release");
    host.deployed("20260102000000");
    let at = host.dir.path().display().to_string();
    let kept = format!("{at}/root/venvs/shared");
    assert!(host.path("root/venvs/shared/bin/pip").exists());
    // A release of another mode, with another virtualenv.
    fs::create_dir_all(host.path("other/bin")).expect("a directory");
    for program in names(&host.path("root/venvs/shared/bin")) {
        let text = host.read(&format!("root/venvs/shared/bin/{program}"));
        host.program(&format!("other/bin/{program}"), &text);
    }
    let other = format!("venv_dir: {at}/other");
    host.configure(&other);
    host.deployed("20260103000000");
    host.configure(&format!("venv_mode: release\n{other}"));
    host.deployed("20260104000000");
    let venv = |release: &str| {
        let link = host.path(&format!("root/releases/{release}/.pystrano/venv"));
        fs::canonicalize(link)
            .expect("a virtualenv")
            .display()
            .to_string()
    };
    assert_eq!(venv("20260103000000"), format!("{kept}-2"));
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(
        fs::canonicalize(host.path("other"))
            .expect("a link")
            .display()
            .to_string(),
        format!("{kept}-2")
    );
}

#[test]
fn a_virtualenv_on_another_file_system_stops_the_deploy_with_advice() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.configure("venv_mode: release");
    host.program(
        "bin/stat",
        "#!/bin/sh\nfor path; do :; done\nprintf '%s\\n' \"$path\"\n",
    );
    let before = host.snapshot();
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("; name another venv_dir, and in the unit, too"),
        "{ran:?}"
    );
    assert_eq!(host.snapshot(), before);
}

#[test]
fn a_masked_unit_stops_before_promotion() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let systemctl = host.read("bin/systemctl");
    let masked = systemctl.replace("LoadState=loaded", "LoadState=masked");
    host.program("bin/systemctl", &masked);
    for words in [&["deploy"][..], &["rollback", "20260101000000"]] {
        let ran = host.run(&["sh"], words);
        assert_eq!(ran.status, 3, "{ran:?}");
    }
    assert!(
        host.deploy()
            .stderr
            .contains("systemd has no usable app.service")
    );
}

/// Services restart in one call, in the order of the config; what a timer starts, and what ends by
/// itself, does not.
#[test]
fn several_units_restart_at_once_and_go_back_together() {
    let host = Sandbox::new();
    for (name, text) in [
        ("web.socket", "[Socket]\nListenStream=127.0.0.1:8000\n"),
        ("web.service", "[Service]\nExecStart=/bin/true\n"),
        ("worker.service", "[Service]\nExecStart=/bin/true\n"),
        ("clean.service", "[Service]\nExecStart=/bin/true\n"),
        ("clean.timer", "[Timer]\nOnCalendar=daily\n"),
        (
            "once.service",
            "[Service]\nType=oneshot\nExecStart=/bin/true\n",
        ),
        ("shop.target", "[Unit]\nDescription=Shop\n"),
    ] {
        host.write(&format!("files/{name}"), text);
    }
    let names =
        "worker.service;web.service;web.socket;clean.timer;clean.service;once.service;shop.target";
    let files: Vec<String> = names
        .split(';')
        .map(|name| host.path("files").join(name).display().to_string())
        .collect();
    host.configure(&format!(
        "service_file: {}\nhealth_check_url: -\nhealth_check_timeout: -",
        files.join(";")
    ));
    host.deployed("20260101000000");
    assert_eq!(
        host.read("calls/systemctl"),
        "restart worker.service web.service releases/20260101000000\n"
    );
    let status = host.run(&["sh"], &["status"]);
    for unit in ["worker.service", "web.service", "web.socket", "clean.timer"] {
        let line = format!("unit      {unit} active\n");
        assert!(status.stdout.contains(&line), "{status:?}");
    }
    assert_eq!(status.stdout.matches("unit ").count(), 4, "{status:?}");
    for (broken, told) in [
        ("worker.service", "worker.service did not stay up"),
        ("web.service", "web.service did not stay up"),
        ("clean.timer", "clean.timer is not active; run setup.sh"),
    ] {
        host.fail(broken);
        // The release before does not hold either.
        let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
        assert_eq!(ran.status, 5, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
        assert_eq!(host.current().as_deref(), Some("20260101000000"));
        host.mend(broken);
    }
    assert_eq!(
        host.read("calls/systemctl").lines().last(),
        Some("restart worker.service web.service releases/20260101000000")
    );
}

/// A clock that somebody sets back an hour again and again.
#[test]
fn trial_22_waits_go_by_a_clock_that_nobody_sets() {
    let host = Sandbox::new();
    host.program(
        "bin/date",
        "#!/bin/sh\nback=$(cat \"$SANDBOX/back\" 2>/dev/null || echo 0)\necho $((back + 3600)) >\"$SANDBOX/back\"\n\
         exec /usr/bin/date -d \"-$back seconds\" \"$@\"\n",
    );
    host.configure("");
    host.fail("health-20260102000000");
    let begun = std::time::Instant::now();
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    assert!(
        ran.stderr
            .contains("did not answer with 200-399 within 1 s"),
        "{ran:?}"
    );
    assert!(!host.read("back").is_empty());
    // A wait for the hour to come round takes longer by far.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(600),
        "{:?}",
        begun.elapsed()
    );
}

/// An app in a directory of its repository, with what it shares and does besides.
#[test]
fn an_app_below_the_top_shares_paths_and_runs_hooks() {
    let host = Sandbox::new();
    host.write("repo/backend/manage.py", "# version 1\n");
    host.write("repo/backend/requirements.txt", "django==5.2\n");
    host.write(
        "repo/backend/config/local.toml",
        "from = 'the repository'\n",
    );
    host.write("repo/backend/var/exports/first", "1");
    host.commit("below");
    let note = |point: &str| {
        format!(
            "    {point}: 'printf \"%s %s %s\\n\" {point} \"$GREETING\" \"${{PWD##*/}}\" >>\"$SANDBOX/hooks\"'\n"
        )
    };
    let configure = |more: &str| {
        let points = [
            "after_dependencies",
            "before_static",
            "after_static",
            "before_migrate",
            "before_promote",
        ];
        let hooks: String = points.map(note).concat();
        host.configure(
            "app_dir: ./backend/\nshared_dirs: var/exports; logs\nshared_files: config/local.toml",
        );
        let config = host.read("deploy/app/test/deployment.yml");
        let config = config.replace("servers:", &format!("  hooks:\n{hooks}{more}servers:"));
        host.write("deploy/app/test/deployment.yml", config);
    };
    configure("    after_promote: [echo done, 'exit 7']\n");
    let ran = host.run(&["sh"], &["deploy", "20260101000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let warning = "warning The hook after_promote failed; 20260101000000 stays";
    assert!(ran.stdout.contains(warning), "{ran:?}");
    let hooks = host.read("hooks");
    assert_eq!(
        hooks.lines().collect::<Vec<_>>(),
        [
            "after_dependencies hello world backend",
            "before_static hello world backend",
            "after_static hello world backend",
            "before_migrate hello world backend",
            "before_promote hello world backend",
        ]
    );
    assert!(
        host.read("calls/pip")
            .contains("/backend/requirements.txt\0")
    );
    for (path, shared) in [
        ("config/local.toml", "config/local.toml"),
        ("var/exports", "var/exports"),
        ("logs", "logs"),
        ("media", "media"),
        ("key.txt", "key.txt"),
    ] {
        let link = host.path("root/current/backend").join(path);
        assert!(link.is_symlink(), "{path}");
        assert_eq!(
            fs::canonicalize(link).expect(path),
            fs::canonicalize(host.path("root/shared").join(shared)).expect(shared)
        );
    }
    // What is shared is not overwritten, and what the repository has of it is told.
    host.write("root/shared/config/local.toml", "from = 'the host'\n");
    host.write("root/shared/var/exports/first", "2");
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        host.read("root/current/backend/config/local.toml"),
        "from = 'the host'\n"
    );
    assert_eq!(host.read("root/current/backend/var/exports/first"), "2");
    let told = "config/local.toml of the repository gives way to shared/config/local.toml";
    assert!(ran.stdout.contains(told), "{ran:?}");

    // What stops before promotion, each with what to do about it.
    let before = host.snapshot();
    configure("");
    for (from, to, told) in [
        (
            "before_promote: '",
            "before_promote: 'exit 9; ",
            "failed  before_promote, exit status 9",
        ),
        (
            "app_dir: ./backend/",
            "app_dir: frontend",
            "the repository has no directory frontend; correct app_dir",
        ),
        (
            "shared_files: config/local.toml",
            "shared_files: config/none.toml",
            "shared/config/none.toml, which shared_files names; put it there",
        ),
    ] {
        configure("");
        let config = host.read("deploy/app/test/deployment.yml");
        assert!(config.contains(from), "{config}");
        host.write("deploy/app/test/deployment.yml", config.replace(from, to));
        let ran = host.deploy();
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
        assert_eq!(host.snapshot(), before, "{told}");
    }
    // A directory on the way that leads elsewhere.
    fs::remove_dir_all(host.path("repo/backend/config")).expect("removed");
    host.write("elsewhere/local.toml", "of somebody else");
    std::os::unix::fs::symlink(host.path("elsewhere"), host.path("repo/backend/config"))
        .expect("a link");
    host.commit("leads elsewhere");
    configure("");
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("config of the repository is a link"),
        "{ran:?}"
    );
    assert_eq!(host.snapshot(), before);
    assert_eq!(host.read("elsewhere/local.toml"), "of somebody else");
}

/// Commands of the config run in place of Django's own.
#[test]
fn commands_of_the_config_run_with_django_too() {
    let host = Sandbox::new();
    host.configure("migration_command: echo migrated >>\"$SANDBOX/own\"\nstatic_files_command: echo collected >>\"$SANDBOX/own\"");
    host.deployed("20260101000000");
    assert_eq!(host.read("own"), "collected\nmigrated\n");
    assert!(!host.path("calls/python").exists());
}

/// pip installs a project, with its extras and groups, into a virtualenv of the Python that is named.
#[test]
fn pip_installs_a_project_for_the_python_that_is_named() {
    let host = Sandbox::new();
    host.makes_venvs();
    host.write("repo/pyproject.toml", "[project]\nname = \"shop\"\n");
    host.commit("a project");
    let config = "venv_mode: release\ndependency_file: pyproject.toml\ndependency_extras: postgres\ndependency_groups: [prod, web]\npython: 3.99";
    host.configure(config);
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("there is no python3.99 on this host; run setup.sh"),
        "{ran:?}"
    );
    let python = host.read("bin/python3");
    host.program(
        "bin/python3.99",
        &python.replace(
            "case $1 in",
            "echo 3.99 >>\"$SANDBOX/calls/pythons\"\ncase $1 in",
        ),
    );
    host.deployed("20260101000000");
    assert_eq!(host.read("calls/pythons"), "3.99\n");
    let calls = host.read("calls/pip").replace('\0', " ");
    let release = host
        .path("root/releases/20260101000000")
        .display()
        .to_string();
    for words in [
        "--upgrade pip>=25.1".to_owned(),
        format!(
            "{release}/.[postgres] --group {release}/pyproject.toml:prod --group {release}/pyproject.toml:web"
        ),
    ] {
        assert!(calls.contains(&words), "{words} is not in {calls}");
    }
}
