//! What `setup`, `deploy`, `rollback` and `status` share: which servers, the dry run, the exit code.

use crate::cli::{Cli, Fleet, Selection};
use crate::config::Server;
use crate::error::{Error, exit};
use crate::fleet::{self, Facts, Job};
use crate::report::{self, Report};
use crate::script::Secrets;
use crate::ssh::{self, Action};
use sha2::{Digest, Sha256};
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
    /// said, and may turn success into another exit code.
    pub fn run(self, show: impl FnOnce(&Report, &[Facts]) -> u8) -> Result<ExitCode, Error> {
        let mut config = super::load(self.cli, self.selection)?;
        let labels = config.labels();
        let target = &self.selection.target;
        let job = Job {
            action: self.action,
            release: self.release,
            jobs: self.fleet.jobs.get(),
            verbose: self.cli.verbose,
        };
        if self.fleet.dry_run {
            return dry_run(&job, &config.servers, &labels);
        }
        ssh::find_program()?;
        let mut report = Report::new(
            self.action,
            format!("{} {}", target.environment, target.app),
            labels,
            self.cli.verbose,
            self.fleet.json,
        );
        let (code, facts) = fleet::run(&job, std::mem::take(&mut config.servers), &mut report)?;
        if code == exit::INTERRUPTED {
            fleet::die();
        }
        let shown = show(&report, &facts);
        Ok(ExitCode::from(if code == 0 { shown } else { code }))
    }
}

/// Prints for each server the command line, and the script's name, size and SHA-256; with
/// `--verbose` also the script, without its secrets.
fn dry_run(job: &Job, servers: &[Server], labels: &[String]) -> Result<ExitCode, Error> {
    let program = ssh::program();
    let name = match job.action {
        Action::Setup => "setup.sh",
        _ => "deploy.sh",
    };
    for (server, label) in servers.iter().zip(labels) {
        let script = fleet::script(job.action, server, Secrets::Reveal)?;
        let call = job.call(servers.len(), "0".repeat(32));
        let words = call.arguments(server);
        let command: Vec<_> = std::iter::once(program.to_string_lossy().into_owned())
            .chain(words)
            .map(|word| shell_escape::escape(word.into()).into_owned())
            .collect();
        report::result(format_args!("{label}"));
        report::result(format_args!("  {}", command.join(" ")));
        let hash: String = Sha256::digest(&script)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        report::result(format_args!(
            "  {name}: {} bytes, sha256 {hash}",
            script.len()
        ));
        if job.verbose {
            report::result(fleet::script(job.action, server, Secrets::Redact)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
