//! `init`: with options alone, and on a terminal.

mod terminal;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use terminal::Terminal;

const REPO: &str = "git@code.example.com:you/shop.git";

fn pystrano(directory: &TempDir, arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("pystrano")
        .unwrap()
        .args(arguments)
        .current_dir(directory)
        .assert()
}

/// `init production APP --yes` with what has no default.
fn init(directory: &TempDir, app: &str, more: &[&str]) -> assert_cmd::assert::Assert {
    let words = ["init", "production", app, "--yes", "--repo", REPO];
    let words = [&words[..], &["--host", "www.example.com"], more].concat();
    pystrano(directory, &words)
}

fn read(directory: &TempDir, path: &str) -> String {
    fs::read_to_string(directory.path().join(path)).unwrap()
}

fn files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.path().is_dir() {
            true => files(&entry.path()),
            false => 1,
        })
        .sum()
}

#[test]
fn what_it_writes_passes_check_and_renders() {
    let fastapi = ["--framework", "FastAPI", "--package-manager", "uv"];
    let everything = [
        "--framework",
        "fastapi",
        "--user",
        "shop",
        "--venv-dir",
        "/srv/shop/venv",
        "--dependency-install-command",
        "pip install 'a \"b\" # c' && printf '%s' \"$HOME\" \\",
        "--system-packages",
        "libpq-dev, curl;less",
        "--ssh-known-hosts",
        "one.example.com; [two.example.com]:2222",
        "--project-root",
        "/srv/shop/app",
        "--service-file",
        "it's 100%/shop.service",
        "--env-file",
        "it's 100%/\"env\"",
        "--branch",
        "feature/ünïcode",
        "--keep-releases",
        "0",
        "--clone-depth",
        "0",
        "--secrets",
        "key one;key two",
        "--collect-static-files",
        "true",
        "--static-files-command",
        "npm run build",
        "--port",
        "2222",
        "--app-port",
        "9000",
        "--app-module",
        "shop.main:create_app()",
    ];
    for more in [&[][..], &fastapi, &everything] {
        let directory = TempDir::new().unwrap();
        for key in ["key one", "key two"] {
            fs::write(directory.path().join(key), "secret").unwrap();
        }
        init(&directory, "shop", more).success();
        pystrano(&directory, &["check", "production", "shop"])
            .success()
            .stdout(contains("ok: 1 server"))
            .stderr("");
        pystrano(&directory, &["render", "production", "shop"]).success();
        let config = read(&directory, "deploy/shop/production/deployment.yml");
        assert!(
            config.starts_with("# yaml-language-server: $schema=../../deployment.schema.json\n")
        );
        assert!(
            directory
                .path()
                .join("deploy/deployment.schema.json")
                .exists()
        );
        // Each field has its comment.
        let lines: Vec<&str> = config.lines().map(str::trim_start).collect();
        for pair in lines.windows(2) {
            let item = pair[1].strip_prefix("- ").unwrap_or(pair[1]);
            let is_field = item
                .split_once(": ")
                .is_some_and(|(key, _)| !key.contains(['#', '"']));
            if is_field && !item.starts_with("config_version") {
                assert!(pair[0].starts_with('#'), "{} has no comment", pair[1]);
            }
        }
    }
}

#[test]
fn two_apps_and_two_environments_do_not_collide() {
    let directory = TempDir::new().unwrap();
    init(&directory, "shop", &[]).success();
    init(&directory, "blog", &["--framework", "fastapi"]).success();
    let words = ["init", "staging", "shop", "--yes", "--repo", REPO];
    pystrano(
        &directory,
        &[&words[..], &["--host", "www.example.com"]].concat(),
    )
    .success();
    let mut seen = std::collections::HashSet::new();
    for (app, environment) in [
        ("shop", "production"),
        ("blog", "production"),
        ("shop", "staging"),
    ] {
        let here = format!("deploy/{app}/{environment}");
        let config = read(&directory, &format!("{here}/deployment.yml"));
        let unit = read(&directory, &format!("{here}/{app}-{environment}.service"));
        for key in ["project_root", "venv_dir", "service_file"] {
            let line = config
                .lines()
                .find(|line| line.contains(&format!("{key}: ")));
            assert!(seen.insert(line.expect(key).to_owned()), "{line:?} twice");
        }
        let port = ["8000", "8001", "8002"]
            .into_iter()
            .find(|port| unit.contains(port));
        assert!(
            seen.insert(port.expect("a port").to_owned()),
            "{port:?} twice"
        );
    }
}

