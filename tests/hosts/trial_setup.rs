//! `setup` with hostile application users, on hosts with unusual policies, and after earlier or killed setups.

use crate::setup::similar;
use crate::support::{App, Host, Image, Project, Repo, post};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

const HOST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn set_up() -> (Host, Project) {
    let host = Host::boot(Image::Ready);
    let project = Project::new(&Repo::new(App::Django), &[&host]);
    project.run(&["setup"]).expect(0);
    (host, project)
}

/// Renders setup.sh for a handoff and writes it to the host's /root.
pub fn hand_over(host: &Host, project: &Project) {
    project
        .run(&["render", "setup", "--output", "handoff"])
        .expect(0);
    let script =
        fs::read(project.directory().join("handoff/127.0.0.1/setup.sh")).expect("a script");
    host.write("/root/setup.sh", script);
}

#[test]
fn trial_9_a_fifo_a_device_or_an_endless_file_ends_setup_with_clear_words() {
    let (host, mut project) = set_up();
    project.set("ssh_known_hosts", &format!("code.example.com {HOST_KEY}"));
    project.run(&["setup"]).expect(0);
    for (file, says) in [
        ("/home/deploy/.ssh/authorized_keys", "is not a regular file"),
        ("/home/deploy/.ssh/known_hosts", "is not a regular file"),
        ("/root/.ssh/authorized_keys", "is not a regular file"),
    ] {
        for make in ["mkfifo", "ln -s /dev/zero", "ln -s /dev/tty"] {
            host.root(&format!("mv {file} /root/aside; {make} {file}"));
            hand_over(&host, &project);
            let begin = Instant::now();
            let output = host.exec("timeout 60 sh /root/setup.sh").expect(1);
            output.says(says);
            assert!(begin.elapsed() < Duration::from_secs(40), "{file} {make}");
            host.root(&format!("rm {file}; mv /root/aside {file}"));
        }
    }
    for file in [
        "/home/deploy/.ssh/authorized_keys",
        "/home/deploy/.ssh/known_hosts",
    ] {
        host.root(&format!(
            "cp -p {file} /root/aside; truncate -s 200G {file}"
        ));
        host.exec("timeout 60 sh /root/setup.sh")
            .expect(1)
            .says("is larger than 1 MiB");
        host.root(&format!("cp -p /root/aside {file}"));
    }
    // The user can also replace the virtualenv's pyvenv.cfg.
    host.root("rm /home/deploy/.venv/pyvenv.cfg; mkfifo /home/deploy/.venv/pyvenv.cfg");
    let output = host.exec("timeout 60 sh /root/setup.sh").expect(1);
    output.says("/home/deploy/.venv/pyvenv.cfg is not a regular file; remove it");
}

/// A program that `sudo sh setup.sh` runs as the app user cannot reach the terminal of root's session.
#[test]
fn trial_8_programs_of_the_app_user_have_no_terminal() {
    let (host, project) = set_up();
    hand_over(&host, &project);
    host.write(
        "/root/python",
        "#!/bin/sh\nexec 5>/tmp/seen\nls -l /proc/$$/fd >&5\ntty >&5\nenv >&5\n\
         printf '\\033]0;title\\007@forged\\n'\nprintf 'typed\\n' >/dev/tty\nexit 1\n",
    );
    host.root("cp --remove-destination /root/python /home/deploy/.venv/bin/python; chmod 755 /home/deploy/.venv/bin/python; chown deploy: /home/deploy/.venv/bin/python");
    let output = host.exec(
        "export TOKEN_OF_ROOT=canary-of-root PIP_CERT=/etc/own.pem; script -qec 'sh /root/setup.sh' /dev/null </dev/null",
    );
    let seen = host.read("/tmp/seen");
    assert!(
        !seen.contains("/dev/pts") && !seen.contains("/dev/tty"),
        "{seen}"
    );
    assert!(seen.contains("/var/lib/pystrano/output"), "{seen}");
    assert!(!output.stdout.contains('\u{1b}'), "{output}");
    // From root's environment it gets only the settings of package indexes.
    assert!(seen.contains("PIP_CERT=/etc/own.pem\n"), "{seen}");
    assert!(seen.contains("HOME=/home/deploy\n"), "{seen}");
    assert!(
        !seen.contains("canary") && !seen.contains("SUDO_"),
        "{seen}"
    );
    // Control sequences in file names that the user chose do not reach the terminal either.
    host.root("cd /home/deploy; rm -rf .venv; ln -s \"$(printf 'x\\033]0;title\\007/current/.pystrano/venv')\" .venv");
    let output = host.exec("script -qec 'sh /root/setup.sh' /dev/null </dev/null");
    output.says("/home/deploy/.venv belongs to another project");
    assert!(!output.stdout.contains('\u{1b}'), "{output}");
}

