//! Scripts of an earlier `render --output`, checked against their sums and whoever signed those.

use super::handoff::{PAYLOADS, SIGNATURE, SUMS, Sum};
use crate::cli;
use crate::config::Server;
use crate::error::Error;
use crate::pack;
use crate::payload::Payload;
use crate::script::{self, ScriptKind, is_of, is_redacted, payload_of};
use crate::{report, ssh};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A directory whose SHA256SUMS was read, and proved where it is signed.
#[derive(Debug)]
pub struct Reviewed {
    directory: PathBuf,
    /// The sum of each file, by its path in the directory.
    sums: HashMap<String, String>,
}

impl Reviewed {
    /// `None` where no directory is named.
    ///
    /// # Errors
    /// It has no SHA256SUMS, or their signature is not by one of the allowed signers; or there is only one of the two.
    pub fn open(arguments: &cli::ReviewedOptions) -> Result<Option<Self>, Error> {
        let Some(directory) = &arguments.from else {
            return Ok(None);
        };
        let path = directory.join(SUMS);
        let text = read(&path)?;
        let signature = directory.join(SIGNATURE);
        let is_signed = fs::symlink_metadata(&signature).is_ok();
        if is_signed {
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
        let sums = text.lines().filter_map(Sum::parse);
        Ok(Some(Reviewed {
            directory: directory.clone(),
            sums: sums.map(|sum| (sum.path, sum.sha256)).collect(),
        }))
    }

    /// A script of a server.
    ///
    /// # Errors
    /// It is not there, not as it was written, of another app, or has no secrets.
    pub fn script(&self, kind: ScriptKind, server: &Server) -> Result<String, Error> {
        let name = format!("{}/{}", server.name, kind.file_name());
        let path = self.directory.join(&name);
        let sum = self.sums.get(&name).ok_or_else(|| self.unlisted(&name))?;
        let text = read(&path)?;
        if script::sha256(&text) != *sum {
            return Err(Error::Changed { path });
        }
        if !is_of(&text, server) {
            let app = server.app.clone();
            return Err(Error::OtherApp { path, app });
        }
        if is_redacted(&text) {
            Err(Error::WithoutSecrets { path })
        } else {
            Ok(text)
        }
    }

    /// The payload that a script was made with, if it was made with one.
    ///
    /// # Errors
    /// It is not there, or not as it was written.
    pub fn payload(&self, script: &str) -> Result<Option<Payload>, Error> {
        let Some(sum) = payload_of(script) else {
            return Ok(None);
        };
        let name = format!("{PAYLOADS}/{sum}.tar");
        let path = self.directory.join(&name);
        if self.sums.get(&name).is_none_or(|listed| listed != sum) {
            return Err(self.unlisted(&name));
        }
        open(&path).map_err(Error::file("read", &path))?;
        let payload = pack::open(&path).map_err(Error::file("read", &path))?;
        if payload.sha256 == sum {
            Ok(Some(payload))
        } else {
            Err(Error::Changed { path })
        }
    }

    fn unlisted(&self, name: &str) -> Error {
        Error::NotReviewed {
            name: name.to_owned(),
            sums: self.directory.join(SUMS),
        }
    }
}

/// No script is larger.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The text of a file of the directory, which somebody else may have filled.
fn read(path: &Path) -> Result<String, Error> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        open(path)?.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(Error::file("read", path))
}

/// Opens a regular file; a FIFO in its place would otherwise block until somebody writes into it.
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
