//! Scripts that `render --output` wrote, verified by their checksums and signature.

use super::handoff::{Checksum, PAYLOAD_DIR, SIGNATURE_FILE, SUMS_FILE};
use crate::cli;
use crate::config::Server;
use crate::error::Error;
use crate::pack;
use crate::payload::Payload;
use crate::script::{self, ScriptKind, is_for, is_redacted, payload_sha256};
use crate::{report, ssh};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A directory of rendered scripts whose SHA256SUMS was read and, if signed, verified.
#[derive(Debug)]
pub struct Reviewed {
    directory: PathBuf,
    /// SHA-256 of each file, by its path in the directory.
    sums: HashMap<String, String>,
}

impl Reviewed {
    /// Opens the directory of `--from`; `None` without that option.
    ///
    /// # Errors
    /// If SHA256SUMS cannot be read or was not signed by an allowed signer. A signature without `--allowed-signers`,
    /// or the option without a signature, is an error too.
    pub fn open(arguments: &cli::ReviewedOptions) -> Result<Option<Self>, Error> {
        let Some(directory) = &arguments.from else {
            return Ok(None);
        };
        let path = directory.join(SUMS_FILE);
        let text = read(&path)?;
        let signature = directory.join(SIGNATURE_FILE);
        let is_signed = fs::symlink_metadata(&signature).is_ok();
        if is_signed {
            // Refuses a FIFO, on which ssh-keygen would block.
            read(&signature)?;
        }
        match &arguments.allowed_signers {
            Some(signers) if is_signed => {
                report::note(ssh::verify(text.as_bytes(), &signature, signers)?);
            }
            Some(_) => return Err(Error::NotSigned { path }),
            None if is_signed => return Err(Error::NoSigners { path: signature }),
            None => {}
        }
        let sums = text.lines().filter_map(Checksum::parse);
        Ok(Some(Reviewed {
            directory: directory.clone(),
            sums: sums.map(|sum| (sum.path, sum.sha256)).collect(),
        }))
    }

    /// Reads a script of a server.
    ///
    /// # Errors
    /// If it is missing, differs from its checksum, belongs to another app or was rendered without secrets.
    pub fn script(&self, kind: ScriptKind, server: &Server) -> Result<String, Error> {
        let name = format!("{}/{}", server.name, kind.file_name());
        let path = self.directory.join(&name);
        let sum = self.sums.get(&name).ok_or_else(|| self.unlisted(&name))?;
        let text = read(&path)?;
        if script::sha256(&text) != *sum {
            return Err(Error::ChangedSinceRender { path });
        }
        if !is_for(&text, server) {
            let app = server.app.clone();
            return Err(Error::OtherApp { path, app });
        }
        if is_redacted(&text) {
            Err(Error::WithoutSecrets { path })
        } else {
            Ok(text)
        }
    }

    /// Opens the payload that a script was rendered with; `None` if it needs none.
    ///
    /// # Errors
    /// If the payload is missing or differs from its checksum.
    pub fn payload(&self, script: &str) -> Result<Option<Payload>, Error> {
        let Some(sum) = payload_sha256(script) else {
            return Ok(None);
        };
        let name = format!("{PAYLOAD_DIR}/{sum}.tar");
        let path = self.directory.join(&name);
        if self.sums.get(&name).is_none_or(|listed| listed != sum) {
            return Err(self.unlisted(&name));
        }
        // Refuses a FIFO, on which `pack::open` would block.
        open(&path).map_err(Error::file("read", &path))?;
        let payload = pack::open(&path).map_err(Error::file("read", &path))?;
        if payload.sha256 == sum {
            Ok(Some(payload))
        } else {
            Err(Error::ChangedSinceRender { path })
        }
    }

    fn unlisted(&self, name: &str) -> Error {
        Error::MissingChecksum {
            name: name.to_owned(),
            sums: self.directory.join(SUMS_FILE),
        }
    }
}

/// Bound for a file that is read into memory; scripts are smaller.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a file of the directory, whose content is not trusted.
fn read(path: &Path) -> Result<String, Error> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(Error::file("read", path))
}

/// Opens a regular file. Without `O_NONBLOCK`, opening a FIFO would block until something writes to it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ))
    }
}
