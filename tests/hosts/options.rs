//! Options of the commands, and Ctrl-C.

use crate::support::{App, Deployed, Output, deployed};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

#[test]
fn a_dry_run_contacts_nothing() {
    let Deployed {
        host, mut project, ..
    } = deployed(App::Django);
    project
        .env
        .insert("PASSWORD".into(), "canary-dry-run".into());
    let scripts = project.directory().join("scripts");
    project
        .run(&["render", "--output", scripts.to_str().unwrap()])
        .expect(0);
    for command in ["setup", "deploy"] {
        for extra in [&["--dry-run"][..], &["--dry-run", "--verbose"]] {
            let words: Vec<&str> = [command].iter().chain(extra).copied().collect();
            let mut process = project.command(&words);
            let output = process.env("PYSTRANO_SSH", "/nonexistent/ssh").output();
            let output = Output::from(output.unwrap()).expect(0);
            output
                .hides("canary-dry-run")
                .hides("the-secret-key-of-the-tests");
            output.says(&format!("-p {}", host.port()));
            // The script that would be sent is byte for byte the one that `render` writes.
            let file = scripts.join(format!("127.0.0.1/{command}.sh"));
            let sum = Command::new("sha256sum").arg(file).output().unwrap();
            output.says(&String::from_utf8(sum.stdout).unwrap()[..64]);
        }
    }
}

#[test]
fn output_of_the_hosts_is_shown_on_request() {
    let Deployed {
        host: _host,
        mut project,
        ..
    } = deployed(App::Django);
    // Control sequences that would set colours and the title of the terminal.
    project.set(
        "dependency_install_command",
        r"printf 'plain \033[31mred\033]0;title\007 over\n'",
    );
    project.run(&["deploy"]).expect(0).hides("plain");
    let shown = project.run(&["deploy", "--verbose"]).expect(0);
    shown.says("plain ");
    let control = |output: &str| output.chars().any(|c| c.is_control() && c != '\n');
    assert!(
        !control(&shown.stderr) && !control(&shown.stdout),
        "{shown:?}"
    );
}

#[test]
fn one_of_the_servers_is_selected() {
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    let label = format!("127.0.0.1:{}", host.port());
    project.set("x-note", "keys that begin with x- are for people");
    let before = host.root("readlink /home/deploy/demo/current");
    project
        .run(&["deploy", "--host", "other.example.com"])
        .expect(2);
    assert_eq!(host.root("readlink /home/deploy/demo/current"), before);
    repo.release("v2");
    project.run(&["deploy", "--host", &label]).expect(0);
    assert!(project.page(0).contains("version=v2"));
}

#[test]
fn without_a_unit_nothing_is_restarted() {
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    for key in ["service_file", "keep_releases"] {
        project.unset(key);
    }
    host.root("rm /etc/sudoers.d/*-*");
    let invocation = host.root("systemctl show -P InvocationID demo");
    repo.release("v2");
    project.run(&["deploy"]).expect(0).hides("Restarted");
    assert_eq!(host.root("systemctl show -P InvocationID demo"), invocation);
    assert!(
        project.page(0).contains("version=v1"),
        "the old code is still in memory"
    );
    host.root("systemctl restart demo");
    assert!(project.page(0).contains("version=v2"));
}

/// Reads stderr until a line contains `text`.
fn wait_for(child: &mut Child, text: &str) -> BufReader<std::process::ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(
            stderr.read_line(&mut line).unwrap() > 0,
            "no line had {text:?}"
        );
    }
    stderr
}

/// Sends SIGINT to the process group, ssh included, as Ctrl-C does.
fn interrupt(child: &Child) {
    let killed = Command::new("kill")
        .args(["-INT", "--", &format!("-{}", child.id())])
        .status();
    assert!(killed.unwrap().success());
}

fn finish(child: Child, mut stderr: impl Read) -> Output {
    let mut text = Vec::new();
    stderr.read_to_end(&mut text).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stderr = text;
    output.into()
}

#[test]
fn interrupted_while_it_builds() {
    let Deployed {
        host, mut project, ..
    } = deployed(App::Django);
    project.set("dependency_install_command", "sleep 61");
    let before = host.root("ls -A /home/deploy/demo/releases /home/deploy/demo/shared");
    let mut child = project.start(&["deploy"]);
    let stderr = wait_for(&mut child, "Linked shared media");
    let begin = Instant::now();
    interrupt(&child);
    let output = finish(child, stderr).expect(128 + 2);
    output.says("Interrupted before promotion: every server is as it was");
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        host.root("ls -A /home/deploy/demo/releases /home/deploy/demo/shared"),
        before
    );
    let left = host.exec("pgrep -af '[s]leep 61'");
    assert!(left.code == 1, "nothing of the build is left: {left}");

    project.unset("dependency_install_command");
    project.run(&["deploy"]).expect(0);
}

#[test]
fn interrupted_after_promotion_has_begun() {
    let Deployed {
        host,
        repo,
        project,
    } = deployed(App::Django);
    repo.release("v2");
    let mut child = project.start(&["deploy"]);
    let stderr = wait_for(&mut child, "Promoted");
    interrupt(&child);
    let output = finish(child, stderr).expect(0);
    output.says("promot").says("Verified");
    assert!(project.page(0).contains("version=v2"));
    assert_eq!(host.last_revision()[4], "deployed");
}

#[test]
fn interrupted_twice_it_leaves_and_the_host_goes_on() {
    let Deployed {
        host,
        repo,
        project,
    } = deployed(App::Django);
    repo.release("v2");
    let mut child = project.start(&["deploy"]);
    let stderr = wait_for(&mut child, "Promoted");
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    finish(child, stderr).expect(128 + 2);
    let begin = Instant::now();
    while host
        .exec("flock -n /home/deploy/demo/.pystrano/lock true")
        .code
        != 0
    {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(project.page(0).contains("version=v2"));
    assert_eq!(host.last_revision()[4], "deployed");
}
