//! The whole `setup.sh`, with stand-ins for the commands that need a real host.

use super::sandbox::setup::{SetupHost, UNIT, secret};
use super::{SHELLS, find};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn new(shell: &str) -> SetupHost {
    SetupHost::new(&find(shell))
}

#[test]
fn every_step_runs_and_then_finds_itself_done() {
    for shell in SHELLS {
        let host = new(shell);
        let script = host.script("");
        assert_eq!(host.set_up(&script), "setup: 10 changed, 0 ok", "{shell}");
        assert_eq!(
            host.read("home/.ssh/authorized_keys"),
            "ssh-ed25519 AAAAone one\nssh-ed25519 AAAAtwo two\n"
        );
        assert_eq!(
            host.read("home/.ssh/known_hosts"),
            "code.example.com ssh-ed25519 AAAAscanned\npinned.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfR2ZFwhrJ1vNNRJ1NQjXNkRwXW4W7yCtcAoCz8G++W\n"
        );
        let rule = "root ALL=(root) NOPASSWD: /usr/bin/systemctl restart app.service, \
                    /usr/bin/journalctl --no-pager --unit\\=app.service --output\\=short-unix --lines\\=10000, \
                    /usr/bin/journalctl --no-pager --unit\\=app.service --output\\=short-unix --lines\\=1000 --follow\n";
        assert_eq!(host.read("etc/sudoers.d/pystrano-root,app+service"), rule);
        assert_eq!(host.read("etc/systemd/system/app.service"), UNIT);
        assert_eq!(
            fs::read(host.path("home/apps/app/shared/key.bin")).expect("a secret"),
            secret()
        );
        assert_eq!(host.read("home/apps/app/shared/it's a key"), "canary\n");
        for (name, mode) in [
            ("home/.ssh", 0o700),
            ("home/.ssh/authorized_keys", 0o600),
            ("home/.ssh/known_hosts", 0o600),
            ("home/apps/app/shared/media", 0o755),
            ("home/apps/app/shared/key.bin", 0o600),
            ("etc/sudoers.d/pystrano-root,app+service", 0o440),
            ("etc/systemd/system/app.service", 0o644),
        ] {
            assert_eq!(host.mode(name), mode, "{shell}: {name}");
        }
        let calls = host.read("calls");
        assert!(calls.contains("install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --no-install-recommends -- python3-venv python3-pip sudo openssh-client \n"), "{shell}: {calls}");
        // A package may be provided by another one.
        host.write("packages", "installed python3 x, python3-venv, sudo\ninstalled git\ninstalled python3-pip\ninstalled openssh-client\ninstalled libpq-dev\n");
        host.write("calls", "");

        assert_eq!(host.set_up(&script), "setup: 0 changed, 10 ok", "{shell}");
        let calls = host.read("calls");
        for word in [
            "apt-get",
            "useradd",
            "daemon-reload",
            "enable",
            "venv",
            "pip",
            "visudo",
        ] {
            assert!(
                !calls.contains(&format!("{word} ")),
                "{shell}: {word}\n{calls}"
            );
        }
    }
}

#[test]
fn dependencies_that_follow_the_release_get_a_link() {
    for shell in SHELLS {
        let host = new(shell);
        let script = host.script("  venv_mode: release\n  health_check_url: http://127.0.0.1/\n");
        host.set_up(&script);
        let link = fs::read_link(host.path("home/venv")).expect("a link");
        assert_eq!(link, host.path("home/apps/app/current/.pystrano/venv"));
        assert!(host.path("home/apps/app/venvs").is_dir());
        assert!(host.path("home/apps/app/.pystrano/uv/bin/uv").exists());
    }
}

#[test]
fn root_makes_only_the_directory_that_the_user_cannot() {
    for shell in SHELLS {
        let host = new(shell);
        fs::create_dir(host.path("srv")).expect("a directory");
        let root = host.dir.path().display().to_string();
        let script = host.script("").replace(
            &format!("{root}/home/apps/app"),
            &format!("{root}/srv/new/app"),
        );
        host.write("fail/own", "");
        host.set_up(&script);
        assert!(host.read("calls").contains("chown root: . \n"), "{shell}");
        assert!(host.path("srv/new/app/shared/media").is_dir());

        // In a directory that others can write, a link may have been planted.
        fs::remove_dir_all(host.path("var")).expect("a record");
        let script = script.replace("/srv/new/app", "/srv/open/link/app");
        fs::create_dir(host.path("srv/open")).expect("a directory");
        fs::set_permissions(host.path("srv/open"), fs::Permissions::from_mode(0o777))
            .expect("a mode");
        symlink("/", host.path("srv/open/link")).expect("a link");
        host.write("fail/own", "");
        let ran = host.run(&script, &[]);
        assert_eq!(ran.status, 1, "{shell}");
        assert_eq!(
            ran.stderr,
            format!(
                "failed  directories, exit status 1: {root}/srv/open/link is a link, and {root}/srv/open is not root's alone\n"
            ),
            "{shell}"
        );
    }
}

