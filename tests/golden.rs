//! Each `golden/<case>/` holds a `deploy/` tree and, in `scripts/`, the scripts that it renders to, byte for byte.
//! `BLESS=1 cargo test --test golden` rewrites the scripts. A case with a `repository/` is rendered with a payload of
//! it, whose sizes and checksums are left out because they change with each version of uv.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cases() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut cases: Vec<PathBuf> = entries(&golden);
    cases.retain(|case| !case.join("repository").exists());
    cases.sort();
    assert!(cases.len() >= 7, "golden cases are missing: {cases:?}");
    cases
}

/// The cases with a payload.
fn payload_cases() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut cases: Vec<PathBuf> = entries(&golden);
    cases.retain(|case| case.join("repository").exists());
    assert!(cases.len() >= 2, "golden cases are missing: {cases:?}");
    cases
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// The names of the environment and the app of a case.
fn target(case: &Path) -> [String; 2] {
    let app = entries(&case.join("deploy")).remove(0);
    let environment = entries(&app).remove(0);
    [environment, app].map(|path| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    })
}

fn render(case: &Path, args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .arg("render")
        .args(target(case))
        .args(args)
        .current_dir(case)
        .output()
        .expect("pystrano");
    assert!(
        output.status.success(),
        "{}: {}",
        case.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// All files below a directory, by their relative path.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(entries(&path));
        } else {
            let name = path.strip_prefix(directory).expect("below").to_owned();
            found.insert(name, fs::read(&path).expect("a file"));
        }
    }
    found
}

#[test]
fn every_case_renders_to_its_scripts() {
    for case in cases() {
        let expected = case.join("scripts");
        let made = tempfile::tempdir().expect("a directory");
        let to = made.path().join("scripts");
        render(&case, &["--output", to.to_str().expect("UTF-8")]);
        compare(&case, &expected, files(&to));
    }
}

/// Compares the rendered files with the expected ones; with `BLESS` it replaces those.
fn compare(case: &Path, expected: &Path, made: BTreeMap<PathBuf, Vec<u8>>) {
    if std::env::var_os("BLESS").is_some() {
        let _ = fs::remove_dir_all(expected);
        for (name, bytes) in &made {
            let path = expected.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
    }
    let expected = files(expected);
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        made.keys().collect::<Vec<_>>(),
        "{}",
        case.display()
    );
    for (name, bytes) in expected {
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&made[&name]),
            "{}/{}",
            case.display(),
            name.display()
        );
    }
}

#[test]
fn cases_with_a_payload_render_to_their_scripts() {
    for case in payload_cases() {
        let made = tempfile::tempdir().expect("a directory");
        let at = |name: &str| made.path().join(name);
        let commit = "cp -R \"$1\" repository && cd repository && git init -q -b main && git add -A && git commit -q -m 1";
        let git = Command::new("sh")
            .args(["-ec", commit, "sh"])
            .arg(case.join("repository"))
            .current_dir(made.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs(["GIT_AUTHOR", "GIT_COMMITTER"].into_iter().flat_map(|who| {
                [
                    ("NAME", "Ada"),
                    ("EMAIL", "ada@example.com"),
                    ("DATE", "2026-01-01T00:00:00Z"),
                ]
                .map(|(name, value)| (format!("{who}_{name}"), value))
            }))
            .status();
        assert!(git.expect("git").success());
        let url = fs::read_to_string(case.join(format!("deploy/{}/deployment.yml", {
            let [environment, app] = target(&case);
            format!("{app}/{environment}")
        })));
        let url = url.expect("a config");
        let url = url
            .lines()
            .find_map(|line| line.trim().strip_prefix("source_code_url: "));
        let instead = format!(
            "[url \"file://{}\"]\n\tinsteadOf = {}\n",
            at("repository").display(),
            url.expect("a URL")
        );
        fs::write(at("gitconfig"), instead).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .arg("render")
            .args(target(&case))
            .args(["--payload", "--output"])
            .arg(at("out"))
            .current_dir(&case)
            .env("GIT_CONFIG_GLOBAL", at("gitconfig"))
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .output()
            .expect("pystrano");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut scripts = files(&at("out"));
        scripts.retain(|name, _| name.extension().is_some_and(|it| it == "sh"));
        for bytes in scripts.values_mut() {
            *bytes = without_sums(&String::from_utf8_lossy(bytes)).into_bytes();
        }
        compare(&case, &case.join("scripts"), scripts);
    }
}

/// The script with zeros in place of the payload's checksums and sizes.
fn without_sums(script: &str) -> String {
    let mut text = String::new();
    for line in script.lines() {
        let is_size = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
            (name.ends_with("_size") && is_number).then(|| format!("{name}=0"))
        };
        let mut line = is_size(line).unwrap_or_else(|| line.to_owned());
        let is_hex =
            |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sums: Vec<String> = line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| is_hex(word))
            .map(str::to_owned)
            .collect();
        if line.contains("payload/") || line.contains("_sha256=") {
            for sum in sums {
                line = line.replace(&sum, &"0".repeat(64));
            }
        }
        text += &line;
        text.push('\n');
    }
    text
}

