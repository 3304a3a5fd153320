//! Commands over all selected servers: `setup`, `deploy`, `rollback`, `restart`, `status`, `history` and `logs`.

use super::hooks;
use super::reviewed::Reviewed;
use crate::cli::{self, Cli, FleetOptions, Query, Selection, Target};
use crate::config::{Config, Delivery, Server};
use crate::error::Error;
use crate::exit;
use crate::fleet::{self, Job};
use crate::payload::Payload;
use crate::protocol::Action;
use crate::report::{self, Log, Plan, Report};
use crate::script::{self, Secrets, logged_units};
use crate::ssh;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names a release by the UTC time, to the second.
const RELEASE_NAME_FORMAT: &str = "%Y%m%d%H%M%S";
/// Lines that `logs` shows of each server without `--lines` and `--since`.
const DEFAULT_LOG_LINES: u32 = 100;

/// A command over the selected servers of a config.
struct FleetCommand<'a> {
    target: &'a Target,
    options: &'a FleetOptions,
    config: Config,
    job: Job,
    /// The scripts come from `--from`.
    is_reviewed: bool,
    log: Option<Log>,
}

/// Runs `setup.sh` on every server, independently of the others.
pub fn setup(cli: &Cli, args: &cli::Setup) -> Result<ExitCode, Error> {
    let mut command = FleetCommand::new(cli, &args.selection, &args.fleet, Action::Setup)?;
    command
        .job
        .options
        .extend(args.prune.then(|| "--prune".to_owned()));
    command.send_reviewed(&args.reviewed)?;
    command.execute()
}

/// Runs `deploy.sh` on every server: all get a new release of the same name, or none does.
pub fn deploy(cli: &Cli, args: &cli::Deploy) -> Result<ExitCode, Error> {
    let mut command = FleetCommand::new(cli, &args.selection, &args.fleet, Action::Deploy)?;
    for server in &mut command.config.servers {
        override_commit(server, args);
    }
    let started = Instant::now();
    command.job.release = Some(report::utc(RELEASE_NAME_FORMAT));
    command.job.options.extend(args.lock.script_argument());
    if args.reviewed.from.is_none() {
        let is_pushed = |server: &Server| server.delivery == Delivery::Push;
        super::make_payloads(&mut command.config, is_pushed)?;
    }
    command.send_reviewed(&args.reviewed)?;
    let code = command.execute()?;
    // A deploy that starts within the same second would give its release the same name.
    if !args.fleet.dry_run {
        std::thread::sleep(Duration::from_secs(1).saturating_sub(started.elapsed()));
    }
    Ok(code)
}

/// Applies `--revision` or `--branch` in place of the config's `revision` and `branch`.
fn override_commit(server: &mut Server, args: &cli::Deploy) {
    if let Some(revision) = &args.revision {
        server.set_revision(revision.clone());
    }
    if let Some(branch) = &args.branch {
        server.revision = None;
        server.branch = Some(branch.clone());
    }
}

/// Runs `deploy.sh rollback` on every server: all go back to an earlier release, with its env, or none does.
pub fn rollback(cli: &Cli, args: &cli::Rollback) -> Result<ExitCode, Error> {
    if let Some(name) = &args.release
        && !is_release_name(name)
    {
        let name = name.clone();
        return Err(Error::ReleaseName { name });
    }
    let mut command = FleetCommand::new(cli, &args.selection, &args.fleet, Action::Rollback)?;
    command.job.release.clone_from(&args.release);
    command.job.options.extend(args.lock.script_argument());
    command.send_reviewed(&args.reviewed)?;
    command.execute()
}

/// Runs `deploy.sh restart` on every server, independently of the others: restarts and verifies the units.
pub fn restart(cli: &Cli, args: &cli::Restart) -> Result<ExitCode, Error> {
    let mut command = FleetCommand::new(cli, &args.selection, &args.fleet, Action::Restart)?;
    check_units(&command.config, None)?;
    command.job.options.extend(args.lock.script_argument());
    command.execute()
}

/// Runs `deploy.sh status` on every server and shows the answers as one table.
pub fn status(cli: &Cli, args: &Query) -> Result<ExitCode, Error> {
    let mut command = FleetCommand::new(cli, &args.selection, &args.fleet, Action::Status)?;
    command
        .job
        .options
        .extend(cli.verbose.then(|| "facts=yes".to_owned()));
    command.execute()
}

/// Runs `deploy.sh status` on every server and shows their logs of runs as one table.
pub fn history(cli: &Cli, args: &Query) -> Result<ExitCode, Error> {
    FleetCommand::new(cli, &args.selection, &args.fleet, Action::History)?.execute()
}

