//! What `setup`, `deploy`, `rollback` and `status` share: which servers, the dry run, the exit code.

use crate::cli::{Cli, Fleet, Selection};
use crate::config::Config;
use crate::error::{Error, exit};
use crate::fleet::{self, Facts, Job};
use crate::report::{self, Report};
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
}

impl Contact<'_> {
    /// Contacts the servers, or shows what would be sent to them. `show` gets what each of them
    /// said.
    pub fn run(self, show: impl FnOnce(&Report, &[Facts])) -> Result<ExitCode, Error> {
        let mut config = super::load(self.cli, self.selection)?;
        let target = &self.selection.target;
        let job = Job {
            action: self.action,
            release: self.release,
            jobs: self.fleet.jobs.get(),
            verbose: self.cli.verbose,
        };
        if self.fleet.dry_run {
            return dry_run(&job, config);
        }
        ssh::find_program()?;
        let mut report = Report::new(
            self.action,
            format!("{} {}", target.environment, target.app),
            config.labels(),
            self.cli.verbose,
            self.fleet.json,
        );
        let (code, facts) = fleet::run(&job, config.servers().collect(), &mut report)?;
        if code == exit::INTERRUPTED {
            fleet::die();
        }
        show(&report, &facts);
        Ok(ExitCode::from(code))
    }
}

/// Prints for each server the command line, and the script's name, size and SHA-256; with
/// `--verbose` also the script, without its secrets.
fn dry_run(job: &Job, mut config: Config) -> Result<ExitCode, Error> {
    let program = ssh::program();
    let name = match job.action {
        Action::Setup => "setup.sh",
        _ => "deploy.sh",
    };
    let (count, labels) = (config.len(), config.labels());
    for (server, label) in config.servers().zip(labels) {
        let script = fleet::script(job.action, &server, Secrets::Reveal)?;
        let call = job.call(count, "0".repeat(32));
        let words = call.arguments(&server);
        let command: Vec<_> = std::iter::once(program.to_string_lossy().into_owned())
            .chain(words)
            .map(|word| shell_escape::escape(word.into()).into_owned())
            .collect();
        report::result(format_args!("{label}"));
        report::result(format_args!("  {}", command.join(" ")));
        report::result(format_args!(
            "  {name}: {} bytes, sha256 {}",
            script.len(),
            script::sha256(&script)
        ));
        if job.verbose {
            report::result(fleet::script(job.action, &server, Secrets::Redact)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