#[test]
fn the_reference_example_installs_its_three_packages_at_once() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/django-pip-gunicorn");
    let out = render(&case, &["setup", "--host", "app1.example.com"]).stdout;
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(
        text.contains("libpq-dev python3-dev build-essential"),
        "{text}"
    );
}

/// HOME, TZ, LANG and the directory's own path differ from machine to machine; the bytes must not.
#[test]
fn rendering_depends_on_the_config_alone() {
    for case in cases() {
        let run = |home: &str, zone: &str, language: &str| {
            let copy = tempfile::tempdir().expect("a directory");
            for (name, bytes) in files(&case.join("deploy")) {
                let path = copy.path().join("deploy").join(name);
                fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
                fs::write(path, bytes).expect("a file");
            }
            let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
                .arg("render")
                .args(target(&case))
                .args(["--output", "out"])
                .current_dir(copy.path())
                .env_clear()
                .envs([
                    ("HOME", home),
                    ("TZ", zone),
                    ("LANG", language),
                    ("LC_ALL", language),
                ])
                .output()
                .expect("pystrano");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            files(&copy.path().join("out"))
        };
        assert_eq!(
            run("/home/ada", "Asia/Tokyo", "tr_TR.UTF-8"),
            run("/root", "America/Lima", "C"),
            "{}",
            case.display()
        );
    }
}

/// `sha256sum` accepts the checksums; only the owner can read the files.
#[test]
fn what_is_handed_off_is_private_and_verified() {
    use std::os::unix::fs::PermissionsExt;
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/pinned-known-hosts");
    let made = tempfile::tempdir().expect("a directory");
    let to = made.path().join("out");
    render(&case, &["--output", to.to_str().expect("UTF-8")]);
    let mode = |path: &Path| fs::metadata(path).expect("a path").permissions().mode() & 0o7777;
    assert_eq!(mode(&to), 0o700);
    for name in ["site.example.com_22", "site.example.com_2222"] {
        assert_eq!(mode(&to.join(name)), 0o700);
        assert_eq!(mode(&to.join(name).join("setup.sh")), 0o700);
        assert_eq!(mode(&to.join(name).join("deploy.sh")), 0o700);
    }
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&to)
        .output()
        .expect("sha256sum");
    assert!(sums.status.success(), "{sums:?}");
    assert_eq!(String::from_utf8_lossy(&sums.stdout).lines().count(), 4);
}

/// On stdout the secrets are redacted, and a redacted script refuses to run.
#[test]
fn stdout_is_redacted_and_refuses_to_run() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/django-pip-gunicorn");
    for script in ["setup", "deploy"] {
        let out = render(&case, &[script, "--host", "app1.example.com"]).stdout;
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.contains("[redacted]"));
        for secret in ["correct-horse", "battery-staple", "YmF0dGVyeS1zdGFwbGUK"] {
            assert!(!text.contains(secret), "{script} holds {secret}");
        }
        let ran = Command::new("sh").args(["-c", &text]).output().expect("sh");
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert_eq!(
            String::from_utf8_lossy(&ran.stderr),
            "refused: the secrets were left out of this copy; write a runnable one with: pystrano render --output DIR\n"
        );
        let revealed = render(&case, &[script, "--host", "app1.example.com", "--reveal"]).stdout;
        assert!(!String::from_utf8_lossy(&revealed).contains("[redacted]"));
    }
}

/// A project with these lines in `common`.
fn project(common: &str) -> tempfile::TempDir {
    let project = tempfile::tempdir().expect("a directory");
    let target = project.path().join("deploy/shop/production");
    fs::create_dir_all(&target).expect("a directory");
    let config = format!(
        "config_version: 2\ncommon:\n  project_root: shop\n  project_user: deploy\n  venv_dir: .venv\n\
         {common}servers: [{{host: a}}]\n"
    );
    fs::write(target.join("deployment.yml"), config).expect("a config");
    project
}

fn printed(project: &Path, args: &[&str]) -> String {
    String::from_utf8(render(project, args).stdout).expect("UTF-8")
}

