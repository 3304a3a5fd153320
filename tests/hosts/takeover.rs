//! Taking over a host from version 2.0.0 of the Python tool.

use crate::support::{App, Host, Image, Output, Project, Repo, client_home, program};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Runs the Python tool on the project's config.
fn python(project: &Project, command: &str) -> Output {
    project.save();
    // The Python tool copies the secret as root with its mode; with 0600 the app could not read it.
    let secret = project
        .directory()
        .join("deploy/demo/production/secret-key.txt");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let process = Command::new(program("pystrano"))
        .args([command, "production", "demo"])
        .current_dir(project.directory())
        // paramiko looks for keys in $HOME/.ssh.
        .env("HOME", client_home())
        .output();
    process.unwrap().into()
}

#[test]
fn a_host_of_the_python_tool_is_taken_over() {
    take_over(&Host::boot(Image::Ready));
}

/// Sets up and deploys with the Python tool, then with this program.
pub fn take_over(host: &Host) {
    let repo = Repo::new(App::Django);
    let mut project = Project::new(&repo, &[host]);
    // The Python tool's setup fails without these two fields.
    project.set("system_packages", "less");
    project.set("ssh_known_hosts", "code.example.com");
    // The Python tool always scans the keys of github.com, which may not be reachable.
    host.write(
        "/usr/local/bin/ssh-keyscan",
        "#!/bin/sh\nfor host; do :; done\necho \"$host ssh-ed25519 AAAAscanned\"\n",
    );
    host.root("chmod 755 /usr/local/bin/ssh-keyscan");
    python(&project, "setup").expect(0);
    for version in ["p1", "p2", "p3"] {
        repo.release(version);
        python(&project, "deploy").expect(0);
        // The Python tool names releases by the time in seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert!(project.page(0).contains("version=p3"));
    let all = "grep -rl 'NOPASSWD: *ALL' /etc/sudoers.d";
    assert_eq!(host.root(all), "/etc/sudoers.d/deploy");
    let theirs = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITheirs colleague";
    host.root(&format!(
        "echo '{theirs}' >>/home/deploy/.ssh/authorized_keys"
    ));
    let keys = host.read("/home/deploy/.ssh/authorized_keys");
    let old = host.root("ls /home/deploy/demo/releases");

    project.run(&["setup"]).expect(0);
    assert_ne!(host.exec(all).code, 0, "the unlimited rule is gone");
    assert_eq!(host.read("/home/deploy/.ssh/authorized_keys"), keys);
    host.ssh("deploy", "sudo -n systemctl restart demo.service")
        .expect(0);
    host.ssh("deploy", "sudo -n true").expect(1);
    assert!(
        project.page(0).contains("version=p3"),
        "setup does not disturb the application"
    );

    let status = project.run(&["status"]).expect(0);
    for release in old.lines() {
        status.says(release);
    }
    repo.release("v4");
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v4"));
    let kept = host.root("ls /home/deploy/demo/releases");
    let newest: Vec<&str> = old.lines().skip(1).collect();
    assert_eq!(
        kept.lines().take(2).collect::<Vec<_>>(),
        newest,
        "the oldest is pruned"
    );
    assert_eq!(kept.lines().count(), 3);
    let current = host.root("readlink /home/deploy/demo/current");
    assert_eq!(
        Some(current.as_str()),
        kept.lines()
            .last()
            .map(|name| format!("releases/{name}"))
            .as_deref()
    );

    project.run(&["rollback"]).expect(0);
    assert!(project.page(0).contains("version=p3"));
    project.run(&["setup"]).expect(0).says("0 changed");
}
