//! What `setup` does as root, and what it leaves alone.

use crate::support::{App, Deployed, Host, Image, Project, Repo, deployed};

/// Every file's name, type, mode, owner, times and content below the directories that `setup`
/// changes, and the state of all units.
pub fn listing(host: &Host) -> String {
    host.root(
        "find /etc /home /root /usr /var/lib/dpkg -xdev ! -path '/var/lib/dpkg/lock*' \
             -printf '%p %y %m %u %g %s %T@ %C@ %l\\n' | sort
         find /etc /home /root -xdev -type f -exec sha256sum {} + | sort
         systemctl list-unit-files --no-pager --no-legend
         systemctl show demo.service --property=ActiveState,UnitFileState,InvocationID,NeedDaemonReload",
    )
}

#[test]
fn the_second_setup_changes_nothing() {
    for app in [App::Django, App::FastApi] {
        set_up_twice(&Host::boot(Image::Ready), app);
    }
}

/// Sets up a host twice; the second time changes nothing on it.
pub fn set_up_twice(host: &Host, app: App) {
    let repo = Repo::new(app);
    let mut project = Project::new(&repo, &[host]);
    project.set("system_packages", "libpq-dev  less\ncurl\n");
    project.set(
            "ssh_known_hosts",
            "code.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl;127.0.0.1",
        );
    // A stand-in for ssh-keyscan, which would connect to port 22, where nothing listens.
    host.write(
        "/usr/local/bin/ssh-keyscan",
        "#!/bin/sh\necho \"$6 ssh-ed25519 AAAAscanned\"\n",
    );
    host.root("chmod 755 /usr/local/bin/ssh-keyscan; apt-get -q update");
    project.run(&["setup"]).expect(0);
    host.root("dpkg-query -W libpq-dev less curl");
    let before = listing(host);

    let output = project.run(&["setup"]).expect(0);
    output.says("0 changed");
    let after = listing(host);
    similar(&before, &after);
}

/// Requires that two listings are equal; panics with the lines that differ.
#[track_caller]
pub fn similar(before: &str, after: &str) {
    let missing = |from: &str, other: &str, sign: char| {
        let lines = from
            .lines()
            .filter(|line| !other.lines().any(|same| same == *line));
        lines
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    if before != after {
        panic!(
            "{}{}",
            missing(before, after, '-'),
            missing(after, before, '+')
        );
    }
}

#[test]
fn setup_adds_keys_and_keeps_those_that_are_there() {
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let project = Project::new(&repo, &[&host]);
    host.root(
        "useradd -m -s /bin/bash deploy && install -d -o deploy -g deploy -m 700 /home/deploy/.ssh",
    );
    let theirs = "from=\"192.0.2.1\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITheirs colleague\n";
    host.write("/home/deploy/.ssh/authorized_keys", theirs);
    host.root("chown deploy:deploy /home/deploy/.ssh/authorized_keys");
    project.run(&["setup"]).expect(0);
    let ours = host.read("/root/.ssh/authorized_keys");
    assert_eq!(
        host.read("/home/deploy/.ssh/authorized_keys"),
        format!("{theirs}{ours}")
    );
    assert_eq!(
        host.root("stat -c '%a %U' /home/deploy/.ssh/authorized_keys"),
        "600 deploy"
    );
}

#[test]
fn trial_31_another_setup_user_goes_through_sudo() {
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let mut project = Project::new(&repo, &[&host]);
    host.root(
        "useradd -m -s /bin/bash admin && cp -r /root/.ssh /home/admin/ && chown -R admin: /home/admin/.ssh &&
         echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin",
    );
    project.set_server(0, "setup_user", "admin");
    project.run(&["setup"]).expect(0);
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v1"));

    host.root("echo 'Defaults:admin requiretty' >>/etc/sudoers.d/admin");
    project
        .run(&["setup"])
        .expect(1)
        .says("add `Defaults:admin !requiretty` to sudoers");

    host.root("rm /etc/sudoers.d/admin");
    project.run(&["setup"]).expect(1).says(
        "sudo: a password is required, and nobody is there to type it; let the last rule of sudoers for admin be",
    );
}

#[test]
fn files_have_the_modes_and_owners_they_need() {
    let Deployed { host, .. } = deployed(App::Django);
    let modes = host.root(
        "cd /home/deploy && stat -c '%a %U:%G %n' .ssh .ssh/authorized_keys demo demo/shared demo/shared/media \
         demo/shared/secret-key.txt /etc/systemd/system/demo.service
         stat -L -c '%a %U:%G env' demo/shared/.env
         find /etc/sudoers.d -type f ! -name README -printf '%m %u:%g %f\\n'",
    );
    let lines: Vec<&str> = modes.lines().collect();
    assert_eq!(
        lines[..8],
        [
            "700 deploy:deploy .ssh",
            "600 deploy:deploy .ssh/authorized_keys",
            "755 deploy:deploy demo",
            "755 deploy:deploy demo/shared",
            "755 deploy:deploy demo/shared/media",
            "600 deploy:deploy demo/shared/secret-key.txt",
            "644 root:root /etc/systemd/system/demo.service",
            "600 deploy:deploy env",
        ]
    );
    let [rule] = lines[8..] else {
        panic!("one rule: {modes}")
    };
    let name = rule.strip_prefix("440 root:root ").expect(rule);
    assert!(!name.contains(['.', '~']), "sudo does not read {name}");
    host.root("visudo -c");
}

#[test]
fn sudo_restarts_the_unit_and_nothing_else() {
    let Deployed { host, .. } = deployed(App::Django);
    let state =
        || host.root("systemctl show -P InvocationID demo; systemctl show -P InvocationID ssh");
    let before = state();
    host.ssh("deploy", "sudo -n systemctl restart demo.service")
        .expect(0);
    let restarted = state();
    assert_ne!(before, restarted);

    host.root("cp /usr/bin/id /usr/local/bin/mine; sed s/deploy/root/ /etc/passwd >/tmp/passwd");
    let escapes = [
        "systemctl restart ssh.service",
        "systemctl restart demo.service ssh.service",
        "systemctl restart demo.service --no-block",
        "systemctl --root=/tmp restart demo.service",
        "systemctl -H root@127.0.0.1 restart demo.service",
        "systemctl restart demo",
        "systemctl restart 'demo*'",
        "systemctl restart 'demo.service '",
        "systemctl restart",
        "systemctl stop demo.service",
        "systemctl status demo.service",
        "systemctl cat demo.service",
        "systemctl edit demo.service",
        "systemctl set-environment PATH=/tmp",
        "systemctl link /tmp/evil.service",
        "systemctl daemon-reload",
        "systemctl",
        "-E systemctl restart demo.service",
        "LD_PRELOAD=/tmp/evil.so systemctl restart demo.service",
        "SYSTEMD_PAGER=/tmp/evil systemctl restart demo.service",
        "-D /tmp systemctl restart demo.service",
        "-R /tmp systemctl restart demo.service",
        "-u nobody systemctl restart demo.service",
        "-g root systemctl restart demo.service",
        "-s",
        "-i",
        "sh -c 'systemctl restart demo.service'",
        "su -",
        "nano /etc/passwd",
        "vim.tiny /etc/passwd",
        "-e /etc/passwd",
        "/tmp/systemctl restart demo.service",
        "journalctl -u demo.service",
        "mine",
    ];
    let allowed = allowed(&host, &escapes);
    assert!(allowed.is_empty(), "{allowed:#?}");
    assert_eq!(state(), restarted);
    println!("{} of {} escapes were denied", escapes.len(), escapes.len());
}

/// Returns the command lines that the application user may run with sudo.
pub fn allowed<'a>(host: &Host, commands: &[&'a str]) -> Vec<&'a str> {
    let is_allowed = |command: &&&str| {
        let output = host.ssh("deploy", &format!("sudo -n {command}"));
        let denied = ["a password is required", "not allowed", "not permitted"];
        output.code != 1 || !denied.iter().any(|text| output.stderr.contains(text))
    };
    commands.iter().filter(is_allowed).copied().collect()
}

