//! What contacts the servers: `setup`, `deploy`, `rollback`, `restart`, `status`, `history` and `logs`.

use super::hooks;
use super::reviewed::Reviewed;
use crate::cli::{self, Cli, FleetOptions, Query, Selection, Target};
use crate::config::{Config, Delivery, Server};
use crate::error::Error;
use crate::exit;
use crate::fleet::{self, Job, Scripts};
use crate::payload::Payload;
use crate::protocol::Action;
use crate::report::{self, Log, Plan, Report};
use crate::script::{self, Secrets, logged_units};
use crate::ssh;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names a release by the second.
const RELEASE: &str = "%Y%m%d%H%M%S";
/// The lines of a server's log without `--lines` and `--since`.
const LOG_LINES: u32 = 100;

/// One command over the selected servers of a config.
struct Run<'a> {
    target: &'a Target,
    options: &'a FleetOptions,
    config: Config,
    job: Job,
    /// The scripts were rendered before.
    is_reviewed: bool,
    log: Option<Log>,
}

/// Runs `setup.sh` on every server, each for itself.
pub fn setup(cli: &Cli, arguments: &cli::Setup) -> Result<ExitCode, Error> {
    let mut run = Run::new(cli, &arguments.selection, &arguments.fleet, Action::Setup)?;
    run.job
        .options
        .extend(arguments.prune.then(|| "--prune".to_owned()));
    run.send_reviewed(&arguments.reviewed)?;
    run.go()
}

/// Runs `deploy.sh` on every server: a new release on all, or on none. It is named once, by the time in UTC.
pub fn deploy(cli: &Cli, arguments: &cli::Deploy) -> Result<ExitCode, Error> {
    let mut run = Run::new(cli, &arguments.selection, &arguments.fleet, Action::Deploy)?;
    for server in &mut run.config.servers {
        choose_commit(server, arguments);
    }
    let began = Instant::now();
    run.job.release = Some(report::utc(RELEASE));
    run.job.options.extend(arguments.lock.script_argument());
    if arguments.reviewed.from.is_none() {
        let is_pushed = |server: &Server| server.delivery == Delivery::Push;
        super::make_payloads(&mut run.config, is_pushed)?;
    }
    run.send_reviewed(&arguments.reviewed)?;
    let code = run.go()?;
    // The next deploy would otherwise get the same name within this second.
    if !arguments.fleet.dry_run {
        std::thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
    }
    Ok(code)
}

/// `--revision` and `--branch` replace those of the config.
fn choose_commit(server: &mut Server, arguments: &cli::Deploy) {
    if let Some(revision) = &arguments.revision {
        server.set_revision(revision.clone());
    }
    if let Some(branch) = &arguments.branch {
        server.revision = None;
        server.branch = Some(branch.clone());
    }
}

/// Runs `deploy.sh rollback`: an earlier release, with its env, on every server or on none.
pub fn rollback(cli: &Cli, arguments: &cli::Rollback) -> Result<ExitCode, Error> {
    let release = arguments.release.clone();
    if let Some(name) = release.clone().filter(|name| !is_release_name(name)) {
        return Err(Error::ReleaseName { name });
    }
    let mut run = Run::new(
        cli,
        &arguments.selection,
        &arguments.fleet,
        Action::Rollback,
    )?;
    run.job.release = release;
    run.job.options.extend(arguments.lock.script_argument());
    run.send_reviewed(&arguments.reviewed)?;
    run.go()
}

/// Runs `deploy.sh restart` on every server, each for itself: its units again, verified.
pub fn restart(cli: &Cli, arguments: &cli::Restart) -> Result<ExitCode, Error> {
    let mut run = Run::new(cli, &arguments.selection, &arguments.fleet, Action::Restart)?;
    need_unit(&run.config, None)?;
    run.job.options.extend(arguments.lock.script_argument());
    run.go()
}

/// Runs `deploy.sh status` on every server, and shows the answers as one table.
pub fn status(cli: &Cli, arguments: &Query) -> Result<ExitCode, Error> {
    let mut run = Run::new(cli, &arguments.selection, &arguments.fleet, Action::Status)?;
    run.job
        .options
        .extend(cli.verbose.then(|| "facts=yes".to_owned()));
    run.go()
}

