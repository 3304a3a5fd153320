//! Failing deploys: their exact messages and exit codes, and that the host is left unchanged.

use crate::support::{App, Deployed, Output, deployed, free_port};
use std::process::Command;

/// The state that a failed deploy must not change: files, links, modes, contents, and the state of the units.
/// Excludes the text of the lock, the log, the record of starts, Python's caches and the database.
fn state(fixture: &Deployed) -> String {
    fixture.host.root(
        "cd /home/deploy/demo && find . ../.ssh \\( -name __pycache__ -o -name 'db.sqlite3*' -o -path ./.pystrano/lock \
             -o -path ./.pystrano/revisions.log -o -path ./.pystrano/starts \\) -prune -o -printf '%p %y %m %u %l\\n' | sort
         find current/ shared .pystrano -type f ! -name '*.pyc' ! -name 'db.sqlite3*' ! -name lock ! -name revisions.log ! -name starts \
             -exec sha256sum {} + | sort
         systemctl show demo ssh -P ActiveState",
    )
}

/// The lines of stderr from the failure on, with placeholders for the values that differ from run to run.
fn failure(output: &Output, fixture: &Deployed) -> String {
    let release = fixture
        .host
        .root("readlink /home/deploy/demo/current 2>/dev/null | sed 's:.*/::'");
    let mut text = String::new();
    for line in output
        .stderr
        .lines()
        .skip_while(|line| !line.contains("✗ "))
    {
        let line = match line.rsplit_once(" (") {
            Some((words, took)) if took.ends_with(" s)") => format!("{words} (T)"),
            _ => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    if !release.is_empty() {
        text = text.replace(&release, "OLD");
    }
    text.replace(&format!("127.0.0.1:{}", fixture.host.port()), "HOST")
}

/// Whether the text equals `expected`, line by line. A line `    ...TEXT` matches one or more lines of a
/// command's output, at least one of which contains TEXT.
fn matches(text: &str, expected: &str) -> bool {
    fn from(text: &[&str], expected: &[&str]) -> bool {
        match expected {
            [] => text.is_empty(),
            [line, rest @ ..] if line.starts_with("    ...") => {
                let said = |line: &&str| line.contains(&expected[0][7..]);
                let output = text
                    .iter()
                    .take_while(|line| line.starts_with("    "))
                    .count();
                (1..=output)
                    .any(|skipped| text[..skipped].iter().any(said) && from(&text[skipped..], rest))
            }
            [line, rest @ ..] => text.first() == Some(line) && from(&text[1..], rest),
        }
    }
    let text: Vec<&str> = text.lines().collect();
    let expected: Vec<&str> = expected.lines().collect();
    from(&text, &expected)
}

const STOPPED: &str = "✗ Stopped before promotion: every server is as it was (T)\n  127.0.0.1: as it was\n\
                       Next: fix what failed, then deploy again\n";
const UNREACHABLE: &str = "✗ Stopped before promotion, because a server could not be reached: every server is as it was (T)\n  127.0.0.1: unreachable\n\
     Next: check that `ssh` gets there, then deploy again, or name the other servers with --host\n";
const REVERTED: &str = "✗ Failed after promotion: every server runs what it ran before (T)\n  127.0.0.1: back to OLD\n\
                        Next: fix what failed, then deploy again\n";

const WENT_BACK: &str =
    "✓ Promoted OLD to current\n✓ Restarted demo.service\n✓ Verified that the unit stays up\n";

/// Requires that a deploy fails with this exit code and message, leaves the host unchanged and its lock
/// free, and that the application still answers.
#[track_caller]
fn fails(fixture: &Deployed, code: i32, words: &str) {
    leaves_as_it_was(fixture, code, words);
    assert!(fixture.project.page(0).contains("v1"));
}

/// Like [`fails`], without requiring that the application answers.
#[track_caller]
fn leaves_as_it_was(fixture: &Deployed, code: i32, words: &str) {
    let before = state(fixture);
    let invocation = || fixture.host.root("systemctl show demo -P InvocationID");
    let started = invocation();
    let output = fixture.project.run(&["deploy"]).expect(code);
    let failure = failure(&output, fixture);
    assert!(
        matches(&failure, words),
        "--- said\n{failure}\n--- instead of\n{words}\n{output}"
    );
    let after = state(fixture);
    assert!(before == after, "--- before\n{before}\n--- after\n{after}");
    // Only a release that was promoted is replaced by a restart.
    assert_eq!(invocation() == started, code != 1, "{output}");
    fixture
        .host
        .root("flock -n /home/deploy/demo/.pystrano/lock true");
    output.hides("the-secret-key-of-the-tests");
}

/// Like [`fails`], and requires that a deploy succeeds after `fix` has run on the host.
#[track_caller]
fn fails_until(fixture: &Deployed, code: i32, words: &str, fix: &str) {
    fails(fixture, code, words);
    fixture.host.root(fix);
    fixture.project.run(&["deploy"]).expect(0);
}

#[test]
fn no_such_branch() {
    let mut fixture = deployed(App::Django);
    fixture.project.set("branch", "no-such-branch");
    fails(
        &fixture,
        3,
        &format!(
            "✗ clone failed with exit status 128: the repository has no such branch or tag; correct branch or revision\n    \
             warning: Could not find remote branch no-such-branch to clone.\n    \
             fatal: Remote branch no-such-branch not found in upstream origin\n{STOPPED}"
        ),
    );
}

#[test]
fn repository_unreachable() {
    let mut fixture = deployed(App::Django);
    let url = format!("git://127.0.0.1:{}/repo", free_port());
    fixture.project.set("source_code_url", &url);
    let said = "✗ clone failed with exit status 128\n    \
        fatal: unable to connect to 127.0.0.1:\n    \
        127.0.0.1[0: 127.0.0.1]: errno=Connection refused\n";
    fails(&fixture, 3, &format!("{said}{STOPPED}"));
}

#[test]
fn dependency_does_not_install() {
    let fixture = deployed(App::Django);
    fixture.repo.break_dependencies();
    let said = "✗ dependencies failed with exit status 1\n    ...\n    \
        ERROR: Could not find a version that satisfies the requirement idna==0.0.999 (from versions: 3.9, 3.10)\n    \
        ERROR: No matching distribution found for idna==0.0.999\n";
    fails(&fixture, 3, &format!("{said}{STOPPED}"));
}

#[test]
fn migration_fails() {
    let fixture = deployed(App::Django);
    fixture.repo.break_migration();
    let said = "✗ migrate failed with exit status 1\n    ...\n    \
        django.db.utils.OperationalError: no such column: broken_migration\n";
    fails(&fixture, 3, &format!("{said}{STOPPED}"));
}

#[test]
fn alembic_migration_fails() {
    let fixture = deployed(App::FastApi);
    fixture.repo.break_migration();
    let said = "✗ migrate failed with exit status 1\n    ...\n    \
        [SQL: SELECT broken_migration]\n    ...\n";
    fails(&fixture, 3, &format!("{said}{STOPPED}"));
}

#[test]
fn static_step_fails() {
    let fixture = deployed(App::FastApi);
    fixture.repo.break_static();
    fails(
        &fixture,
        3,
        &format!("✗ static failed with exit status 1\n    broken-static\n{STOPPED}"),
    );
}

#[test]
fn django_static_step_fails() {
    let fixture = deployed(App::Django);
    fixture.repo.break_static();
    let said = "✗ static failed with exit status 1\n    ...\n    \
        PermissionError: [Errno 13] Permission denied: '/broken-static'\n";
    fails(&fixture, 3, &format!("{said}{STOPPED}"));
}

#[test]
fn unit_dies_at_start() {
    let fixture = deployed(App::Django);
    fixture.repo.die_at_start();
    let said = "✗ restart failed with exit status 1\n    ...]: broken-start\n";
    fails(&fixture, 1, &format!("{said}{WENT_BACK}{REVERTED}"));
}

#[test]
fn unit_dies_a_second_later() {
    let fixture = deployed(App::Django);
    fixture.repo.die_after_a_second();
    let said = "✗ verify failed with exit status 1: demo.service did not stay up\n    ...Main process exited, code=killed\n";
    fails(&fixture, 1, &format!("{said}{WENT_BACK}{REVERTED}"));
}

/// systemd refuses to start a unit that has reached its start limit, through crashes or many deploys; a run
/// waits until systemd accepts another start.
#[test]
fn trial_24_unit_that_systemd_refuses_is_started_later() {
    let fixture = deployed(App::Django);
    fixture.host.write(
        "/etc/systemd/system/demo.service.d/limit.conf",
        "[Unit]\nStartLimitIntervalSec=8\nStartLimitBurst=1\n\n[Service]\nRestart=always\nRestartSec=100ms\n",
    );
    fixture
        .host
        .root("systemctl daemon-reload && systemctl restart demo");
    let refused = fixture.host.exec("systemctl restart demo");
    refused.expect(1).says("attempted too often");
    fixture.repo.release("v2");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("v2"));
    fixture.repo.die_at_start();
    let output = fixture.project.run(&["deploy"]).expect(1);
    output.says("because the control process exited with error code");
    assert!(fixture.project.page(0).contains("v2"));
}

/// At its start limit, a restart would stop the app and then fail to start it; so the run waits first.
#[test]
fn trial_24_a_restart_that_systemd_would_refuse_waits_while_the_app_runs() {
    let fixture = deployed(App::Django);
    fixture.host.write(
        "/etc/systemd/system/demo.service.d/limit.conf",
        "[Unit]\nStartLimitIntervalSec=8\nStartLimitBurst=1\n",
    );
    fixture.host.root("systemctl daemon-reload");
    fixture.repo.release("v2");
    fixture.project.run(&["deploy"]).expect(0);
    let output = fixture.project.run(&["rollback"]).expect(0);
    output.says("Waiting until systemd accepts another start of demo.service");
    assert!(fixture.project.page(0).contains("v1"));
    let log = fixture.host.root("journalctl --unit=demo --no-pager");
    assert!(!log.contains("repeated too quickly"), "{log}");
}

/// gunicorn starts, but its worker fails to import the application.
#[test]
fn worker_does_not_boot() {
    let fixture = deployed(App::Django);
    fixture
        .repo
        .write("demo/wsgi.py", "raise RuntimeError('broken-worker')\n");
    fixture.repo.commit("A worker that does not boot");
    let said = "✗ verify failed with exit status 1: demo.service did not stay up\n    ...]: RuntimeError: broken-worker\n";
    fails(&fixture, 1, &format!("{said}{WENT_BACK}{REVERTED}"));
}

#[test]
fn page_does_not_answer() {
    let mut fixture = deployed(App::Django);
    fixture.project.check_health("/missing", 3);
    let url = format!("http://127.0.0.1:{}/missing", fixture.project.ports[0]);
    // The old release fails the same check after the revert, hence exit code 5.
    let output = fixture.project.run(&["deploy"]).expect(5);
    output.says(&format!(
        "{url} did not answer with 200-399 within 3 s; its last answer was 404"
    ));
}

#[test]
fn wrong_ssh_key() {
    let fixture = deployed(App::Django);
    let keys = "/home/deploy/.ssh/authorized_keys";
    fixture.host.root(&format!("mv {keys} /root/away"));
    let said = "✗ unreachable: deploy@127.0.0.1: Permission denied (publickey,password).\n";
    fails_until(
        &fixture,
        4,
        &format!("{said}{UNREACHABLE}"),
        &format!("mv /root/away {keys}"),
    );
}

#[test]
fn closed_port() {
    let mut fixture = deployed(App::Django);
    let port = free_port();
    fixture.project.set_server(0, "port", &port.to_string());
    let said =
        format!("✗ unreachable: ssh: connect to host 127.0.0.1 port {port}: Connection refused\n");
    fails(&fixture, 4, &format!("{said}{UNREACHABLE}"));
}

#[test]
fn sudo_missing() {
    let fixture = deployed(App::Django);
    fixture.host.root("mv /usr/bin/sudo /usr/bin/sudo.away");
    fails_until(
        &fixture,
        3,
        &format!(
            "✗ release failed with exit status 3: sudo is missing, and restarting demo.service needs it; run setup.sh first\n{STOPPED}"
        ),
        "mv /usr/bin/sudo.away /usr/bin/sudo",
    );
}

#[test]
fn trial_31_sudo_wants_a_terminal() {
    let fixture = deployed(App::Django);
    fixture
        .host
        .root("echo 'Defaults:deploy requiretty' >/etc/sudoers.d/z-tty");
    fails_until(
        &fixture,
        3,
        &format!(
            "✗ release failed with exit status 3: sudo requires a terminal (requiretty); add to sudoers: Defaults:deploy !requiretty\n{STOPPED}"
        ),
        "rm /etc/sudoers.d/z-tty",
    );
}

#[test]
fn sudo_rule_missing() {
    let fixture = deployed(App::Django);
    fixture
        .host
        .root("mkdir /root/away && mv /etc/sudoers.d/*-* /root/away/");
    fails_until(
        &fixture,
        3,
        &format!(
            "✗ release failed with exit status 3: deploy may not run without a password: sudo systemctl restart demo.service; run setup.sh first, and make sure that no later rule of sudoers requires one\n{STOPPED}"
        ),
        "mv /root/away/* /etc/sudoers.d/",
    );
}

#[test]
fn disk_full() {
    let fixture = deployed(App::Django);
    // Moves the project to a file system of its own, which is then filled.
    fixture.host.root(
        "systemctl stop demo && cd /home/deploy && mv demo away &&
         install -d -o deploy -g deploy demo && mount -t tmpfs -o size=40m,uid=$(id -u deploy),gid=$(id -g deploy),mode=755 tmpfs demo &&
         cp -a away/. demo/ && systemctl start demo",
    );
    fixture.project.page(0);
    fixture.host.root("dd if=/dev/zero of=/home/deploy/demo/ballast bs=4k 2>/dev/null; truncate -s -64k /home/deploy/demo/ballast");
    let said = "✗ clone failed with exit status 128\n    ...unable to write file\n";
    fails_until(
        &fixture,
        3,
        &format!("{said}{STOPPED}"),
        "rm /home/deploy/demo/ballast",
    );
}

#[test]
fn home_read_only() {
    let fixture = deployed(App::Django);
    fixture
        .host
        .root("mount --bind /home/deploy /home/deploy && mount -o remount,ro,bind /home/deploy");
    let said = "✗ lock failed with exit status 1\n    \
        touch: cannot touch '/home/deploy/demo/.pystrano/lock': Read-only file system\n";
    // The application cannot answer: each request writes to the database, which is in that home.
    leaves_as_it_was(&fixture, 3, &format!("{said}{STOPPED}"));
    fixture.host.root("umount -l /home/deploy");
    assert!(fixture.project.page(0).contains("v1"));
    fixture.project.run(&["deploy"]).expect(0);
}

#[test]
fn current_is_a_real_directory() {
    let fixture = deployed(App::Django);
    // The application keeps running, because its working directory is the release, not the link.
    fixture
        .host
        .root("cd /home/deploy/demo && cp -a current/. real && rm current && mv real current");
    fails_until(
        &fixture,
        3,
        &format!(
            "✗ lock failed with exit status 3: /home/deploy/demo/current is not a link to one of /home/deploy/demo/releases; move it away\n{STOPPED}"
        ),
        "rm -r /home/deploy/demo/current",
    );
}

#[test]
fn secrets_not_set_up() {
    let fixture = deployed(App::Django);
    fixture
        .host
        .root("rm /home/deploy/demo/shared/secret-key.txt");
    let words = "✗ release failed with exit status 3: there is no /home/deploy/demo/shared/secret-key.txt; run setup.sh first\n";
    fails(&fixture, 3, &format!("{words}{STOPPED}"));
    fixture.project.run(&["setup"]).expect(0);
    fixture.project.run(&["deploy"]).expect(0);
}

#[test]
fn host_was_never_set_up() {
    let fixture = deployed(App::Django);
    fixture
        .host
        .root("systemctl disable --now demo; rm -r /home/deploy/demo");
    let output = fixture.project.run(&["deploy"]).expect(3);
    output.says(
        "lock failed with exit status 3: /home/deploy/demo is not set up; run setup.sh first",
    );
    assert_ne!(fixture.host.exec("test -e /home/deploy/demo").code, 0);
}

#[test]
fn ssh_program_missing() {
    let fixture = deployed(App::Django);
    let before = state(&fixture);
    let mut command: Command = fixture.project.command(&["deploy"]);
    command.env("PYSTRANO_SSH", "/nonexistent/ssh");
    let output = Output::from(command.output().unwrap()).expect(2);
    let words = "error: there is no program /nonexistent/ssh; install the OpenSSH client, or name another in PYSTRANO_SSH\n";
    assert!(output.stderr.ends_with(words), "{output}");
    assert_eq!(state(&fixture), before);
}

/// Django answers 400 to hosts that are not in ALLOWED_HOSTS, and redirects plain HTTP to https. With the settings that the
/// manual gives, the check reaches the app's own code, and a broken app fails it.
#[test]
fn a_health_check_gets_past_allowed_hosts_and_https() {
    let manual = include_str!("../../src/manual/faq.md");
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    let commit = || host.root("cat /home/deploy/demo/current/.pystrano/commit");
    project.check_health("/", 3);
    repo.replace(
        "demo/settings.py",
        "[\"127.0.0.1\", \"localhost\"]",
        "[\"shop.example.com\"]\nSECURE_SSL_REDIRECT = True",
    );
    repo.replace(
        "demo/settings.py",
        "MIDDLEWARE = [",
        "MIDDLEWARE = [\"django.middleware.security.SecurityMiddleware\", ",
    );
    let second = repo.release("v2");
    project
        .run(&["deploy"])
        .expect(1)
        .says("did not answer with 200-399 within 3 s; its last answer was 400");
    assert!(project.page(0).contains("version=v1"));

    let name = "health_check_host: shop.example.com";
    assert!(manual.contains(&format!("`{name}`")));
    let (key, value) = name.split_once(": ").unwrap();
    project.set(key, value);
    // gunicorn trusts X-Forwarded-Proto from localhost by default, and passes the scheme on to Django.
    project.set("health_check_statuses", "200-299");
    project
        .run(&["deploy"])
        .expect(0)
        .hides("only redirects to https");
    assert_eq!(commit(), second);

    project.unset("health_check_statuses");
    repo.write("gunicorn.conf.py", "secure_scheme_headers = {}\n");
    repo.release("v3");
    project.run(&["deploy"]).expect(0).says(
        "only redirects to https; let the app trust X-Forwarded-Proto, or set health_check_statuses to 200-299",
    );
    let trust = "SECURE_PROXY_SSL_HEADER = (\"HTTP_X_FORWARDED_PROTO\", \"https\")";
    assert!(manual.contains(&format!("`{trust}`")));
    let settings = repo.read("demo/settings.py");
    repo.write("demo/settings.py", &format!("{settings}{trust}\n"));
    project.set("health_check_statuses", "200-299");
    let trusting = repo.release("v4");
    project
        .run(&["deploy"])
        .expect(0)
        .says("Verified that the app answers")
        .hides("only redirects to https");
    assert_eq!(commit(), trusting);

    repo.replace(
        "pages/views.py",
        "Visit.objects.create()",
        "raise Exception",
    );
    repo.release("v5");
    project
        .run(&["deploy"])
        .expect(1)
        .says("its last answer was 500");
    assert_eq!(commit(), trusting);
}
