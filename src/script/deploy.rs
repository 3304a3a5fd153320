//! `deploy.sh`.

use super::{REDACTED, Secrets, encode};
use crate::config::types::Command;
use crate::config::{Framework, PackageManager, Server, VenvMode};
use crate::credentials;
use crate::error::Error;
use askama::Template;

#[derive(Template)]
#[template(path = "deploy.sh", config = "templates/askama.toml")]
struct Deploy<'a> {
    server: &'a Server,
    /// Something secret was left out.
    redacted: bool,
    source_code_url: String,
    release_venv: bool,
    django: bool,
    pip: bool,
    /// What installs a dependency file that is no `uv.lock`.
    installer: &'static str,
    /// The dependencies are locked, and `uv sync` installs them.
    uv_lock: bool,
    /// A dependency file tells what is installed, without a command or a lock.
    reads_dependency_file: bool,
    /// It is a file of the project, such as pyproject.toml, rather than a list of requirements.
    describes_project: bool,
    /// uv installs it, by this script.
    needs_uv: bool,
    /// pip installs that file in the one virtualenv, and is spared where it would find nothing to do.
    asks_pip: bool,
    env_base64: String,
    launcher: String,
    /// A line that is none of the launcher's.
    launcher_end: String,
    /// The unit starts the app by the launcher.
    uses_launcher: bool,
    static_files_command: Option<&'a str>,
    migration_command: Option<&'a str>,
    /// What follows the switch to a release, as the rest of a list of commands.
    start: &'static str,
}

pub(super) fn render<'a>(server: &'a Server, secrets: Secrets) -> Result<String, Error> {
    let redact = secrets == Secrets::Redact;
    let source_code_url = match redact {
        true => credentials::replace(&server.source_code_url, |_| REDACTED.to_owned()),
        false => server.source_code_url.to_string(),
    };
    let hides_password = server.source_code_url != *source_code_url;
    let django = server.framework == Framework::Django;
    let pip = server.package_manager == PackageManager::Pip;
    let env = server.env_file.as_deref();
    let launcher = launcher(server, redact)?;
    let mut launcher_end = "EOF".to_owned();
    while launcher.lines().any(|line| line == launcher_end) {
        launcher_end.push('_');
    }
    // Django has commands of its own for both steps.
    let command = |runs, command: &'a Option<Command>| -> Option<&'a str> {
        command.as_deref().filter(|_| runs && !django)
    };
    let release_venv = server.venv_mode == VenvMode::Release;
    let uv_lock = !pip && server.dependency_file.uv_lock_directory() == Some("");
    let reads_dependency_file = !uv_lock && server.dependency_install_command.is_none();
    let script = Deploy {
        server,
        redacted: redact && (env.is_some() || hides_password),
        source_code_url,
        release_venv,
        django,
        pip,
        installer: if pip { "pip install" } else { "uv pip install" },
        uv_lock,
        reads_dependency_file,
        describes_project: !pip
            && [".toml", ".py", ".cfg"]
                .iter()
                .any(|kind| server.dependency_file.ends_with(kind)),
        needs_uv: !pip && (release_venv || server.dependency_install_command.is_none()),
        asks_pip: reads_dependency_file && pip && !release_venv,
        env_base64: env.map_or_else(String::new, |env| encode(&env.bytes, secrets)),
        launcher,
        launcher_end,
        uses_launcher: server.service_file.as_ref().is_some_and(|service| {
            let launcher = "/.pystrano/run";
            service
                .text
                .lines()
                .any(|line| line.starts_with("Exec") && line.contains(launcher))
        }),
        static_files_command: command(server.collect_static_files, &server.static_files_command),
        migration_command: command(server.run_migrations, &server.migration_command),
        start: match (&server.service_file, &server.health_check_url) {
            (Some(_), _) => " && restart && verify",
            (None, Some(_)) => " && verify",
            (None, None) => "",
        },
    }
    .render()?;
    // Askama drops the last newline of a template.
    Ok(script + "\n")
}

/// What starts commands and the app in a release.
#[derive(Template)]
#[template(path = "launcher.sh", config = "templates/askama.toml")]
struct Launcher<'a> {
    server: &'a Server,
    release_venv: bool,
    pip: bool,
    variables: Vec<(&'a str, &'a str)>,
}

fn launcher(server: &Server, redact: bool) -> Result<String, Error> {
    let variables = server.env_file.iter().flat_map(|env| &env.variables);
    let launcher = Launcher {
        server,
        release_venv: server.venv_mode == VenvMode::Release,
        pip: server.package_manager == PackageManager::Pip,
        variables: variables
            .map(|(name, value)| (name.as_str(), if redact { REDACTED } else { value }))
            .collect(),
    };
    Ok(launcher.render()?)
}