#[test]
fn trial_15_one_setup_at_a_time_and_the_second_says_who_is_at_it() {
    let (host, project) = set_up();
    hand_over(&host, &project);
    host.root(
        "rm /home/deploy/.venv/bin/python; printf '#!/bin/sh\\nsleep 300\\n' >/home/deploy/.venv/bin/python; chmod 755 /home/deploy/.venv/bin/python
         systemd-run -q --unit=first sh /root/setup.sh
         until pgrep -f '[s]leep 300' >/dev/null; do sleep 0.1; done",
    );
    let output = project.run(&["setup"]).expect(1);
    output
        .says("another setup is at work on ")
        .says("demo/production for root, since ");
    // If setup is killed, its lock is released, and the processes that it started as the user end with it.
    let begin = Instant::now();
    host.root("systemctl kill --kill-whom=main --signal=TERM first; while systemctl is-active -q first; do sleep 0.1; done");
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "{:?}",
        begin.elapsed()
    );
    host.root("! pgrep -f '[s]leep 300' && rm -r /home/deploy/.venv");
    project.run(&["setup"]).expect(0);
}

#[test]
fn trial_18_what_is_no_longer_wanted_is_named_and_pruned() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    let gone =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGoneGoneGoneGoneGoneGoneGoneGoneGoneGone gone@desk";
    let theirs =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITheirsTheirsTheirsTheirsTheirsTheirs colleague";
    host.root(&format!("echo '{gone}' >>/root/.ssh/authorized_keys"));
    project.save();
    let directory = project.directory().clone();
    fs::write(directory.join("old-secret"), "old\n").expect("a secret");
    let keygen = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(directory.join("key"))
        .stdin(Stdio::null())
        .status();
    assert!(keygen.expect("ssh-keygen").success());
    project.set(
        "secrets",
        "deploy/demo/production/secret-key.txt; old-secret",
    );
    project.set("ssh_known_hosts", &format!("old.example.com {HOST_KEY}"));
    project.set("deploy_key", "key");
    let unit = directory.join("deploy/demo/production/old.service");
    fs::write(&unit, project.unit(0)).expect("a unit");
    project.set_server(0, "service_file", "deploy/demo/production/old.service");
    project.run(&["setup"]).expect(0);
    host.root(&format!(
        "echo '{theirs}' >>/home/deploy/.ssh/authorized_keys; echo 'their.example.com {HOST_KEY}' >>/home/deploy/.ssh/known_hosts"
    ));
    assert_eq!(
        host.root("cd /home/deploy; stat -c '%a %U' .ssh/pystrano-demo,production demo/shared/old-secret; cmp .ssh/pystrano-demo,production - </dev/null || :"),
        "600 deploy\n600 deploy"
    );
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v1"));

    // The config renames the unit and drops the secret, the known host and the deploy key; root loses an authorized key.
    project.set("secrets", "deploy/demo/production/secret-key.txt");
    project.unset("ssh_known_hosts");
    project.unset("deploy_key");
    let broken = "deploy/demo/production/demo.service";
    let text = project
        .unit(0)
        .replace("ExecStart=/", "ExecStart=/bin/false /");
    fs::write(directory.join(broken), text).expect("a unit");
    project.set_server(0, "service_file", broken);
    host.root("sed -i /gone@desk/d /root/.ssh/authorized_keys");
    for _ in 0..2 {
        project.run(&["setup"]).expect(1).says(
            "demo.service did not stay up in place of old.service, which setup started again",
        );
        assert_eq!(host.root("systemctl is-active old.service"), "active");
    }
    project.set_server(0, "service_file", "deploy/demo/production/0/demo.service");
    let output = project.run(&["setup"]).expect(0);
    for says in [
        "gone@desk",
        "old.example.com",
        "/home/deploy/demo/shared/old-secret",
        "/home/deploy/.ssh/pystrano-demo,production",
        "--prune removes",
        "Removed what the config no longer has: old.service",
    ] {
        output.says(says);
    }
    assert_eq!(
        host.root("systemctl show -P LoadState old.service; ls /etc/sudoers.d | grep -c old || :; systemctl is-active demo.service"),
        "not-found\n0\nactive"
    );
    assert!(
        project.page(0).contains("version=v1"),
        "the new unit runs in place of the old one"
    );
    host.root("grep -q gone@desk /home/deploy/.ssh/authorized_keys && grep -q old.example.com /home/deploy/.ssh/known_hosts");

    project.run(&["setup", "--prune"]).expect(0);
    let files =
        "cd /home/deploy; cat .ssh/authorized_keys .ssh/known_hosts; ls -A .ssh demo/shared";
    let left = host.root(files);
    for text in [
        "gone@desk",
        "old.example.com",
        "old-secret",
        "pystrano-demo,production",
    ] {
        assert!(!left.contains(text), "{text}: {left}");
    }
    for text in ["colleague", "their.example.com", "secret-key.txt"] {
        assert!(left.contains(text), "{text}: {left}");
    }
    project
        .run(&["setup"])
        .expect(0)
        .hides("--prune")
        .says("0 changed");
    similar(&left, &host.root(files));

    // A removed unit that refuses to stop stays on record, and a later setup removes it.
    let stays = directory.join("deploy/demo/production/stays.service");
    let text = "[Unit]\nRefuseManualStop=yes\n[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n";
    fs::write(&stays, text).expect("a unit");
    let one = "deploy/demo/production/0/demo.service";
    let both = format!("{one};deploy/demo/production/stays.service");
    project.set_server(0, "service_file", &both);
    project.run(&["setup"]).expect(0);
    host.root("systemctl start stays.service");
    project.set_server(0, "service_file", one);
    project
        .run(&["setup"])
        .expect(0)
        .says("could not stop stays.service, which the config no longer has");
    host.root(
        "sed -i /RefuseManualStop/d /etc/systemd/system/stays.service; systemctl daemon-reload",
    );
    project
        .run(&["setup"])
        .expect(0)
        .says("Removed what the config no longer has: stays.service");
    host.root("! systemctl is-active -q stays.service");
}

