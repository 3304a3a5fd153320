//! `render --output`: a directory that only its owner can access.

#[path = "sandbox/names.rs"]
mod names;

use names::names;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A project with two servers, `a` and `b`, and a secret in its env file.
struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Project(TempDir::new().expect("a directory"));
        fs::create_dir_all(project.path("deploy/shop/production")).expect("a directory");
        let config = "config_version: 2\ncommon: {source_code_url: u, project_root: shop, \
                      project_user: deploy, venv_dir: .venv, run_migrations: true, env_file: env}\n\
                      servers: [{host: a}, {host: b}]\n";
        fs::write(
            project.path("deploy/shop/production/deployment.yml"),
            config,
        )
        .expect("a file");
        fs::write(project.path("env"), "PASSWORD=canary\n").expect("a file");
        fs::set_permissions(project.path("env"), fs::Permissions::from_mode(0o600))
            .expect("a mode");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn render(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .args(["render", "production", "shop"])
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("pystrano")
    }

    #[track_caller]
    fn renders(&self, arguments: &[&str]) {
        let output = self.render(arguments);
        assert!(output.status.success(), "{output:?}");
    }

    #[track_caller]
    fn is_refused(&self, arguments: &[&str], says: &str) {
        let output = self.render(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("error: {says}\n")
        );
    }

    /// Makes a directory with a mode in the project.
    fn directory(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a directory");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        path
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a path").permissions().mode() & 0o7777
}

#[test]
fn a_directory_that_others_use_is_left_as_it_is() {
    let project = Project::new();
    for (name, mode_before) in [("shared", 0o1777), ("group", 0o710), ("sums", 0o755)] {
        let path = project.directory(name, mode_before);
        fs::write(path.join("somebody's"), "").expect("a file");
        if name == "sums" {
            // Checksums of other files.
            let sum = format!("{}  debian.iso\n", "0".repeat(64));
            fs::write(path.join("SHA256SUMS"), sum).expect("a file");
        }
        let before = names(&path);
        project.is_refused(
            &["--output", name],
            &format!(
                "{name} holds other files, and its mode {mode_before:04o} lets others in; \
                 name a new directory, or `chmod 700 {name}` if nobody else needs it"
            ),
        );
        assert_eq!(mode(&path), mode_before);
        assert_eq!(names(&path), before);
    }
    project.is_refused(
        &["--output", "env"],
        "env is not a directory; name a new one",
    );
}

#[test]
fn a_directory_of_its_own_becomes_private() {
    let project = Project::new();
    let empty = project.directory("empty", 0o755);
    project.renders(&["--output", "empty"]);
    assert_eq!(mode(&empty), 0o700);

    // A directory from the previous render.
    fs::set_permissions(&empty, Permissions::from_mode(0o755)).expect("a mode");
    project.renders(&["--output", "empty"]);
    assert_eq!(mode(&empty), 0o700);

    let private = project.directory("private", 0o700);
    fs::write(private.join("notes"), "").expect("a file");
    project.renders(&["--output", "private"]);
    assert_eq!(names(&private), ["SHA256SUMS", "a", "b", "notes"]);

    project.renders(&["--output", "new/below"]);
    assert_eq!(mode(&project.path("new")), 0o700);
    assert_eq!(mode(&project.path("new/below")), 0o700);
}

#[test]
fn nothing_is_written_through_a_link() {
    let project = Project::new();
    let elsewhere = project.directory("elsewhere", 0o755);
    let output = project.directory("output", 0o700);
    symlink(&elsewhere, output.join("a")).expect("a link");
    let says = "output/a is not a directory; remove it, or name a new directory";
    project.is_refused(&["--output", "output"], says);
    assert!(names(&elsewhere).is_empty());
    assert_eq!(mode(&elsewhere), 0o755);

    fs::remove_file(output.join("a")).expect("a link");
    fs::write(output.join("a"), "").expect("a file");
    project.is_refused(&["--output", "output"], says);
}

