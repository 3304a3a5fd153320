//! Releases: their names, their order, pruning, rollback and leftovers.

use crate::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_release_is_named_by_the_time_in_utc() {
    let host = Sandbox::new();
    host.configure("");
    assert_eq!(host.deploy().status, 0);
    let name = host.current().expect("a release");
    assert_eq!(name.len(), 14, "{name}");
    assert!(name.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
}

/// The clock advances at the fourth call of `date`: the first names the first release, the others are for the second.
#[test]
fn a_second_deploy_within_a_second_waits_for_the_next_one() {
    let host = Sandbox::new();
    host.configure("");
    host.program(
        "bin/date",
        "#!/bin/sh\nPATH=${PATH#*:}\n[ \"$*\" = '-u +%Y%m%d%H%M%S' ] || exec date \"$@\"\n\
         echo >>\"$SANDBOX/asked\"\necho $((20260101000000 + $(wc -l <\"$SANDBOX/asked\") / 4))\n",
    );
    for _ in 0..2 {
        let ran = host.deploy();
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    assert_eq!(host.read("asked").len(), 4);
    assert_eq!(host.releases(), ["20260101000000", "20260101000001"]);
    assert_eq!(host.current().as_deref(), Some("20260101000001"));
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
    // Before the fourth release the first one was current, not the third.
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
fn keep_releases_of_0_or_less_keeps_all() {
    let host = Sandbox::new();
    let mut names = Vec::new();
    for (keep, days) in [("0", 1..=4), ("-1", 5..=7)] {
        host.configure(&format!("keep_releases: {keep}"));
        for day in days {
            names.push(format!("2026010{day}000000"));
            host.deployed(&names[names.len() - 1]);
        }
        assert_eq!(host.releases(), names, "{keep}");
    }
}

/// For example files of root, after a command was run as root in a release.
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
    // A ref that is neither a branch nor a tag.
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
fn capistrano_124_1810_releases_are_kept_in_the_order_of_their_promotion() {
    let host = Sandbox::new();
    host.configure("keep_releases: 2");
    for release in ["v8", "v9", "v10"] {
        host.deployed(release);
    }
    assert_eq!(host.releases(), ["v10", "v9"]);
    // The clock was ahead when the first of these was deployed.
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

/// A rollback promotes the release again, so pruning counts it as the newest.
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

/// An earlier version kept its log in `shared`.
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
    // Root could remove the directories regardless of their modes.
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
    let ran = crate::sandbox::Ran::from(ran);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(!ran.stdout.contains("Could not remove"), "{ran:?}");
    assert_eq!(host.releases(), ["b", "c"]);
}
