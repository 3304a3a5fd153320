//! Secrets and env values appear in no process arguments, in no output, and never, even for an instant, in files
//! that other users can read.

use crate::executable;
use crate::support::{App, Deployed, Host, Output, Project, deployed};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CANARY: &str = "canary-7f3a91c2";

/// The system calls of sshd and its descendants on a host.
struct Trace {
    /// Process ID and call, in the order in which the calls returned.
    lines: Vec<(u32, String)>,
    /// For each process, the index in `lines` of the call that created it.
    births: BTreeMap<u32, usize>,
}

/// Traces the system calls of ssh sessions on the host while `work` runs.
fn traced(host: &Host, work: impl FnOnce()) -> Trace {
    host.root(
        "systemd-run --quiet --unit=trace strace -f -y -v -s 65536 -o /root/trace \
             -e trace=execve,openat,creat,umask,clone,clone3,fork,vfork,write,chmod,fchmod,fchmodat \
             -p $(systemctl show -P MainPID ssh)
         until grep -q '^TracerPid:.[1-9]' /proc/$(systemctl show -P MainPID ssh)/status; do sleep 0.1; done",
    );
    work();
    host.root("systemctl stop trace");
    let text = fs::read(host.path("/root/trace")).unwrap();
    let lines = whole_calls(&String::from_utf8_lossy(&text));
    let births = births(&lines);
    Trace { lines, births }
}

impl Trace {
    /// Whether a system call contains the text, verbatim or in base64 at any offset.
    fn carries(call: &str, text: &str) -> bool {
        call.contains(text) || base64_cores(text).iter().any(|core| call.contains(core))
    }

    /// The executed programs: path and arguments, and the environment.
    fn commands(&self) -> impl Iterator<Item = (&str, &str)> {
        self.calls("execve(")
            .map(|(_, call)| call.rsplit_once("], [").expect(call))
    }

    /// The nonces of the scripts that the controller ran, which mark their events.
    fn nonces(&self) -> Vec<&str> {
        let starts = self.calls("write(").filter_map(|(_, call)| {
            let (nonce, rest) = call.split_once(", \"@")?.1.split_once(' ')?;
            rest.starts_with("start ").then_some(nonce)
        });
        starts.collect()
    }

    fn calls(&self, name: &str) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(move |(_, (_, call))| call.starts_with(name))
            .map(|(at, (_, call))| (at, call.as_str()))
    }

    /// The regular files to which the text was written.
    fn written(&self, text: &str) -> Vec<&str> {
        let mut paths: Vec<&str> = self
            .calls("write(")
            .filter(|(_, call)| Trace::carries(call, text))
            .filter_map(|(_, call)| call.split_once('<')?.1.split_once('>'))
            .map(|(path, _)| path.trim_end_matches(" (deleted)"))
            .filter(|path| path.starts_with('/') && !path.starts_with("/dev/"))
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The modes with which a file was created (after the umask) or that chmod set.
    fn modes(&self, path: &str) -> Vec<u32> {
        let name = path.rsplit('/').next().unwrap();
        let created = self.calls("openat(").filter_map(|(at, call)| {
            let (asked, rest) = call.rsplit_once(") = ")?;
            let opened = rest.split_once('<')?.1.starts_with(&format!("{path}>"));
            let mode = u32::from_str_radix(asked.rsplit_once(", ")?.1, 8).ok()?;
            (opened && asked.contains("O_CREAT")).then(|| mode & !self.umask(at))
        });
        let changed = ["chmod(", "fchmod(", "fchmodat("]
            .into_iter()
            .flat_map(|call| self.calls(call))
            .filter_map(|(_, call)| {
                let mode = call
                    .split(", ")
                    .find_map(|word| word.split(')').next()?.strip_prefix('0'))?;
                call.contains(name)
                    .then(|| u32::from_str_radix(mode, 8).ok())?
            });
        created.chain(changed).collect()
    }

    /// The umask of the process that made the call at this index, at that time.
    fn umask(&self, at: usize) -> u32 {
        let pid = self.lines[at].0;
        for before in (0..at).rev() {
            let (other, call) = &self.lines[before];
            if *other == pid
                && let Some(rest) = call.strip_prefix("umask(")
            {
                let mask = rest.split(')').next().unwrap();
                return u32::from_str_radix(mask.trim_start_matches('0'), 8).unwrap_or(0);
            }
        }
        match self.births.get(&pid) {
            Some(&birth) => self.umask(birth),
            // The default of sshd, which systemd started before the trace.
            None => 0o022,
        }
    }
}