/// Secrets of a killed run do not stay behind.
#[test]
fn the_next_run_removes_what_a_killed_one_left() {
    let project = Project::new();
    // `ulimit -f 8`: writing more than 4 KB to a file raises SIGXFSZ.
    let killed = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_pystrano"))
        .args(["render", "production", "shop", "--output", "output"])
        .current_dir(&project.0)
        .output()
        .expect("sh");
    assert!(killed.status.signal().is_some(), "{killed:?}");
    assert_eq!(foreign(&project.path("output")), 1);
    // A user's own file, whose name is not that of a temporary file.
    fs::write(project.path("output/.pystrano-notes"), "").expect("a file");
    project.renders(&["--output", "output"]);
    assert_eq!(foreign(&project.path("output")), 1);
    assert!(project.path("output/.pystrano-notes").exists());
}

/// The number of files that are neither scripts nor checksums.
fn foreign(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let count = |entry: fs::DirEntry| match entry.path() {
        path if path.is_dir() => foreign(&path),
        path if ["setup.sh", "deploy.sh", "SHA256SUMS"]
            .iter()
            .any(|name| path.ends_with(name)) =>
        {
            0
        }
        _ => 1,
    };
    entries.map(|entry| count(entry.expect("an entry"))).sum()
}

/// The files whose checksums `sha256sum` accepts.
#[track_caller]
fn verified(directory: &Path) -> Vec<String> {
    let output = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(directory)
        .output()
        .expect("sha256sum");
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| line.trim_end_matches(": OK").to_owned())
        .collect()
}

#[test]
fn checksums_cover_what_earlier_renders_wrote() {
    let project = Project::new();
    let output = project.path("output");
    project.renders(&["setup", "--output", "output"]);
    project.renders(&["deploy", "--host", "a", "--output", "output"]);
    let both = ["a/setup.sh", "b/setup.sh", "a/deploy.sh"];
    assert_eq!(verified(&output), both);
    fs::write(project.path("env"), "PASSWORD=other\n").expect("a file");
    project.renders(&["deploy", "--host", "a", "--output", "output"]);
    assert_eq!(verified(&output), both);
    fs::remove_file(output.join("b/setup.sh")).expect("a file");
    project.renders(&["deploy", "--host", "b", "--output", "output"]);
    assert_eq!(
        verified(&output),
        ["a/setup.sh", "a/deploy.sh", "b/deploy.sh"]
    );
    project.renders(&["--output", "output"]);
    let all = ["a/setup.sh", "a/deploy.sh", "b/setup.sh", "b/deploy.sh"];
    assert_eq!(verified(&output), all);
}

/// SHA256SUMS is not trusted: somebody else may have made the directory.
#[test]
fn no_line_of_checksums_removes_a_file_elsewhere() {
    let project = Project::new();
    let output = project.directory("output", 0o700);
    fs::create_dir(output.join("payload")).expect("a directory");
    fs::write(project.path("x.tar"), "mine").expect("a file");
    let line = "../../x  payload/../../x.tar\n";
    fs::write(output.join("SHA256SUMS"), line).expect("a file");
    project.renders(&["deploy", "--output", "output"]);
    assert!(project.path("x.tar").exists());
}

#[test]
fn it_says_how_many_scripts_it_wrote() {
    let project = Project::new();
    for (arguments, says) in [
        (&["deploy", "--host", "a"][..], "1 script"),
        (&[], "4 scripts"),
    ] {
        let output = project.render(&[arguments, &["--output", "output"]].concat());
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("Wrote {says} and SHA256SUMS to output\n")
        );
    }
}

/// Secrets are not written to directories of other users, even empty or private ones, although root could.
#[test]
fn trial_27_a_directory_of_another_user_is_refused() {
    let project = Project::new();
    for mode in [0o700, 0o755] {
        let name = format!("theirs-{mode:o}");
        let directory = project.directory(&name, mode);
        std::os::unix::fs::chown(&directory, Some(65534), Some(65534)).expect("root's rights");
        let says = format!(
            "{name} belongs to another user, who could read and replace what is written into it; name a new directory"
        );
        project.is_refused(&["--output", &name], &says);
        assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 0);
    }
}

#[test]
fn a_host_may_be_called_like_an_unfinished_file() {
    let project = Project::new();
    let config = project.path("deploy/shop/production/deployment.yml");
    let text = fs::read_to_string(&config).expect("a config");
    let name = ".pystrano-x.unfinished";
    fs::write(
        &config,
        text.replace("{host: b}", &format!("{{host: {name}}}")),
    )
    .expect("a file");
    for _ in 0..2 {
        project.renders(&["--output", "ops"]);
    }
    assert!(project.path("ops").join(name).join("deploy.sh").exists());
}
