//! Output of hosts: garbage, secrets, too much, and lines that imitate the script's events.

use crate::support::{Fleet, OLD, ran};
use std::time::Instant;

#[test]
fn garbage_reaches_no_terminal() {
    let fleet = Fleet::new(1);
    fleet.write("h1/before", b"Welcome\x1b[2J\0\xff\n");
    fleet.write(
        "h1/talk/pip",
        b"\x1b]0;owned\x07\x1b[31mred\x1b[0m \x00 \xc3\x28 \xe2\x80\xae\nno newline",
    );
    fleet.write("h1/fail/pip", "");
    for options in [
        &["deploy"][..],
        &["deploy", "--verbose"],
        &["deploy", "--json", "--verbose"],
    ] {
        let ran = fleet.run(options);
        assert_eq!(ran.code(), 3, "{ran:?}");
        let all = ran.stdout.clone() + &ran.stderr;
        let unsafe_in = |character: char| {
            (character.is_control() && character != '\n') || character == '\u{202e}'
        };
        assert!(!all.contains(unsafe_in), "{all:?}");
        assert!(all.contains("red"), "{all:?}");
    }
}

#[test]
fn secrets_are_redacted_everywhere() {
    let fleet = Fleet::new(1);
    fleet.write(
        "h1/talk/pip",
        "connecting with correct \x1b[31mhor\x1b[0mse\nhello\n",
    );
    fleet.write("h1/fail/pip", "");
    for options in [
        &["deploy"][..],
        &["deploy", "--verbose"],
        &["deploy", "--json", "--verbose"],
    ] {
        let ran = fleet.run(options);
        let all = ran.stdout.clone() + &ran.stderr;
        assert!(all.contains("connecting with [redacted]"), "{all}");
        assert!(!all.contains("horse") && all.contains("hello"), "{all}");
    }
    let dry = fleet.run(&["deploy", "--dry-run", "--verbose"]);
    assert!(!dry.stdout.contains("horse"), "{dry:?}");
}

#[test]
fn forged_markers_are_output() {
    let fleet = Fleet::new(2);
    let nonce = "0".repeat(32);
    fleet.write(
        "h1/talk/pip",
        format!("@{nonce} end 0 deployed\n@{nonce} phase promoted\n@ end 0 deployed\n"),
    );
    fleet.write("h1/fail/pip", "");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2]);
}

#[test]
fn much_goes_both_ways_at_once() {
    let fleet = Fleet::new(2);
    // A script of 4 MB and output of 4 MB, most of which is printed before the script is read.
    let comment = "# nothing to see\n".repeat(3 * 1024 * 1024 / 17);
    fleet.write("env", comment);
    let lines = "x".repeat(79) + "\n";
    fleet.write("h1/before", lines.repeat(4 * 1024 * 1024 / 80));
    fleet.write("h2/talk/pip", "y".repeat(4 * 1024 * 1024));
    let began = Instant::now();
    let ran = fleet.run(&["deploy", "--verbose"]);
    assert_eq!(ran.code(), 0, "{}", &ran.stderr[ran.stderr.len() - 2000..]);
    assert!(began.elapsed().as_secs() < 60);
}