#[test]
fn trial_29_and_30_a_user_that_cannot_log_in_or_lives_elsewhere_is_told() {
    let host = Host::boot(Image::Ready);
    let project = Project::new(&Repo::new(App::Django), &[&host]);
    host.root("useradd -m -d /srv/deploy -s /usr/sbin/nologin deploy");
    let output = project.run(&["setup"]).expect(0);
    output
        .says("the home of deploy is /srv/deploy, but project_root and venv_dir are taken below /home/deploy")
        .says("deploy cannot log in: its shell is /usr/sbin/nologin");
    assert!(!host.read("/srv/deploy/.ssh/authorized_keys").is_empty());
    host.root("test -d /home/deploy/demo/releases; usermod -s /bin/bash deploy");
    for (change, undo, says) in [
        (
            "chage -E 2020-01-01 deploy",
            "chage -E -1 deploy",
            "the account has expired",
        ),
        (
            "chage -d 0 deploy",
            "chage -d 2024-01-01 -M -1 deploy",
            "its password has expired",
        ),
        (
            "chmod g+w /srv/deploy",
            "chmod g-w /srv/deploy",
            "sshd reads no keys below /srv/deploy",
        ),
        (
            "echo AllowUsers root 'd?ploy@192.0.2.1' nobody >/etc/ssh/sshd_config.d/users.conf",
            "rm /etc/ssh/sshd_config.d/users.conf",
            "",
        ),
        (
            "echo AllowUsers root nobody >/etc/ssh/sshd_config.d/users.conf",
            "rm /etc/ssh/sshd_config.d/users.conf",
            "AllowUsers does not name it",
        ),
        (
            "echo DenyGroups dep* >/etc/ssh/sshd_config.d/users.conf",
            "rm /etc/ssh/sshd_config.d/users.conf",
            "DenyGroups names a group of it",
        ),
        (
            "echo AuthorizedKeysFile /etc/ssh/keys/%u >/etc/ssh/sshd_config.d/users.conf",
            "rm /etc/ssh/sshd_config.d/users.conf",
            "sshd does not read /srv/deploy/.ssh/authorized_keys",
        ),
    ] {
        host.root(change);
        let output = project.run(&["setup"]).expect(0);
        match says {
            "" => output.hides("sshd"),
            says => output.says(says),
        };
        host.root(undo);
    }
    project
        .run(&["setup"])
        .expect(0)
        .hides("sshd")
        .hides("log in");
}

