//! `deploy.sh` under a controller that sends it orders, against a local tree and a local repository.

mod sandbox;

use sandbox::{NONCE, Sandbox};

#[test]
fn who_has_not_got_the_lock_leaves_the_way_back() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    for other in [
        "deploy",
        "rollback",
        "status | true",
        "status >/dev/full",
        "deploy 20260101000000",
    ] {
        let mut first = host.controlled(&["deploy", "20260102000000", "barrier=9"]);
        first.wait_for("phase ready");
        first.say("migrate");
        first.wait_for("phase migrated");
        first.say("go");
        first.wait_for("phase promoted");
        host.write("deploy.sh", host.script());
        let command = format!("sh \"$SANDBOX/deploy.sh\" {other}");
        let mut shell = host.command(&["sh", "-c"]);
        let ran = shell.arg(command).output().expect("the other run");
        assert!(
            ran.status.code() == Some(3) || other.contains("status"),
            "{ran:?}"
        );
        first.say("revert");
        let end = first.end();
        assert_eq!(end, ("end 1 reverted".to_owned(), 1), "{other}");
        assert_eq!(host.current().as_deref(), Some("20260101000000"), "{other}");
    }
}

#[test]
fn a_controller_that_hangs_up_ends_the_build() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let before = host.snapshot();
    host.program("venv/bin/pip", "#!/bin/sh\nexec sleep 60\n");
    let mut session = host.controlled(&["deploy"]);
    session.wait_for("step dependencies");
    session.hang_up();
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
    assert_eq!(host.snapshot(), before);
}

#[test]
fn the_barrier_waits_for_each_word() {
    let host = Sandbox::new();
    host.configure("");
    let mut session = host.controlled(&["deploy", "20260101000000", "barrier=60"]);
    assert_eq!(session.wait_for("start"), "start deploy 20260101000000");
    session.wait_for("phase ready");
    assert!(!host.read("calls/python").contains("migrate"));
    session.say("migrate");
    session.wait_for("phase migrated");
    assert_eq!(host.current(), None);
    session.say("go");
    session.wait_for("phase promoted");
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
    session.say("keep");
    assert_eq!(session.end(), ("end 0 deployed".to_owned(), 0));
}

#[test]
fn the_barrier_goes_back_when_told_and_stops_when_cut() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    for (words, end, current) in [
        (
            &["migrate", "go", "revert"][..],
            "end 1 reverted",
            "20260101000000",
        ),
        (&["migrate", "stop"], "end 3 stopped", "20260101000000"),
        (&["stop"], "end 3 stopped", "20260101000000"),
        // A promoted host that gets no order keeps the release that it verified.
        (&["migrate", "go"], "end 0 deployed", "20260102000000"),
    ] {
        let mut session = host.controlled(&["deploy", "20260102000000", "barrier=60"]);
        for (word, phase) in words.iter().zip(["ready", "migrated", "promoted"]) {
            session.wait_for(&format!("phase {phase}"));
            session.say(word);
        }
        session.hang_up();
        assert_eq!(session.end().0, end, "{words:?}");
        assert_eq!(host.current().as_deref(), Some(current), "{words:?}");
    }
}

#[test]
fn a_deadline_without_a_word_stops_the_deploy() {
    let host = Sandbox::new();
    host.configure("");
    let mut session = host.controlled(&["deploy", "20260101000000", "barrier=1"]);
    session.wait_for("phase ready");
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
    assert!(host.releases().is_empty());
}

#[test]
fn a_word_without_the_nonce_is_no_word() {
    use std::io::Write;
    let host = Sandbox::new();
    host.configure("");
    let mut session = host.controlled(&["deploy", "20260101000000", "barrier=2"]);
    session.wait_for("phase ready");
    for word in ["", "ait", &NONCE.replace('0', "1"), &NONCE[1..]] {
        let stdin = session.child.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{word} migrate").expect("a word");
    }
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
}

