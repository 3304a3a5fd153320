//! Files for handoff: a directory that only its owner can read, in which each file is whole or not there.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the checksums of an earlier render"
)]

use super::atomic;
use crate::error::Error;
use crate::pack;
use crate::payload::Payload;
use crate::script::{self, ScriptKind};
use crate::ssh;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub const SUMS: &str = "SHA256SUMS";
/// What `ssh-keygen -Y sign` calls the signature of that file.
pub const SIGNATURE: &str = "SHA256SUMS.sig";
/// The directory of payloads; the scripts of a host of that name can lie beside them.
pub const PAYLOADS: &str = "payload";
const PRIVATE: u32 = 0o700;

/// The directory while scripts are written into it.
pub struct Handoff {
    directory: PathBuf,
    /// Of an earlier render.
    earlier: Vec<Sum>,
    written: Vec<Sum>,
}

/// A line of SHA256SUMS.
pub struct Sum {
    pub sha256: String,
    /// From the directory on.
    pub path: String,
}

impl Handoff {
    /// Makes the directory, or makes sure that an existing one is private.
    ///
    /// # Errors
    /// Others may look into it, and it is not for these files alone: it may be `/tmp`.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        make(directory)?;
        atomic::remove_unfinished(directory).map_err(Error::file("clean up", directory))?;
        let sums = directory.join(SUMS);
        let earlier = if is_file(&sums) {
            fs::read_to_string(&sums).map_err(Error::file("read", &sums))?
        } else {
            String::new()
        };
        Ok(Handoff {
            directory: directory.to_owned(),
            earlier: earlier.lines().filter_map(Sum::parse).collect(),
            written: Vec::new(),
        })
    }

    /// Writes one script of a server.
    ///
    /// # Errors
    /// What should be the server's directory is something else, or leads elsewhere.
    pub fn add(&mut self, server: &str, kind: ScriptKind, text: &str) -> Result<(), Error> {
        make_host(&self.directory.join(server))?;
        let path = format!("{server}/{}", kind.file_name());
        self.write(&path, PRIVATE, |file| file.write_all(text.as_bytes()))?;
        let sha256 = script::sha256(text);
        self.written.push(Sum { sha256, path });
        Ok(())
    }

    /// Writes the payload that servers share, once.
    pub fn add_payload(&mut self, payload: &Payload) -> Result<(), Error> {
        let path = format!("{PAYLOADS}/{}.tar", payload.sha256);
        if self.written.iter().any(|sum| sum.path == path) {
            return Ok(());
        }
        make_host(&self.directory.join(PAYLOADS))?;
        // Anew where the file exists, too: somebody may have changed it.
        self.write(&path, 0o600, |file| {
            let mut out = BufWriter::new(file);
            pack::write(payload, &mut out)?;
            out.flush()
        })?;
        let sha256 = payload.sha256.clone();
        self.written.push(Sum { sha256, path });
        Ok(())
    }

    /// Writes the checksums: first those of scripts of an earlier render that are still there. Signs them with a key, where
    /// there is one; an earlier signature goes, for it is of other sums. Payloads of earlier renders that no script names any
    /// more go, too: their paths in the directory are returned.
    pub fn finish(mut self, key: Option<&Path>) -> Result<Vec<String>, Error> {
        let signature = self.directory.join(SIGNATURE);
        match fs::remove_file(&signature) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::file("remove", &signature)(error));
            }
            _ => {}
        }
        let written: HashSet<&str> = self.written.iter().map(|sum| &*sum.path).collect();
        self.earlier.retain(|sum| {
            !written.contains(&*sum.path) && is_file(&self.directory.join(&sum.path))
        });
        let named = if self.earlier.iter().any(Sum::is_payload) {
            named_payloads(&self.directory).map_err(Error::file("look into", &self.directory))?
        } else {
            HashSet::new()
        };
        let is_left = |sum: &Sum| sum.is_payload() && !named.contains(&sum.sha256);
        let (left, kept): (Vec<_>, Vec<_>) = self.earlier.drain(..).partition(is_left);
        let sums: String = kept
            .iter()
            .chain(&self.written)
            .map(|Sum { sha256, path }| format!("{sha256}  {path}\n"))
            .collect();
        self.write(SUMS, 0o600, |file| file.write_all(sums.as_bytes()))?;
        for Sum { path, .. } in &left {
            let path = self.directory.join(path);
            fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        }
        if let Some(key) = key {
            let text = ssh::sign(sums.as_bytes(), key)?;
            self.write(SIGNATURE, 0o600, |file| file.write_all(&text))?;
        }
        Ok(left.into_iter().map(|sum| sum.path).collect())
    }

    /// Writes a file of the directory.
    fn write(
        &self,
        path: &str,
        mode: u32,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), Error> {
        atomic::write(&self.directory.join(path), &self.directory, mode, write)
    }
}

