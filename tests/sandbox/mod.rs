//! A directory that plays the host: a local repository, a project root and stand-ins for the commands of a deploy, so
//! that the real `deploy.sh` runs from end to end, as the current user.
//!
//! Each stand-in appends its arguments and its environment to `calls/<name>` and `environments/<name>`, reads all of
//! its stdin, and fails while `fail/<name>` exists.

#![allow(dead_code)] // each test target uses only some items

mod executable;
mod names;
mod session;
pub mod setup;
mod stand_ins;

pub use names::names;
pub use session::Session;
use stand_ins::{CURL, JOURNALCTL, PYTHON3, SUDO, SYSTEMCTL, UV, stand_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub const NONCE: &str = "0123456789abcdef0123456789abcdef";

pub struct Sandbox {
    pub dir: TempDir,
}

/// The output and the exit status of a run.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }
}

impl Sandbox {
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Sandbox { dir }
    }

    pub fn new() -> Self {
        let sandbox = Sandbox::empty();
        for made in [
            "bin",
            "venv/bin",
            "calls",
            "environments",
            "fail",
            "files",
            "root/.pystrano",
            "root/releases",
            "root/shared/media",
        ] {
            fs::create_dir_all(sandbox.path(made)).expect("a directory");
        }
        for (name, extra) in [
            ("pip", ""),
            ("python", ""),
            ("alembic", ""),
            ("gunicorn", ""),
            ("uvicorn", ""),
            ("uv", UV),
        ] {
            sandbox.program(&format!("venv/bin/{name}"), &stand_in(name, extra));
        }
        sandbox.program("bin/sudo", SUDO);
        sandbox.program("bin/systemctl", SYSTEMCTL);
        sandbox.program("bin/journalctl", JOURNALCTL);
        sandbox.program("bin/curl", CURL);
        sandbox.write("files/.env", "GREETING='hello world'\n");
        sandbox.write("files/app.service", "[Service]\nExecStart=/bin/true\n");
        sandbox.write("files/key.txt", "canary-key\n");
        sandbox.write("root/shared/key.txt", "canary-key\n");
        sandbox.git(&["init", "--quiet", "--initial-branch=main", "repo"]);
        sandbox.write("repo/requirements.txt", "django==5.2\n");
        sandbox.write("repo/manage.py", "# version 1\n");
        sandbox.write("repo/media/checked-in", "");
        sandbox.write("repo/key.txt", "checked in\n");
        sandbox.commit("1");
        sandbox
    }

    /// A sandbox with the directories and stand-ins of another one, but without a repository.
    pub fn bare(of: &Sandbox) -> Self {
        let sandbox = Sandbox::empty();
        for made in ["bin", "venv/bin", "calls", "environments", "fail", "files"] {
            fs::create_dir_all(sandbox.path(made)).expect("a directory");
        }
        for place in ["bin", "venv/bin"] {
            for name in names(&of.path(place)) {
                let name = format!("{place}/{name}");
                sandbox.program(&name, &of.read(&name));
            }
        }
        sandbox.write("files/app.service", "[Service]\nExecStart=/bin/true\n");
        sandbox
    }

    /// Makes `python3 -m venv` create virtualenvs that contain the stand-ins of `venv`.
    pub fn makes_venvs(&self) {
        self.program("bin/python3", PYTHON3);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        let is_new = !path.exists();
        fs::write(&path, text).expect("a file");
        if is_new {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
        }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        executable::write(&path, text);
    }

    pub fn fail(&self, what: &str) {
        self.write(&format!("fail/{what}"), "");
    }

    pub fn stop_failing(&self, what: &str) {
        fs::remove_file(self.path("fail").join(what)).expect("a failing stand-in");
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .expect("git");
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }

    /// Commits all files of `repo/`; returns the SHA.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["-C", "repo", "add", "--all"]);
        self.git(&[
            "-C",
            "repo",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            message,
        ]);
        self.git(&["-C", "repo", "rev-parse", "HEAD"])
    }

    pub fn repo(&self, args: &[&str]) -> String {
        self.git(&[&["-C", "repo"], args].concat())
    }

    /// Writes the config that most tests use, which has all features but a barrier. `extra` replaces or adds keys.
    pub fn configure(&self, extra: &str) {
        let mut keys: Vec<(String, String)> = Vec::new();
        let root = self.dir.path().display();
        let user = Command::new("id").arg("-un").output().expect("id").stdout;
        let user = String::from_utf8(user).expect("UTF-8");
        let base = format!(
            "source_code_url: file://{root}/repo\nproject_root: {root}/root\nproject_user: {user}\
             venv_dir: {root}/venv\nbranch: main\nkeep_releases: 3\nenv_file: {root}/files/.env\n\
             service_file: {root}/files/app.service\nsecrets: {root}/files/key.txt\n\
             health_check_url: http://127.0.0.1:8000/\nhealth_check_timeout: 1\n\
             run_migrations: true\ncollect_static_files: true\n"
        );
        for line in base.lines().chain(extra.lines()) {
            let (key, value) = line.split_once(':').expect("a key");
            keys.retain(|(known, _)| known != key);
            keys.push((key.to_owned(), value.to_owned()));
        }
        let mut text = String::from("config_version: 2\ncommon:\n");
        for (key, value) in keys {
            if value.trim() != "-" {
                text += &format!("  {key}:{value}\n");
            }
        }
        text += "servers:\n  - host: host.example.com\n";
        self.write("deploy/app/test/deployment.yml", &text);
        text += "  - host: other.example.com\n";
        self.write("deploy/app/test/fleet.yml", text);
    }

    /// The text of `deploy.sh`.
    pub fn script(&self) -> String {
        self.render("deploy")
    }

    pub fn render(&self, kind: &str) -> String {
        self.render_app("test", "app", kind)
    }

    pub fn render_app(&self, environment: &str, app: &str, kind: &str) -> String {
        self.rendered(&[environment, app, kind])
    }

    /// The text of `deploy.sh` for one of several servers.
    pub fn fleet_script(&self) -> String {
        let config = ["--config-file-name", "fleet.yml"];
        self.rendered(
            &[
                &["test", "app", "deploy", "--host", "host.example.com"],
                &config[..],
            ]
            .concat(),
        )
    }

    fn rendered(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .args(["render", "--reveal"])
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .expect("pystrano");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The shell with the stand-ins first in its PATH.
    pub fn command(&self, shell: &[&str]) -> Command {
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new(shell[0]);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PIP_") {
                command.env_remove(name);
            }
        }
        command
            .args(&shell[1..])
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SANDBOX", self.dir.path())
            .env("HOME", self.dir.path())
            .env_remove("SUDO_USER")
            .stdin(Stdio::null());
        command
    }

    /// Runs `deploy.sh` from a file, as a person would.
    pub fn run(&self, shell: &[&str], args: &[&str]) -> Ran {
        self.write("deploy.sh", self.script());
        self.command(shell)
            .arg("deploy.sh")
            .args(args)
            .output()
            .expect("a shell")
            .into()
    }

    pub fn deploy(&self) -> Ran {
        self.run(&["sh"], &["deploy"])
    }

    /// Deploys a release, which must succeed.
    pub fn deployed(&self, release: &str) {
        let ran = self.run(&["sh"], &["deploy", release]);
        assert_eq!(ran.status, 0, "{ran:?}");
    }

    /// Pipes a script to the shell and closes the pipe, as `ssh host 'sh -s' <deploy.sh` does.
    pub fn piped(&self, shell: &[&str], script: &[u8]) -> Ran {
        use std::io::Write;
        let mut child = self
            .command(shell)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("stdin");
        // A shell that exits early does not read the rest.
        let _ = stdin.write_all(script);
        drop(stdin);
        child.wait_with_output().expect("an end").into()
    }

    /// Starts the script as the controller does: through `sh -s`, with its stdin kept open. With a `barrier` argument
    /// it is the script for one of several servers.
    pub fn controlled(&self, words: &[&str]) -> Session {
        let script = match words.iter().any(|word| word.starts_with("barrier=")) {
            true => self.fleet_script(),
            false => self.script(),
        };
        self.session(&["sh", "-s"], &script, words)
    }

    pub fn session(&self, shell: &[&str], script: &str, words: &[&str]) -> Session {
        Session::start(self.command(shell), script, words)
    }

    /// The release that `current` points to.
    pub fn current(&self) -> Option<String> {
        let link = fs::read_link(self.path("root/current")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    pub fn releases(&self) -> Vec<String> {
        names(&self.path("root/releases"))
    }

    /// Every path below `root` with its mode and content, except the content of the lock.
    pub fn snapshot(&self) -> String {
        let mut lines = Vec::new();
        walk(&self.path("root"), &mut lines);
        lines.sort();
        lines.join("\n")
    }
}

fn walk(path: &Path, lines: &mut Vec<String>) {
    let meta = fs::symlink_metadata(path).expect("a path");
    let shown = path.display();
    if meta.is_symlink() {
        lines.push(format!(
            "{shown} -> {}",
            fs::read_link(path).expect("a link").display()
        ));
    } else if meta.is_dir() {
        lines.push(format!("{shown}/"));
        for name in names(path) {
            walk(&path.join(name), lines);
        }
    } else if !path.ends_with(".pystrano/lock") {
        let text = fs::read(path).expect("a file");
        lines.push(format!("{shown} {:o} {text:?}", meta.permissions().mode()));
    }
}
