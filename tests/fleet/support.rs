//! Directories that play hosts, behind a program that plays `ssh`: the real controller and the real `deploy.sh` run
//! from end to end on this machine, with stand-ins for the commands of a deploy.

use super::executable;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The release that every host runs at first.
pub const OLD: &str = "20260101000000";
/// The release before that one.
pub const OLDER: &str = "20250101000000";

const PYSTRANO: &str = env!("CARGO_BIN_EXE_pystrano");

pub struct Fleet {
    dir: TempDir,
    hosts: usize,
}

/// The output and the exit status of a run.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub status: ExitStatus,
}

impl Ran {
    /// The exit code, or 128 + N after signal N.
    pub fn code(&self) -> i32 {
        let signal = || self.status.signal().map_or(-1, |signal| 128 + signal);
        self.status.code().unwrap_or_else(signal)
    }

    /// The summary event of `--json`.
    pub fn summary(&self) -> serde_json::Value {
        let is_summary = |line: &&str| line.contains(r#""event":"summary""#);
        let line = self.stdout.lines().find(is_summary).expect("a summary");
        serde_json::from_str(line).expect("an object")
    }
}

impl Fleet {
    /// Hosts `h1`, `h2` and so on; the first two run migrations.
    pub fn new(hosts: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let fleet = Fleet { dir, hosts };
        let bin = fleet.path("bin");
        fs::create_dir(&bin).expect("a directory");
        fleet.program("ssh", include_str!("ssh.sh"));
        fleet.program("bin/sh", include_str!("sh.sh"));
        fleet.program("stand-in", include_str!("stand-in.sh"));
        for name in ["git", "sudo", "systemctl", "journalctl", "curl"] {
            symlink("../stand-in", bin.join(name)).expect("a link");
        }
        for host in fleet.hosts() {
            fleet.make_host(&host);
        }
        fleet.configure("");
        fleet
    }

    fn make_host(&self, host: &str) {
        let at = |path: &str| self.path(&format!("{host}/{path}"));
        for made in [
            "fail",
            "slow",
            "talk",
            "venv/bin",
            "root/shared/media",
            "root/.pystrano",
        ] {
            fs::create_dir_all(at(made)).expect("a directory");
        }
        for name in ["pip", "python"] {
            symlink("../../../stand-in", at("venv/bin").join(name)).expect("a link");
        }
        for release in [OLDER, OLD] {
            fs::create_dir_all(at(&format!("root/releases/{release}/.pystrano")))
                .expect("a directory");
        }
        symlink(format!("releases/{OLD}"), at("root/current")).expect("a link");
        let log = format!("2026-01-01T00:00:00Z {OLD} - ada@laptop deployed\n");
        fs::write(at("root/.pystrano/revisions.log"), log).expect("a file");
    }

    /// Writes the config, with `extra` lines in `common`.
    pub fn configure(&self, extra: &str) {
        let root = self.dir.path().display();
        let user = Command::new("id").arg("-un").output().expect("id").stdout;
        let user = String::from_utf8(user).expect("UTF-8");
        let mut text = format!(
            "config_version: 2\ncommon:\n  source_code_url: git@example.com:app.git\n  project_user: {user}\
             \x20 branch: main\n  collect_static_files: true\n  service_file: {root}/app.service\n\
             \x20 health_check_url: http://127.0.0.1:8000/\n  health_check_timeout: 1\n  env_file: {root}/env\n{extra}servers:\n"
        );
        for (index, host) in self.hosts().enumerate() {
            text += &format!(
                "  - host: {host}\n    project_root: {root}/{host}/root\n    venv_dir: {root}/{host}/venv\n    run_migrations: {}\n",
                index < 2
            );
        }
        let unit = format!("[Service]\nUser={user}ExecStart=/bin/true\n");
        self.write("app.service", unit);
        self.write("env", "PASSWORD='correct horse'\nGREETING=hello\n");
        self.write("deploy/app/test/deployment.yml", &text);
    }

    /// Makes a repository that the hosts clone with the real git; returns its first commit.
    pub fn repository(&self) -> String {
        let repo = self.path("repo");
        let url = format!("url.file://{}.insteadOf", repo.display());
        let url = [url.as_str(), "git@example.com:app.git"];
        git(
            &self.path("."),
            &["init", "--quiet", "--initial-branch=main", "repo"],
        );
        git(
            &self.path("."),
            &[&["config", "--file", "gitconfig"], &url[..]].concat(),
        );
        self.write("repo/requirements.txt", "");
        self.commit("1")
    }

    /// Commits a file with the text `version`; returns the SHA.
    pub fn commit(&self, version: &str) -> String {
        self.write("repo/version", version);
        let repo = self.path("repo");
        git(&repo, &["add", "--all"]);
        git(
            &repo,
            &[
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.com",
                "commit",
                "--quiet",
                "--message",
                version,
            ],
        );
        git(&repo, &["rev-parse", "HEAD"])
    }

    pub fn hosts(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.hosts).map(|number| format!("h{number}"))
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
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        executable::write(&path, text);
    }

    /// `pystrano` with a subcommand and its options, for the test app.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // Shells start background jobs with signals ignored, and tests would inherit that.
        let mut command = Command::new("/usr/bin/env");
        command
            .args(["--default-signal=INT,TERM,HUP", PYSTRANO, arguments[0]])
            .args(["test", "app"])
            .args(&arguments[1..])
            .current_dir(self.dir.path())
            .env("PYSTRANO_SSH", self.path("ssh"))
            .env("FLEET", self.dir.path())
            .env("USER", "ada")
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .env("GIT_CONFIG_GLOBAL", self.path("gitconfig"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.start(arguments))
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("pystrano")
    }

    /// The release that is current on a host.
    pub fn current(&self, host: &str) -> String {
        let link = fs::read_link(self.path(&format!("{host}/root/current"))).expect("a link");
        link.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    }

    /// The current release of each host.
    pub fn all_current(&self) -> Vec<String> {
        self.hosts().map(|host| self.current(&host)).collect()
    }

    /// The release directories of a host, including unfinished ones.
    pub fn releases(&self, host: &str) -> Vec<String> {
        let entries =
            fs::read_dir(self.path(&format!("{host}/root/releases"))).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// The hosts that ran a command, in order, one element for each time.
    pub fn order(&self, what: &str) -> Vec<String> {
        let wanted = |line: &str| {
            let (host, did) = line.split_once(' ')?;
            (did == what).then(|| host.to_owned())
        };
        self.read("order").lines().filter_map(wanted).collect()
    }

    /// Waits until a file contains a text.
    pub fn wait_for(&self, name: &str, text: &str) {
        let began = Instant::now();
        while !self.read(name).contains(text) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{name} never had {text}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn git(directory: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(words)
        .current_dir(directory)
        .output()
        .expect("git");
    assert!(output.status.success(), "git {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until the program exits.
pub fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().expect("an end");
    Ran {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status,
    }
}
