//! The subcommands, each in a file of its own, but for those in `servers`, which work on many hosts at once.

mod atomic;
mod check;
mod completions;
mod handoff;
mod hooks;
pub mod init;
mod man;
mod render;
mod reviewed;
mod run;
mod schema;
mod servers;
mod suggest;

use crate::cli::{Cli, Command, Selection, Target};
use crate::config::{self, Config, ConfigError, Server};
use crate::diagnostics::Message;
use crate::error::Error;
use crate::pack::{self, ServerError};
use crate::report;
use crate::script;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// Runs the subcommand.
pub fn run(cli: &Cli) -> Result<ExitCode, Error> {
    match &cli.command {
        Command::Init(arguments) => init::run(cli, arguments),
        Command::Check(selection) => check::run(cli, selection),
        Command::Render(arguments) => render::run(cli, arguments),
        Command::Setup(arguments) => servers::setup(cli, arguments),
        Command::Deploy(arguments) => servers::deploy(cli, arguments),
        Command::Rollback(arguments) => servers::rollback(cli, arguments),
        Command::Status(arguments) => servers::status(cli, arguments),
        Command::Logs(arguments) => servers::logs(cli, arguments),
        Command::Run(arguments) => run::run(cli, arguments),
        Command::Restart(arguments) => servers::restart(cli, arguments),
        Command::History(arguments) => servers::history(cli, arguments),
        Command::Schema => schema::run(),
        Command::Completions { shell } => completions::run(*shell),
        Command::Man { list: true, .. } => Ok(man::list()),
        Command::Man { page, .. } => man::run(page.as_deref()),
    }
}

/// Loads the config of an app and environment, limited to `hosts` unless that is empty, and prints its warnings if
/// [`shows_warnings`].
///
/// # Errors
/// If the config does not exist, has mistakes, or has none of the servers named in `hosts`.
fn load(cli: &Cli, target: &Target, hosts: &[String]) -> Result<Config, Error> {
    let path = config_path(cli, target)?;
    let mut config = config::load(&path, &target.identity())
        .map_err(|error| load_error(error, &path, cli, target))?;
    if shows_warnings(cli) {
        report::warnings(&config.warnings);
    }
    config.select(hosts)?;
    Ok(config)
}

/// Loads the config like [`load`], then runs `env_command` for the selected servers.
fn load_with_env(cli: &Cli, selection: &Selection) -> Result<Config, Error> {
    let mut config = load(cli, &selection.target, &selection.hosts)?;
    let warnings = config.fetch_env()?;
    if shows_warnings(cli) {
        report::warnings(&warnings);
    }
    Ok(config)
}

/// Whether the subcommand prints warnings about the config. Those for everyday use, which deploy nothing, would
/// repeat them each time, so they need `--verbose`.
fn shows_warnings(cli: &Cli) -> bool {
    let is_everyday = matches!(
        cli.command,
        Command::Status(_)
            | Command::Logs(_)
            | Command::Run(_)
            | Command::Restart(_)
            | Command::History(_)
    );
    cli.verbose || !is_everyday
}

/// Makes the payloads of the servers that are `wanted`. Contacts the repository and the package index only.
///
/// # Errors
/// If a payload cannot be made, see [`payload_error`].
fn make_payloads(config: &mut Config, wanted: impl Fn(&Server) -> bool) -> Result<(), Error> {
    let made = pack::make(&mut config.servers, wanted, &|line| report::note(line));
    made.map_err(|error| payload_error(error, config))
}

/// Adds to the payloads the Debian packages that hosts of this Debian release need.
fn add_system_packages(config: &mut Config, release: &str) -> Result<(), Error> {
    let note = |line: &str| report::note(line);
    let made = pack::system::add(&mut config.servers, release, script::host_packages, &note);
    made.map_err(|error| payload_error(error, config))
}

/// Reports a failure to make a payload as a mistake in the config, if a field of it is the cause.
fn payload_error(error: ServerError, config: &Config) -> Error {
    let ServerError { server, error } = error;
    match error.field() {
        Some(field) => Error::Config {
            mistakes: vec![config.field_error(server, field, Message::from_text(&error))],
            warnings: Vec::new(),
        },
        None => Error::Payload(error),
    }
}

/// Explains why a config could not be loaded.
fn load_error(error: ConfigError, path: &Path, cli: &Cli, target: &Target) -> Error {
    let source = match error {
        ConfigError::Mistakes { mistakes, warnings } => {
            return Error::Config { mistakes, warnings };
        }
        ConfigError::Unreadable(source) => source,
    };
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => Error::NoConfig {
            path,
            help: suggest::config_help(cli, target),
        },
        ErrorKind::IsADirectory => Error::ConfigIsDirectory { path },
        _ => Error::UnreadableConfig { path, source },
    }
}

/// `<deploy-config-dir>/<app>/<environment>/<config-file-name>`.
///
/// # Errors
/// If the app or environment is not a single path component: it could lead out of the deploy directory.
fn config_path(cli: &Cli, target: &Target) -> Result<PathBuf, Error> {
    for (kind, name) in [("environment", &target.environment), ("app", &target.app)] {
        let mut components = Path::new(name).components();
        let single = matches!(
            (components.next(), components.next()),
            (Some(Component::Normal(only)), None) if only == name.as_str()
        );
        if !single {
            let name = name.clone();
            return Err(Error::TargetName { kind, name });
        }
    }
    Ok(cli
        .deploy_config_dir
        .join(&target.app)
        .join(&target.environment)
        .join(&cli.config_file_name))
}
