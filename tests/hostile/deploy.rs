//! The fields of `deploy.sh`, and the values of its env file.

use crate::sandbox::Sandbox;
use crate::strings::{Paths, address, any_text, name, paths, reference, text};
use crate::{hold, json};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

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
        // In a dotenv file `${` refers to an earlier variable, however it is quoted.
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

/// A git that makes a minimal repository.
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

/// The arguments that a stand-in was called with.
fn calls(host: &Sandbox, name: &str) -> Vec<String> {
    let text = host.read(&format!("calls/{name}"));
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn deploys(template: &Sandbox, case: &Release) {
    // A fresh sandbox for each case, so that no case depends on leftovers of another.
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
        // Backslashes and single quotes must be escaped between single quotes in a dotenv file.
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

/// The virtualenv that the release's packages are installed into.
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

#[test]
fn any_string_arrives_in_a_deploy() {
    let template = Sandbox::new();
    hold(release(), |case| deploys(&template, &case));
}
