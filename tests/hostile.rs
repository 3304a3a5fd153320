//! Any string, in any field that takes free text, in any value of the env file and in any secret,
//! arrives as that string: in the arguments, the environment and the files that commands get.
//! `PYSTRANO_CASES=10000` tries that many; the quick part tries fewer.

mod sandbox;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sandbox::Sandbox;
use sandbox::setup::SetupHost;
use std::fs;
use std::path::Path;

/// What a shell would act on, if it saw it bare.
const TRAPS: [&str; 18] = [
    "$(touch $PWNED)",
    "`touch $PWNED`",
    "'; touch $PWNED; '",
    "\"; touch $PWNED; \"",
    "&& touch $PWNED",
    "| touch $PWNED",
    "> $PWNED",
    "'",
    "\"",
    "\\",
    "$HOME",
    "${IFS}",
    "*",
    "~",
    "#",
    "-rf",
    "!!",
    "%s\\n",
];

fn text(lines: bool) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(&TRAPS[..]).prop_map(str::to_owned),
        2 => "[^\\p{Cc}]{1,6}",
        1 => Just(if lines { "\n".to_owned() } else { " ".to_owned() }),
        1 => Just(if lines { "\t".to_owned() } else { "é🦀".to_owned() }),
    ];
    // A field of blanks alone counts as not set.
    prop::collection::vec(piece, 1..5).prop_map(|pieces| format!("x{}", pieces.concat()))
}

/// What a dotenv file and a unit may hold besides; NUL is refused, and a dotenv file is read with
/// its line ends made one.
fn any_text() -> impl Strategy<Value = String> {
    let control = "[\\p{Cc}&&[^\\x00\r]]{0,3}";
    (text(true), control, text(true))
        .prop_map(|(before, control, after)| before + &control + &after)
}

/// A name in a path: no slash, nothing that stands for a directory, no space at an end.
fn name() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| {
        format!(
            "n{}n",
            text.replace(['/', ':'], "_")
                .replace(';', ",")
                .replace("..", "_")
        )
    })
}

/// What git takes for the name of a branch.
fn reference() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| {
        let text = text.replace(|c: char| c.is_whitespace() || "~^:?*[\\/".contains(c), "_");
        format!("r{}r", text.replace("@{", "_").replace("..", "_"))
    })
}

/// A part of an address, which has no blanks.
fn address() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| text.replace(char::is_whitespace, "_"))
}

#[derive(Debug, Clone)]
struct Paths {
    root: String,
    venv: String,
    secret: String,
}

fn paths() -> impl Strategy<Value = Paths> {
    (name(), name(), name()).prop_map(|(root, venv, secret)| Paths { root, venv, secret })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Installer {
    Pip,
    UvPip,
    UvSync,
}

#[derive(Debug, Clone)]
struct Release {
    own_venv: bool,
    paths: Paths,
    repository: String,
    branch: Option<String>,
    revision: Option<String>,
    installer: Installer,
    dependency_file: String,
    install: Option<String>,
    statics: String,
    hook: String,
    migration: String,
    health: String,
    app_dir: Option<String>,
    shared_dir: String,
    shared_file: String,
    values: Vec<String>,
}

fn release() -> impl Strategy<Value = Release> {
    (
        (any::<bool>(), paths(), address(), address()),
        (prop::option::of(reference()), prop::option::of(reference())),
        (
            prop::sample::select(&[Installer::Pip, Installer::UvPip, Installer::UvSync][..]),
            name(),
            prop::option::of(text(true)),
        ),
        (text(true), text(true), text(true)),
        (prop::option::of(name()), (name(), name()), name()),
        // In a dotenv file this means a value of an earlier line, however it is quoted.
        prop::collection::vec(any_text().prop_map(|text| text.replace("${", "$ {")), 1..6),
    )
        .prop_map(
            |(places, refs, dependencies, commands, app, values)| Release {
                own_venv: places.0,
                paths: places.1,
                repository: places.2,
                health: places.3,
                branch: refs.0,
                revision: refs.1,
                installer: dependencies.0,
                dependency_file: dependencies.1,
                install: dependencies.2,
                statics: commands.0,
                hook: commands.1,
                migration: commands.2,
                app_dir: app.0,
                shared_dir: format!("d{}/{}", app.1.0, app.1.1),
                shared_file: format!("f{}", app.2),
                values,
            },
        )
}

/// A git that makes the smallest repository there can be.
const GIT: &str = r#"#!/bin/sh
while [ "$1" = -c ]; do shift 2; done # settings
for word in "$@"; do printf '%s\0' "$word"; done >>"$SANDBOX/calls/git"
case $1 in
clone)
	for to; do :; done
	mkdir -p "$to/$APP_DIR"
	: >"$to/$APP_DIR/$DEPENDENCIES"
	: >"$to/$APP_DIR/pyproject.toml"
	;;
