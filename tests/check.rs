//! `check`: the exact messages for the configs of `wrong/` and `odd/`. `BLESS=1` rewrites the expected messages.

use assert_cmd::Command;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Checks every config of a directory; `told` turns stdout and stderr into the text expected in the `.txt` file
/// beside it.
fn words(directory: &str, status: i32, told: fn(&str, &str) -> String) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let configs: Vec<PathBuf> = fs::read_dir(tests.join(directory))
        .expect("the configs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    assert!(!configs.is_empty());
    let mut differing = Vec::new();
    for config in configs {
        let output = check(&config, &tests.join("wrong/files"));
        let expected = config.with_extension("txt");
        let told = told(
            &String::from_utf8_lossy(&output.stdout),
            &String::from_utf8_lossy(&output.stderr),
        );
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &told).expect("the words are written");
        }
        let expected = fs::read_to_string(expected).unwrap_or_default();
        if output.status.code() != Some(status) || told != expected {
            differing.push(format!("{}: {:?}\n{told}", config.display(), output.status));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Checks one config in a temporary directory that has `files/` beside `deploy/`.
fn check(config: &Path, files: &Path) -> std::process::Output {
    let directory = tempfile::tempdir().expect("a directory");
    copy(files, &directory.path().join("files"));
    let target = directory.path().join("deploy/shop/production");
    fs::create_dir_all(&target).expect("the directory of the config");
    fs::copy(config, target.join("deployment.yml")).expect("the config is copied");
    Command::cargo_bin("pystrano")
        .expect("the program")
        .args(["check", "production", "shop"])
        .current_dir(&directory)
        .env_clear()
        .output()
        .expect("the program runs")
}

/// Copies files with mode 0600, or 0644 if they are called `open`, because git does not store these modes.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => {
                fs::copy(entry.path(), &target).expect("a file is copied");
                let is_open = target.file_stem().is_some_and(|name| name == "open");
                let mode = if is_open { 0o644 } else { 0o600 };
                fs::set_permissions(target, Permissions::from_mode(mode)).expect("a mode is set");
            }
        }
    }
}

#[test]
fn mistakes_are_told_in_these_words() {
    words("wrong", 2, |stdout, stderr| {
        assert_eq!(stdout, "");
        stderr.to_owned()
    });
}

#[test]
fn oddities_are_told_in_these_words() {
    words("odd", 0, |stdout, stderr| {
        for secret in [
            "hunter2",
            "ghp_",
            "never shown",
            "nevershown",
            "never-shown",
        ] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
        format!("{stderr}{stdout}")
    });
}

/// A directory with the valid config `deploy/shop/production/deployment.yml` of two servers.
fn correct() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("deploy/shop/production");
    fs::create_dir_all(&target).expect("the directory of the config");
    let config = "config_version: 2\ncommon: {source_code_url: u, project_root: shop, \
                  project_user: deploy, venv_dir: .venv}\n\
                  servers: [{host: a}, {host: a, port: 23}, {host: '::1'}]\n";
    fs::write(target.join("deployment.yml"), config).expect("the config is written");
    directory
}

fn told(arguments: &[&str], status: i32, stdout: &str, stderr: &str) {
    let directory = correct();
    Command::cargo_bin("pystrano")
        .expect("the program")
        .arg("check")
        .args(arguments)
        .current_dir(&directory)
        .assert()
        .code(status)
        .stdout(stdout.to_owned())
        .stderr(stderr.to_owned());
}

