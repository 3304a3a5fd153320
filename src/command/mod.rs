//! One file for each subcommand; those that contact the servers share `servers`.

mod atomic;
mod check;
mod completions;
mod handoff;
mod hooks;
pub mod init;
mod man;
mod names;
mod render;
mod reviewed;
mod run;
mod schema;
mod servers;

use crate::cli::{Cli, Command, Selection, Target};
use crate::config::{self, Config, ConfigError, Server};
use crate::diagnostics::Message;
use crate::error::Error;
use crate::pack::{self, Failure};
use crate::report;
use crate::script;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// Runs the subcommand; the exit code is that of the outcome.
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

/// The config of the selected app and environment, with the selected servers only. Its warnings are
/// printed, but not by each command of every day.
///
/// # Errors
/// No such config, its mistakes, or a selected host that it does not have.
fn load(cli: &Cli, target: &Target, hosts: &[String]) -> Result<Config, Error> {
    let path = config_path(cli, target)?;
    let mut config = config::load(&path, &target.identity())
        .map_err(|error| unread(error, &path, cli, target))?;
    if warns(cli) {
        report::warnings(&config.warnings);
    }
    config.select(hosts)?;
    Ok(config)
}

/// The same, with what `env_command` prints for the selected servers.
fn load_with_env(cli: &Cli, selection: &Selection) -> Result<Config, Error> {
    let mut config = load(cli, &selection.target, &selection.hosts)?;
    let warnings = config.fetch_env()?;
    if warns(cli) {
        report::warnings(&warnings);
    }
    Ok(config)
}

/// Whether the command shows the warnings of a config: those that look at what was deployed, or run it, would repeat
/// them each time.
fn warns(cli: &Cli) -> bool {
    let looks_or_runs = matches!(
        cli.command,
        Command::Status(_)
            | Command::Logs(_)
            | Command::Run(_)
            | Command::Restart(_)
            | Command::History(_)
    );
    cli.verbose || !looks_or_runs
}

/// Gives the servers that are `wanted` their payloads. Nothing is contacted but the repository and the package index.
///
/// # Errors
/// One that cannot be made: at the field that leads to it.
fn make_payloads(config: &mut Config, wanted: impl Fn(&Server) -> bool) -> Result<(), Error> {
    let made = pack::make(&mut config.servers, wanted, &|line| report::note(line));
    made.map_err(|failure| payload_error(failure, config))
}

/// The same, with the Debian packages that hosts of a release need.
fn add_system_packages(config: &mut Config, release: &str) -> Result<(), Error> {
    let note = |line: &str| report::note(line);
    let made = pack::system::add(&mut config.servers, release, script::host_packages, &note);
    made.map_err(|failure| payload_error(failure, config))
}

/// Why a payload could not be made, at the field that leads to it.
fn payload_error(failure: Failure, config: &Config) -> Error {
    let Failure { server, fault } = failure;
    match fault.field() {
        Some(field) => Error::Config {
            mistakes: vec![config.mistake(server, field, Message::from_text(&fault))],
            warnings: Vec::new(),
        },
        None => Error::Payload(fault),
    }
}

/// The error of a config that could not be read, with what to do about it.
fn unread(error: ConfigError, path: &Path, cli: &Cli, target: &Target) -> Error {
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
            help: names::help(cli, target),
        },
        ErrorKind::IsADirectory => Error::ConfigIsDirectory { path },
        _ => Error::UnreadableConfig { path, source },
    }
}

/// `<deploy-config-dir>/<app>/<environment>/<config-file-name>`.
///
/// # Errors
/// An app or environment that is not the name of one directory.
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