/// Runs `logs.sh` on every server: shows what the units logged, merged by time, or follows it.
///
/// # Errors
/// If a server has no unit, or not the one of `--unit`.
pub fn logs(cli: &Cli, args: &cli::Logs) -> Result<ExitCode, Error> {
    let mut command = FleetCommand::new(cli, &args.selection, &args.fleet, Action::Logs)?;
    check_units(&command.config, args.unit.as_ref())?;
    let lines = match (args.lines, args.since) {
        (None, None) => Some(DEFAULT_LOG_LINES),
        (lines, _) => lines,
    };
    let options = &mut command.job.options;
    options.extend(args.follow.then(|| "follow".to_owned()));
    options.extend(args.unit.as_ref().map(|unit| format!("unit={unit}")));
    options.extend(lines.map(|lines| format!("lines={lines}")));
    options.extend(args.since.map(cli::Since::script_argument));
    command.log = Some(Log::new(args.follow));
    command.execute()
}

/// Checks that each server has the unit `name`, or any unit if that is `None`.
fn check_units(config: &Config, name: Option<&String>) -> Result<(), Error> {
    for server in &config.servers {
        let (units, label) = (logged_units(server), server.label());
        match name {
            _ if units.is_empty() => return Err(Error::NoUnit { label }),
            Some(name) if !units.contains(&name.as_str()) => {
                return Err(Error::UnknownUnit {
                    name: name.clone(),
                    label,
                    known: units.join(", "),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

impl<'a> FleetCommand<'a> {
    /// Loads the config, `env_command` included.
    fn new(
        cli: &Cli,
        selection: &'a Selection,
        options: &'a FleetOptions,
        action: Action,
    ) -> Result<Self, Error> {
        let config = super::load_with_env(cli, selection)?;
        let job = Job {
            action,
            release: None,
            options: Vec::new(),
            scripts: Arc::new(|kind, server| script::render(kind, server, Secrets::Reveal)),
            jobs: options.jobs.get(),
            verbose: cli.verbose,
        };
        Ok(FleetCommand {
            target: &selection.target,
            options,
            config,
            job,
            is_reviewed: false,
            log: None,
        })
    }

    /// Replaces the scripts by those of `--from`, if it is given. The scripts of all servers are verified first, before
    /// any server is contacted.
    fn send_reviewed(&mut self, args: &cli::ReviewedOptions) -> Result<(), Error> {
        let Some(reviewed) = Reviewed::open(args)? else {
            return Ok(());
        };
        let mut payloads: Vec<Arc<Payload>> = Vec::new();
        for server in &mut self.config.servers {
            let script = reviewed.script(self.job.action.script(), server)?;
            let is_requested = |payload: &&Arc<Payload>| script.contains(&payload.sha256);
            server.payload = match payloads.iter().find(is_requested) {
                Some(payload) => Some(Arc::clone(payload)),
                None => reviewed.payload(&script)?.map(Arc::new),
            };
            payloads.extend(server.payload.clone());
        }
        self.job.scripts = Arc::new(move |kind, server| reviewed.script(kind, server));
        self.is_reviewed = true;
        Ok(())
    }

    /// Contacts the servers, or shows what would be sent to them.
    fn execute(self) -> Result<ExitCode, Error> {
        let mut report = Report::new(
            self.job.action,
            format!("{} {}", self.target.environment, self.target.app),
            self.config.labels(),
            self.job.verbose,
            self.options.json,
        );
        if let Some(log) = self.log {
            report.set_log(log);
        }
        if self.options.dry_run {
            return dry_run(&self.job, self.config, self.is_reviewed, &report);
        }
        ssh::check_program()?;
        // Validation has made sure that all servers have the same hooks.
        let hooks = self.config.servers.first().map(|first| first.hooks.clone());
        let (code, facts) = fleet::run(&self.job, self.config.servers, &mut report)?;
        if let Some(hooks) = hooks.filter(|_| self.job.action.promotes()) {
            hooks::run(&hooks, code, report.summary_json());
        }
        if code == exit::INTERRUPTED {
            fleet::die_of_signal();
        }
        report.print_facts(&facts);
        let code = ExitCode::from(code);
        Ok(if report::has_lost_results() {
            exit::after_lost_stdout(code, true)
        } else {
            code
        })
    }
}

/// Shows for each server the ssh command and the script's name, size and SHA-256; with `--verbose` also the script,
/// redacted. Reviewed scripts are not shown: they contain secrets.
fn dry_run(
    job: &Job,
    config: Config,
    is_reviewed: bool,
    report: &Report,
) -> Result<ExitCode, Error> {
    let program = ssh::program();
    let count = config.servers.len();
    let kind = job.action.script();
    for (index, server) in config.servers.iter().enumerate() {
        let script = (job.scripts)(kind, server)?;
        let call = job.call(count, "0".repeat(32));
        let mut command = vec![program.to_string_lossy().into_owned()];
        command.extend(call.arguments(server));
        let text = if job.verbose && !is_reviewed {
            Some(script::render(kind, server, Secrets::Redact)?)
        } else {
            None
        };
        let plan = Plan {
            command,
            script: kind.file_name(),
            arguments: call.script_arguments(),
            bytes: script.len(),
            sha256: script::sha256(&script),
            text,
        };
        report.print_plan(index, &plan);
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether `name` consists of ASCII letters, digits, `.`, `_` and `-`, and begins with a letter or digit.
fn is_release_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