#[test]
fn a_host_waits_as_long_as_it_hears_of_the_controller() {
    let host = Sandbox::new();
    host.configure("");
    let mut session = host.controlled(&["deploy", "20260101000000", "barrier=2"]);
    for (phase, word) in [
        ("ready", "migrate"),
        ("migrated", "go"),
        ("promoted", "keep"),
    ] {
        session.wait_for(&format!("phase {phase}"));
        for _ in 0..4 {
            session.say("wait");
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        session.say(word);
    }
    assert_eq!(session.end(), ("end 0 deployed".to_owned(), 0));
}

/// The controller orders the commit that another server cloned; it is on this host's branch, at its tip or before it.
#[test]
fn openship_748_a_host_takes_the_commit_of_the_others() {
    for depth in ["1", "0"] {
        for extra in ["", "branch:\n", "revision: v1\nbranch:\n"] {
            let host = Sandbox::new();
            host.configure(&format!("clone_depth: {depth}\n{extra}"));
            let older = host.repo(&["rev-parse", "HEAD"]);
            host.write("repo/manage.py", "# version 2\n");
            let newer = host.commit("2");
            host.repo(&["tag", "v1"]);
            for (release, chosen, version) in [
                ("1", &older, "# version 1\n"),
                ("2", &newer, "# version 2\n"),
            ] {
                let case = format!("{depth} {extra} {version}");
                let mut session = host.controlled(&["deploy", release, "barrier=60"]);
                session.wait_for("phase cloned");
                assert_eq!(session.commit, newer, "{case}");
                session.say(&format!("commit {chosen}"));
                if *chosen == older {
                    assert_eq!(
                        session.wait_for("fact commit"),
                        format!("fact commit {older}"),
                        "{case}"
                    );
                }
                for (phase, order) in [
                    ("ready", "migrate"),
                    ("migrated", "go"),
                    ("promoted", "keep"),
                ] {
                    session.wait_for(&format!("phase {phase}"));
                    session.say(order);
                }
                assert_eq!(session.end().1, 0, "{case}");
                assert_eq!(host.read("root/current/manage.py"), version, "{case}");
                let commit = host.read("root/current/.pystrano/commit");
                assert_eq!(commit.trim(), chosen, "{case}");
            }
        }
    }
}

/// The ordered commit was pushed after this host had cloned.
#[test]
fn openship_748_a_commit_that_came_after_the_clone_is_fetched() {
    let host = Sandbox::new();
    host.configure("");
    let mut session = host.controlled(&["deploy", "1", "barrier=60"]);
    session.wait_for("phase cloned");
    host.write("repo/manage.py", "# version 2\n");
    let newer = host.commit("2");
    session.say(&format!("commit {newer}"));
    for (phase, order) in [
        ("ready", "migrate"),
        ("migrated", "go"),
        ("promoted", "keep"),
    ] {
        session.wait_for(&format!("phase {phase}"));
        session.say(order);
    }
    assert_eq!(session.end().1, 0);
    assert_eq!(host.read("root/current/manage.py"), "# version 2\n");
}

/// Whoever controls one server could have it report their own commit, which the repository may hold as that of a
/// fork.
#[test]
fn a_commit_that_is_not_in_the_branch_is_not_deployed() {
    let host = Sandbox::new();
    host.configure("");
    let before = host.snapshot();
    let cloned = host.repo(&["rev-parse", "HEAD"]);
    host.repo(&["checkout", "--quiet", "-b", "fork"]);
    host.write("repo/manage.py", "# of somebody else\n");
    let fork = host.commit("fork");
    host.repo(&["checkout", "--quiet", "main"]);
    let nowhere = "0".repeat(40);
    for commit in [&fork, &nowhere] {
        let mut session = host.controlled(&["deploy", "1", "barrier=60"]);
        session.wait_for("phase cloned");
        session.say(&format!("commit {commit}"));
        let told = session.wait_for("fail clone 3");
        assert_eq!(
            told,
            format!(
                "fail clone 3 this server has commit {cloned}, another has {commit}, which is not among the last 100 of branch main"
            )
        );
        assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
        assert_eq!(host.snapshot(), before);
    }
    for order in ["commit", "commit ; true", "go", "commit ../x"] {
        let mut session = host.controlled(&["deploy", "1", "barrier=60"]);
        session.wait_for("phase cloned");
        session.say(order);
        assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3), "{order}");
    }
}

/// A host on which a killed run left a running migration, recognizable because it has the release's directory open.
fn with_leftover_migration() -> (Sandbox, std::process::Child) {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.write(
        "root/releases/20260102000000/.pystrano/unfinished",
        "migrating\n",
    );
    let migration = host
        .command(&["sh", "-c"])
        .arg("exec 8<root/releases/20260102000000; exec sleep 600")
        .spawn()
        .expect("sh");
    (host, migration)
}