#[test]
fn what_is_there_is_kept_and_what_the_old_tool_left_is_fixed() {
    for shell in SHELLS {
        let host = new(shell);
        let script = host.script("");
        host.set_up(&script);
        let restricted = "from=\"192.0.2.1\" ssh-ed25519 AAAAone theirs";
        host.write("home/.ssh/authorized_keys", restricted);
        host.write("home/apps/app/shared/key.bin", "old");
        host.write("etc/sudoers.d/root", "root ALL=(ALL) NOPASSWD:ALL\n");
        host.write("etc/systemd/system/app.service", "old");
        host.set_up(&script);
        assert_eq!(
            host.read("home/.ssh/authorized_keys"),
            format!("{restricted}\nssh-ed25519 AAAAtwo two\n")
        );
        assert_eq!(
            fs::read(host.path("home/apps/app/shared/key.bin")).expect("a secret"),
            secret()
        );
        assert!(!host.path("etc/sudoers.d/root").exists());
        assert_eq!(host.read("etc/systemd/system/app.service"), UNIT);

        host.write("etc/sudoers.d/root", "root ALL=(ALL) ALL\n");
        let ran = host.run(&script, &[]);
        assert!(
            ran.stdout.contains(
                "warning Limited sudo for root to restarting app.service and reading its log, but "
            ),
            "{shell}: {}",
            ran.stdout
        );
        assert_eq!(host.read("etc/sudoers.d/root"), "root ALL=(ALL) ALL\n");
    }
}

#[test]
fn a_failure_names_its_step_and_leaves_nothing_half_made() {
    for shell in SHELLS {
        for (fault, step, status, code) in [
            ("useradd", "user", "9", 1),
            (
                "apt-get",
                "packages",
                "1: apt-get update failed; what this host lacks: apt-get install python3-venv python3-pip sudo openssh-client libpq-dev",
                1,
            ),
            ("visudo", "sudo", "9", 1),
            ("python3", "virtualenv", "9", 1),
            (
                "ssh-keyscan",
                "known-hosts",
                "1: ssh-keyscan got no key from code.example.com, port 22",
                1,
            ),
            ("systemctl", "ownership", "9", 2),
        ] {
            let host = new(shell);
            let script = host.script("");
            host.write(&format!("fail/{fault}"), "");
            let ran = host.run(&script, &[]);
            assert_eq!(ran.status, code, "{shell} {fault}: {}", ran.stderr);
            let line = format!("failed  {step}, exit status {status}");
            assert_eq!(
                ran.stderr.lines().last(),
                Some(line.as_str()),
                "{shell} {fault}"
            );
            for directory in ["etc/sudoers.d", "etc/systemd/system"] {
                for entry in fs::read_dir(host.path(directory)).expect("a directory") {
                    let name = entry.expect("an entry").file_name();
                    assert!(
                        !name.to_string_lossy().ends_with(".new"),
                        "{shell} {fault}: {name:?}"
                    );
                }
            }

            fs::remove_file(host.path("fail").join(fault)).expect("a fault");
            host.set_up(&script);
        }
    }
}

#[test]
fn the_controller_gets_events() {
    for shell in SHELLS {
        let host = new(shell);
        let script = host.script("");
        let ran = host.run(&script, &["nonce=abc", "who=ada@desk"]);
        let events: Vec<&str> = ran
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("@abc "))
            .collect();
        assert_eq!(
            events[..8],
            [
                "start setup -",
                "step host",
                "step lock",
                "step ownership",
                "done ownership changed Recorded what app/test has on this host",
                "step user",
                "out useradd: made",
                "done user changed Ensured deploy user root exists"
            ],
            "{shell}"
        );
        assert_eq!(
            events[events.len() - 2..],
            ["fact changed 10", "end 0 done"],
            "{shell}"
        );

        host.write("fail/ssh-keygen", "");
        host.write("fail/ssh-keyscan", "");
        let ran = host.run(&script, &["nonce=abc"]);
        let fail = "@abc fail known-hosts 1 ssh-keyscan got no key from code.example.com, port 22\n@abc end 1 failed\n";
        assert!(ran.stdout.ends_with(fail), "{shell}: {}", ran.stdout);
        assert_eq!(ran.stderr, "", "{shell}");
    }
}

