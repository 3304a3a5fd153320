//! The rendered scripts, run by Ansible and by ClusterShell as the manual describes.

use crate::executable;
use crate::readme;
use crate::support::{App, Fleet, Output, fleet, program, ssh_program};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const HANDOFF: &str = include_str!("../../src/manual/handoff.md");

/// Two hosts with the manual's names in ssh_config, and their scripts rendered to `handoff`.
fn handed_off() -> Fleet {
    let mut fleet = fleet(App::FastApi, 2);
    let mut config = String::new();
    for (index, name) in ["app1.example.com", "app2.example.com"].iter().enumerate() {
        fleet.project.set_server(index, "host", name);
        let port = fleet.hosts[index].port();
        writeln!(config, "Host {name}\nHostName 127.0.0.1\nPort {port}")
            .expect("a String takes all");
    }
    let common = ssh_program().with_file_name("config");
    writeln!(config, "Host *\nInclude {}", common.display()).expect("a String takes all");
    fleet
        .project
        .run(&["render", "--output", "handoff"])
        .expect(0);
    let directory = fleet.project.directory();
    fs::write(directory.join("ssh_config"), config).expect("a file");
    fs::create_dir(directory.join("bin")).expect("a directory");
    let ssh = directory.join("bin/ssh");
    executable::write(
        &ssh,
        "#!/bin/sh\nPATH=${PATH#*:}\nexec ssh -F ssh_config \"$@\"\n",
    );
    fleet
}

/// Runs a command line in the directory that contains `handoff`.
fn run(fleet: &Fleet, command: &str) -> Output {
    let directory = fleet.project.directory();
    let of = |program: &Path| program.parent().expect("a directory").display().to_string();
    let path = [
        directory.join("bin").display().to_string(),
        of(&program("ansible-playbook")),
        of(&program("clush")),
        std::env::var("PATH").expect("PATH"),
    ];
    let ran = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path.join(":"))
        .env("ANSIBLE_HOME", directory.join("ansible"))
        // sftp does not find the ssh wrapper, because it does not search PATH.
        .env(
            "ANSIBLE_SSH_ARGS",
            format!("-F {}", directory.join("ssh_config").display()),
        )
        .stdin(Stdio::null())
        .output();
    ran.expect("sh").into()
}

#[track_caller]
fn serve(fleet: &Fleet, version: &str) {
    for index in 0..fleet.hosts.len() {
        let page = fleet.project.page(index);
        assert!(
            page.contains(&format!("\"version\":\"{version}\"")),
            "{page}"
        );
    }
}

#[test]
fn ansible_runs_the_scripts() {
    let fleet = handed_off();
    let playbook = readme::block(HANDOFF, "With Ansible").join("\n");
    fs::write(fleet.project.directory().join("deploy.yml"), &playbook).expect("a file");
    let first = playbook.lines().next().expect("a line");
    let (_, command) = first.split_once("for: ").expect("a command");

    fleet.repo.release("v2");
    run(&fleet, command).expect(0);
    serve(&fleet, "v2");
    let status = run(&fleet, &format!("{command} -v -e words=status")).expect(0);
    status.says("current ");
    run(&fleet, &format!("{command} -e words=rollback")).expect(0);
    serve(&fleet, "v1");
    fleet.repo.break_static();
    let output = run(&fleet, command).expect(2);
    output
        .says("Stopped before promotion")
        .hides("app2.example.com");
    serve(&fleet, "v1");
}

#[test]
fn clustershell_runs_the_scripts() {
    let fleet = handed_off();
    let command = readme::block(HANDOFF, "With ClusterShell").join("\n");
    fleet.repo.release("v2");
    let output = run(&fleet, &command).expect(0);
    output
        .says("app1.example.com: Deployed ")
        .says("app2.example.com: Deployed ");
    serve(&fleet, "v2");
    run(&fleet, &command.replace("-s deploy", "-s rollback")).expect(0);
    serve(&fleet, "v1");
    fleet.repo.break_static();
    let output = run(&fleet, &command).expect(3);
    output.says("app2.example.com: Stopped before promotion");
    serve(&fleet, "v1");
}
