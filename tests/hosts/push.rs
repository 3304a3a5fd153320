//! `delivery: push`: hosts that can reach neither the repository nor a package index.

use crate::support::{App, Fleet, Output, Release, Repo, fleet_on};
use std::process::Command;

/// Hosts whose first release was cloned, and that now use `delivery: push` and have no git.
fn pushed(release: Release, hosts: usize) -> Fleet {
    let mut fleet = fleet_on(release, App::Django, hosts);
    for host in &fleet.hosts {
        host.root("rm -rf /usr/bin/git /etc/pip.conf /var/cache/wheels");
    }
    let version = "import sys; print(\"%d.%d\" % sys.version_info[:2])";
    let python = fleet.hosts[0].root(&format!("python3 -c '{version}'"));
    fleet.project.set("python", &python);
    fleet.project.set("delivery", "push");
    fleet
}

/// The parts of payloads that were sent completely, to any host.
fn sent(output: &Output) -> Vec<String> {
    let events = output.stdout.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).expect("an object");
        event
    });
    let whole = events.filter(|event| event["event"] == "sent" && event["bytes"] == event["size"]);
    let mut parts: Vec<String> = whole
        .map(|event| event["part"].as_str().expect("a part").to_owned())
        .collect();
    parts.sort();
    parts
}

/// Commits an incompressible file.
fn add_noise(repo: &Repo, bytes: u32) {
    let noise = format!("head -c {bytes} /dev/urandom >noise");
    let mut made = Command::new("sh");
    let made = made.args(["-c", &noise]).current_dir(repo.path()).status();
    assert!(made.unwrap().success());
}

#[test]
fn what_is_pushed_needs_no_repository_and_no_index() {
    let Fleet {
        hosts,
        repo,
        project,
    } = pushed(Release::DEFAULT, 4);
    repo.release("v2");
    let first = project.run(&["deploy", "--json"]).expect(0);
    let parts = ["dependencies.tar", "source.tar.gz"].map(|part| [part; 4]);
    assert_eq!(sent(&first), parts.concat());
    for index in 0..hosts.len() {
        assert!(project.page(index).contains("v2"));
    }
    add_noise(&repo, 6_000_000);
    repo.release("v3");
    let second = project.run(&["deploy", "--json"]).expect(0);
    assert_eq!(sent(&second), ["source.tar.gz"; 4]);
    for (index, host) in hosts.iter().enumerate() {
        assert!(project.page(index).contains("v3"));
        host.root("test $(stat -c %s /home/deploy/demo/current/noise) = 6000000");
    }
    project.run(&["rollback"]).expect(0);
    assert!(project.page(1).contains("v2"));

    // Cuts the connection of one host in the middle of a part: none of the four hosts is changed.
    hosts[1].write(
        "/usr/local/bin/dd",
        "#!/bin/sh\necho chunk >>/home/deploy/chunks\n\
         [ \"$(wc -l </home/deploy/chunks)\" != 4 ] || pkill -KILL -u deploy sshd\nexec /usr/bin/dd \"$@\"\n",
    );
    hosts[1].root("chmod 755 /usr/local/bin/dd");
    let before = hosts[1].root("ls -A /home/deploy/demo/releases");
    let cut = project.run(&["deploy"]).expect(3);
    cut.says("the connection was lost in step code");
    assert_eq!(hosts[1].root("wc -l </home/deploy/chunks"), "4");
    for (index, host) in hosts.iter().enumerate() {
        assert!(project.page(index).contains("v2"));
        let left = "until [ \"$(ls -A /home/deploy/demo/releases)\" = \"$(cat /tmp/before)\" ]; do sleep 0.1; done; \
                    ! ls /home/deploy/demo/.pystrano/part";
        host.write("/tmp/before", &before);
        host.root(&format!("timeout 20 sh -c '{left}'"));
    }
}

/// The dd of uutils reads ahead, unlike that of GNU coreutils.
#[test]
fn what_is_pushed_arrives_whole_like_ubuntu() {
    let Fleet {
        hosts,
        repo,
        project,
    } = pushed(Release::Ubuntu, 1);
    add_noise(&repo, 3_000_000);
    repo.release("v2");
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("v2"));
    hosts[0].root("dd --version | grep uutils");
}
