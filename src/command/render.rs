//! `render`: writes the scripts; contacts nothing.

use crate::cli::{Cli, Render, ScriptKind};
use crate::config::Config;
use crate::error::Error;
use crate::report;
use crate::script::{self, Secrets};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufWriter, IntoInnerError, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

const KINDS: [ScriptKind; 2] = [ScriptKind::Setup, ScriptKind::Deploy];

/// Prints the scripts of the selected servers, or writes them below `--output`.
pub fn run(cli: &Cli, args: &Render) -> Result<ExitCode, Error> {
    let mut config = super::load(cli, &args.selection)?;
    let secrets = match (args.redact, args.reveal, &args.output) {
        (true, _, _) | (false, false, None) => Secrets::Redact,
        _ => Secrets::Reveal,
    };
    let kinds = args
        .script
        .as_ref()
        .map_or(&KINDS[..], std::slice::from_ref);
    match &args.output {
        Some(directory) => write(directory, &mut config, kinds, secrets)?,
        None => print(&mut config, kinds, secrets)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// To stdout. Several scripts are told apart by a comment line before each; one alone is printed
/// as it is.
fn print(config: &mut Config, kinds: &[ScriptKind], secrets: Secrets) -> Result<(), Error> {
    let alone = config.len() * kinds.len() == 1;
    for server in config.servers() {
        for &kind in kinds {
            if !alone {
                report::result(format_args!("# ==== {}/{}", server.name, kind.file_name()));
            }
            report::text(&script::render(kind, &server, secrets)?);
        }
    }
    Ok(())
}

/// Below `directory`, one script in memory at a time. Only the owner can read what is written; a
/// file is whole or not there.
fn write(
    directory: &Path,
    config: &mut Config,
    kinds: &[ScriptKind],
    secrets: Secrets,
) -> Result<(), Error> {
    make_directory(directory)?;
    // Without a name: nothing stays behind when this is interrupted.
    let mut sums = tempfile::tempfile_in(directory)
        .map(BufWriter::new)
        .map_err(Error::file("write in", directory))?;
    for server in config.servers() {
        let host = directory.join(&server.name);
        make_directory(&host)?;
        for &kind in kinds {
            let script = script::render(kind, &server, secrets)?;
            let name = kind.file_name();
            write_file(&host, name, 0o700, |file| file.write_all(script.as_bytes()))?;
            writeln!(sums, "{}  {}/{name}", script::sha256(&script), server.name)
                .map_err(Error::file("write in", directory))?;
        }
    }
    write_file(directory, "SHA256SUMS", 0o600, |file| {
        let mut sums = sums.into_inner().map_err(IntoInnerError::into_error)?;
        sums.rewind()?;
        io::copy(&mut sums, file).map(drop)
    })?;
    let scripts = config.len() * kinds.len();
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

fn write_file(
    directory: &Path,
    name: &str,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Error> {
    let path = directory.join(name);
    let file = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)?;
        write(file.as_file_mut())?;
        file.persist(&path)?;
        Ok(())
    };
    file().map_err(Error::file("write", &path))
}
