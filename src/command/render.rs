//! `render`: writes the scripts; contacts nothing.

use crate::cli::{Cli, Render, ScriptKind};
use crate::config::Server;
use crate::error::Error;
use crate::report;
use crate::script::{self, Secrets};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

const KINDS: [ScriptKind; 2] = [ScriptKind::Setup, ScriptKind::Deploy];

/// Prints the scripts of the selected servers, or writes them below `--output`.
pub fn run(cli: &Cli, args: &Render) -> Result<ExitCode, Error> {
    let config = super::load(cli, &args.selection)?;
    let secrets = match (args.redact, args.reveal, &args.output) {
        (true, _, _) | (false, false, None) => Secrets::Redact,
        _ => Secrets::Reveal,
    };
    let kinds = args
        .script
        .as_ref()
        .map_or(&KINDS[..], std::slice::from_ref);
    match &args.output {
        Some(directory) => write(directory, &config.servers, kinds, secrets)?,
        None => print(&config.servers, kinds, secrets)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// To stdout. Several scripts are told apart by a comment line before each; one alone is printed
/// as it is.
fn print(servers: &[Server], kinds: &[ScriptKind], secrets: Secrets) -> Result<(), Error> {
    let alone = servers.len() * kinds.len() == 1;
    for server in servers {
        for &kind in kinds {
            if !alone {
                report::result(format_args!("# ==== {}/{}", server.name, kind.file_name()));
            }
            report::text(&script::render(kind, server, secrets)?);
        }
    }
    Ok(())
}

/// Below `directory`, one script in memory at a time. Only the owner can read what is written; a
/// file is whole or not there.
fn write(
    directory: &Path,
    servers: &[Server],
    kinds: &[ScriptKind],
    secrets: Secrets,
) -> Result<(), Error> {
    make_directory(directory)?;
    let mut sums = String::new();
    for server in servers {
        let host = directory.join(&server.name);
        make_directory(&host)?;
        for &kind in kinds {
            let script = script::render(kind, server, secrets)?;
            write_file(&host, kind.file_name(), &script, 0o700)?;
            for byte in Sha256::digest(&script) {
                let _ = write!(sums, "{byte:02x}");
            }
            let _ = writeln!(sums, "  {}/{}", server.name, kind.file_name());
        }
    }
    write_file(directory, "SHA256SUMS", &sums, 0o600)?;
    let scripts = servers.len() * kinds.len();
    report::note(format_args!(
        "Wrote {scripts} scripts and SHA256SUMS to {}",
        directory.display()
    ));
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(Error::file("create", path))
}

fn write_file(directory: &Path, name: &str, text: &str, mode: u32) -> Result<(), Error> {
    let path = directory.join(name);
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(Error::file("write", &path))
}