#[test]
fn planted_links_lead_root_nowhere() {
    // Paths that the application user can replace, since they lie below its home.
    let places = [
        ".ssh",
        ".ssh/authorized_keys",
        ".ssh/known_hosts",
        ".venv",
        ".venv/bin",
        ".venv/bin/python",
        "demo",
        "demo/releases",
        "demo/shared",
        "demo/shared/media",
        "demo/shared/secret-key.txt",
        "demo/shared/.env",
        "demo/.pystrano",
        "demo/.pystrano/secret.new",
        "demo/current",
    ];
    let outside = "find /root/outside /etc -printf '%p %y %m %u %g %s %T@ %l\\n' | sort; \
                   find /root/outside /etc -type f -exec sha256sum {} + | sort";
    let mut counted = 0;
    for place in places {
        for target in [
            "/root/outside",
            "/root/outside/file",
            "/root/outside/missing",
        ] {
            let Deployed {
                host, mut project, ..
            } = deployed(App::Django);
            project.set(
                "ssh_known_hosts",
                "code.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
            );
            host.root(&format!(
                "mkdir -p /root/outside/shared /root/outside/bin && chmod 711 /root && chmod 755 /root/outside
                 for file in file authorized_keys known_hosts secret-key.txt shared/secret-key.txt; do
                     echo kept >/root/outside/$file
                 done
                 cd /home/deploy && rm -rf {place} && ln -s {target} {place} && chown -h deploy:deploy {place}"
            ));
            let before = host.root(outside);
            project.run(&["setup"]);
            similar(&before, &host.root(outside));
            counted += 1;
        }
    }
    println!("{counted} planted links, 0 files outside changed");
}

#[test]
fn any_login_shell_will_do() {
    for shell in ["fish", "zsh", "tcsh"] {
        let Deployed {
            host,
            repo,
            project,
        } = deployed(App::Django);
        host.root(&format!("usermod -s $(command -v {shell}) deploy"));
        repo.release(shell);
        project.run(&["deploy"]).expect(0);
        assert!(project.page(0).contains(&format!("version={shell}")));
    }
}