#[test]
fn a_login_that_is_no_shell_is_told_from_a_host_that_is_away() {
    let fleet = Fleet::new(1);
    fleet.write("h1/before", "This account is currently not available.\n");
    // The shell that would read the script has exited.
    fleet.write("ssh", "#!/bin/sh\ncat h1/before\nexit 1\n");
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    let told = "✗ the script did not start: This account is currently not available.\n";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

#[test]
fn without_ssh_nothing_begins() {
    let fleet = Fleet::new(1);
    for (variable, value, name) in [
        ("PYSTRANO_SSH", "/nowhere/ssh", "/nowhere/ssh"),
        ("PYSTRANO_SSH", "deploy", "deploy"),
        ("PYSTRANO_SSH", "./env", "./env"),
        ("PATH", "/nowhere", "ssh"),
    ] {
        for action in ["setup", "deploy", "rollback", "status"] {
            let mut command = fleet.command(&[action]);
            command.env_remove("PYSTRANO_SSH").env(variable, value);
            let ran = ran(command.spawn().expect("pystrano"));
            assert_eq!(ran.code(), 2, "{ran:?}");
            assert_eq!(ran.stdout, "");
            assert_eq!(
                ran.stderr,
                format!(
                    "error: there is no program {name}; install the OpenSSH client, or name another in PYSTRANO_SSH\n"
                )
            );
        }
    }
    assert_eq!(fleet.read("h1/ssh"), "");
}

/// A startup file of the login shell that reads the beginning of the script, or all of it.
#[test]
fn trial_26_a_login_that_reads_the_script_runs_nothing_of_it() {
    for login in [
        "IFS= read -r eaten",
        "head -c 4000 >/dev/null",
        "dd bs=1 count=3 of=/dev/null 2>&1",
        // Reads only the first line, or the line with the arguments, too.
        "IFS= read -r eaten; IFS= read -r eaten",
    ] {
        let fleet = Fleet::new(1);
        fleet.write("h1/login", login);
        let ran = fleet.run(&["deploy"]);
        assert_eq!(ran.code(), 3, "{login}: {ran:?}");
        let told = "✗ the script did not start: a startup file of root (.bashrc, .profile, .zshenv, config.fish or the like) \
                    reads the standard input";
        assert!(ran.stderr.contains(told), "{login}: {ran:?}");
        assert_eq!(fleet.read("order"), "", "{login}");
        assert_eq!(fleet.all_current(), [OLD], "{login}");
    }
}

/// A process on the host that knows the nonce, for example by reading the memory of the script's shell.
#[test]
fn trial_7_a_forged_end_is_not_believed() {
    let fleet = Fleet::new(2);
    fleet.write("h1/slow/pip", "5");
    fleet.write(
        "h1/login",
        "(until [ -e calls ]; do sleep 0.1; done; nonce=$(sed -n 's/.*nonce=//p' calls); sleep 1
         for event in 'fact release x' 'fact commit x' 'phase ready' 'end 0 deployed'; do echo \"@$nonce $event\"; done) &\n",
    );
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2], "{ran:?}");
    let told = "h1 | ✗ the connection was lost: the script reported its end with exit status 0, but ssh ended with ";
    assert!(ran.stderr.contains(told), "{ran:?}");
}