#[test]
fn only_root_may_and_only_so() {
    for shell in SHELLS {
        let host = new(shell);
        let script = host.script("");
        let ran = host.run(&script, &["deploy"]);
        assert_eq!(
            (ran.status, ran.stderr.as_str()),
            (2, "usage: sh setup.sh [--prune]\n"),
            "{shell}"
        );
        host.program("bin/id", "#!/bin/sh\necho 1000\n");
        let ran = host.run(&script, &["nonce=abc"]);
        assert_eq!(ran.status, 2, "{shell}");
        assert_eq!(
            ran.stdout,
            "@abc start setup -\n@abc fail start 2 setup.sh must run as root: sudo sh setup.sh\n@abc end 2 refused\n"
        );
        assert!(!host.path("calls").exists(), "{shell}");
    }
}

#[test]
fn a_script_that_was_cut_runs_nothing() {
    for shell in SHELLS {
        let host = new(shell);
        host.write("files/key.bin", "short");
        let script = host.script("");
        // Only the last newline may be missing.
        let whole = script.len() - 1;
        let step = if shell == "dash" { 1 } else { 61 };
        for end in (0..whole).step_by(step) {
            let Some(part) = script.get(..end) else {
                continue;
            };
            let ran = host.run(part, &["nonce=abc"]);
            assert!(
                !ran.stdout.contains("@abc"),
                "{shell}, cut at {end}: {}",
                ran.stdout
            );
        }
        assert!(!host.path("calls").exists(), "{shell}");
    }
}

/// The files below the directories that `setup.sh` changes, with their contents.
fn snapshot(host: &SetupHost) -> String {
    let find =
        "find etc home admin var ! -path var/lib/pystrano/lock -printf '%p %y %m %l\\n' | sort
                find etc home admin var -type f ! -name lock -exec sha256sum {} + | sort";
    let listed = host.command(&["/bin/sh", "-c", find]).output();
    String::from_utf8(listed.expect("sh").stdout).expect("UTF-8")
}

#[test]
fn what_belongs_to_another_app_is_refused_before_anything_changes() {
    for shell in SHELLS {
        let host = new(shell);
        host.set_up(&host.script(""));
        let record = host.read("var/lib/pystrano/apps/app/test");
        let root = host.dir.path().display().to_string();
        for line in [
            "user root".to_owned(),
            format!("root {root}/home/apps/app"),
            format!("venv {root}/home/venv"),
            "unit app.service".to_owned(),
            format!("sudo {root}/etc/sudoers.d/pystrano-root,app+service"),
            format!("secret {root}/home/apps/app/shared/it's a key"),
        ] {
            assert!(record.lines().any(|each| each == line), "{line}\n{record}");
        }
        let before = snapshot(&host);

        host.renames("deploy/app/test", "deploy/blog/live");
        let other = |root: &str, venv: &str, unit: &str| {
            let script = host.render_of("live", "blog");
            script
                .replace("/home/apps/app", root)
                .replace("/home/venv", venv)
                .replace("app.service", unit)
                .replace("app+service", "blog+service")
        };
        for (script, says) in [
            (
                other("/home/apps/app", "/home/new", "new.service"),
                "home/apps/app belongs to app/test on this host; give blog/live a project_root of its own",
            ),
            (
                other("/home/apps/new", "/home/venv", "new.service"),
                "home/venv belongs to app/test on this host; give blog/live a venv_dir of its own",
            ),
            (
                other("/home/apps/new", "/home/link", "new.service"),
                "home/link belongs to app/test on this host; give blog/live a venv_dir of its own",
            ),
            (
                other("/home/apps/new", "/home/new", "app.service"),
                "app.service belongs to app/test on this host; give the service_file of blog/live another name",
            ),
        ] {
            let link = host.path("home/link");
            let linked = script.contains("/home/link");
            if linked {
                symlink(host.path("home/venv"), &link).expect("a link");
            }
            let ran = host.run(&script, &[]);
            assert_eq!(ran.status, 2, "{shell}: {ran:?}");
            assert!(ran.stderr.contains(says), "{shell}: {}", ran.stderr);
            if linked {
                fs::remove_file(link).expect("a link");
            }
            assert_eq!(snapshot(&host), before, "{shell}: {says}");
        }
        host.set_up(&other("/home/apps/new", "/home/new", "new.service"));
    }
}
