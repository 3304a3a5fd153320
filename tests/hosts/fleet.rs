//! Deploys to four real hosts: whichever host fails at whichever step, all of them serve the same release.

use crate::executable;
use crate::support::{App, Fleet, Host, Output, fleet, free_port, ssh_program};
use std::fs;
use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const HOSTS: usize = 4;

/// Commands that fail or hang if /home/deploy/fail contains a file of the fault's name.
const STATIC: &str = "if rm /home/deploy/fail/hang 2>/dev/null; then touch /home/deploy/at; sleep 60; fi; \
    test ! -e /home/deploy/fail/slow || sleep 12; \
    test ! -e /home/deploy/fail/build && /home/deploy/.venv/bin/python build_static.py && touch /home/deploy/built";
const MIGRATE: &str = "echo migrated >>/home/deploy/migrations && test ! -e /home/deploy/fail/migrate && \
    exec /home/deploy/.venv/bin/alembic upgrade head";

/// A stand-in for mv that can make the promotion fail.
const MV: &str = "#!/bin/sh
case $* in */.next*) [ ! -e /home/deploy/fail/promote ] || exit 1 ;; esac
exec /usr/bin/mv \"$@\"
";

/// Hosts on which each step can be made to fail; migrations run on all of them.
fn fragile(size: usize) -> Fleet {
    let mut fleet = fleet(App::FastApi, size);
    fleet.project.set("static_files_command", STATIC);
    fleet.project.set("migration_command", MIGRATE);
    for (index, host) in fleet.hosts.iter().enumerate() {
        fleet.project.set_server(index, "run_migrations", "true");
        host.write("/usr/local/bin/mv", MV);
        host.write(
            "/etc/systemd/system/demo.service.d/faults.conf",
            format!(
                "[Service]\nExecStartPre=/bin/sh -c '! rm /home/deploy/fail/restart'\n\
                 ExecStartPre=/bin/sh -c 'if rm /home/deploy/fail/power; then touch /home/deploy/at; sleep 60; fi'\n\
                 ExecStart=\nExecStart=/bin/sh -c 'if rm /home/deploy/fail/verify; then sleep 1; exit 1; fi; \
                 exec /home/deploy/.venv/bin/uvicorn --port {} app.main:app'\n",
                fleet.project.ports[index]
            ),
        );
        host.root(
            "chmod 755 /usr/local/bin/mv && systemctl daemon-reload && install -d -o deploy /home/deploy/fail",
        );
    }
    fleet
}

impl Fleet {
    /// Requires that all hosts have the same current release, and that their apps answer with this version.
    #[track_caller]
    fn serves(&self, version: &str, case: &str) {
        let links = self.hosts.iter().map(|host| {
            host.root(
                "flock -n /home/deploy/demo/.pystrano/lock readlink /home/deploy/demo/current",
            )
        });
        let mut links: Vec<String> = links.collect();
        links.dedup();
        assert_eq!(links.len(), 1, "{case}: {links:?}");
        for index in 0..self.hosts.len() {
            let page = self.project.page(index);
            let version = format!("\"version\":\"{version}\"");
            assert!(page.contains(&version), "{case}: {index}: {page}");
        }
    }

    /// The number of migrations that each host has run.
    fn migrations(&self) -> Vec<usize> {
        let count = "cat /home/deploy/migrations 2>/dev/null | wc -l";
        let counts = self.hosts.iter().map(|host| host.root(count));
        counts
            .map(|count| count.parse().expect("a number"))
            .collect()
    }

    /// The InvocationID of each host's unit, which is new at each start.
    fn starts(&self) -> Vec<String> {
        let start = "systemctl show --property=InvocationID --value demo";
        self.hosts.iter().map(|host| host.root(start)).collect()
    }

    fn fail(&self, index: usize, what: &str) {
        self.hosts[index].root(&format!(
            "runuser -u deploy -- touch /home/deploy/fail/{what}"
        ));
    }

    /// Waits until the host has reached the step that hangs.
    fn wait_at(&self, index: usize) {
        let begin = Instant::now();
        while !self.hosts[index].path("/home/deploy/at").exists() {
            assert!(begin.elapsed() < Duration::from_secs(60), "never got there");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.hosts[index].root("rm /home/deploy/at");
    }

    fn label(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.hosts[index].port())
    }
}

/// The process ID of the ssh client that the controller runs for this port.
pub fn client(controller: &Child, port: u16) -> Option<String> {
    let parent = format!("PPid:\t{}\n", controller.id());
    let port = format!("-p\0{port}\0");
    let processes = fs::read_dir("/proc").expect("/proc");
    let mut names = processes.map(|entry| entry.expect("a process").file_name());
    let found = names.find(|name| {
        let of = |file| fs::read(format!("/proc/{}/{file}", name.display())).unwrap_or_default();
        String::from_utf8_lossy(&of("status")).contains(&parent)
            && String::from_utf8_lossy(&of("cmdline")).contains(&port)
    });
    found.and_then(|name| name.into_string().ok())
}

