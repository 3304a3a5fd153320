//! `setup.sh`, whole, with stand-ins for the commands that need a real host.

use super::{SHELLS, find};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A directory that plays the host. The script's paths below /etc lie in it, its user is the one
/// that runs the test, and `sh` is the shell under test.
struct Sandbox {
    directory: TempDir,
}

struct Ran {
    stdout: String,
    stderr: String,
    status: i32,
}

/// Each reads what it is given, notes its words in `calls`, and fails while `fail/<name>` exists.
const STAND_INS: [(&str, &str); 12] = [
    ("id", "echo 0"),
    (
        "getent",
        "case $2 in\nroot) [ -d \"$SANDBOX/home\" ] && echo \"root:x:0:0::$SANDBOX/home:/bin/sh\" ;;\n\
         *) echo \"$2:x:0:0::$SANDBOX/admin:/bin/sh\" ;;\nesac",
    ),
    ("useradd", "mkdir \"$SANDBOX/home\""),
    ("chown", ":"),
    ("dpkg-query", "cat \"$SANDBOX/packages\""),
    (
        "apt-get",
        "for package; do :; done\n[ \"$package\" = update ] || echo \"installed $package\" >>\"$SANDBOX/packages\"",
    ),
    ("visudo", ":"),
    (
        "systemctl",
        "case $1 in\nenable) : >\"$SANDBOX/enabled\" ;;\nshow)\n[ -e \"$SANDBOX/enabled\" ] && echo UnitFileState=enabled || echo UnitFileState=disabled\n\
         echo NeedDaemonReload=no\n;;\nesac",
    ),
    (
        "ssh-keyscan",
        "echo \"code.example.com ssh-ed25519 AAAAscanned\"",
    ),
    ("ssh-keygen", "grep -q \"^$2 \" \"$4\""),
    (
        "python3",
        "mkdir -p \"$3/bin\"\ncp \"$SANDBOX/bin/true\" \"$3/bin/python\"\ncp \"$SANDBOX/bin/pip\" \"$3/bin/pip\"",
    ),
    ("pip", "cp \"$SANDBOX/bin/true\" \"${0%/*}/uv\""),
];