/// A script is not redacted if only commands that it does not contain have a password.
#[test]
fn what_is_not_rendered_is_no_secret_of_a_script() {
    let command = "get https://ada:canary@example.com/";
    let source = "  source_code_url: git@example.com:shop.git\n";
    for (absent, present) in [
        (
            format!("  hooks: {{on_success: {command}, on_failure: {command}}}\n"),
            format!("  hooks: {{after_promote: {command}}}\n"),
        ),
        (
            format!("  run_migrations: false\n  migration_command: {command}\n"),
            format!("  run_migrations: true\n  migration_command: {command}\n"),
        ),
        (
            format!("  run_migrations: false\n  hooks: {{before_migrate: {command}}}\n"),
            format!("  run_migrations: true\n  hooks: {{before_migrate: {command}}}\n"),
        ),
        (
            format!("  collect_static_files: false\n  static_files_command: {command}\n"),
            format!("  collect_static_files: true\n  static_files_command: {command}\n"),
        ),
        (
            format!(
                "  collect_static_files: false\n  hooks: {{before_static: {command}, after_static: {command}}}\n"
            ),
            format!("  collect_static_files: true\n  hooks: {{after_static: {command}}}\n"),
        ),
    ] {
        for (fields, has_it) in [(absent, false), (present, true)] {
            let project = project(&format!("{source}{fields}"));
            let text = printed(project.path(), &["deploy"]);
            assert!(text.contains("deploy()"), "{fields}: {text}");
            assert!(!text.contains("canary"), "{fields}");
            assert_eq!(text.contains("[redacted]"), has_it, "{fields}");
            assert_eq!(
                text.contains("the secrets were left out"),
                has_it,
                "{fields}"
            );
        }
    }
}

#[test]
fn the_password_of_a_repository_is_a_secret() {
    let project = project("  source_code_url: https://ada:canary@example.com/shop.git\n");
    let text = printed(project.path(), &["deploy"]);
    assert!(text.contains("source_code_url='https://example.com/shop.git'\n"));
    assert!(
        text.contains("repository_password='[redacted]'\n"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
    let ran = Command::new("sh").args(["-c", &text]).output().expect("sh");
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(
        printed(project.path(), &["deploy", "--reveal"]).contains("repository_password=canary\n")
    );
    // A password with a slash, unescaped as people write it, and percent-encoded.
    for password in ["qx7/zv9", "qx7%2Fzv9"] {
        let url = format!("https://ada:{password}@example.com/shop.git");
        let project = self::project(&format!("  source_code_url: {url}\n"));
        let text = printed(project.path(), &["deploy"]);
        assert!(!text.contains("qx7") && !text.contains("zv9"), "{text}");
        let revealed = printed(project.path(), &["deploy", "--reveal"]);
        assert!(
            revealed.contains("repository_password=qx7/zv9\n"),
            "{revealed}"
        );
    }
}

#[test]
fn the_passwords_in_commands_and_units_are_secrets() {
    let address = |name: &str| format!("https://ada:canary-{name}@example.com/");
    let mut fields =
        "  source_code_url: ssh://git@example.com/shop.git\n  service_file: shop.service\n  run_migrations: true\n  collect_static_files: true\n"
            .to_owned();
    for field in [
        "dependency_install_command",
        "static_files_command",
        "migration_command",
    ] {
        fields += &format!("  {field}: curl {}\n", address(field));
    }
    fields += "  hooks:\n";
    for point in ["after_dependencies", "before_promote"] {
        fields += &format!("    {point}: [\"true\", \"curl {}\"]\n", address(point));
    }
    let project = project(&fields);
    let unit = format!(
        "[Service]\nUser=deploy\nExecStart=/bin/true\nEnvironment=API={}\n",
        address("unit")
    );
    fs::write(project.path().join("shop.service"), unit).expect("a unit");
    for (script, hidden) in [("setup", 1), ("deploy", 5)] {
        let text = printed(project.path(), &[script]);
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(text.matches("https://ada:[redacted]@").count(), hidden);
        let ran = Command::new("sh").args(["-c", &text]).output().expect("sh");
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        let whole = printed(project.path(), &[script, "--reveal"]);
        assert_eq!(whole.matches("canary-").count(), hidden);
    }
}

/// Without secrets the script is complete and does not refuse to run.
#[test]
fn nothing_is_redacted_where_there_is_no_secret() {
    let project = project("  source_code_url: ssh://git@example.com/shop.git\n");
    for script in ["setup", "deploy"] {
        let shown = printed(project.path(), &[script]);
        assert_eq!(shown, printed(project.path(), &[script, "--reveal"]));
    }
}