/// Each fault, its exit code, and whether it happens after other hosts have been promoted.
const FAULTS: [(&str, i32, bool); 7] = [
    ("build", 3, false),
    ("migrate", 3, false),
    ("promote", 1, true),
    ("restart", 1, true),
    ("verify", 1, true),
    ("unreachable", 4, false),
    ("client killed", 3, false),
];

/// Whether to try each fault on each host. The tests with stand-in hosts (tests/fleet) always do.
fn is_exhaustive() -> bool {
    std::env::var_os("PYSTRANO_EXHAUSTIVE").is_some()
}

/// Runs a deploy with a fault on one host, and requires that all hosts still serve `version`.
fn try_fault(fleet: &mut Fleet, fault: &str, code: i32, index: usize, version: &str) {
    let case = format!("{fault} on {index}");
    let hosts = fleet.hosts.len();
    let before = fleet.migrations();
    let output: Output = match fault {
        "unreachable" => {
            let port = fleet.hosts[index].port().to_string();
            fleet
                .project
                .set_server(index, "port", &free_port().to_string());
            let output = fleet.project.run(&["deploy"]);
            fleet.project.set_server(index, "port", &port);
            output
        }
        "client killed" => {
            fleet.fail(index, "hang");
            let controller = fleet.project.start(&["deploy"]);
            fleet.wait_at(index);
            let client = client(&controller, fleet.hosts[index].port());
            let client = client.expect("an ssh client");
            let killed = Command::new("kill").args(["-KILL", &client]).status();
            assert!(killed.expect("kill").success());
            controller.wait_with_output().expect("an end").into()
        }
        _ => {
            fleet.fail(index, fault);
            fleet.project.run(&["deploy"])
        }
    };
    assert_eq!(output.code, code, "{case}: {output}");
    fleet.hosts[index].root("rm -f /home/deploy/fail/*");
    // When the controller is gone, the script on the host ends by itself.
    fleet.hosts[index].root("flock -w 30 /home/deploy/demo/.pystrano/lock true");
    fleet.serves(version, &case);
    // Migrations run after all builds, in the order of the config, and stop at the first failure.
    let migrated = match fault {
        "build" | "unreachable" | "client killed" => 0,
        "migrate" => index + 1,
        _ => hosts,
    };
    let expected: Vec<usize> = (0..hosts)
        .map(|at| before[at] + usize::from(at < migrated))
        .collect();
    assert_eq!(fleet.migrations(), expected, "{case}");
}

#[test]
fn whatever_fails_anywhere_all_serve_the_same_release() {
    let mut fleet = fragile(HOSTS);
    fleet.repo.release("v2");
    let mut tried = 0;
    for (fault, code, _) in FAULTS {
        for index in (0..HOSTS).filter(|index| is_exhaustive() || [0, HOSTS - 1].contains(index)) {
            try_fault(&mut fleet, fault, code, index, "v1");
            tried += 1;
        }
    }
    fleet.project.run(&["deploy"]).expect(0);
    fleet.serves("v2", "at last");
    let line =
        format!("{HOSTS} hosts: {tried} failures tried, {tried} times all served the same release");
    writeln!(std::io::stderr(), "{line}").expect("stderr");
}

/// With batches of one host, those promoted before the failure are reverted, and those after it are not restarted.
#[test]
fn whatever_fails_after_a_canary_all_serve_the_same_release() {
    const HOSTS: usize = 3;
    let mut fleet = fragile(HOSTS);
    fleet.project.set("promote_batch", "1");
    fleet.repo.release("v2");
    let mut tried = 0;
    for (fault, code, promotes) in FAULTS {
        let is_chosen = |index: &usize| {
            is_exhaustive() || promotes && (*index == HOSTS - 1 || fault == "verify" && *index == 0)
        };
        for index in (0..HOSTS).filter(is_chosen) {
            let before = fleet.starts();
            try_fault(&mut fleet, fault, code, index, "v1");
            let after = fleet.starts();
            for at in (0..HOSTS).filter(|at| *at != index) {
                let is_restarted = promotes && at < index;
                assert_eq!(
                    before[at] != after[at],
                    is_restarted,
                    "{fault} on {index}: {at}"
                );
            }
            tried += 1;
        }
    }
    // Cuts the canary's connection in the pause between two batches, while it waits for the decision to keep or revert. It
    // stays promoted, and after Ctrl-C all hosts must serve the old release again.
    fleet.project.set("promote_pause", "600");
    let link = "readlink /home/deploy/demo/current";
    let old = fleet.hosts[0].root(link);
    let controller = fleet.project.start(&["deploy"]);
    let begin = Instant::now();
    let waits = |host: &Host| {
        host.root(link) != old
            && host
                .read("/home/deploy/demo/.pystrano/lock")
                .contains("waits for the controller (promoted)")
    };
    while !waits(&fleet.hosts[0]) {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "it never promoted"
        );
    }
    let promoted = fleet.hosts[0].root(link);
    let canary = client(&controller, fleet.hosts[0].port()).expect("an ssh client");
    let killed = Command::new("kill").args(["-KILL", &canary]).status();
    assert!(killed.expect("kill").success());
    fleet.hosts[0].root("flock -w 30 /home/deploy/demo/.pystrano/lock true");
    assert_eq!(
        fleet.hosts[0].root("readlink /home/deploy/demo/current"),
        promoted
    );
    let id = rustix::process::Pid::from_child(&controller);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("a signal");
    let output: Output = controller.wait_with_output().expect("an end").into();
    output.expect(130);
    fleet.serves("v1", "the canary's link is cut, then Ctrl-C");
    fleet.project.unset("promote_pause");
    fleet.project.set("promote_batch", "50%");
    fleet.project.run(&["deploy"]).expect(0);
    fleet.serves("v2", "in two batches");
    let line = format!(
        "{HOSTS} hosts, one at a time: {tried} failures tried, {tried} times all served the same release"
    );
    writeln!(std::io::stderr(), "{line}").expect("stderr");
}

