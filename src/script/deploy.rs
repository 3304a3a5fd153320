//! Renders `deploy.sh`.

use super::{
    RECORDS, REDACTED, Secrets, base64_lines, deploy_key_name, log_arguments, record_name,
    render_text,
};
use crate::config::types::{Command, Hooks};
use crate::config::unit::{self, Unit};
use crate::config::{Framework, PackageManager, Server, VenvMode};
use crate::credentials::{self, Login, split_login};
use crate::error::Error;
use crate::payload::{DEPENDENCIES, Payload};
use askama::Template;

#[derive(Template)]
#[template(path = "deploy.sh", config = "templates/askama.toml")]
struct Deploy<'a> {
    server: &'a Server,
    /// The path of the app's record below `records`.
    app: String,
    records: &'static str,
    /// The lines of the record that `setup.sh` wrote: what no other app may use.
    claims: Vec<String>,
    /// Secrets were left out, so the script must refuse to run.
    redacted: bool,
    /// Without user name and password.
    source_code_url: String,
    login: Option<Login>,
    deploy_key_name: String,
    payload: Option<&'a Payload>,
    /// The payload has a dependencies part.
    payload_packages: bool,
    release_venv: bool,
    migrates: bool,
    django: bool,
    pip: bool,
    /// The Python that runs outside of the virtualenv, as a shell word.
    python: &'static str,
    /// The app's directory in the release being built, as a shell word.
    app_root: &'static str,
    /// Paths of the dependency file and of uv's project for commands that run in `app_root`, as shell words.
    dependency_word: &'static str,
    project_word: &'static str,
    /// `shared_dirs` or `shared_files` is set.
    shares_paths: bool,
    /// The relative path from `app_root` to the project's root, such as `../../`.
    root_from_app: String,
    /// The project that pip installs, relative to the release, with its extras.
    project: String,
    dependencies: Dependencies,
    env_base64: String,
    launcher: String,
    /// The delimiter of the launcher's heredoc: a line that the launcher does not contain.
    launcher_end: String,
    /// The services that a deploy restarts, and the sockets, timers and paths that trigger them.
    services: Vec<&'a Unit>,
    triggers: Vec<&'a Unit>,
    /// The names of the services, separated by spaces.
    service_list: String,
    /// A service starts the app with the launcher.
    uses_launcher: bool,
    /// A service starts uvicorn with the launcher.
    runs_uvicorn: bool,
    /// Programs in the virtualenv that services start, and where to add the package of a missing one.
    programs: Vec<&'a str>,
    dependency_source: String,
    static_files_command: Option<&'a str>,
    migration_command: Option<&'a str>,
    /// The path that the health check fetches.
    health_path: &'a str,
    /// `health_check_statuses` for messages, and as a shell test of `$code`.
    statuses: String,
    status_test: String,
    /// Arguments of journalctl for the end of a unit's log, as shell words.
    log_arguments: String,
    /// There is something to verify after promotion: units or a health check.
    verifies: bool,
}

/// How the dependencies of a release are installed.
enum Dependencies {
    /// With `dependency_install_command`.
    Command,
    /// From the payload, with pip or uv.
    Payload,
    /// With pip, from a requirements file.
    Pip,
    /// With pip, by installing the project of a `pyproject.toml`.
    PipProject,
    /// With `uv sync`, from a `uv.lock`.
    UvLock,
    /// With `uv pip install`, from a requirements file or a `pyproject.toml`.
    UvFile,
}

impl Dependencies {
    fn of(server: &Server) -> Self {
        if server.dependency_install_command.is_some() {
            return Dependencies::Command;
        }
        if has_packages(server) {
            return Dependencies::Payload;
        }
        match server.package_manager {
            PackageManager::Pip if server.dependency_file.project_directory().is_some() => {
                Dependencies::PipProject
            }
            PackageManager::Pip => Dependencies::Pip,
            PackageManager::Uv if server.dependency_file.uv_lock_directory().is_some() => {
                Dependencies::UvLock
            }
            PackageManager::Uv => Dependencies::UvFile,
        }
    }
}

fn redact_login(login: &mut Login) {
    // Tokens are often given as the user name, without a password.
    let secret = if login.password.is_empty() {
        &mut login.username
    } else {
        &mut login.password
    };
    REDACTED.clone_into(secret);
}