-C) echo 0123456789abcdef0123456789abcdef01234567 ;;
esac
"#;

const BASH: &str = r#"#!/bin/sh
for word in "$@"; do printf '%s\0' "$word"; done >>"$SANDBOX/calls/bash"
env -0 >>"$SANDBOX/environments/bash"
"#;

const CURL: &str = r#"#!/bin/sh
for word in "$@"; do printf '%s\0' "$word"; done >>"$SANDBOX/calls/curl"
printf 200
"#;

/// Gives the arguments that a stand-in got.
fn calls(host: &Sandbox, name: &str) -> Vec<String> {
    let text = host.read(&format!("calls/{name}"));
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("JSON")
}

fn deploys(template: &Sandbox, case: &Release) {
    // A fresh place for each: what one run leaves must not help the next.
    let host = &Sandbox::bare(template);
    for (name, text) in [("git", GIT), ("bash", BASH), ("curl", CURL)] {
        host.program(&format!("bin/{name}"), text);
    }
    let at = host.dir.path().display();
    let root = format!("{at}/{}", case.paths.root);
    let venv = venv_dir(host, case);
    for directory in ["releases", "shared"] {
        fs::create_dir_all(format!("{root}/{directory}")).expect("a directory");
    }
    for name in [&case.paths.secret, &case.shared_file] {
        fs::write(format!("{root}/shared/{name}"), "").expect("a file");
    }
    host.makes_venvs();
    let (place, programs) = if case.own_venv {
        let place = format!("{}/.pystrano/uv/bin", case.paths.root);
        (place, &["uv"][..])
    } else {
        let place = format!("v{}/bin", case.paths.venv);
        (place, &["python", "pip", "uv"][..])
    };
    for program in programs {
        let text = host.read(&format!("venv/bin/{program}"));
        host.program(&format!("{place}/{program}"), &text);
    }
    let values = case.values.iter().enumerate();
    let dotenv = values.map(|(index, value)| {
        // Quotes and backslashes mean something between single quotes in a dotenv file.
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        format!("VALUE_{index}='{value}'\n")
    });
    host.write("files/.env", dotenv.collect::<String>());
    host.write(&format!("files/{}", case.paths.secret), "");
    host.configure(&config(case, &at.to_string(), &root, &venv));
    host.write("deploy.sh", host.script());
    let ran = host
        .command(&["sh", "deploy.sh", "deploy", "r1"])
        .env("PWNED", host.path("pwned"))
        .env("DEPENDENCIES", dependencies(case))
        .env("APP_DIR", case.app_dir.as_deref().unwrap_or("."))
        .output()
        .expect("sh");
    assert!(
        ran.status.success(),
        "{case:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    arrived(host, case, &root);
    assert!(!host.path("pwned").exists(), "{case:?} was executed");
}

fn dependencies(case: &Release) -> &str {
    match case.installer {
        Installer::UvSync => "uv.lock",
        _ => &case.dependency_file,
    }
}

fn venv_dir(host: &Sandbox, case: &Release) -> String {
    format!("{}/v{}", host.dir.path().display(), case.paths.venv)
}

/// The virtualenv that the release is installed into.
fn venv(host: &Sandbox, case: &Release, root: &str) -> String {
    let venv_dir = venv_dir(host, case);
    if !case.own_venv {
        return venv_dir;
    }
    let link = fs::read_link(venv_dir).expect("a link");
    assert_eq!(link, Path::new(root).join("current/.pystrano/venv"));
    let key = fs::read_link(&link).expect("a link to a virtualenv");
    let key = key.file_name().expect("a name").to_str().expect("UTF-8");
    format!("{root}/venvs/{key}")
}

fn config(case: &Release, at: &str, root: &str, venv: &str) -> String {
    let mut config = format!(
        "framework: fastapi\nproject_root: {}\nvenv_dir: {}\nsecrets: [{}]\nhealth_check_url: {}\n\
         source_code_url: {}\nstatic_files_command: {}\nmigration_command: {}\nbranch: -\n\
         hooks: {{before_migrate: {}}}\nshared_dirs: [{}]\nshared_files: [{}]",
        json(root),
        json(venv),
        json(&format!("{at}/files/{}", case.paths.secret)),
        json(&format!("http://127.0.0.1/{}", case.health)),
        json(&format!("https://git.example.com/{}", case.repository)),
        json(&case.statics),
        json(&case.migration),
        json(&case.hook),
        json(&case.shared_dir),
        json(&case.shared_file),
    );
    if case.own_venv {
        config += "\nvenv_mode: release";
    }
    if case.installer != Installer::Pip {
        config += "\npackage_manager: uv";
    }
    if case.installer != Installer::UvSync {
        config += &format!("\ndependency_file: {}", json(&case.dependency_file));
    }
    for (field, value) in [
        ("branch", &case.branch),
        ("revision", &case.revision),
        ("dependency_install_command", &case.install),
        ("app_dir", &case.app_dir),
    ] {
        if let Some(value) = value {
            config += &format!("\n{field}: {}", json(value));
        }
    }
    config
}

fn arrived(host: &Sandbox, case: &Release, root: &str) {
    let git = calls(host, "git");
    let end = git.iter().position(|word| word == "-C").expect("rev-parse");
    let clone = [
        "--",
        &format!("https://git.example.com/{}", case.repository),
        &format!("{root}/releases/.new-r1"),
    ];
    assert_eq!(git[end - 3..end], clone);
    if let Some(branch) = &case.branch {
        assert_eq!(git[end - 5..end - 3], ["--branch", branch]);
    }
    if let Some(revision) = &case.revision {
        let tag = format!("refs/tags/{revision}^{{commit}}");
        assert_eq!(
            git[end + 2..end + 6],
            ["rev-parse", "--verify", "--quiet", &tag]
        );
    }
    let mut commands = vec!["-c", &case.statics, "-c", &case.hook, "-c", &case.migration];
    if let Some(install) = &case.install {
        commands.splice(0..0, ["-c", install]);
    }
    let venv = venv(host, case, root);
    let file = match &case.app_dir {
        Some(app_dir) => format!("{root}/releases/r1/{app_dir}/{}", case.dependency_file),
        None => case.dependency_file.clone(),
    };
    match case.installer {
        _ if case.install.is_some() => {}
        Installer::Pip => assert_eq!(calls(host, "pip").last(), Some(&file)),
        Installer::UvPip => {
            let python = format!("{venv}/bin/python");
            let words = ["--python", &python, "-r", &file];
            let calls = calls(host, "uv");
            assert_eq!(calls[calls.len() - 4..], words);
        }
        Installer::UvSync => {
            let variable = format!("UV_PROJECT_ENVIRONMENT={venv}");
            let environment = host.read("environments/uv");
            assert!(environment.split('\0').any(|line| line == variable));
        }
    }
    assert_eq!(calls(host, "bash"), commands);
    let url = format!("http://127.0.0.1/{}", case.health);
    assert_eq!(calls(host, "curl").last(), Some(&url));
    let environments = host.read("environments/bash");
    let variable = format!("VIRTUAL_ENV={venv}");
    let seen = environments.split('\0').filter(|line| *line == variable);
    assert_eq!(seen.count(), commands.len() / 2, "{variable:?}");
    for (index, value) in case.values.iter().enumerate() {
        let variable = format!("VALUE_{index}={value}");
        let seen = environments.split('\0').filter(|line| *line == variable);
        assert_eq!(seen.count(), 3, "{variable:?}"); // static files, the hook and the migration
    }
    let app = Path::new(root)
        .join("releases/r1")
        .join(case.app_dir.as_deref().unwrap_or("."));
    for shared in [&case.paths.secret, &case.shared_dir, &case.shared_file] {
        assert!(app.join(shared).is_symlink(), "{shared:?}");
        let leads_to = fs::canonicalize(app.join(shared)).expect(shared);
        let path = fs::canonicalize(format!("{root}/shared"))
            .expect("a directory")
            .join(shared);
        assert_eq!(leads_to, path);
    }
}

#[derive(Debug, Clone)]
struct Server {
    paths: Paths,
    secret: Vec<u8>,
    unit: String,
    comment: String,
    uv: bool,
}

fn server() -> impl Strategy<Value = Server> {
    (
        paths(),
        prop::collection::vec(any::<u8>(), 0..300),
        any_text(),
        text(false),
        any::<bool>(),
    )
        .prop_map(|(paths, secret, unit, comment, uv)| Server {
            paths,
            secret,
            unit,
            comment,
            uv,
        })
}

const HOST_KEY: &str = "pinned.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfR2ZFwhrJ1vNNRJ1NQjXNkRwXW4W7yCtcAoCz8G++W";

fn sets_up(shell: &str, case: &Server) {
    let host = SetupHost::new(shell);
    let home = host.path("home");
    let secret = format!("files/{}", case.paths.secret);
    host.write(&secret, &case.secret);
    let unit = format!("[Service]\nExecStart=/bin/true\n# {}", case.unit);
    host.write("files/app.service", &unit);
    let root = home.join(&case.paths.root).join("app");
    let venv = home.join(format!("v{}", case.paths.venv));
    let line = format!("{HOST_KEY} {}", case.comment.trim_end());
    host.write(
        "deploy/app/test/deployment.yml",
        format!(
            "config_version: 2\ncommon:\n  source_code_url: https://git.example.com/app\n  project_user: root\n  \
             project_root: {}\n  venv_dir: {}\n  secrets: [{}]\n  service_file: files/app.service\n  \
             package_manager: {}\n  ssh_known_hosts: [{}]\nservers:\n  - host: host.example.com\n",
            json(root.to_str().expect("UTF-8")),
            json(venv.to_str().expect("UTF-8")),
            json(&secret),
            if case.uv { "uv" } else { "pip" },
            json(&line),
        ),
    );
    let script = host.rendered();
    let script = format!(
        "PWNED={} export PWNED\n{script}",
        host.path("pwned").display()
    );
    host.set_up(&script);
    // A second run finds nothing to fix.
    let again = host.run(&script, &[]);
    let last = again.stdout.lines().last();
    assert_eq!(last, Some("setup: 0 changed, 10 ok"), "{case:?}: {again:?}");

    let put = fs::read(root.join("shared").join(&case.paths.secret)).expect("a secret");
    assert_eq!(put, case.secret, "{case:?}");
    assert_eq!(host.read("etc/systemd/system/app.service"), unit);
    assert_eq!(host.read("home/.ssh/known_hosts"), line + "\n");
    assert!(venv.join("bin/python").exists(), "{case:?}");
    assert!(!host.path("pwned").exists(), "{case:?} was executed");
}

/// Tries that many cases, and fails with the smallest that does not pass.
fn hold<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, test: impl Fn(T)) {
    let cases =
        std::env::var("PYSTRANO_CASES").map_or(40, |cases| cases.parse().expect("a number"));
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&strategy, |case| {
        test(case);
        Ok(())
    });
    result.expect("all strings arrive");
}

