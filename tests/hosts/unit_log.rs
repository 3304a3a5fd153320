//! The log of a unit: which commands may read it, and the lines of it that a failure shows.

use crate::support::{
    App, Deployed, Host, Image, Output, Project, Release, Repo, client, deployed,
};
use std::fs;
use std::process::{Command, Stdio};

/// With `FOLLOW`, the commands that sudo lets the app user run to read the log of demo.service.
const SHOW: &str = "journalctl --no-pager --unit=demo.service --output=short-unix --lines=10000";

const FOLLOW: &str =
    "journalctl --no-pager --unit=demo.service --output=short-unix --lines=1000 --follow";

/// Runs a command as the app user, with sudo and a time limit.
fn sudo(host: &Host, command: &str) -> Output {
    host.ssh("deploy", &format!("timeout 10 sudo -n {command}"))
}

#[test]
fn the_log_of_the_unit_can_be_read_and_nothing_else() {
    only_the_log_can_be_read(Release::DEFAULT);
}

/// The same rule with sudo-rs.
#[test]
fn the_log_of_the_unit_can_be_read_like_ubuntu() {
    only_the_log_can_be_read(Release::Ubuntu);
}

/// Requires that the sudo rule allows to show and follow the unit's log, and nothing else.
fn only_the_log_can_be_read(release: Release) {
    let host = Host::boot_release(release, Image::Ready);
    let project = Project::new(&Repo::new(App::Django), &[&host]);
    project.run(&["setup"]).expect(0);
    host.write(
        "/etc/systemd/system/demo.service",
        "[Service]\nType=oneshot\nExecStart=echo a line of demo\n",
    );
    host.root("systemctl daemon-reload && systemctl start demo && systemd-run -q --wait --unit=other echo canary-of-root");
    sudo(&host, SHOW)
        .expect(0)
        .says("a line of demo")
        .hides("canary-of-root");
    // Killed by the time limit, which sudo and sudo-rs report differently.
    let followed = sudo(&host, FOLLOW);
    assert_ne!(followed.code, 0, "{followed}");
    followed.says("a line of demo");
    // A pager would let the user start a root shell.
    let pager = format!(
        "SYSTEMD_PAGER='touch /root/paged' PAGER='touch /root/paged' SYSTEMD_LESS=x LESSOPEN='touch /root/paged' sudo -n {SHOW}"
    );
    let paged = Command::new(&client().program)
        .args([
            "-tt",
            "-o",
            "BatchMode=yes",
            "-p",
            &host.port().to_string(),
            "-l",
            "deploy",
            "--",
            "127.0.0.1",
            &pager,
        ])
        .stdin(Stdio::null())
        .output();
    Output::from(paged.unwrap())
        .expect(0)
        .says("a line of demo");
    assert_eq!(host.exec("test -e /root/paged").code, 1);
    for denied in [
        // with a pager: the default one, and another
        "journalctl --unit=demo.service --output=short-unix --lines=10000",
        &format!("SYSTEMD_PAGER=id {SHOW}"),
        // another unit, and all units
        "journalctl --no-pager --unit=other.service --output=short-unix --lines=10000",
        "journalctl --no-pager --unit=* --output=short-unix --lines=10000",
        &format!("{SHOW} --unit=other.service"),
        "journalctl --no-pager --output=short-unix --lines=10000",
        "journalctl",
        // other files, which root could read
        &format!("{SHOW} --file=/root/x.journal"),
        &format!("{SHOW} --root=/root"),
        &format!("{SHOW} --directory=/root"),
        &format!("{SHOW} --cursor-file=/root/x"),
        "journalctl --no-pager --unit=demo.service --output=short-unix --lines=10000 --follow --file=/root/x.journal",
        // other arguments, joined arguments, and another order
        &format!("{SHOW} --output=json"),
        &format!("{SHOW} --follow"),
        "journalctl --no-pager --unit=demo.service --output=short-unix --lines=100000",
        "journalctl --no-pager --output=short-unix --unit=demo.service --lines=10000",
        "journalctl '--no-pager --unit=demo.service' --output=short-unix --lines=10000",
        &format!("{SHOW} --rotate"),
        &format!("{SHOW} --vacuum-time=1s"),
        "/home/deploy/journalctl --no-pager --unit=demo.service --output=short-unix --lines=10000",
    ] {
        host.root("install -o deploy -m 755 /usr/bin/id /home/deploy/journalctl");
        let output = sudo(&host, denied);
        assert!(
            !matches!(output.code, 0 | 124),
            "{release:?} {denied}: {output}"
        );
        output
            .hides("a line of demo")
            .hides("canary-of-root")
            .hides("uid=0");
    }
    assert_eq!(
        host.root("systemctl list-units --failed --plain --no-legend"),
        ""
    );
}

/// A failed start shows the unit's log, with secrets redacted, both with the controller and by hand.
#[test]
fn a_unit_that_fails_is_told_with_its_own_log() {
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    project
        .env
        .insert("API_TOKEN".into(), "canary-token".into());
    project.run(&["setup"]).expect(0);
    project.run(&["deploy"]).expect(0);
    host.root("systemd-run -q --wait --unit=other echo canary-of-root");
    repo.write(
        "gunicorn.conf.py",
        "import os\nraise SystemExit(\"broken-start with \" + os.environ[\"API_TOKEN\"])\n",
    );
    repo.commit("Dies at start");
    let output = project.run(&["deploy"]).expect(1);
    let (_, failure) = output.stderr.split_once("✗ restart failed").unwrap();
    let (log, _) = failure.split_once("\n✓ Promoted").unwrap();
    assert!(
        log.contains("    gunicorn[") && log.contains("]: broken-start with [secret]\n"),
        "{output}"
    );
    assert!(
        log.contains("systemd[1]: demo.service: Failed with result 'exit-code'."),
        "{output}"
    );
    output.hides("canary").hides("Booting worker");
    let json = project.run(&["deploy", "--json"]).expect(1);
    let failed = json
        .stdout
        .lines()
        .find(|line| line.contains("\"event\":\"failed\""))
        .unwrap();
    assert!(failed.contains("]: broken-start with [secret]\""), "{json}");
    json.hides("canary");
    // Breaks the current release, so that a restart fails.
    let conf = "/home/deploy/demo/current/gunicorn.conf.py";
    host.write(conf, repo.read("gunicorn.conf.py"));
    let json = project.run(&["restart", "--json", "--verbose"]).expect(1);
    json.hides("canary").says("]: broken-start with [secret]\"");
    host.root(&format!("rm {conf} && systemctl restart demo"));

    project
        .run(&["render", "deploy", "--output", "handoff"])
        .expect(0);
    host.write(
        "/home/deploy/deploy.sh",
        fs::read(project.directory().join("handoff/127.0.0.1/deploy.sh")).unwrap(),
    );
    let by_hand = host.ssh("deploy", "sh deploy.sh 2>&1").expect(1);
    let (_, failure) = by_hand
        .stdout
        .split_once("failed  restart, exit status 1\n")
        .unwrap();
    assert!(
        failure.contains("]: broken-start with [secret]\n"),
        "{by_hand}"
    );
    by_hand.hides("canary").hides("Booting worker");
    assert!(project.page(0).contains("v1"));

    // A host that was set up by a version without the sudo rule for the log.
    host.root("sed -i 's/, .*journalctl.*//' /etc/sudoers.d/pystrano-*");
    let output = project.run(&["deploy"]).expect(1);
    output.says("    deploy may not read the log of demo.service here; run setup.sh again");
    assert!(project.page(0).contains("v1"));
}