/// A copy of the server in which passwords of URLs in commands are redacted, or `None` if there are no such passwords.
/// Commands that the script does not contain are left alone.
fn without_passwords(server: &Server) -> Option<Server> {
    let mut clean = server.clone();
    let collects = server.collect_static_files;
    let migrates = server.run_migrations;
    let commands = [
        (true, &mut clean.dependency_install_command),
        (collects, &mut clean.static_files_command),
        (migrates, &mut clean.migration_command),
    ];
    let commands = commands.into_iter().filter(|(runs, _)| *runs);
    let commands = commands.filter_map(|(_, command)| command.as_mut());
    let hooks = clean.hooks.commands_mut(|point| match point {
        "before_static" | "after_static" => collects,
        "before_migrate" => migrates,
        Hooks::ON_SUCCESS | Hooks::ON_FAILURE => false, // they run on the controller
        _ => true,
    });
    let mut found = false;
    for command in commands.chain(hooks) {
        found |= command.replace_passwords(REDACTED);
    }
    found.then_some(clean)
}

pub(super) fn render(server: &Server, secrets: Secrets) -> Result<String, Error> {
    let redact = secrets == Secrets::Redact;
    let clean = redact.then(|| without_passwords(server)).flatten();
    let server = clean.as_ref().unwrap_or(server);
    let (source_code_url, login) = split_login(&server.source_code_url);
    let clones = server.fetches();
    let mut login = login.filter(|_| clones);
    let source_code_url = if redact {
        credentials::replace(&source_code_url, |_| REDACTED.to_owned())
    } else {
        source_code_url
    };
    if let Some(login) = login.as_mut().filter(|_| redact) {
        redact_login(login);
    }
    let hides_password = clones && !credentials::find(&server.source_code_url).is_empty();
    let django = server.framework == Framework::Django;
    let pip = server.package_manager == PackageManager::Pip;
    let env = server.env_file.as_deref();
    let services = unit::services(&server.service_file);
    let runs_uvicorn = exec_start_words(&services)
        .any(|(first, second)| first.ends_with(LAUNCHER) && second == "uvicorn");
    let launcher = launcher(server, runs_uvicorn, redact)?;
    let mut launcher_end = "EOF".to_owned();
    while launcher.lines().any(|line| line == launcher_end) {
        launcher_end.push('_');
    }
    fn command(runs: bool, command: &Option<Command>) -> Option<&str> {
        command.as_deref().filter(|_| runs)
    }
    let release_venv = server.venv_mode == VenvMode::Release;
    let is_top = server.app_dir.is_top();
    let triggers = unit::triggers(&server.service_file);
    render_text(Deploy {
        server,
        app: record_name(&server.app),
        records: RECORDS,
        claims: claims(server),
        redacted: redact && (env.is_some() || hides_password || clean.is_some()),
        source_code_url,
        login,
        deploy_key_name: deploy_key_name(&server.app),
        payload: server.payload.as_deref(),
        payload_packages: has_packages(server),
        release_venv,
        migrates: server.run_migrations,
        django,
        pip,
        python: match &server.python {
            Some(_) if pip => "\"$python\"",
            _ => "python3",
        },
        app_root: if is_top {
            "\"$releases/$release\""
        } else {
            "\"$releases/$release/$app_dir\""
        },
        dependency_word: if is_top {
            "\"$dependency_file\""
        } else {
            "\"$releases/$release/$dependency_file\""
        },
        project_word: if is_top {
            "\"$project\""
        } else {
            "\"$releases/$release/$project\""
        },
        shares_paths: !server.shared_dirs.is_empty() || !server.shared_files.is_empty(),
        root_from_app: "../".repeat(2 + server.app_dir.parts().count()),
        project: project(server),
        dependencies: Dependencies::of(server),
        env_base64: env.map_or_else(String::new, |env| base64_lines(&env.bytes, secrets)),
        launcher,
        launcher_end,
        uses_launcher: server.service_file.iter().any(|unit| {
            unit.text
                .lines()
                .any(|line| line.starts_with("Exec") && line.contains(LAUNCHER))
        }),
        runs_uvicorn,
        programs: programs(&services, server.venv_dir.as_ref()),
        dependency_source: dependency_source(server),
        service_list: unit::names(&services),
        static_files_command: command(server.collect_static_files, &server.static_files_command),
        migration_command: command(server.run_migrations, &server.migration_command),
        health_path: health_path(server),
        statuses: join_statuses(server, ",", |low, high| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        }),
        status_test: join_statuses(server, " ||\n\t\t\t", |low, high| {
            if low == high {
                format!("[ \"${{code:-0}}\" -eq {low} ]")
            } else {
                format!("{{ [ \"${{code:-0}}\" -ge {low} ] && [ \"${{code:-0}}\" -le {high} ]; }}")
            }
        }),
        log_arguments: log_arguments("\"$unit\"", false).join(" "),
        verifies: !services.is_empty() || !triggers.is_empty() || server.health_check_url.is_some(),
        services,
        triggers,
    })
}