impl Sum {
    pub fn parse(line: &str) -> Option<Self> {
        let (sha256, path) = line.split_once("  ")?;
        Some(Sum {
            sha256: sha256.to_owned(),
            path: path.to_owned(),
        })
    }

    fn is_payload(&self) -> bool {
        self.has_digits() && self.path == format!("{PAYLOADS}/{}.tar", self.sha256)
    }

    fn has_digits(&self) -> bool {
        self.sha256.len() == 64 && self.sha256.bytes().all(|digit| digit.is_ascii_hexdigit())
    }

    /// Whether it is of a script or a payload.
    fn is_rendered(&self) -> bool {
        let is_script = |kind: &ScriptKind| self.path.ends_with(&format!("/{}", kind.file_name()));
        self.has_digits() && ScriptKind::ALL.iter().any(is_script) || self.is_payload()
    }
}

/// The payloads that scripts in the directory ask for, by their SHA-256.
fn named_payloads(directory: &Path) -> io::Result<HashSet<String>> {
    let mut named = HashSet::new();
    for host in fs::read_dir(directory)? {
        let host = host?.path();
        for kind in ScriptKind::ALL {
            let Ok(script) = fs::read(host.join(kind.file_name())) else {
                continue;
            };
            let script = String::from_utf8_lossy(&script);
            named.extend(script::payload_of(&script).map(str::to_owned));
        }
    }
    Ok(named)
}

/// A directory that is empty or of an earlier render is made private; any other must be so already.
fn make(directory: &Path) -> Result<(), Error> {
    let found = match fs::metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return DirBuilder::new()
                .recursive(true)
                .mode(PRIVATE)
                .create(directory)
                .map_err(Error::file("create", directory));
        }
        found => found.map_err(Error::file("look at", directory))?,
    };
    let path = directory.to_owned();
    if !found.is_dir() {
        return Err(Error::OutputIsFile { path });
    }
    // Root could write there, too, for its owner to read.
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::OutputOfAnother { path });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    if is_empty(directory) || is_rendered(directory) {
        return make_private(directory);
    }
    Err(Error::OutputIsOpen { path, mode })
}

/// Whether a path is that of a file, and not of a link to one.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether this user has rendered into the directory: it holds checksums of scripts and payloads, and nothing but them.
fn is_rendered(directory: &Path) -> bool {
    let path = directory.join(SUMS);
    let is_own =
        |file: Metadata| file.is_file() && file.uid() == rustix::process::geteuid().as_raw();
    if !fs::symlink_metadata(&path).is_ok_and(is_own) {
        return false;
    }
    let sums = fs::read_to_string(&path).unwrap_or_default();
    let is_rendered = |line: &str| Sum::parse(line).is_some_and(|sum| sum.is_rendered());
    !sums.is_empty() && sums.lines().all(is_rendered)
}

/// The directory of one server. A link is not followed: the file that it leads to is not ours.
fn make_host(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => DirBuilder::new()
            .mode(PRIVATE)
            .create(path)
            .map_err(Error::file("create", path)),
        Err(error) => Err(Error::file("look at", path)(error)),
        Ok(found) if found.is_dir() => make_private(path),
        Ok(_) => Err(Error::HostIsFile {
            path: path.to_owned(),
        }),
    }
}

fn make_private(directory: &Path) -> Result<(), Error> {
    fs::set_permissions(directory, Permissions::from_mode(PRIVATE))
        .map_err(Error::file("make private", directory))
}