#[test]
fn what_systemd_would_refuse_or_pass_over_is_told() {
    let (host, mut project) = set_up();
    let good = host.read("/etc/systemd/system/demo.service");
    let path = project
        .directory()
        .join("deploy/demo/production/demo.service");
    project.set_server(0, "service_file", "deploy/demo/production/demo.service");
    fs::write(&path, good.replace("ExecStart=/", "ExecStart=./")).expect("a unit");
    let output = project.run(&["setup"]).expect(1);
    output.says("systemd refuses demo.service: ");
    assert_eq!(
        host.read("/etc/systemd/system/demo.service"),
        good,
        "the old unit stays"
    );
    fs::write(
        &path,
        good.replace("[Install]", "Restrat=always\n[Install]"),
    )
    .expect("a unit");
    project
        .run(&["setup"])
        .expect(0)
        .says("systemd ignores a part of demo.service")
        .says("Restrat");
    let (start, _) = good.split_once("[Install]").expect("a section");
    fs::write(&path, start).expect("a unit");
    host.root("systemctl -q disable demo.service");
    project
        .run(&["setup"])
        .expect(0)
        .says("demo.service has no WantedBy in [Install]");
}

#[test]
fn a_home_that_a_web_server_cannot_pass_is_told_and_kept() {
    let (host, project) = set_up();
    host.root("chmod 700 /home/deploy; printf '#!/bin/sh\\n' >/usr/local/bin/nginx; chmod 755 /usr/local/bin/nginx");
    let output = project.run(&["setup"]).expect(0);
    output
        .says("cannot be read by www-data, as a web server: chmod o+x /home/deploy would allow it");
    output.says("! Prepared remote directory structure");
    assert_eq!(host.root("stat -c %a /home/deploy"), "700");
    host.root("chmod o+x /home/deploy");
    project.run(&["setup"]).expect(0).hides("www-data");
}

/// With umask 077 in every login, modes stay as intended, and a web server can read static files and media.
#[test]
fn magallanes_8_a_strict_umask_decides_no_mode() {
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let project = Project::new(&repo, &[&host]);
    hand_over(&host, &project);
    host.root("umask 077; sh /root/setup.sh");
    assert_eq!(
        host.root(
            "cd /home/deploy/demo; stat -c '%a' . releases shared shared/media .pystrano /home/deploy/.venv \
             /var/lib/pystrano /var/lib/pystrano/apps/demo/production /etc/systemd/system/demo.service shared/secret-key.txt"
        ),
        "755\n755\n755\n755\n755\n755\n755\n644\n644\n600"
    );
    project.run(&["setup"]).expect(0).says("0 changed");

    host.root("echo umask 077 >/home/deploy/.bashrc");
    assert_eq!(host.ssh("deploy", "umask").expect(0).stdout, "0077\n");
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v1"));
    assert_eq!(post(project.ports[0], "/upload", "kept").unwrap().0, 200);
    let served = "for file in staticfiles/pages/style.css media/upload.txt; do
        runuser -u www-data -- cat /home/deploy/demo/current/$file
    done";
    host.root("chmod 700 /home/deploy");
    host.exec(served).expect(1).says("Permission denied");
    host.root("chmod o+x /home/deploy");
    let style = repo.read("pages/static/pages/style.css");
    assert_eq!(host.exec(served).expect(0).stdout, format!("{style}kept"));
}