/// Runs the command, whoever it is for; once without success where root must step in.
const RUNUSER: &str = "#!/bin/sh
shift 3
case \"$*\" in
*'mkdir -p \"$directory\"'*)
	if [ -e \"$SANDBOX/fail/own\" ]; then
		rm \"$SANDBOX/fail/own\"
		exit 1
	fi
	;;
esac
exec \"$@\"
";

impl Sandbox {
    fn new(shell: &str) -> Self {
        let sandbox = Sandbox {
            directory: tempfile::tempdir().expect("a directory"),
        };
        for name in [
            "bin",
            "fail",
            "etc/sudoers.d",
            "etc/systemd/system",
            "admin/.ssh",
            "files",
        ] {
            fs::create_dir_all(sandbox.path(name)).expect("a directory");
        }
        for (name, act) in STAND_INS {
            sandbox.program(
                name,
                &format!(
                    "#!/bin/sh\n[ -t 0 ] || cat >/dev/null\nprintf '%s ' {name} \"$@\" >>\"$SANDBOX/calls\"\necho >>\"$SANDBOX/calls\"\n\
                     [ ! -e \"$SANDBOX/fail/{name}\" ] || exit 9\n{act}\n"
                ),
            );
        }
        sandbox.program("runuser", RUNUSER);
        sandbox.program("true", "#!/bin/sh\n");
        symlink(find(shell), sandbox.path("bin/sh")).expect("a link");
        sandbox.write(
            "packages",
            "installed python3 python3:amd64\ninstalled git git:amd64\ndeinstall curl\n",
        );
        sandbox.write(
            "admin/.ssh/authorized_keys",
            "# of admin\nssh-ed25519 AAAAone one\nssh-ed25519 AAAAtwo two\n",
        );
        sandbox.write("files/app.service", UNIT);
        sandbox.write("files/key.bin", secret());
        sandbox.write("files/it's a key", "canary\n");
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// The bytes of `setup.sh`; `more` is added to the config.
    fn script(&self, more: &str) -> String {
        let root = self.directory.path().display();
        self.write(
            "deployment.yml",
            format!(
                "config_version: 2\ncommon:\n  source_code_url: git@code.example.com:app.git\n  project_user: root\n  \
                 project_root: {root}/home/apps/app\n  venv_dir: {root}/home/venv\n  package_manager: uv\n  \
                 system_packages: libpq-dev\n  service_file: files/app.service\n  \
                 secrets: [files/key.bin, \"files/it's a key\"]\n  \
                 ssh_known_hosts: [code.example.com, pinned.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfR2ZFwhrJ1vNNRJ1NQjXNkRwXW4W7yCtcAoCz8G++W]\n{more}\
                 servers:\n  - host: host.example.com\n"
            ),
        );
        let target = self.path("deploy/app/test");
        fs::create_dir_all(&target).expect("a directory");
        fs::rename(self.path("deployment.yml"), target.join("deployment.yml")).expect("a config");
        let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .args(["render", "test", "app", "setup", "--reveal"])
            .current_dir(self.directory.path())
            .output()
            .expect("pystrano");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let script = String::from_utf8(output.stdout).expect("UTF-8");
        script.replace("/etc/s", &format!("{root}/etc/s"))
    }

    /// Pipes the script to the shell.
    fn run(&self, script: &str, words: &[&str]) -> Ran {
        let path = std::env::var("PATH").expect("PATH");
        let mut child = Command::new(self.path("bin/sh"))
            .arg("-s")
            .args(words)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SANDBOX", self.directory.path())
            .env("SUDO_USER", "admin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        // A shell that ends early leaves the rest unread.
        let _ = child
            .stdin
            .take()
            .expect("stdin")
            .write_all(script.as_bytes());
        let output = child.wait_with_output().expect("an end");
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }

    /// Runs it and requires success; the last line.
    #[track_caller]
    fn set_up(&self, script: &str) -> String {
        let ran = self.run(script, &[]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        ran.stdout.lines().last().expect("a line").to_owned()
    }

    fn mode(&self, name: &str) -> u32 {
        let metadata =
            fs::metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.permissions().mode() & 0o7777
    }
}

const UNIT: &str = "[Service]\nExecStart=/bin/sh -c 'echo \"$HOME\" `id` \\\\ !'\n\n[Install]\nWantedBy=multi-user.target";

/// Larger than a pipe, with every byte.
fn secret() -> Vec<u8> {
    (0..200_000u32)
        .map(|index| (index % 251) as u8 ^ (index / 997) as u8)
        .collect()
}

#[test]
fn every_step_runs_and_then_finds_itself_done() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
        let script = host.script("");
        assert_eq!(host.set_up(&script), "setup: 9 changed, 0 ok", "{shell}");
        assert_eq!(
            host.read("home/.ssh/authorized_keys"),
            "ssh-ed25519 AAAAone one\nssh-ed25519 AAAAtwo two\n"
        );
        assert_eq!(
            host.read("home/.ssh/known_hosts"),
            "code.example.com ssh-ed25519 AAAAscanned\npinned.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfR2ZFwhrJ1vNNRJ1NQjXNkRwXW4W7yCtcAoCz8G++W\n"
        );
        let rule = "root ALL=(root) NOPASSWD: /usr/bin/systemctl restart app.service\n";
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
        assert!(calls.contains("install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -- python3-venv python3-pip sudo openssh-client libpq-dev"), "{shell}: {calls}");
        // The stand-in installs the last of them only.
        host.write("packages", "installed python3 x, python3-venv, sudo\ninstalled git\ninstalled python3-pip\ninstalled openssh-client\ninstalled libpq-dev\n");
        host.write("calls", "");

        assert_eq!(host.set_up(&script), "setup: 0 changed, 9 ok", "{shell}");
        let calls = host.read("calls");
        for word in [
            "apt-get",
            "useradd",
            "daemon-reload",
            "enable",
            "ssh-keyscan",
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
        let host = Sandbox::new(shell);
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
        let host = Sandbox::new(shell);
        fs::create_dir(host.path("srv")).expect("a directory");
        let root = host.directory.path().display().to_string();
        let script = host.script("").replace(
            &format!("{root}/home/apps/app"),
            &format!("{root}/srv/new/app"),
        );
        host.write("fail/own", "");
        host.set_up(&script);
        assert!(host.read("calls").contains("chown root: . \n"), "{shell}");
        assert!(host.path("srv/new/app/shared/media").is_dir());

        // A directory that others can write is one where a link may have been planted.
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
fn what_is_there_is_kept_and_what_the_old_tool_left_is_mended() {
    for shell in SHELLS {
        let host = Sandbox::new(shell);
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
            ran.stdout
                .contains("warning Limited sudo for root to restarting app.service, but "),
            "{shell}: {}",
            ran.stdout
        );
        assert_eq!(host.read("etc/sudoers.d/root"), "root ALL=(ALL) ALL\n");
    }
}

#[test]
fn a_failure_names_its_step_and_leaves_nothing_half_made() {
    for shell in SHELLS {
        for (fault, step, status) in [
            ("useradd", "user", "9"),
            ("apt-get", "packages", "1: apt-get update failed"),
            ("visudo", "sudo", "9"),
            ("python3", "virtualenv", "9"),
            (
                "ssh-keyscan",
                "known-hosts",
                "1: ssh-keyscan got no key from code.example.com, port 22",
            ),
            ("systemctl", "service", "9"),
        ] {
            let host = Sandbox::new(shell);
            let script = host.script("");
            host.write(&format!("fail/{fault}"), "");
            let ran = host.run(&script, &[]);
            assert_eq!(ran.status, 1, "{shell} {fault}: {}", ran.stderr);
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
        let host = Sandbox::new(shell);
        let script = host.script("");
        let ran = host.run(&script, &["nonce=abc", "who=ada@desk"]);
        let events: Vec<&str> = ran
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("@abc "))
            .collect();
        assert_eq!(
            events[..3],
            [
                "start setup -",
                "step user",
                "done user changed Ensured deploy user root exists"
            ],
            "{shell}"
        );
        assert_eq!(
            events[events.len() - 2..],
            ["fact changed 9", "end 0 done"],
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
        let host = Sandbox::new(shell);
        let script = host.script("");
        let ran = host.run(&script, &["deploy"]);
        assert_eq!(
            (ran.status, ran.stderr.as_str()),
            (2, "usage: sh setup.sh\n"),
            "{shell}"
        );
        host.program("id", "#!/bin/sh\necho 1000\n");
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
        let host = Sandbox::new(shell);
        host.write("files/key.bin", "short");
        let script = host.script("");
        // The last newline may go.
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
