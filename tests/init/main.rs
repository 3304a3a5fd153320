//! `init`: with options alone here, on a terminal in `asked`.

mod app;
mod asked;
mod dependencies;
mod terminal;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

const REPO: &str = "git@code.example.com:you/shop.git";

fn pystrano(directory: &TempDir, arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("pystrano")
        .unwrap()
        .args(arguments)
        .current_dir(directory)
        .assert()
}

/// `init production APP --yes`, with the options that have no default.
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
            let path = directory.path().join(key);
            fs::write(&path, "secret").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
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
        // Each field has a comment.
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
        let unit = read(&directory, &format!("{here}/{app}-{environment}.socket"));
        for key in ["project_root: ", "venv_dir: ", ".service\""] {
            let line = config.lines().find(|line| line.contains(key));
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
        .stderr(contains("--framework, --user, --venv-dir").and(contains("--host;")));
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

/// The errors name the options and come before anything is written.
#[test]
fn what_check_would_refuse_is_refused() {
    let directory = TempDir::new().unwrap();
    for key in ["one", "two"] {
        fs::create_dir(directory.path().join(key)).unwrap();
        fs::write(directory.path().join(key).join("key"), key).unwrap();
    }
    for (options, says) in [
        (
            &["--port", "022"][..],
            "--port: \"022\" is not a number from 1 to 65535; write digits only, without a zero before them",
        ),
        (
            &["--keep-releases", "05"],
            "--keep-releases: \"05\" is not a number from -1000000 to 1000000; write digits only, without a zero before them",
        ),
        (
            &["--clone-depth", "01"],
            "--clone-depth: \"01\" is not a number from -1000000 to 1000000; write digits only, without a zero before them",
        ),
        (
            &["--venv-dir", "apps/shop-production/releases/venv"],
            "--venv-dir: `venv_dir` lies in the project's `releases`, which deploys manage; name another directory",
        ),
        (
            &["--venv-dir", "shop", "--project-root", "/home/deploy/shop/"],
            "--venv-dir: `venv_dir` is the same directory as `project_root`; give the virtualenv a directory of its own",
        ),
        (
            &["--project-root", ".venv-shop-production"],
            "the default of --venv-dir: `venv_dir` is the same directory as `project_root`; give the virtualenv a directory of its own",
        ),
        (
            &["--secrets", "one/key;two/key"],
            "--secrets: two secrets are called \"key\"; rename one: they are in one directory on the host",
        ),
        (
            &["--env-file", "one"],
            "--env-file: \"one\" is not a regular file; name a file",
        ),
    ] {
        init(&directory, "shop", options)
            .code(2)
            .stdout("")
            .stderr(format!("error: {says}\n"));
    }
    assert_eq!(files(directory.path()), 2);
}

#[test]
fn all_wrong_answers_are_told_at_once() {
    let directory = TempDir::new().unwrap();
    let options = [
        "--branch",
        "a..b",
        "--venv-dir",
        "apps/shop-production",
        "--migration-command",
        "true",
        "--port",
        "0",
    ];
    pystrano(&directory, &[&["init", "production", "shop", "--yes", "--repo", REPO][..], &options].concat())
        .code(2)
        .stderr(
            "error: --branch: git does not take \"a..b\" as a branch: it has `..`; write the name of a branch or tag; a commit goes into `revision`\n\
             error: --migration-command has no effect here; it is for FastAPI with that step switched on; leave it out\n\
             error: --port: \"0\" is not a number from 1 to 65535; write digits only, without a zero before them\n\
             error: --venv-dir: `venv_dir` is the same directory as `project_root`; give the virtualenv a directory of its own\n\
             error: there is no terminal to ask on, and no --host; give them as options\n",
        );
    assert_eq!(files(directory.path()), 0);
}

#[test]
fn forms_that_a_config_takes_are_taken() {
    for options in [
        &["--keep-releases=-1", "--clone-depth", "-1"][..],
        &["--framework", "Fast_API"],
        &["--framework", "fast-api"],
    ] {
        let directory = TempDir::new().unwrap();
        init(&directory, "shop", options).success();
        pystrano(&directory, &["check", "production", "shop"]).success();
    }
}

#[test]
fn every_app_has_defaults_that_work() {
    let directory = TempDir::new().unwrap();
    let apps = [
        "é", "ü", "1shop", ".shop", "$", "my shop", "日本", "it's", "100%", "a:b;c",
    ];
    let mut roots = std::collections::HashSet::new();
    for app in apps {
        init(&directory, app, &[]).success();
        let checked = pystrano(&directory, &["check", "production", app]).success();
        let told = String::from_utf8_lossy(&checked.get_output().stdout).into_owned();
        assert!(roots.insert(told), "{app}");
    }
}

#[test]
fn a_repository_at_an_ipv6_address_is_a_known_host() {
    for (repo, known) in [
        ("git@[::1]:shop.git", "\"[::1]\""),
        ("ssh://git@[::1]:2222/shop.git", "\"[::1]:2222\""),
    ] {
        let directory = TempDir::new().unwrap();
        let words = [
            "init",
            "production",
            "shop",
            "--yes",
            "--repo",
            repo,
            "--host",
            "a",
        ];
        pystrano(&directory, &words).success();
        let config = read(&directory, "deploy/shop/production/deployment.yml");
        assert!(
            config.contains(&format!("ssh_known_hosts:\n    - {known}\n")),
            "{config}"
        );
        pystrano(&directory, &["check", "production", "shop"]).success();
    }
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
    // An existing unit with the same text is no conflict; with another text it is one, and nothing is written.
    fs::remove_file(here.join("deployment.yml")).unwrap();
    init(&directory, "shop", &["--app-port", "8000"]).success();
    fs::remove_file(here.join("deployment.yml")).unwrap();
    init(&directory, "shop", &["--app-port", "9000"])
        .code(2)
        .stderr(contains("shop-production.socket exists"));
    assert!(!here.join("deployment.yml").exists());

    fs::write(here.join(".env"), "KEPT=1\n").unwrap();
    init(&directory, "shop", &["--app-port", "9000", "--force"]).success();
    assert_eq!(fs::read_to_string(here.join(".env")).unwrap(), "KEPT=1\n");
    assert!(read(&directory, "deploy/shop/production/shop-production.socket").contains(":9000"));
}

/// A link in a repository may point anywhere.
#[test]
fn nothing_is_written_through_a_link() {
    for (link, target) in [
        ("deploy", "../elsewhere"),
        ("deploy/shop", "../../elsewhere"),
        ("deploy/shop/production", "nowhere\u{1b}[2J"),
    ] {
        let both = TempDir::new().unwrap();
        fs::create_dir(both.path().join("elsewhere")).unwrap();
        let directory = TempDir::new_in(&both).unwrap();
        let path = directory.path().join(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, &path).unwrap();
        let shown = target.replace('\u{1b}', "\u{fffd}");
        init(&directory, "shop", &[])
            .code(2)
            .stderr(contains(format!(
                "{link} is a link to {shown}, and init writes through none; make it a directory"
            )));
        assert_eq!(files(both.path()), usize::from(target.starts_with('n')));
    }
    // A link that the command line names is followed.
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("configs")).unwrap();
    symlink("configs", directory.path().join("ops")).unwrap();
    init(&directory, "shop", &["--deploy-config-dir", "ops"]).success();
    read(&directory, "configs/shop/production/deployment.yml");
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

#[test]
fn the_schema_is_that_of_the_program() {
    let directory = TempDir::new().unwrap();
    let schema = directory.path().join("deploy/deployment.schema.json");
    fs::create_dir(directory.path().join("deploy")).unwrap();
    fs::write(&schema, "of an older version").unwrap();
    init(&directory, "shop", &[]).success();
    let written = fs::read_to_string(&schema).unwrap();
    pystrano(&directory, &["schema"]).stdout(written);
    init(&directory, "blog", &[])
        .success()
        .stdout(contains("schema").not());
}

/// The config refers to its schema by a path that is right wherever the config is.
#[test]
fn every_config_finds_its_schema() {
    let directory = TempDir::new().unwrap();
    let here = directory.path().canonicalize().unwrap();
    let elsewhere = here.join("elsewhere.yml");
    for name in [
        "pystrano.yml",
        "./below/pystrano.yml",
        "../pystrano.yml",
        elsewhere.to_str().unwrap(),
    ] {
        init(&directory, "shop", &["--config-file-name", name, "--force"]).success();
        let config = here.join("deploy/shop/production").join(name);
        let text = fs::read_to_string(&config).unwrap();
        let line = text.lines().next().unwrap();
        let path = line.split_once("$schema=").expect(line).1;
        let found = config.parent().unwrap().join(path).canonicalize();
        assert_eq!(found.unwrap(), here.join("deploy/deployment.schema.json"));
    }
}
