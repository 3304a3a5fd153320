//! `env_command`: a local command whose stdout is the env.

use super::support::{Fleet, ran};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// Writes a config whose env comes from a command.
fn with_env_command(fleet: &Fleet, command: &str) {
    with_env_command_and(fleet, command, "");
}

/// The same, with more lines in `common`.
fn with_env_command_and(fleet: &Fleet, command: &str, extra: &str) {
    fleet.configure(extra);
    let text = fleet.read("deploy/app/test/deployment.yml");
    let file = text
        .lines()
        .find(|line| line.contains("env_file"))
        .expect("an env file");
    let text = text.replace(file, &format!("  env_command: {command}"));
    fleet.write("deploy/app/test/deployment.yml", text);
}

#[test]
fn an_env_command_gives_the_env_and_shows_it_to_nobody() {
    let fleet = Fleet::new(2);
    fleet.write("vault", "PASSWORD='canary horse'\nGREETING=hello\n");
    with_env_command(&fleet, "echo ran >>runs; cat vault; echo noticed >&2");
    let checked = fleet.run(&["check"]);
    assert!(
        checked.code() == 0 && !fleet.path("runs").exists(),
        "{checked:?}"
    );
    let deployed = fleet.run(&["deploy", "--verbose"]);
    assert_eq!(deployed.code(), 0, "{deployed:?}");
    assert_eq!(fleet.read("runs"), "ran\n", "once for both servers");
    assert!(deployed.stderr.starts_with("noticed\n"), "{deployed:?}");
    for host in fleet.hosts() {
        let release = fleet.current(&host);
        let env = fleet.read(&format!("{host}/root/releases/{release}/.pystrano/env"));
        assert_eq!(env, "PASSWORD='canary horse'\nGREETING=hello\n");
    }
    fleet.write(
        "h1/journal",
        "1795691736.417513 app1 gunicorn[7]: canary horse\n",
    );
    for words in [
        &["logs"][..],
        &["status"],
        &["restart", "--json", "--verbose"],
        &["history"],
        &["history", "--json"],
        &["deploy", "--dry-run", "--verbose"],
        &["render"],
        &["rollback", "--json"],
    ] {
        let ran = fleet.run(words);
        assert_eq!(ran.code(), 0, "{ran:?}");
        let said = ran.stdout + &ran.stderr;
        assert!(
            !said.contains("canary") && !said.contains("Y2FuYXJ5"),
            "{words:?}: {said}"
        );
    }
    assert!(deployed.stdout.is_empty() && !deployed.stderr.contains("canary"));
    for (command, told) in [
        (
            "echo canary=horse; exit 3",
            "error: env_command: \"echo canary=horse; exit 3\" failed with exit status: 3; run it by hand",
        ),
        ("'true'", "error: env_command: \"true\" printed nothing"),
        (
            "printf 'A=1\\0'",
            "\"output of env_command\" has a NUL character in its line 1",
        ),
        (
            "cat https://ada:hunter22@vault.example.com/",
            "\"cat https://ada:",
        ),
    ] {
        with_env_command(&fleet, command);
        let failed = fleet.run(&["deploy"]);
        assert!(
            failed.code() == 2 && failed.stderr.contains(told),
            "{command}: {failed:?}"
        );
        assert!(!failed.stderr.contains("hunter22 "), "{failed:?}");
    }
}

/// The files below a directory, except those of the hosts, that contain the secret, plain or as base64.
fn files_with_the_secret(fleet: &Fleet, directory: &Path, found: &mut Vec<String>) {
    // Files may vanish during a run.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !fleet.hosts().any(|host| path == fleet.path(&host)) {
                files_with_the_secret(fleet, &path, found);
            }
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let bytes = fs::read(&path).unwrap_or_default();
            let has = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
            if has("canary horse") || has("Y2FuYXJ5IGhvcnNl") {
                let name = path.strip_prefix(fleet.path(".")).expect("a path below");
                found.push(name.display().to_string());
            }
        }
    }
}

/// Neither during a deploy nor after it, wherever the controller may write: the project, its home, its cache, TMPDIR.
#[test]
fn an_env_of_a_command_is_in_no_file_of_the_controller() {
    for delivery in ["pull", "push"] {
        let fleet = Fleet::new(2);
        fleet.repository();
        fleet.write("vault", "PASSWORD='canary horse'\n");
        with_env_command_and(&fleet, "cat vault", &format!("  delivery: {delivery}\n"));
        // The tools that pystrano downloads are shared by all tests.
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pystrano/tools");
        fs::create_dir_all(&tools).expect("a directory");
        fs::create_dir_all(fleet.path("cache/pystrano")).expect("a directory");
        symlink(tools, fleet.path("cache/pystrano/tools")).expect("a link");
        let found = |when: &str| {
            let mut found = Vec::new();
            files_with_the_secret(&fleet, &fleet.path("."), &mut found);
            assert_eq!(found, ["vault"], "{delivery}, {when}");
        };
        for host in fleet.hosts() {
            fleet.write(&format!("{host}/slow/curl"), "1");
        }
        let mut command = fleet.command(&["deploy", "--verbose"]);
        for (variable, name) in [
            ("HOME", "home"),
            ("XDG_CACHE_HOME", "cache"),
            ("TMPDIR", "tmp"),
        ] {
            fs::create_dir_all(fleet.path(name)).expect("a directory");
            command.env(variable, fleet.path(name));
        }
        let mut child = command.spawn().expect("pystrano");
        // The tools for a payload may be downloaded first.
        while !fleet.read("order").contains("h1 restart") {
            if child.try_wait().expect("a state").is_some() {
                panic!("{delivery}: {:?}", ran(child));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        found("during the deploy");
        let deployed = ran(child);
        assert_eq!(deployed.code(), 0, "{deployed:?}");
        for host in fleet.hosts() {
            let env = fleet.read(&format!("{host}/root/current/.pystrano/env"));
            assert_eq!(env, "PASSWORD='canary horse'\n");
        }
        found("afterwards");
    }
}
