//! A directory that plays a bare host for `setup.sh`, with stand-ins for the commands that need a real one.

use super::{Ran, Sandbox};
use std::fs;
use std::io::Write;
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

/// A directory that plays the host. The script's paths below /etc are in it, its user is the user that runs the test,
/// and `sh` is the shell under test.
pub struct SetupHost(Sandbox);

impl Deref for SetupHost {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.0
    }
}

/// Each stand-in reads its stdin, records its arguments in `calls`, and fails while `fail/<name>` exists.
const STAND_INS: [(&str, &str); 15] = [
    ("id", "echo 0"),
    (
        "getent",
        "[ \"$1\" = passwd ] || exit 2\ncase $2 in\nroot) [ -d \"$SANDBOX/home\" ] && echo \"root:x:0:0::$SANDBOX/home:/bin/sh\" ;;\n\
         *) echo \"$2:x:0:0::$SANDBOX/admin:/bin/sh\" ;;\nesac",
    ),
    (
        "useradd",
        "echo 'useradd: made' >&2\nmkdir \"$SANDBOX/home\"",
    ),
    ("chown", ":"),
    ("dpkg-query", "cat \"$SANDBOX/packages\""),
    (
        "apt-get",
        "until [ $# = 0 ] || [ \"$1\" = -- ]; do shift; done\n\
         for package; do echo \"installed $package\" >>\"$SANDBOX/packages\"; done",
    ),
    ("visudo", ":"),
    ("sudo", ":"),
    ("systemd-analyze", ":"),
    (
        "sshd",
        "printf '%s\\n' 'pubkeyauthentication yes' 'authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2'",
    ),
    (
        "systemctl",
        "case $1 in\nreenable) : >\"$SANDBOX/enabled\" ;;\nshow)\n[ -e \"$SANDBOX/enabled\" ] && echo UnitFileState=enabled || echo UnitFileState=disabled\n\
         echo NeedDaemonReload=no\n;;\nesac",
    ),
    (
        "ssh-keyscan",
        "echo \"code.example.com ssh-ed25519 AAAAscanned\"",
    ),
    ("ssh-keygen", "grep -q \"^$2 \" \"$4\""),
    (
        "python3",
        "mkdir -p \"$3/bin\"\ncp \"$SANDBOX/bin/true\" \"$3/bin/python\"\ncp \"$SANDBOX/bin/pip\" \"$3/bin/pip\"\n: >\"$3/pyvenv.cfg\"",
    ),
    ("pip", "cp \"$SANDBOX/bin/true\" \"${0%/*}/uv\""),
];

/// Runs the command as the current user. With `fail/own` it fails once, where root has to create the directory.
const RUNUSER: &str = "#!/bin/sh
export SANDBOX=\"${0%/bin/runuser}\"
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

impl SetupHost {
    /// `shell` is the path of the shell that plays `sh`.
    pub fn new(shell: &str) -> Self {
        let sandbox = Sandbox::empty();
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
                &format!("bin/{name}"),
                &format!(
                    "#!/bin/sh\n[ -t 0 ] || cat >/dev/null\nprintf '%s ' {name} \"$@\" >>\"$SANDBOX/calls\"\necho >>\"$SANDBOX/calls\"\n\
                     [ ! -e \"$SANDBOX/fail/{name}\" ] || exit 9\n{act}\n"
                ),
            );
        }
        sandbox.program("bin/runuser", RUNUSER);
        sandbox.program("bin/true", "#!/bin/sh\n");
        symlink(shell, sandbox.path("bin/sh")).expect("a link");
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
        SetupHost(sandbox)
    }

    /// The text of `setup.sh`; `more` is added to the config.
    pub fn script(&self, more: &str) -> String {
        let root = self.dir.path().display();
        self.write(
            "deploy/app/test/deployment.yml",
            format!(
                "config_version: 2\ncommon:\n  source_code_url: git@code.example.com:app.git\n  project_user: root\n  \
                 project_root: {root}/home/apps/app\n  venv_dir: {root}/home/venv\n  package_manager: uv\n  \
                 system_packages: libpq-dev\n  service_file: files/app.service\n  \
                 secrets: [files/key.bin, \"files/it's a key\"]\n  \
                 ssh_known_hosts: [code.example.com, pinned.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfR2ZFwhrJ1vNNRJ1NQjXNkRwXW4W7yCtcAoCz8G++W]\n{more}\
                 servers:\n  - host: host.example.com\n"
            ),
        );
        self.rendered()
    }

    /// The text of `setup.sh` for the existing config.
    pub fn rendered(&self) -> String {
        self.render_of("test", "app")
    }

    /// Moves the config of one app and environment to another.
    pub fn renames(&self, from: &str, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
        fs::rename(self.path(from), to).expect("a config");
    }

    /// The text of `setup.sh` for an environment and app.
    pub fn render_of(&self, environment: &str, app: &str) -> String {
        let root = self.dir.path().display();
        let script = self.render_app(environment, app, "setup");
        script
            .replace("/etc/s", &format!("{root}/etc/s"))
            .replace("/var/lib/", &format!("{root}/var/lib/"))
    }

    /// Pipes the script to the shell.
    pub fn run(&self, script: &str, words: &[&str]) -> Ran {
        let shell = self.path("bin/sh");
        let mut child = self
            .command(&[shell.to_str().expect("UTF-8"), "-s"])
            .args(words)
            .env("SUDO_USER", "admin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        // A shell that exits early does not read the rest.
        let _ = child
            .stdin
            .take()
            .expect("stdin")
            .write_all(script.as_bytes());
        child.wait_with_output().expect("an end").into()
    }

    /// Runs the script, which must succeed; returns its last line.
    #[track_caller]
    pub fn set_up(&self, script: &str) -> String {
        let ran = self.run(script, &[]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        ran.stdout.lines().last().expect("a line").to_owned()
    }

    pub fn mode(&self, name: &str) -> u32 {
        let metadata =
            fs::metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.permissions().mode() & 0o7777
    }
}

pub const UNIT: &str = "[Service]\nExecStart=/bin/sh -c 'echo \"$HOME\" `id` \\\\ !'\n\n[Install]\nWantedBy=multi-user.target";

/// Binary data that is larger than a pipe's buffer.
pub fn secret() -> Vec<u8> {
    (0..200_000u32)
        .map(|index| (index % 251) as u8 ^ (index / 997) as u8)
        .collect()
}