#[test]
fn a_host_without_power_is_named() {
    let mut fleet = fragile(HOSTS);
    fleet.repo.release("v2");
    fleet.fail(2, "power");
    let controller = fleet.project.start(&["deploy"]);
    fleet.wait_at(2);
    fleet.hosts[2].power_off();
    let output: Output = controller.wait_with_output().expect("an end").into();
    output.expect(5).says(&fleet.label(2));
    fleet.hosts[2].power_on();
    fleet.project.run(&["deploy"]).expect(0);
    fleet.serves("v2", "with power again");
}

#[test]
fn nobody_promotes_before_the_slowest_is_ready() {
    let fleet = fragile(HOSTS);
    fleet.fail(1, "slow");
    let mut skews = Vec::new();
    for round in 2..9 {
        let version = format!("v{round}");
        fleet.repo.release(&version);
        fleet.project.run(&["deploy"]).expect(0);
        fleet.serves(&version, "slow");
        // Times of different hosts are comparable: the containers share the machine's clock.
        let time = |host: usize, path: &str| -> f64 {
            let time = format!("find {path} -maxdepth 0 -printf %C@");
            fleet.hosts[host].root(&time).parse().expect("seconds")
        };
        let promoted = (0..HOSTS).map(|host| time(host, "/home/deploy/demo/current"));
        let promoted: Vec<f64> = promoted.collect();
        let first = promoted.iter().copied().fold(f64::MAX, f64::min);
        let last = promoted.iter().copied().fold(f64::MIN, f64::max);
        assert!(first > time(1, "/home/deploy/built"), "{promoted:?}");
        skews.push((last - first) * 1000.0);
    }
    skews.sort_by(f64::total_cmp);
    let (median, largest) = (skews[skews.len() / 2], skews[skews.len() - 1]);
    let line = format!("4 hosts promote within {median:.0} ms (median), {largest:.0} ms (largest)");
    writeln!(std::io::stderr(), "{line}").expect("stderr");
}

#[test]
fn one_sshd_takes_sixty_connections() {
    let mut fleet = fleet(App::FastApi, 1);
    fleet.hosts[0].root("! grep -rq '^MaxStartups' /etc/ssh");
    for number in 1..60 {
        fleet.project.alias(0, &format!("alias{number}"));
    }
    let program = fleet.project.directory().join("ssh");
    let mut status = fleet.project.command(&["status"]);
    let ssh = ssh_program().display();
    let text = format!("#!/bin/sh\nexec '{ssh}' -o HostName=127.0.0.1 \"$@\"\n");
    executable::write(&program, &text);
    let output = status.env("PYSTRANO_SSH", &program).output();
    let output = Output::from(output.expect("pystrano")).expect(0);
    for number in 1..60 {
        output.says(&format!("alias{number}"));
    }
}

/// A stand-in for git that delays a clone until the test has pushed another commit.
const GIT: &str = "#!/bin/sh
case \" $* \" in *' clone '*) touch /home/deploy/at; until [ -e /home/deploy/pushed ]; do sleep 0.05; done ;; esac
exec /usr/bin/git \"$@\"
";

#[test]
fn openship_748_a_push_between_two_clones_gives_one_commit() {
    let fleet = fleet(App::FastApi, 2);
    fleet.hosts[1].write("/usr/local/bin/git", GIT);
    fleet.hosts[1].root("chmod 755 /usr/local/bin/git");
    let commit = fleet.repo.release("v2");
    let controller = fleet.project.start(&["deploy"]);
    fleet.wait_at(1);
    let begin = Instant::now();
    let cloned = "ls /home/deploy/demo/releases/*/.pystrano/unfinished";
    while fleet.hosts[0].exec(cloned).code != 0 {
        assert!(begin.elapsed() < Duration::from_secs(60), "never cloned");
    }
    fleet.repo.release("v3");
    fleet.hosts[1].root("touch /home/deploy/pushed");
    let output: Output = controller.wait_with_output().expect("an end").into();
    output.expect(0);
    fleet.serves("v2", "a push between the clones");
    for host in &fleet.hosts {
        assert_eq!(host.last_revision()[2], commit);
    }
}