#[test]
fn a_missing_answer_names_its_option() {
    let directory = TempDir::new().unwrap();
    pystrano(&directory, &["init", "production", "shop"])
        .code(2)
        .stdout("")
        .stderr(contains("--framework, --user, --venv-dir").and(contains("--host, --port")));
    let words = [
        "init",
        "production",
        "shop",
        "--yes",
        "--framework",
        "fastapi",
    ];
    pystrano(&directory, &[&words[..], &["--collect-static-files", "true"]].concat())
        .code(2)
        .stderr("error: there is no terminal to ask on, and no --repo, --static-files-command, --host; give them as options\n");
    assert_eq!(files(directory.path()), 0);
}

#[test]
fn a_wrong_answer_says_which() {
    let directory = TempDir::new().unwrap();
    for (flag, value, says) in [
        ("--host", "me@www.example.com", "names a user"),
        ("--host=-oProxyCommand=x", "--force", "starts with `-`"),
        ("--branch", "a..b", "git does not take"),
        ("--user", "Ada Lovelace", "is not a user name"),
        ("--venv-dir", "my venv", "has the character ' '"),
        ("--app-module", "shop", "is not an import path"),
        ("--app-port", "0", "is not a number from 1 to 65535"),
        ("--port", "ssh", "is not a number from 1 to 65535"),
        ("--system-packages", "A_B", "is not a Debian package"),
        (
            "--service-file",
            "shop.yml",
            "is not the name of a systemd unit",
        ),
        ("--secrets", "nowhere.txt", "does not exist"),
        ("--migration-command", "true", "has no effect here"),
        ("--repo=", "--force", "nothing is written"),
    ] {
        let words = ["init", "production", "shop", "--yes", flag, value];
        let mut words = words.to_vec();
        if !flag.starts_with("--repo") {
            words.extend(["--repo", REPO]);
        }
        if !flag.starts_with("--host") {
            words.extend(["--host", "www.example.com"]);
        }
        pystrano(&directory, &words).code(2).stderr(contains(says));
    }
    assert_eq!(files(directory.path()), 0);
}

#[test]
fn files_that_exist_are_kept() {
    let directory = TempDir::new().unwrap();
    init(&directory, "shop", &[]).success();
    let here = directory.path().join("deploy/shop/production");
    let mode = |name: &str| fs::metadata(here.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".env"), 0o600);
    assert_eq!(mode("deployment.yml") & 0o600, 0o600);

    init(&directory, "shop", &[]).code(2).stderr(contains(
        "deployment.yml exists; overwrite it with --force, or remove it",
    ));
    // The same unit is no conflict; another one is, and then nothing is written.
    fs::remove_file(here.join("deployment.yml")).unwrap();
    init(&directory, "shop", &["--app-port", "8000"]).success();
    fs::remove_file(here.join("deployment.yml")).unwrap();
    init(&directory, "shop", &["--app-port", "9000"])
        .code(2)
        .stderr(contains("shop-production.service exists"));
    assert!(!here.join("deployment.yml").exists());

    fs::write(here.join(".env"), "KEPT=1\n").unwrap();
    init(&directory, "shop", &["--app-port", "9000", "--force"]).success();
    assert_eq!(fs::read_to_string(here.join(".env")).unwrap(), "KEPT=1\n");
    assert!(read(&directory, "deploy/shop/production/shop-production.service").contains(":9000"));
}

#[test]
fn other_directories_and_names_are_told_on() {
    let directory = TempDir::new().unwrap();
    let more = [
        "--deploy-config-dir",
        "ops/my deploy",
        "--config-file-name",
        "pystrano.yml",
    ];
    init(&directory, "shop", &more).success().stderr(contains(
        "pystrano deploy production shop --deploy-config-dir 'ops/my deploy' --config-file-name pystrano.yml",
    ));
    pystrano(
        &directory,
        &[&["check", "production", "shop"], &more[..]].concat(),
    )
    .success();
}

