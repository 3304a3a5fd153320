//! `env_command`: a local command whose stdout is the env.

use super::support::Fleet;

/// A config whose env comes from a command; it is said how often that ran.
fn with_env_command(fleet: &Fleet, command: &str) {
    fleet.configure("");
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
        &["restart"],
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