#[test]
fn servers_are_listed_and_selected() {
    let both = "deploy@a /home/deploy/shop\ndeploy@a:23 /home/deploy/shop\n";
    let last = "deploy@::1 /home/deploy/shop\n";
    let target = ["production", "shop"];
    let with = |hosts: &[&'static str]| [&target[..], hosts].concat();
    told(&target, 0, &format!("{both}{last}ok: 3 servers\n"), "");
    told(
        &with(&["--host", "a"]),
        0,
        &format!("{both}ok: 2 servers\n"),
        "",
    );
    told(
        &with(&["--host", "::1"]),
        0,
        &format!("{last}ok: 1 server\n"),
        "",
    );
    told(
        &with(&["--host", "a:23", "--host", "::1:22"]),
        0,
        &format!("deploy@a:23 /home/deploy/shop\n{last}ok: 2 servers\n"),
        "",
    );
    told(
        &with(&["--host", "b"]),
        2,
        "",
        "error: no server is called \"b\"; the config has a:22, a:23, ::1\n",
    );
}

#[test]
fn configs_that_cannot_be_read() {
    told(
        &["production", "shop", "--config-file-name", "."],
        2,
        "",
        "error: deploy/shop/production is a directory; name the config with --config-file-name\n",
    );
    let name = ["--config-file-name", "deployment.yml/x"];
    told(
        &[&["production", "shop"], &name[..]].concat(),
        2,
        "",
        "error: deploy/shop/production/deployment.yml/x cannot be read: \
         Not a directory (os error 20); make it a file that you can read\n",
    );
}

#[test]
fn configs_that_are_not_there() {
    told(
        &["staging", "shop"],
        2,
        "",
        "error: deploy/shop/staging/deployment.yml does not exist; \
         shop has production; `pystrano init staging shop` writes a new one\n",
    );
    for (words, help) in [
        (
            ["prodution", "shop"],
            "shop has production; did you mean production? `pystrano init prodution shop` writes a new one",
        ),
        (
            ["production", "shp"],
            "the apps are shop; did you mean shop? `pystrano init production shp` writes a new one",
        ),
        (
            ["production", "blog"],
            "the apps are shop; `pystrano init production blog` writes a new one",
        ),
        (
            ["shop", "production"],
            "the environment comes first: `production shop`",
        ),
    ] {
        let [environment, app] = words;
        let error =
            format!("error: deploy/{app}/{environment}/deployment.yml does not exist; {help}\n");
        told(&words, 2, "", &error);
    }
    let name = ["production", "shop", "--config-file-name", "other.yml"];
    told(
        &name,
        2,
        "",
        "error: deploy/shop/production/other.yml does not exist; `pystrano init production shop` writes one\n",
    );
    for name in ["..", ".", "a/b", "/a", "a/", ""] {
        told(
            &["production", name],
            2,
            "",
            &format!(
                "error: {name:?} cannot be the name of an app; \
                 it names one directory: no `/`, `.` or `..`\n"
            ),
        );
    }
}

/// The exit code and stderr of `check` for an env file whose variables have values of these lengths.
fn env_of(values: &[usize]) -> (Option<i32>, String) {
    let directory = correct();
    let value = |(index, length): (usize, &usize)| format!("V{index}={}\n", "x".repeat(*length));
    let env: String = values.iter().enumerate().map(value).collect();
    let path = directory.path().join("env");
    fs::write(&path, env).expect("the env file is written");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode is set");
    let config = directory
        .path()
        .join("deploy/shop/production/deployment.yml");
    let text = fs::read_to_string(&config).expect("the config");
    fs::write(
        &config,
        text.replace("common: {", "common: {env_file: env, "),
    )
    .expect("the config is written");
    let output = Command::cargo_bin("pystrano")
        .expect("the program")
        .args(["check", "production", "shop"])
        .current_dir(&directory)
        .output()
        .expect("the program runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), message)
}

/// Linux limits each argument and environment string of a program to 128 KiB.
#[test]
fn trial_33_env_values_are_no_larger_than_exec_takes() {
    let most = 131_071 - "V0=".len();
    assert_eq!(env_of(&[most]), (Some(0), String::new()));
    let (code, message) = env_of(&[10, most + 1]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains(
            "the value of V1 in line 2 of \"env\" is too large for the environment of a program; \
             keep it below 128 KiB"
        ),
        "{message}"
    );
    let (code, message) = env_of(&[100_000; 16]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("\"env\" are more than a program can be given"),
        "{message}"
    );
}

#[test]
fn trial_32_a_secret_that_no_script_should_carry_is_refused_without_reading_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("deploy/shop/production");
    std::fs::create_dir_all(&config).expect("a directory");
    let text = "config_version: 2\ncommon: {source_code_url: \"https://h/u.git\", project_root: shop, project_user: deploy, \
                venv_dir: .venv, secrets: big}\nservers: [{host: a}]\n";
    std::fs::write(config.join("deployment.yml"), text).expect("a config");
    let secret = std::fs::File::create(directory.path().join("big")).expect("a file");
    let check = || {
        std::process::Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .args(["check", "production", "shop"])
            .current_dir(directory.path())
            .output()
            .expect("pystrano")
    };
    secret.set_len((10 << 20) + 1).expect("a size");
    let output = check();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(says.contains("\"big\" is larger than 10 MiB"), "{says}");
    secret.set_len(10 << 20).expect("a size");
    assert!(check().status.success());
}

/// The SSH agent is forwarded only for deploys from ssh sources, or where the config enables it.
#[test]
fn trial_1_the_agent_is_forwarded_for_ssh_sources_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("deploy/shop/production");
    fs::create_dir_all(&config).expect("a directory");
    let key = directory.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.expect("ssh-keygen").success());
    for (fields, forwarded) in [
        ("source_code_url: \"git@h:u.git\"", true),
        ("source_code_url: \"ssh://git@h/u.git\"", true),
        ("source_code_url: \"https://h/u.git\"", false),
        ("source_code_url: \"git://h/u.git\"", false),
        ("source_code_url: \"/srv/u.git\"", false),
        ("source_code_url: \"git@h:u.git\", deploy_key: key", false),
        (
            "source_code_url: \"git@h:u.git\", forward_agent: false",
            false,
        ),
        (
            "source_code_url: \"https://h/u.git\", forward_agent: true",
            true,
        ),
    ] {
        let text = format!(
            "config_version: 2\ncommon: {{{fields}, project_root: shop, project_user: deploy, venv_dir: .venv}}\nservers: [{{host: a}}]\n"
        );
        fs::write(config.join("deployment.yml"), text).expect("a config");
        for command in ["deploy", "setup", "rollback", "status"] {
            let output = Command::cargo_bin("pystrano")
                .expect("the program")
                .args([command, "production", "shop", "--dry-run"])
                .current_dir(&directory)
                .output()
                .expect("the program runs");
            let plan = String::from_utf8_lossy(&output.stdout).into_owned();
            let (with, without) = (plan.contains(" -A "), plan.contains(" -a "));
            let expected = forwarded && command == "deploy";
            assert_eq!(plan.contains(" ControlPath=none "), expected, "{plan}");
            assert_eq!(
                (with, without),
                (expected, !expected),
                "{fields} {command}: {plan}"
            );
        }
    }
}