#[test]
fn trial_7_success_without_what_must_come_before_is_doubt() {
    for hosts in [1, 2] {
        let fleet = Fleet::new(hosts);
        let play = "#!/bin/sh\nread -r magic; read -r words; nonce=${words##*nonce=}\necho \"@$nonce start deploy -\"\necho \"@$nonce end 0 deployed\"\n";
        fleet.write("ssh", play);
        let ran = fleet.run(&["deploy"]);
        assert_eq!(ran.code(), 5, "{ran:?}");
        let told = "the script reported success, but not what must come before it";
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

/// One connection is opened at a time, and the first one fails.
#[test]
fn a_host_that_was_never_contacted_has_no_events_but_its_end() {
    let fleet = Fleet::new(3);
    fleet.write("h1/refused", "");
    let ran = fleet.run(&["deploy", "--json", "--jobs", "1"]);
    assert_eq!(ran.code(), 4, "{ran:?}");
    for host in ["h2", "h3"] {
        let of = format!(r#""host":"{host}","event":"#);
        let events: Vec<&str> = ran
            .stdout
            .lines()
            .filter(|line| line.contains(&of))
            .collect();
        assert_eq!(events.len(), 1, "{ran:?}");
        assert!(events[0].contains(r#""outcome":"untouched""#), "{ran:?}");
    }
}

/// A shared virtualenv that was changed by a failed deploy does not count as unchanged.
#[test]
fn the_summary_tells_that_packages_changed() {
    let fleet = Fleet::new(2);
    let packages = "venv/lib/python3/site-packages";
    std::fs::create_dir_all(fleet.path(&format!("h1/{packages}/other-1.0.dist-info")))
        .expect("a package");
    let install = "mkdir -p \"$SANDBOX/venv/lib/python3/site-packages/app-1.0.dist-info\"";
    fleet.write("h1/before/pip", install);
    fleet.write("h2/fail/static", "");
    // Wait until the other host has installed its packages.
    fleet.write(
        "h2/before/static",
        "until grep -q 'h1 static' \"$FLEET/order\"; do sleep 0.02; done",
    );
    let ran = fleet.run(&["deploy"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    for told in [
        "✗ Stopped before promotion: every server runs what it ran before, but packages in a shared virtualenv changed (",
        "  h1: as it was, except packages in the shared virtualenv: app-1.0\n",
    ] {
        assert!(ran.stderr.contains(told), "{told} {ran:?}");
    }
    std::fs::remove_dir_all(fleet.path(&format!("h1/{packages}/app-1.0.dist-info")))
        .expect("packages");
    fleet.write("order", "");
    let ran = fleet.run(&["deploy", "--json"]);
    assert_eq!(
        ran.summary()["hosts"][0]["packages"],
        serde_json::json!(["app-1.0"]),
        "{ran:?}"
    );
    assert_eq!(
        ran.summary()["hosts"][1]["packages"],
        serde_json::json!([]),
        "{ran:?}"
    );
}

/// Neither a revert nor a stop undoes migrations.
#[test]
fn the_summary_tells_which_migrations_stay_applied() {
    for (failing, code, heading, state) in [
        (
            "h3/fail/curl",
            1,
            "✗ Failed after promotion: every server runs what it ran before, but the database changed (",
            format!("back to {OLD}"),
        ),
        (
            "h2/fail/migrate",
            3,
            "✗ Stopped before promotion: every server runs what it ran before, but the database changed (",
            "as it was".to_owned(),
        ),
    ] {
        let fleet = Fleet::new(3);
        fleet.write("h1/talk/migrate", "Running migrations:\n  Applying shop.0002_price... OK\n  Applying shop.0003_tax... OK\n  Applying auth.0001_initial... OK\n");
        fleet.write(
            "h1/talk/python",
            "shop\n [X] 0001_initial\n [X] 0002_price\n [X] 0003_tax\n",
        );
        fleet.write(failing, "");
        let ran = fleet.run(&["deploy"]);
        assert_eq!(ran.code(), code, "{ran:?}");
        assert!(ran.stderr.contains(heading), "{ran:?}");
        let undo = "python manage.py migrate auth zero; python manage.py migrate shop 0001_initial";
        let told = format!(
            "  h1: {state}, but for migrations that stay applied: shop.0002_price shop.0003_tax auth.0001_initial ({undo} with its code undoes that)\n"
        );
        assert!(ran.stderr.contains(&told), "{told} {ran:?}");
        let ran = fleet.run(&["deploy", "--json"]);
        let host = &ran.summary()["hosts"][0];
        assert_eq!(
            host["migrations"].as_array().map(Vec::len),
            Some(3),
            "{ran:?}"
        );
        assert_eq!(host["undo"], undo, "{ran:?}");
    }
    // A rollback applies no migrations, even if the deploy of its release did.
    let fleet = Fleet::new(1);
    fleet.write("h1/talk/migrate", "  Applying shop.0002_price... OK\n");
    assert_eq!(fleet.run(&["deploy"]).code(), 0);
    let release = fleet.current("h1");
    assert_eq!(fleet.run(&["rollback"]).code(), 0);
    fleet.write("h1/fail/curl", "");
    let ran = fleet.run(&["rollback", &release]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(!ran.stderr.contains("migrations"), "{ran:?}");
}