#[test]
fn any_string_arrives_in_a_deploy() {
    let template = Sandbox::new();
    hold(release(), |case| deploys(&template, &case));
}

#[test]
fn any_string_arrives_in_a_setup() {
    hold(server(), |case| sets_up("/bin/sh", &case));
}

/// A value of the env file and a secret show up nowhere but in the files meant for them.
#[test]
fn secrets_stay_where_they_belong() {
    let host = Sandbox::new();
    host.write("files/.env", "TOKEN=canary-token\n");
    host.configure("");
    // Every command writes down what all processes were started with.
    host.program(
        "venv/bin/python",
        "#!/bin/sh\nfor p in /proc/[0-9]*; do cat $p/cmdline; echo; done >>\"$SANDBOX/argv\" 2>/dev/null\nexit 0\n",
    );
    for release in ["20260101000000", "20260102000000"] {
        let ran = host.run(&["sh"], &["deploy", release]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    }
    host.fail("pip");
    let ran = host.deploy();
    assert_eq!(ran.status, 3);
    assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    let argv = String::from_utf8_lossy(&fs::read(host.path("argv")).expect("argv")).into_owned();
    assert!(
        argv.contains("deploy.sh") && !argv.contains("canary"),
        "a secret in ps"
    );
    let snapshot = host.snapshot();
    let token = format!("{:?}", b"canary-token");
    let token = token.trim_matches(&['[', ']'][..]).to_owned();
    for line in snapshot.lines().filter(|line| line.contains(&token)) {
        assert!(
            line.contains("/.pystrano/env 100600 ") || line.contains("/.pystrano/run 100700 "),
            "{line}"
        );
    }
    assert!(snapshot.contains(&token));
}