#[test]
fn trial_13_waiting_for_a_left_migration_ends_with_the_controller() {
    let (host, mut migration) = with_leftover_migration();
    for action in ["deploy", "rollback"] {
        let mut session = host.controlled(&[action]);
        session.wait_for("done lock warning Waiting for the migration of a killed run");
        session.hang_up();
        assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3), "{action}");
    }
    assert!(migration.try_wait().expect("a state").is_none());
    migration.kill().expect("ended");
    migration.wait().expect("an end");
    host.deployed("20260103000000");
    assert_eq!(host.releases(), ["20260101000000", "20260103000000"]);
}

#[test]
fn trial_13_waiting_for_a_left_migration_can_be_interrupted_by_hand() {
    use std::io::BufRead;
    let (host, mut migration) = with_leftover_migration();
    host.write("deploy.sh", host.script());
    let mut run = host
        .command(&["sh", "deploy.sh"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sh");
    let output = std::io::BufReader::new(run.stdout.take().expect("stdout"));
    let mut lines = output.lines().map(|line| line.expect("UTF-8"));
    let waits = lines.any(|line| line.contains("Waiting for the migration"));
    assert!(waits);
    let pid = i32::try_from(run.id()).expect("a process");
    let sent = std::process::Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status();
    assert!(sent.expect("kill").success());
    let last = lines.last();
    assert_eq!(
        last.as_deref(),
        Some("Stopped before promotion; current is still 20260101000000")
    );
    assert_eq!(run.wait().expect("an end").code(), Some(3));
    migration.kill().expect("ended");
    migration.wait().expect("an end");
}

#[test]
fn trial_20_a_stopped_run_is_named_and_ends_with_its_controller() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let pip = host.read("venv/bin/pip");
    host.program("venv/bin/pip", "#!/bin/sh\nexec sleep 600\n");
    host.write("repo/requirements.txt", "django==5.3\n");
    host.commit("upgrade");
    let mut session = host.controlled(&["deploy", "20260102000000"]);
    session.wait_for("step dependencies");
    let pid = session.child.id().to_string();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(sent.expect("kill").success());
    };
    signal("-STOP");
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr.contains(&format!(
            " pid {pid}, which was stopped; let it go on with kill -CONT {pid}, or end it with kill -KILL {pid}\n"
        )),
        "{ran:?}"
    );
    session.hang_up();
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
    host.program("venv/bin/pip", &pip);
    host.deployed("20260103000000");
}

/// A migration that prints five lines and writes to a file after each.
const FIVE: &str = "migration_command: 'for number in 1 2 3 4 5; do echo \"  Applying pages.000$number... OK\" || exit 1; sleep 0.2; echo $number >>\"$SANDBOX/applied\"; done'";

#[test]
fn a_migration_that_has_begun_goes_on_when_the_link_is_lost() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.configure(FIVE);
    let mut session = host.controlled(&["deploy", "20260102000000"]);
    session.wait_for("out   Applying pages.0001");
    assert_eq!(session.lost(), Some(3));
    assert_eq!(host.read("applied"), "1\n2\n3\n4\n5\n");
    assert_eq!(host.releases(), ["20260101000000"]);
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
}

#[test]
fn a_migration_that_has_begun_goes_on_after_ctrl_c_by_hand() {
    use std::io::BufRead;
    use std::os::unix::process::CommandExt;
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.configure(FIVE);
    host.write("deploy.sh", host.script());
    // Ctrl-C in a terminal signals all processes of the foreground process group.
    let mut run = host
        .command(&["env", "--default-signal=INT", "sh", "deploy.sh"])
        .args(["deploy", "20260102000000"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("sh");
    let output = std::io::BufReader::new(run.stdout.take().expect("stdout"));
    let mut lines = output.lines().map(|line| line.expect("UTF-8"));
    assert!(lines.any(|line| line.contains("Applying pages.0001")));
    let sent = std::process::Command::new("kill")
        .args(["-INT", "--", &format!("-{}", run.id())])
        .status();
    assert!(sent.expect("kill").success());
    let rest: Vec<String> = lines.collect();
    let ended = run.wait_with_output().expect("an end");
    assert_eq!(ended.status.code(), Some(3), "{rest:?} {ended:?}");
    assert_eq!(host.read("applied"), "1\n2\n3\n4\n5\n", "{rest:?}");
    let applied = "applied: pages.0001 pages.0002 pages.0003 pages.0004 pages.0005";
    assert!(
        rest.iter().any(|line| line.contains(applied)),
        "{rest:?} {ended:?}"
    );
    assert_eq!(
        rest.last().map(String::as_str),
        Some("Stopped before promotion; current is still 20260101000000")
    );
    assert_eq!(host.releases(), ["20260101000000"]);
}