fn claims(server: &Server) -> Vec<String> {
    let mut claims = vec![
        format!("root {}", &*server.project_root),
        format!("venv {}", &*server.venv_dir),
    ];
    claims.extend(
        server
            .service_file
            .iter()
            .map(|unit| format!("unit {}", unit.name)),
    );
    claims
}

/// Whether the payload has a dependencies part: packages, or uv alone for a `dependency_install_command`.
fn has_packages(server: &Server) -> bool {
    let payload = server.payload.as_deref();
    payload.is_some_and(|payload| payload.part(DEPENDENCIES).is_some())
}

/// The end of a launcher's path: it is in the top directory of a release.
const LAUNCHER: &str = "/.pystrano/run";

/// The first two words of each `ExecStart=`, without systemd's prefixes such as `-`.
fn exec_start_words<'a>(services: &[&'a Unit]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let commands = services
        .iter()
        .flat_map(|unit| unit.section.values("ExecStart"));
    commands.map(|(command, _)| {
        let mut words = command.split_whitespace();
        let first = words.next().unwrap_or_default();
        let first = first.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        (first, words.next().unwrap_or_default())
    })
}

/// Names of the programs in the virtualenv that these units start, with the launcher or by path.
fn programs<'a>(services: &[&'a Unit], venv_dir: &str) -> Vec<&'a str> {
    let bin = format!("{venv_dir}/bin/");
    let mut programs = Vec::new();
    for (first, second) in exec_start_words(services) {
        let program = if first.ends_with(LAUNCHER) {
            Some(second)
        } else {
            first.strip_prefix(&bin)
        };
        let is_name = |name: &&str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let program = program.filter(is_name);
        programs.extend(program.filter(|program| !programs.contains(program)));
    }
    programs
}

/// Where to add a package, for messages.
fn dependency_source(server: &Server) -> String {
    match Dependencies::of(server) {
        Dependencies::Command => "what dependency_install_command installs".to_owned(),
        Dependencies::UvLock => "pyproject.toml, and run uv lock".to_owned(),
        Dependencies::Payload if server.dependency_file.uv_lock_directory().is_some() => {
            "pyproject.toml, and run uv lock".to_owned()
        }
        Dependencies::Payload
        | Dependencies::Pip
        | Dependencies::PipProject
        | Dependencies::UvFile => server.dependency_file.to_string(),
    }
}

/// The requirement that pip installs for a project: its directory, relative to the release, and the extras.
fn project(server: &Server) -> String {
    let directory = server.dependency_file.project_directory().unwrap_or(".");
    let extras: Vec<&str> = server
        .dependency_extras
        .iter()
        .map(|extra| &**extra)
        .collect();
    if extras.is_empty() {
        directory.to_owned()
    } else {
        format!("{directory}[{}]", extras.join(","))
    }
}

/// The path and query of `health_check_url`.
fn health_path(server: &Server) -> &str {
    let url = server
        .health_check_url
        .as_ref()
        .map_or("", |check| &check.url);
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    host.find('/').map_or("/", |start| &host[start..])
}

/// Joins the ranges of `health_check_statuses`, each formatted by `text`.
fn join_statuses(server: &Server, separator: &str, text: impl Fn(u16, u16) -> String) -> String {
    let ranges = server.health_check_statuses.0.iter();
    let ranges: Vec<String> = ranges
        .map(|range| text(*range.start(), *range.end()))
        .collect();
    ranges.join(separator)
}