/// The calls in strace's output, with their processes. Joins the two lines of a call that another one interrupted.
fn whole_calls(text: &str) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    let mut begun: BTreeMap<u32, &str> = BTreeMap::new();
    for line in text.lines() {
        let Some((pid, call)) = line.split_once(' ') else {
            continue;
        };
        let pid = pid.parse().expect("a process");
        let call = call.trim_start();
        if let Some(head) = call.strip_suffix("<unfinished ...>") {
            begun.insert(pid, head.trim_end());
        } else if let Some(("<...", end)) = call.split_once(' ')
            && let Some((_, tail)) = end.split_once(" resumed>")
        {
            let head = begun.remove(&pid).unwrap_or_default();
            lines.push((pid, format!("{head}{tail}")));
        } else {
            lines.push((pid, call.to_owned()));
        }
    }
    let unended = begun.into_iter().map(|(pid, head)| (pid, head.to_owned()));
    lines.extend(unended);
    lines
}

/// For each process, the index of the line of the call that created it.
fn births(lines: &[(u32, String)]) -> BTreeMap<u32, usize> {
    let names = ["clone", "fork", "vfork"];
    let made = lines.iter().enumerate().filter_map(|(at, (_, call))| {
        let child = call.rsplit_once(" = ")?.1.parse().ok()?;
        let makes = names.iter().any(|name| call.starts_with(name));
        makes.then_some((child, at))
    });
    made.collect()
}

/// The parts of base64 that encode `text` whatever surrounds it, for each of the three alignments.
fn base64_cores(text: &str) -> [String; 3] {
    use base64::Engine;
    [0, 1, 2].map(|offset| {
        let padded = format!("{}{text}", "-".repeat(offset));
        let whole = base64::engine::general_purpose::STANDARD_NO_PAD.encode(padded);
        let begin = [0, 2, 3][offset];
        whole[begin..whole.len() - 2].to_owned()
    })
}

#[test]
fn base64_is_recognised_at_every_offset() {
    use base64::Engine;
    for offset in 0..3 {
        let text = format!("{}{CANARY}\n", "x".repeat(offset));
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        assert!(Trace::carries(&encoded, CANARY), "{encoded}");
    }
}

#[test]
fn trial_6_and_7_secrets_and_nonces_stay_where_they_belong() {
    let Deployed {
        host,
        mut project,
        repo,
    } = deployed(App::Django);
    project.env.insert("PASSWORD".into(), CANARY.into());
    project.set(
        "secrets",
        "deploy/demo/production/secret-key.txt; secret-canary.txt",
    );
    project.save();
    fs::write(
        project.directory().join("secret-canary.txt"),
        format!("{CANARY}\n"),
    )
    .unwrap();
    // A wrapper of ssh that records the arguments that the controller passes.
    let arguments = project.directory().join("arguments");
    let recorder = project.directory().join("ssh");
    let ssh = crate::support::ssh_program().display();
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{}'\nexec {ssh} \"$@\"\n",
        arguments.display()
    );
    executable::write(&recorder, &text);

    repo.release("v2");
    let trace = traced(&host, || {
        for command in ["setup", "deploy", "status", "rollback"] {
            let output = project
                .command(&[command, "--verbose"])
                .env("PYSTRANO_SSH", &recorder)
                .output()
                .unwrap();
            Output::from(output).expect(0).hides(CANARY);
        }
        // A failure prints the last lines of output, here of a command that prints its environment.
        project.set(
            "dependency_install_command",
            "env; cat ../../shared/secret-canary.txt; false",
        );
        for words in [
            &["deploy"][..],
            &["deploy", "--verbose"],
            &["deploy", "--json"],
        ] {
            let output = project.run(words).expect(3);
            for core in base64_cores(CANARY) {
                output.hides(&core);
            }
            output.hides(CANARY);
        }
    });

    let recorded = fs::read_to_string(&arguments).unwrap();
    assert!(recorded.lines().count() > 20);
    assert!(!Trace::carries(&recorded, CANARY), "{recorded}");

    assert!(trace.commands().count() > 100, "the deploy was traced");
    let leaks: Vec<_> = trace
        .commands()
        .filter(|(arguments, _)| Trace::carries(arguments, CANARY))
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");

    // A process that knew the nonce could forge events of the run.
    let nonces = trace.nonces();
    assert!(nonces.len() >= 7, "{nonces:?}");
    assert!(nonces.iter().all(|nonce| nonce.len() == 32), "{nonces:?}");
    for (arguments, environment) in trace.commands() {
        let known = |nonce: &&str| arguments.contains(*nonce) || environment.contains(*nonce);
        assert!(!nonces.iter().any(known), "{arguments} {environment}");
    }

    let written = trace.written(CANARY);
    assert!(
        written.iter().any(|path| path.contains("/.pystrano/env")),
        "{written:?}"
    );
    assert!(
        written
            .iter()
            .any(|path| path.contains("/.pystrano/") || path.contains("/shared/secret")),
        "{written:?}"
    );
    for path in &written {
        let modes = trace.modes(path);
        assert!(!modes.is_empty(), "nobody created {path}");
        assert!(
            modes.iter().all(|mode| mode & 0o077 == 0),
            "{path} had the modes {modes:?} (decimal)"
        );
    }
    println!(
        "{} commands and {} files with secrets were looked at",
        trace.commands().count(),
        written.len()
    );

    let owners = host.root(
        "cd /home/deploy/demo && stat -c '%a %U' shared/secret-*.txt releases/*/.pystrano/env",
    );
    assert!(owners.lines().all(|line| line == "600 deploy"), "{owners}");
    let owners = host.root("stat -c '%a %U' /home/deploy/demo/releases/*/.pystrano/run");
    assert!(owners.lines().all(|line| line == "700 deploy"), "{owners}");
    let open = host.root(&format!(
        "grep -rlF {CANARY} /home /etc /tmp /var/log /run 2>/dev/null | xargs stat -c '%a %n'"
    ));
    assert!(
        open.lines()
            .all(|line| line.starts_with("600 /home/deploy/demo/")
                || line.starts_with("700 /home/deploy/demo/") && line.ends_with("/.pystrano/run")),
        "{open}"
    );
}