/// Runs `deploy.sh status` on every server, and shows the runs in their logs as one table.
pub fn history(cli: &Cli, arguments: &Query) -> Result<ExitCode, Error> {
    Run::new(cli, &arguments.selection, &arguments.fleet, Action::History)?.go()
}

/// Shows the last lines that the units of all servers logged, by their time, or follows them.
///
/// # Errors
/// A server that has no unit, or not the one of `--unit`.
pub fn logs(cli: &Cli, arguments: &cli::Logs) -> Result<ExitCode, Error> {
    let mut run = Run::new(cli, &arguments.selection, &arguments.fleet, Action::Logs)?;
    need_unit(&run.config, arguments.unit.as_ref())?;
    let lines = match (arguments.lines, arguments.since) {
        (None, None) => Some(LOG_LINES),
        (lines, _) => lines,
    };
    let options = &mut run.job.options;
    options.extend(arguments.follow.then(|| "follow".to_owned()));
    options.extend(arguments.unit.as_ref().map(|unit| format!("unit={unit}")));
    options.extend(lines.map(|lines| format!("lines={lines}")));
    options.extend(arguments.since.map(cli::Since::script_argument));
    run.log = Some(Log::new(arguments.follow));
    run.go()
}

/// Makes sure that each server has this unit, or any.
fn need_unit(config: &Config, name: Option<&String>) -> Result<(), Error> {
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

impl<'a> Run<'a> {
    /// With the config and its env.
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
        Ok(Run {
            target: &selection.target,
            options,
            config,
            job,
            is_reviewed: false,
            log: None,
        })
    }

    /// Sends scripts that were rendered before, if a directory of them is named. No server is contacted before those of
    /// all are proved.
    fn send_reviewed(&mut self, arguments: &cli::ReviewedOptions) -> Result<(), Error> {
        let Some(reviewed) = Reviewed::open(arguments)? else {
            return Ok(());
        };
        let mut payloads: Vec<Arc<Payload>> = Vec::new();
        for server in &mut self.config.servers {
            let script = reviewed.script(self.job.action.script(), server)?;
            let is_named = |payload: &&Arc<Payload>| script.contains(&payload.sha256);
            server.payload = match payloads.iter().find(is_named) {
                Some(payload) => Some(Arc::clone(payload)),
                None => reviewed.payload(&script)?.map(Arc::new),
            };
            payloads.extend(server.payload.clone());
        }
        let scripts: Scripts = Arc::new(move |kind, server| reviewed.script(kind, server));
        self.job.scripts = scripts;
        self.is_reviewed = true;
        Ok(())
    }

    /// Contacts the servers, or shows what would be sent to them.
    fn go(self) -> Result<ExitCode, Error> {
        let mut report = Report::new(
            self.job.action,
            format!("{} {}", self.target.environment, self.target.app),
            self.config.labels(),
            self.job.verbose,
            self.options.json,
        );
        if let Some(log) = self.log {
            report.shows_log(log);
        }
        if self.options.dry_run {
            return dry_run(&self.job, self.config, self.is_reviewed, &report);
        }
        ssh::find_program()?;
        // They are the same for all servers.
        let hooks = self.config.servers.first().map(|first| first.hooks.clone());
        let (code, facts) = fleet::run(&self.job, self.config.servers, &mut report)?;
        if let Some(hooks) = hooks.filter(|_| self.job.action.promotes()) {
            hooks::run(&hooks, code, report.summary());
        }
        if code == exit::INTERRUPTED {
            fleet::die();
        }
        report.answers(&facts);
        let code = ExitCode::from(code);
        Ok(if report::is_lost() {
            exit::of_lost_result(code, true)
        } else {
            code
        })
    }
}

/// Shows for each server the command line, and the script's name, size and SHA-256; with
/// `--verbose` also the script, without its secrets, unless it was rendered before.
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
            arguments: call.words(),
            bytes: script.len(),
            sha256: script::sha256(&script),
            text,
        };
        report.plan(index, &plan);
    }
    Ok(ExitCode::SUCCESS)
}

/// Letters, digits, `.`, `_` and `-`, of which the first is a letter or a digit.
fn is_release_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
