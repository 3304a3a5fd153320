//! What people do every day after the first deploy.

use crate::support::{
    App, Deployed, Fleet, Host, Image, Output, Project, Release, Repo, client, deployed, fleet,
};
use crate::terminal::Terminal;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What sudo lets the app user do with the log of demo.service.
const SHOW: &str = "journalctl --no-pager --unit=demo.service --output=short-unix --lines=10000";

const FOLLOW: &str =
    "journalctl --no-pager --unit=demo.service --output=short-unix --lines=1000 --follow";

/// As the app user, with sudo.
fn sudo(host: &Host, command: &str) -> Output {
    host.ssh("deploy", &format!("timeout 10 sudo -n {command}"))
}

/// The rule of the log lets its unit be shown and followed, and nothing else: by sudo and by sudo-rs.
#[test]
fn the_log_of_the_unit_can_be_read_and_nothing_else() {
    for release in [Release::DEFAULT, Release::Ubuntu] {
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
        // Killed by the time limit, which sudo-rs tells in its own way.
        let followed = sudo(&host, FOLLOW);
        assert_ne!(followed.code, 0, "{followed}");
        followed.says("a line of demo");
        // A pager would be a shell of root.
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
            // without the pager's being off, and with another
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
            // other words, in one piece and in another order
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
}

/// The reason stands under the failure, for the controller and by hand, without what the env keeps secret.
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

    // A host that was set up before there was such a right.
    host.root("sed -i 's/, .*journalctl.*//' /etc/sudoers.d/pystrano-*");
    let output = project.run(&["deploy"]).expect(1);
    output.says("    deploy may not read the log of demo.service here; run setup.sh again");
    assert!(project.page(0).contains("v1"));
}