/// The git server on the host accepts two keys: the deploy key, and one in the operator's agent.
#[test]
fn trial_1_a_clone_over_ssh_has_the_agent_or_the_deploy_key_and_nothing_later_has() {
    let Deployed {
        host,
        mut project,
        repo,
    } = deployed(App::Django);
    project.save();
    let directory = project.directory().clone();
    host.root("useradd --create-home --shell /bin/sh git && mkdir /home/git/.ssh");
    let mut accepted = String::new();
    for key in ["deploy-key", "agent-key"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", key])
            .current_dir(&directory)
            .status();
        assert!(made.unwrap().success());
        accepted += &fs::read_to_string(directory.join(format!("{key}.pub"))).unwrap();
    }
    host.write("/home/git/.ssh/authorized_keys", accepted);
    let agent = Agent::start(&directory.join("agent"));
    agent.add(&directory.join("agent-key"));

    let port = host.port();
    let host_key = host.read("/etc/ssh/ssh_host_ed25519_key.pub");
    let known = format!("[127.0.0.1]:{port} {}", host_key.trim_end());
    project.set("ssh_known_hosts", &known);
    project.set(
        "source_code_url",
        &format!("ssh://git@127.0.0.1:{port}/home/git/app"),
    );
    // The migration fails if it has an agent or a deploy key, or finds the socket of an agent.
    project.set(
        "migration_command",
        "ssh-add -l; [ $? = 2 ] && [ -z \"$(find /tmp /home/deploy/.ssh -type s 2>/dev/null)\" ] && \
         ! env | grep -E '^(SSH_AUTH_SOCK|GIT_SSH.*|deploy_key)=' && echo without-agent && python manage.py migrate --noinput",
    );
    let deploy = |project: &Project, version: &str, code: i32| {
        repo.release(version);
        host.root("rm -rf /home/git/app");
        host.copy_in(repo.path(), "/home/git/app");
        host.root("chown -R git: /home/git");
        let mut command = project.command(&["deploy", "--verbose"]);
        let output = command.env("SSH_AUTH_SOCK", &agent.socket).output();
        let output = Output::from(output.unwrap()).expect(code);
        assert_eq!(project.page(0).contains(version), code == 0);
        output
    };
    project.set("deploy_key", "deploy-key");
    project.run(&["setup"]).expect(0);
    deploy(&project, "by-key", 0).says("without-agent");
    project.unset("deploy_key");
    deploy(&project, "by-agent", 0).says("without-agent");
    project.set("forward_agent", "false");
    deploy(&project, "by-nothing", 3).says("accepts none of the keys that git has here");
}

/// An ssh-agent of the operator.
struct Agent {
    socket: PathBuf,
    process: Child,
}

impl Agent {
    fn start(socket: &Path) -> Agent {
        let mut command = Command::new("ssh-agent");
        let process = command.arg("-D").arg("-a").arg(socket);
        let process = process.stdout(Stdio::null()).spawn().expect("ssh-agent");
        while UnixStream::connect(socket).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Agent {
            socket: socket.to_owned(),
            process,
        }
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        let added = command.arg("-q").arg(key);
        let added = added.env("SSH_AUTH_SOCK", &self.socket).status();
        assert!(added.expect("ssh-add").success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
