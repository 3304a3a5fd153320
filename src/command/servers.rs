//! `setup`, `deploy`, `rollback` and `status`: what contacts the servers.

use crate::cli::{Cli, FleetOptions, Rollback, Selection, Servers, Setup};
use crate::config::Config;
use crate::error::Error;
use crate::exit;
use crate::fleet::{self, Job};
use crate::protocol::{Action, Facts};
use crate::report::{self, Plan, Report};
use crate::script::{self, Secrets};
use crate::ssh;
use std::process::ExitCode;
use std::time::Duration;

/// Names a release by the second.
const RELEASE: &str = "%Y%m%d%H%M%S";

/// Runs `setup.sh` on every server, each for itself.
pub fn setup(cli: &Cli, arguments: &Setup) -> Result<ExitCode, Error> {
    let mut job = job(cli, Action::Setup, None, &arguments.fleet);
    job.prune = arguments.prune;
    run(cli, &arguments.selection, &arguments.fleet, job, |_, _| {})
}

/// Runs `deploy.sh` on every server: a new release on all, or on none. It is named once, by the time in UTC.
pub fn deploy(cli: &Cli, arguments: &Servers) -> Result<ExitCode, Error> {
    let release = report::utc(RELEASE);
    let job = job(cli, Action::Deploy, Some(release.clone()), &arguments.fleet);
    let code = run(cli, &arguments.selection, &arguments.fleet, job, |_, _| {})?;
    // The next deploy has to find another name.
    while !arguments.fleet.dry_run && report::utc(RELEASE) == release {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(code)
}

/// Runs `deploy.sh rollback`: an earlier release, with its env, on every server or on none.
pub fn rollback(cli: &Cli, arguments: &Rollback) -> Result<ExitCode, Error> {
    let release = arguments.release.clone();
    if let Some(name) = release.clone().filter(|name| !is_release_name(name)) {
        return Err(Error::ReleaseName { name });
    }
    let job = job(cli, Action::Rollback, release, &arguments.fleet);
    run(cli, &arguments.selection, &arguments.fleet, job, |_, _| {})
}

/// Runs `deploy.sh status` on every server, and shows the answers as one table.
pub fn status(cli: &Cli, arguments: &Servers) -> Result<ExitCode, Error> {
    let job = job(cli, Action::Status, None, &arguments.fleet);
    run(
        cli,
        &arguments.selection,
        &arguments.fleet,
        job,
        Report::status,
    )
}

fn job(cli: &Cli, action: Action, release: Option<String>, options: &FleetOptions) -> Job {
    Job {
        action,
        release,
        prune: false,
        jobs: options.jobs.get(),
        verbose: cli.verbose,
    }
}

/// Contacts the selected servers, or shows what would be sent to them. `show` gets what each of them said.
fn run(
    cli: &Cli,
    selection: &Selection,
    options: &FleetOptions,
    job: Job,
    show: impl FnOnce(&Report, &[Facts]),
) -> Result<ExitCode, Error> {
    let config = super::load(cli, selection)?;
    let target = &selection.target;
    let mut report = Report::new(
        job.action,
        format!("{} {}", target.environment, target.app),
        config.labels(),
        cli.verbose,
        options.json,
    );
    if options.dry_run {
        return dry_run(&job, config, &report);
    }
    ssh::find_program()?;
    let (code, facts) = fleet::run(&job, config.servers, &mut report)?;
    if code == exit::INTERRUPTED {
        fleet::die();
    }
    show(&report, &facts);
    let code = ExitCode::from(code);
    Ok(match report::is_lost() {
        true => exit::of_lost_result(code, true),
        false => code,
    })
}

/// Shows for each server the command line, and the script's name, size and SHA-256; with
/// `--verbose` also the script, without its secrets.
fn dry_run(job: &Job, config: Config, report: &Report) -> Result<ExitCode, Error> {
    let program = ssh::program();
    let count = config.servers.len();
    let kind = job.action.script();
    for (index, server) in config.servers.iter().enumerate() {
        let script = script::render(kind, server, Secrets::Reveal)?;
        let call = job.call(count, "0".repeat(32));
        let mut command = vec![program.to_string_lossy().into_owned()];
        command.extend(call.arguments(server));
        let text = match job.verbose {
            true => Some(script::render(kind, server, Secrets::Redact)?),
            false => None,
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
