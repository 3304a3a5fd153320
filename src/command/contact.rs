//! What `setup`, `deploy`, `rollback` and `status` share: which servers, the dry run, the exit code.

use crate::cli::{Cli, Fleet, Selection};
use crate::config::Config;
use crate::error::{Error, exit};
use crate::fleet::{self, Facts, Job};
use crate::report::{self, Plan, Report};
use crate::script::{self, Secrets};
use crate::ssh::{self, Action};
use std::process::ExitCode;

/// One command over the selected servers.
pub struct Contact<'a> {
    pub cli: &'a Cli,
    pub selection: &'a Selection,
    pub fleet: &'a Fleet,
    pub action: Action,
    pub release: Option<String>,
    /// `setup` removes what is no longer wanted.
    pub prune: bool,
}

impl Contact<'_> {
    /// Contacts the servers, or shows what would be sent to them. `show` gets what each of them
    /// said.
    pub fn run(self, show: impl FnOnce(&Report, &[Facts])) -> Result<ExitCode, Error> {
        let config = super::load(self.cli, self.selection)?;
        let target = &self.selection.target;
        let job = Job {
            action: self.action,
            release: self.release,
            prune: self.prune,
            jobs: self.fleet.jobs.get(),
            verbose: self.cli.verbose,
        };
        let mut report = Report::new(
            self.action,
            format!("{} {}", target.environment, target.app),
            config.labels(),
            self.cli.verbose,
            self.fleet.json,
        );
        if self.fleet.dry_run {
            return dry_run(&job, config, &report);
        }
        ssh::find_program()?;
        let (code, facts) = fleet::run(&job, config.servers, &mut report)?;
        if code == exit::INTERRUPTED {
            fleet::die();
        }
        show(&report, &facts);
        Ok(ExitCode::from(match code {
            // The code for a bad command line would say that nothing was contacted.
            0 if report::is_lost() => exit::FAILED,
            code => code,
        }))
    }
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