/// Waits for something to come true.
#[track_caller]
fn until(what: &str, is_true: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whatever the login shell of the app user is: the words as they were written, stdin, stdout and the exit code as they
/// are, in the release, with its env and virtualenv.
#[test]
fn a_command_runs_as_it_was_written_under_every_login_shell() {
    let Deployed {
        host, mut project, ..
    } = deployed(App::Django);
    project
        .env
        .insert("API_TOKEN".into(), "canary-token".into());
    project.run(&["deploy"]).expect(0);
    let odd = [
        "",
        "a  b",
        "it's \"x\"",
        "$HOME `id` $(id) \\\\ \\",
        "*",
        "!1",
        "~",
        "{a,b}",
        "new\nline\ttab",
        "ä €",
        "-- -x",
        "%s;|&<>#",
    ];
    let words = [
        "run",
        "--",
        "sh",
        "-c",
        "cat; printf '<%s>' \"$@\"; echo \"$PWD $VIRTUAL_ENV $GREETING\" >&2; umask >&2; exit 42",
        "sh",
    ];
    let said: String = odd.iter().map(|word| format!("<{word}>")).collect();
    let release = host.root("readlink -f /home/deploy/demo/current");
    for shell in ["sh", "bash", "fish", "zsh", "tcsh"] {
        host.root(&format!("usermod -s $(command -v {shell}) deploy"));
        let mut child = project
            .command(&[&words[..], &odd].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"a line\nand\0no line")
            .unwrap();
        let output = Output::from(child.wait_with_output().unwrap()).expect(42);
        assert_eq!(
            output.stdout,
            format!("a line\nand\0no line{said}"),
            "{shell}"
        );
        let told = format!("{release} /home/deploy/.venv hello\n0022\n");
        assert!(output.stderr.ends_with(&told), "{shell}: {output}");
        output.hides("canary");
    }
    project
        .run(&["run", "--", "no-such-program"])
        .expect(127)
        .hides("canary");
    project
        .run(&["run", "--", "sh", "-c", "kill -TERM $$"])
        .expect(143);
    project
        .run(&["run", "--dry-run", "--", "true"])
        .expect(0)
        .hides("canary");

    // A person at a terminal, still with tcsh as the login shell.
    let ssh = client().program.to_str().unwrap().to_owned();
    let environment = [("PYSTRANO_SSH", &*ssh), ("NO_COLOR", "1")];
    let start = |words: &[&str]| {
        let words = [&["run", "production", "demo", "--"], words].concat();
        Terminal::start_in(project.directory(), &words, &environment)
    };
    let mut shell = start(&["python", "manage.py", "shell"]);
    shell
        .expect(">>> ")
        .send("print(6 * 7, __import__('sys').stdin.isatty())\n")
        .expect("42 True");
    shell.expect(">>> ").send("exit(7)\n");
    assert_eq!(shell.end().0, 7);
    let mut sleeper = start(&["sh", "-c", "tty; echo begun; sleep 60"]);
    sleeper.expect("/dev/pts/").expect("begun").send("\u{3}");
    assert_eq!(sleeper.end().0, 130);
    assert_eq!(host.exec("pgrep -x sleep").code, 1);
}

/// The logs of two hosts, restarts and what a deploy takes for one time; none of it shows a secret.
#[test]
fn logs_restarts_and_deploys_of_one_commit() {
    let Fleet {
        hosts,
        repo,
        mut project,
    } = fleet(App::Django, 2);
    project
        .env
        .insert("API_TOKEN".into(), "canary-token".into());
    repo.replace(
        "demo/wsgi.py",
        "import os\n",
        "import os\nprint('it starts with', os.environ['API_TOKEN'], flush=True)\n",
    );
    let first = repo.commit("It logs its token");
    project.run(&["deploy"]).expect(0).hides("canary");
    let logs = project.run(&["logs", "--lines", "50"]).expect(0);
    logs.hides("canary").says("it starts with [redacted]");
    for host in &hosts {
        let prefix = format!("127.0.0.1:{} | 2", host.port());
        assert!(
            logs.stdout
                .lines()
                .any(|line| line.starts_with(&prefix) && line.contains(" gunicorn[")),
            "{logs}"
        );
    }
    assert!(logs.stdout.lines().count() <= 100, "{logs}");
    let times: Vec<&str> = logs
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    assert!(times.is_sorted(), "{logs}");
    project
        .run(&["logs", "--since", "2100-01-01T00:00:00Z"])
        .expect(0)
        .hides(" | ");
    let json = project.run(&["logs", "--json", "--since", "1h"]).expect(0);
    json.hides("canary").says("\"event\":\"log\"");

    // Followed on both, through a restart of each, until it is ended; nothing of it stays on the hosts.
    let shown = project.directory().join("shown");
    let mut command =
        project.command(&["logs", "--follow", "--lines", "1", "--unit", "demo.service"]);
    command
        .stdout(fs::File::create(&shown).unwrap())
        .stderr(Stdio::piped());
    let follower = command.spawn().unwrap();
    let shows = |host: &Host, text: &str| {
        let prefix = format!("127.0.0.1:{} | ", host.port());
        let shown = fs::read_to_string(&shown).unwrap();
        shown
            .lines()
            .any(|line| line.starts_with(&prefix) && line.contains(text))
    };
    until("a first line of each", || {
        hosts.iter().all(|host| shows(host, ""))
    });
    let before: Vec<String> = hosts
        .iter()
        .map(|host| host.root("systemctl show -P MainPID demo"))
        .collect();
    let restart = project.run(&["restart", "--verbose"]).expect(0);
    restart
        .hides("canary")
        .says("✓ Verified that the unit stays up")
        .says(" on 2 servers in ");
    until("the lines of the restart", || {
        hosts.iter().all(|host| {
            shows(host, "it starts with [redacted]") && shows(host, "Started demo.service")
        })
    });
    for (host, before) in hosts.iter().zip(before) {
        assert_ne!(host.root("systemctl show -P MainPID demo"), before);
        assert_eq!(host.last_revision()[4], "restarted");
        assert_eq!(host.last_revision()[2], first);
        host.root("pgrep -x journalctl");
    }
    let id = rustix::process::Pid::from_child(&follower);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    Output::from(follower.wait_with_output().unwrap()).expect(143);
    for host in &hosts {
        until("the end of journalctl", || {
            host.exec("pgrep -x journalctl").code == 1
        });
    }
    assert!(!fs::read_to_string(&shown).unwrap().contains("canary"));

    // One commit, and one branch, for one time.
    repo.release("v2");
    repo.git(&["branch", "topic"]);
    repo.release("v3");
    let commit = |host: &Host| host.root("cat /home/deploy/demo/current/.pystrano/commit");
    project
        .run(&["deploy", "--revision", &first])
        .expect(0)
        .hides("canary");
    assert!(hosts.iter().all(|host| commit(host) == first));
    project.run(&["deploy", "--branch", "topic"]).expect(0);
    assert!(project.page(0).contains("v2") && project.page(1).contains("v2"));
    assert_eq!(
        project.run(&["deploy", "--revision", "no-such-thing"]).code,
        3
    );

    // The lock is waited for; whoever has it is named.
    let lock = "/home/deploy/demo/.pystrano/lock";
    let hold = format!(
        "exec 9>>{lock}; flock 9; echo bob@desk deploy 9 since now pid $$ >{lock}; while [ ! -e /run/over ]; do sleep 0.1; done\n"
    );
    hosts[0].write("/run/hold", hold);
    hosts[0].root("systemd-run -q --unit=holder --uid=deploy sh /run/hold");
    until("the lock is held", || {
        hosts[0].read(lock).contains("bob@desk")
    });
    project
        .run(&["deploy"])
        .expect(3)
        .says("another run holds the lock")
        .says("bob@desk deploy 9");
    let shown = project.directory().join("waiting");
    let mut command = project.command(&["deploy", "--lock-wait", "600", "--json"]);
    command.stdout(fs::File::create(&shown).unwrap());
    let waiting = command.stderr(Stdio::piped()).spawn().unwrap();
    let told = "Waiting up to 600 s for another run, which holds the lock: bob@desk deploy 9";
    until("it waits for the lock", || {
        fs::read_to_string(&shown).unwrap().contains(told)
    });
    hosts[0].root("touch /run/over");
    Output::from(waiting.wait_with_output().unwrap()).expect(0);
    assert!(project.page(0).contains("v3") && project.page(1).contains("v3"));
}

/// What setup needs is looked for before anything is changed; what a report of a fault needs is told.
#[test]
fn setup_says_what_cannot_work_here_and_status_says_what_runs_here() {
    let Deployed { host, project, .. } = deployed(App::Django);
    let before = host.root("cd /etc && find . -type f -newer /etc/hostname | sort; cat /var/lib/pystrano/apps/demo/production");
    for (breaks, mends, told) in [
        (
            "mount --bind /home /home && mount -o remount,bind,noexec /home",
            "umount -l /home",
            "host failed with exit status 2: /home/deploy/demo is on a file system that is mounted noexec (/home/deploy/demo), where no program starts; name another project_root",
        ),
        (
            "printf '#!/bin/sh\\necho \"systemd 245 (245.4)\"\\n' >/usr/local/bin/systemctl && chmod 755 /usr/local/bin/systemctl",
            "rm /usr/local/bin/systemctl",
            "systemd 245 is too old: servers run Debian 12 or later, or Ubuntu 22.04 or later",
        ),
        (
            "mv /usr/bin/apt-get /usr/bin/away",
            "mv /usr/bin/away /usr/bin/apt-get",
            "there is no apt-get: servers run Debian 12 or later",
        ),
    ] {
        host.root(breaks);
        let output = project.run(&["setup"]);
        host.root(mends);
        output.expect(1).says(told);
    }
    assert_eq!(host.root("cd /etc && find . -type f -newer /etc/hostname | sort; cat /var/lib/pystrano/apps/demo/production"), before);
    project.run(&["setup"]).expect(0).hides("(changed)");

    let status = project.run(&["status", "--verbose"]).expect(0);
    for told in [
        "\n127.0.0.1\n  os         Debian GNU/Linux 13 (trixie), Linux ",
        "\n  systemctl  systemd 257 ",
        "\n  sudo       Sudo version 1.9",
        "\n  python3    Python 3.13.",
        "\n  git        git version 2.",
        "\n  project    / ",
        "\n  virtualenv / ",
        "\n  space      ",
        concat!("\n\npystrano ", env!("CARGO_PKG_VERSION"), "\n"),
    ] {
        assert!(status.stdout.contains(told), "{told:?}: {status}");
    }
    project
        .run(&["status", "--verbose", "--json"])
        .expect(0)
        .says("\"git\":\"git version 2.");
    project.run(&["status"]).expect(0).hides("Debian");
}