/// Lists what `setup` creates or changes on a host, except times and its lock.
const MADE: &str = "cd /; find etc/systemd/system etc/sudoers.d home/deploy/.ssh home/deploy/demo var/lib/pystrano \
     ! -path '*/pystrano/lock' ! -path '*/pystrano/output' -printf '%p %y %m %u %l\n' | sort
     find etc/systemd/system etc/sudoers.d home/deploy/.ssh home/deploy/demo var/lib/pystrano/apps -type f -exec sha256sum {} + | sort
     sort var/lib/pystrano/kept/demo/production/*; systemctl is-enabled one.service two.service worker.service 2>&1";

/// Alternates between two states of a config. Kills each setup, with all its processes, at another place; then sets up
/// the old or the new state, which must give the same result as if none had been killed.
#[test]
fn trial_setup_is_killed_twenty_times_and_the_next_one_leaves_all_right() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    project.save();
    let directory = project.directory().clone();
    for (number, unit) in ["one", "two"].into_iter().enumerate() {
        let service = format!("deploy/demo/production/{unit}.service");
        let text = project
            .unit(0)
            .replace("Description=", &format!("Description={unit} "));
        fs::write(directory.join(&service), text).expect("a unit");
        // A unit that both states have, and that must be enabled at all times.
        let target = ["multi-user.target", "graphical.target"][number];
        fs::write(
            directory.join("deploy/demo/production/worker.service"),
            format!("[Service]\nExecStart=/bin/sleep {number}\n[Install]\nWantedBy={target}\n"),
        )
        .expect("a unit");
        let both = format!("{service}; deploy/demo/production/worker.service");
        project.set_server(0, "service_file", &both);
        let own = format!("secret-{unit}");
        fs::write(directory.join(&own), unit.repeat(2000)).expect("a secret");
        fs::create_dir_all(directory.join(unit)).expect("a directory");
        fs::write(directory.join(unit).join("both"), unit.repeat(3000)).expect("a secret");
        project.set("secrets", &format!("{own}; {unit}/both"));
        project.set(
            "ssh_known_hosts",
            &format!("{unit}.example.com {HOST_KEY}; code.example.com {HOST_KEY}"),
        );
        let key = directory.join(format!("key-{unit}"));
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("ssh-keygen").success());
        project.set("deploy_key", &format!("key-{unit}"));
        hand_over(&host, &project);
        host.root(&format!("mv /root/setup.sh /root/{number}.sh"));
    }
    let files = "/home/deploy/demo/shared/secret-* /home/deploy/demo/shared/both /etc/systemd/system/one.service \
         /etc/systemd/system/two.service /home/deploy/.ssh/pystrano-*";
    let state = |number: usize| {
        host.root(&format!("sh /root/{number}.sh --prune"));
        host.root(MADE)
    };
    let mut states = Vec::new();
    for number in [0, 1, 0, 1] {
        states.push(state(number));
        host.root(&format!(
            "for file in {files}; do [ ! -e $file ] || sha256sum <$file >>/root/known; done"
        ));
    }
    similar(&states[1], &states[3]);
    let states = &states[2..];
    assert_ne!(states[0], states[1]);
    let whole = format!(
        "for file in {files}; do [ ! -e $file ] || grep -qxF \"$(sha256sum <$file)\" /root/known || {{ echo $file; exit 1; }}; done"
    );
    let (mut at, mut kills) = (1, 0);
    for place in 1.. {
        let wanted = 1 - at;
        // Kill setup after this many lines of output (steps begun or ended), and this many milliseconds.
        let (lines, pause) = (place % 20 + 2, place * 7 % 40);
        let killed = host.root(&format!(
            "rm -f /root/out; systemd-run -q --unit=victim --property=StandardOutput=file:/root/out sh /root/{wanted}.sh --prune nonce=x
             until [ $(wc -l </root/out) -ge {lines} ] || ! systemctl is-active -q victim; do :; done 2>/dev/null
             sleep 0.{pause:03}
             if systemctl is-active -q victim; then systemctl kill -s KILL --kill-whom=all victim; echo killed; fi
             # Until all of its processes are gone, the lock may be held.
             until case $(systemctl show -P ActiveState victim) in inactive | failed) ;; *) false ;; esac; do :; done
             systemctl reset-failed victim 2>/dev/null || :
             visudo -qc && systemctl -q is-enabled worker.service && {{ {whole}; }}"
        ));
        // Some setups end before they can be killed.
        kills += usize::from(killed.contains("killed"));
        // Half of the time the killed state is set up again, otherwise the previous one.
        if place % 2 == 0 {
            at = wanted;
        }
        similar(&states[at], &state(at));
        if kills == 20 {
            break;
        }
        assert!(place < 40, "{kills} of {place} setups were killed");
    }
}
