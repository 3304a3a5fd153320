//! `render`: writes the scripts; contacts nothing.

use super::handoff::Handoff;
use crate::cli::{Cli, Render};
use crate::config::{Config, Delivery, Server};
use crate::error::Error;
use crate::report;
use crate::script::{self, ScriptKind, Secrets};
use std::path::Path;
use std::process::ExitCode;

/// Prints the scripts of the selected servers, or writes them below `--output`.
pub fn run(cli: &Cli, args: &Render) -> Result<ExitCode, Error> {
    let mut config = super::load_with_env(cli, &args.selection)?;
    if args.payload {
        super::make_payloads(&mut config, |_| true)?;
        if let Some(release) = &args.system_packages {
            super::add_system_packages(&mut config, release)?;
        }
    }
    let lacks = |server: &&Server| server.delivery == Delivery::Push && server.payload.is_none();
    if let Some(server) = config.servers.iter().find(lacks) {
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

/// To stdout. Several scripts are told apart by a comment line before each; one alone is printed
/// as it is.
fn print(config: &Config, kinds: &[ScriptKind], secrets: Secrets) -> Result<(), Error> {
    let alone = config.servers.len() * kinds.len() == 1;
    for server in &config.servers {
        for &kind in kinds {
            if !alone {
                report::result(format_args!("# ==== {}/{}", server.name, kind.file_name()));
            }
            report::text(&script::render(kind, server, secrets)?);
        }
    }
    Ok(())
}

/// Below `directory`, one script in memory at a time.
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
    let left = handoff.finish(key)?;
    let scripts = report::counted(config.servers.len() * kinds.len(), "script");
    report::note(format_args!(
        "Wrote {scripts} and SHA256SUMS to {}",
        directory.display()
    ));
    for payload in left {
        report::note(format_args!(
            "Removed {payload}, which no script there names any more"
        ));
    }
    Ok(())
}
