//! `render`: writes the scripts; contacts nothing.

use super::handoff::Handoff;
use crate::cli::{Cli, Render};
use crate::config::{Config, Delivery, Server};
use crate::error::Error;
use crate::report;
use crate::script::{self, ScriptKind, Secrets};
use std::path::Path;
use std::process::ExitCode;

/// Prints the scripts of the selected servers, or writes them to the directory of `--output`.
pub fn run(cli: &Cli, args: &Render) -> Result<ExitCode, Error> {
    let mut config = super::load_with_env(cli, &args.selection)?;
    if args.payload {
        super::make_payloads(&mut config, |_| true)?;
        if let Some(release) = &args.system_packages {
            super::add_system_packages(&mut config, release)?;
        }
    }
    let lacks_payload =
        |server: &&Server| server.delivery == Delivery::Push && server.payload.is_none();
    if let Some(server) = config.servers.iter().find(lacks_payload) {
        let label = server.label();
        return Err(Error::NeedsPayload { label });
    }
    let secrets = match (args.redact, args.reveal, &args.output) {
        (true, _, _) | (false, false, None) => Secrets::Redact,
        _ => Secrets::Reveal,
    };
    let kinds = args
        .script
        .as_ref()
        .map_or(&ScriptKind::ALL[..], std::slice::from_ref);
    match &args.output {
        Some(directory) => write(directory, &config, kinds, secrets, args.sign.as_deref())?,
        None => print(&config, kinds, secrets)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the scripts to stdout. If there are several, a comment with its path precedes each.
fn print(config: &Config, kinds: &[ScriptKind], secrets: Secrets) -> Result<(), Error> {
    let is_single = config.servers.len() * kinds.len() == 1;
    for server in &config.servers {
        for &kind in kinds {
            if !is_single {
                report::result(format_args!("# ==== {}/{}", server.name, kind.file_name()));
            }
            report::text(&script::render(kind, server, secrets)?);
        }
    }
    Ok(())
}

/// Writes the scripts and payloads to `directory`, signed with `key` if there is one.
fn write(
    directory: &Path,
    config: &Config,
    kinds: &[ScriptKind],
    secrets: Secrets,
    key: Option<&Path>,
) -> Result<(), Error> {
    let mut handoff = Handoff::open(directory)?;
    for server in &config.servers {
        for &kind in kinds {
            handoff.add(&server.name, kind, &script::render(kind, server, secrets)?)?;
        }
        if let Some(payload) = &server.payload {
            handoff.add_payload(payload)?;
        }
    }
    let removed = handoff.finish(key)?;
    let scripts = report::counted(config.servers.len() * kinds.len(), "script");
    report::note(format_args!(
        "Wrote {scripts} and SHA256SUMS to {}",
        directory.display()
    ));
    for payload in removed {
        report::note(format_args!(
            "Removed {payload}, which no script there names any more"
        ));
    }
    Ok(())
}
