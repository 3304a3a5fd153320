//! `run`, `logs`, `restart`, and the options that override the config for one deploy.

use crate::support::{App, Deployed, Fleet, Host, Output, Project, client, deployed, fleet};
use crate::terminal::Terminal;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Waits up to a minute until the condition holds.
#[track_caller]
fn until(what: &str, is_true: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whatever the app user's login shell, `run` passes arguments, stdin, stdout and the exit code through unchanged, and
/// runs the command in the release with its env and virtualenv.
#[test]
fn a_command_runs_as_it_was_written_under_every_login_shell() {
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    project
        .env
        .insert("API_TOKEN".into(), "canary-token".into());
    repo.replace(
        "demo/settings.py",
        "INSTALLED_APPS = [",
        "INSTALLED_APPS = [\"django.contrib.auth\", \"django.contrib.contenttypes\", ",
    );
    repo.commit("With users");
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
        assert_eq!(
            output.stderr, told,
            "{shell}: nothing but what the command says"
        );
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

    // Interactive sessions on a terminal; the login shell is still tcsh.
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
    let mut user = start(&["python", "manage.py", "createsuperuser"]);
    user.expect("Username (leave blank to use 'deploy'): ")
        .send("ada\n");
    user.expect("Email address: ").send("ada@example.com\n");
    user.expect("Password: ").send("correct horse\n");
    user.expect("Password (again): ").send("correct horse\n");
    user.expect("Superuser created successfully.");
    let (code, shown) = user.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("horse"), "the password was shown: {shown}");
    // dbshell runs `sqlite3`, which the image lacks; Python includes an equivalent shell as a module.
    let client = "#!/bin/sh\nexec python3 -m sqlite3 \"$@\"\n";
    host.write("/usr/local/bin/sqlite3", client);
    host.root("chmod 755 /usr/local/bin/sqlite3");
    let mut shell = start(&["python", "manage.py", "dbshell"]);
    shell
        .expect("sqlite> ")
        .send("SELECT username, is_superuser FROM auth_user;\n")
        .expect("('ada', 1)");
    shell.expect("sqlite> ").send(".quit\n");
    assert_eq!(shell.end().0, 0);
    let mut sleeper = start(&["sh", "-c", "tty; echo begun; sleep 60"]);
    sleeper.expect("/dev/pts/").expect("begun").send("\u{3}");
    assert_eq!(sleeper.end().0, 130);
    assert_eq!(host.exec("pgrep -x sleep").code, 1);
}

/// Logs of two hosts, restarts, and deploys of a given commit, branch or lock timeout; no secret is shown.
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
    // Hooks on the controller that check that the locks on the hosts have been released.
    let ports = [hosts[0].port(), hosts[1].port()];
    let is_free = format!(
        "for port in {} {}; do \"$PYSTRANO_SSH\" -p $port deploy@127.0.0.1 flock -n demo/.pystrano/lock true || touch held; done",
        ports[0], ports[1]
    );
    let [success, failure] = ["success", "failure"].map(|name| {
        let command = format!("cat >{name}.json; {is_free}; echo of a hook; exit 7");
        serde_json::to_string(&command).unwrap()
    });
    project.set(
        "hooks",
        &format!("{{on_success: {success}, on_failure: {failure}}}"),
    );
    let result = |project: &Project, name: &str| {
        assert!(!project.directory().join("held").exists());
        let text = fs::read_to_string(project.directory().join(name)).expect(name);
        assert!(!text.contains("canary"), "{text}");
        let result: Value = serde_json::from_str(&text).expect("an object");
        result
    };
    let deployed = project.run(&["deploy"]).expect(0);
    deployed
        .hides("canary")
        .says("of a hook\n")
        .says("warning: the hook on_success, ");
    let told = result(&project, "success.json");
    assert_eq!(
        (&told["action"], &told["code"]),
        (&json!("deploy"), &json!(0))
    );
    for (at, port) in ports.iter().enumerate() {
        assert_eq!(told["hosts"][at]["host"], format!("127.0.0.1:{port}"));
        assert_eq!(told["hosts"][at]["outcome"], "done");
    }
    assert!(!project.directory().join("failure.json").exists());
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

    // Follows both hosts across a restart until SIGTERM; no journalctl process is left on the hosts.
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

    // `--revision` and `--branch` override the config for a single deploy.
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
    project
        .run(&["deploy", "--revision", "no-such-thing"])
        .expect(3)
        .says("of a hook\n");
    let told = result(&project, "failure.json");
    assert_eq!(
        (&told["action"], &told["code"]),
        (&json!("deploy"), &json!(3))
    );
    assert_eq!(told["hosts"][1]["outcome"], "stopped");

    // A deploy names the holder of the lock, and with `--lock-wait` waits for it.
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