/// Answers every question, in their order; `\r` alone takes the default.
fn answer(terminal: &mut Terminal, unit: &str) {
    for (question, keys) in [
        ("? Framework", "\r"),
        ("? Project user", "\r"),
        ("? Virtualenv directory", "\r"),
        ("? Package manager", "\u{1b}[B\r"),
        ("? Dependency file (uv.lock)", "\r"),
        ("? Application import path (shop.wsgi:application)", "\r"),
        ("? Service port", "eight\r"),
        (
            "is not a number from 1 to 65535",
            "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}8123\r",
        ),
        ("? Git repository URL", "\r"),
        ("it needs an answer", "git@code.example.com:you/shop.git\r"),
        ("? Remote project root", "\r"),
        ("? Releases to keep", "\r"),
        ("? Custom dependency install command", "\r"),
        ("? System packages", "\r"),
        ("? Local dotenv file", "\r"),
        ("? SSH known hosts", "\r"),
        ("? Local systemd service file", unit),
        ("? Git branch", "\r"),
        ("? Git clone depth", "\r"),
        ("? Secret files", "\r"),
        ("? Run migrations", "\r"),
        ("? Collect/build static files", "n\r"),
        ("? Server host", "you@www.example.com\r"),
        ("names a user", ""),
    ] {
        terminal.expect(question).send(keys);
    }
    for _ in 0.."you@www.example.com".len() {
        terminal.send("\u{7f}");
    }
    terminal
        .send("www.example.com\r")
        .expect("? SSH port")
        .send("\r");
}

#[test]
fn a_person_answers_on_a_terminal() {
    let directory = TempDir::new().unwrap();
    let words = ["init", "production", "shop"];
    let mut terminal = Terminal::start(directory.path(), &words);
    answer(&mut terminal, "\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("wrote ./deploy/shop/production/deployment.yml"),
        "{shown}"
    );
    let config = read(&directory, "deploy/shop/production/deployment.yml");
    for line in [
        "package_manager: \"uv\"",
        "dependency_file: \"uv.lock\"",
        "- host: \"www.example.com\"",
        "- \"code.example.com\"",
        "collect_static_files: false",
    ] {
        assert!(config.contains(line), "{line} is not in\n{config}");
    }
    pystrano(&directory, &["check", "production", "shop"]).success();

    // The config is to be kept: nothing else is asked.
    let mut terminal = Terminal::start(directory.path(), &words);
    terminal
        .expect("? Overwrite ./deploy/shop/production/deployment.yml?")
        .send("\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("nothing was written"), "{shown}");

    // The config is replaced, the unit that somebody changed is kept.
    let unit = "deploy/shop/production/shop-production.service";
    fs::write(directory.path().join(unit), "changed\n").unwrap();
    let mut terminal = Terminal::start(directory.path(), &words);
    terminal
        .expect("? Overwrite ./deploy/shop/production/deployment.yml?")
        .send("y\r");
    answer(&mut terminal, "\r");
    terminal
        .expect("? Overwrite ./deploy/shop/production/shop-production.service?")
        .send("n\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(&format!("kept ./{unit}")), "{shown}");
    assert_eq!(read(&directory, unit), "changed\n");
}

#[test]
fn ctrl_c_leaves_nothing() {
    for answered in [0, 1, 5] {
        let directory = TempDir::new().unwrap();
        let mut terminal = Terminal::start(directory.path(), &["init", "production", "shop"]);
        let questions = [
            "? Framework",
            "? Project user",
            "? Virtualenv",
            "? Package",
            "? Dependency",
            "? Application",
        ];
        for question in &questions[..answered] {
            terminal.expect(question).send("\r");
        }
        terminal.expect(questions[answered]).send("\u{3}");
        let (code, shown) = terminal.end();
        assert_eq!(code, 130, "{shown}");
        assert!(shown.contains("nothing was written"), "{shown}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