/// The release's launcher, which runs commands and the app in its environment.
#[derive(Template)]
#[template(path = "launcher.sh", config = "templates/askama.toml")]
struct Launcher<'a> {
    server: &'a Server,
    release_venv: bool,
    pip: bool,
    runs_uvicorn: bool,
    variables: Vec<(&'a str, &'a str)>,
}

fn launcher(server: &Server, runs_uvicorn: bool, redact: bool) -> Result<String, Error> {
    let variables = server.env_file.iter().flat_map(|env| &env.variables);
    let launcher = Launcher {
        server,
        release_venv: server.venv_mode == VenvMode::Release,
        pip: server.package_manager == PackageManager::Pip,
        runs_uvicorn,
        variables: variables
            .map(|(name, value)| (name.as_str(), if redact { REDACTED } else { value }))
            .collect(),
    };
    Ok(launcher.render()?)
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::config::Server;
    use crate::payload::{DEPENDENCIES, Part, Payload, SOURCE};
    use crate::script::{ScriptKind, Secrets, test_server};
    use std::sync::Arc;

    fn with_payload(fields: &str) -> Server {
        let mut server = test_server("https://ada:canary@git.example.com/shop.git", fields);
        let part = |name, letter: &str| Part {
            name,
            sha256: letter.repeat(64),
            size: 512,
            file: "payload.tar".into(),
            offset: 512,
        };
        server.payload = Some(Arc::new(Payload {
            commit: "c".repeat(40),
            commit_label: "branch main".to_owned(),
            python: "3.13".to_owned(),
            platform: "x86_64-manylinux_2_36".to_owned(),
            sha256: "a".repeat(64),
            size: 2048,
            parts: vec![part(DEPENDENCIES, "d"), part(SOURCE, "5")],
        }));
        server
    }

    /// With `delivery: push`, hosts get neither the repository's password, nor git, nor uv from an index, in any script.
    #[test]
    fn where_code_is_pushed_no_script_can_fetch_it() {
        let pushed =
            "  delivery: push\n  package_manager: uv\n  ssh_known_hosts: git.example.com\n";
        let mut server = with_payload(pushed);
        server.payload = None; // as for setup, rollback and status
        for kind in ScriptKind::ALL {
            let script = crate::script::render(kind, &server, Secrets::Reveal).expect("a script");
            for word in ["canary", "ssh-keyscan", "install --quiet"] {
                assert!(!script.contains(word), "{kind:?} {word}");
            }
        }
        let setup = crate::script::render(ScriptKind::Setup, &server, Secrets::Reveal);
        let setup = setup.expect("a script");
        assert!(
            setup.contains("base_packages='python3 python3-venv'\n"),
            "{setup}"
        );
    }

    /// With a payload, no script contacts a repository or a package index.
    #[test]
    fn with_a_payload_nothing_is_fetched() {
        for fields in [
            "",
            "  venv_mode: release\n",
            "  package_manager: uv\n",
            "  package_manager: uv\n  venv_mode: release\n",
        ] {
            let server = with_payload(fields);
            let deploy = render(&server, Secrets::Reveal).expect("a script");
            for word in ["repository_git", "canary", "git.example.com", "ls-remote"] {
                assert!(!deploy.contains(word), "{fields}{word}");
            }
            assert!(deploy.contains(&format!("payload_sha256={}\n", "a".repeat(64))));
            // Every install command is limited to local files.
            let installs = deploy.lines().filter(|line| {
                line.contains("pip_install \"") || line.contains("\"$uv\" --no-config pip")
            });
            let installs: Vec<&str> = installs.collect();
            assert!(!installs.is_empty());
            assert!(
                installs.iter().all(|line| line.contains("--no-index")),
                "{installs:#?}"
            );
            let setup = crate::script::render(ScriptKind::Setup, &server, Secrets::Reveal);
            let setup = setup.expect("a script");
            assert!(
                setup.contains("base_packages='python3 python3-venv'\n"),
                "{setup}"
            );
            assert!(!setup.contains("install --quiet"), "{setup}");
        }
    }
}
