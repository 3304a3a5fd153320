//! The directory of `render --output`: private, its files written atomically, with checksums in the format of
//! `sha256sum`.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the checksums of the previous render"
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

pub const SUMS_FILE: &str = "SHA256SUMS";
/// The name that `ssh-keygen -Y sign` gives to the signature of [`SUMS_FILE`].
pub const SIGNATURE_FILE: &str = "SHA256SUMS.sig";
/// The subdirectory of payloads. A host may have the same name: its scripts share the directory.
pub const PAYLOAD_DIR: &str = "payload";
const PRIVATE_MODE: u32 = 0o700;

/// A handoff directory that is being written.
pub struct Handoff {
    directory: PathBuf,
    /// Checksums from the previous render.
    previous: Vec<Checksum>,
    written: Vec<Checksum>,
}

/// A line of SHA256SUMS.
pub struct Checksum {
    pub sha256: String,
    /// Relative to the directory of SHA256SUMS.
    pub path: String,
}

impl Handoff {
    /// Creates the directory, or makes one of a previous render private.
    ///
    /// # Errors
    /// If the directory holds other files and is not private: it could be `/tmp`.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        claim(directory)?;
        atomic::remove_unfinished(directory).map_err(Error::file("clean up", directory))?;
        let sums = directory.join(SUMS_FILE);
        let previous = if is_file(&sums) {
            fs::read_to_string(&sums).map_err(Error::file("read", &sums))?
        } else {
            String::new()
        };
        Ok(Handoff {
            directory: directory.to_owned(),
            previous: previous.lines().filter_map(Checksum::parse).collect(),
            written: Vec::new(),
        })
    }

    /// Writes one script of a server.
    ///
    /// # Errors
    /// If the server's subdirectory exists but is a link or a file, or if writing fails.
    pub fn add(&mut self, server: &str, kind: ScriptKind, text: &str) -> Result<(), Error> {
        make_subdirectory(&self.directory.join(server))?;
        let path = format!("{server}/{}", kind.file_name());
        self.write(&path, PRIVATE_MODE, |file| file.write_all(text.as_bytes()))?;
        let sha256 = script::sha256(text);
        self.written.push(Checksum { sha256, path });
        Ok(())
    }

    /// Writes a payload, unless it was already written for another server.
    pub fn add_payload(&mut self, payload: &Payload) -> Result<(), Error> {
        let path = format!("{PAYLOAD_DIR}/{}.tar", payload.sha256);
        if self.written.iter().any(|sum| sum.path == path) {
            return Ok(());
        }
        make_subdirectory(&self.directory.join(PAYLOAD_DIR))?;
        // Overwrite the file of a previous render: it may have been changed since.
        self.write(&path, 0o600, |file| {
            let mut out = BufWriter::new(file);
            pack::write(payload, &mut out)?;
            out.flush()
        })?;
        let sha256 = payload.sha256.clone();
        self.written.push(Checksum { sha256, path });
        Ok(())
    }

    /// Writes SHA256SUMS, which keeps the lines of files from previous renders that still exist, and signs it if there
    /// is a key. Removes the previous signature, which is of other checksums, and payloads that no script requests any
    /// more. Returns the relative paths of the removed payloads.
    pub fn finish(mut self, key: Option<&Path>) -> Result<Vec<String>, Error> {
        let signature = self.directory.join(SIGNATURE_FILE);
        match fs::remove_file(&signature) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::file("remove", &signature)(error));
            }
            _ => {}
        }
        let written: HashSet<&str> = self.written.iter().map(|sum| &*sum.path).collect();
        self.previous.retain(|sum| {
            !written.contains(&*sum.path) && is_file(&self.directory.join(&sum.path))
        });
        let requested = if self.previous.iter().any(Checksum::is_payload) {
            requested_payloads(&self.directory)
                .map_err(Error::file("look into", &self.directory))?
        } else {
            HashSet::new()
        };
        let is_unused = |sum: &Checksum| sum.is_payload() && !requested.contains(&sum.sha256);
        let (unused, kept): (Vec<_>, Vec<_>) = self.previous.drain(..).partition(is_unused);
        let sums: String = kept
            .iter()
            .chain(&self.written)
            .map(|Checksum { sha256, path }| format!("{sha256}  {path}\n"))
            .collect();
        self.write(SUMS_FILE, 0o600, |file| file.write_all(sums.as_bytes()))?;
        for Checksum { path, .. } in &unused {
            let path = self.directory.join(path);
            fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        }
        if let Some(key) = key {
            let text = ssh::sign(sums.as_bytes(), key)?;
            self.write(SIGNATURE_FILE, 0o600, |file| file.write_all(&text))?;
        }
        Ok(unused.into_iter().map(|sum| sum.path).collect())
    }

    /// Writes a file atomically; `path` is relative to the directory.
    fn write(
        &self,
        path: &str,
        mode: u32,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), Error> {
        atomic::write(&self.directory.join(path), &self.directory, mode, write)
    }
}

impl Checksum {
    pub fn parse(line: &str) -> Option<Self> {
        let (sha256, path) = line.split_once("  ")?;
        Some(Checksum {
            sha256: sha256.to_owned(),
            path: path.to_owned(),
        })
    }

    fn is_payload(&self) -> bool {
        self.has_sha256() && self.path == format!("{PAYLOAD_DIR}/{}.tar", self.sha256)
    }

    fn has_sha256(&self) -> bool {
        self.sha256.len() == 64 && self.sha256.bytes().all(|digit| digit.is_ascii_hexdigit())
    }

    /// Whether this is a checksum that `render` writes, of a script or a payload.
    fn is_rendered(&self) -> bool {
        let is_script = |kind: &ScriptKind| self.path.ends_with(&format!("/{}", kind.file_name()));
        self.has_sha256() && ScriptKind::ALL.iter().any(is_script) || self.is_payload()
    }
}

/// SHA-256 of the payloads that the scripts in the directory request.
fn requested_payloads(directory: &Path) -> io::Result<HashSet<String>> {
    let mut requested = HashSet::new();
    for host in fs::read_dir(directory)? {
        let host = host?.path();
        for kind in ScriptKind::ALL {
            let Ok(script) = fs::read(host.join(kind.file_name())) else {
                continue;
            };
            let script = String::from_utf8_lossy(&script);
            requested.extend(script::payload_sha256(&script).map(str::to_owned));
        }
    }
    Ok(requested)
}

/// Creates the directory, or makes it private if it is empty or from a previous render. Any other existing directory
/// must be private already.
fn claim(directory: &Path) -> Result<(), Error> {
    let found = match fs::metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return DirBuilder::new()
                .recursive(true)
                .mode(PRIVATE_MODE)
                .create(directory)
                .map_err(Error::file("create", directory));
        }
        found => found.map_err(Error::file("look at", directory))?,
    };
    let path = directory.to_owned();
    if !found.is_dir() {
        return Err(Error::OutputIsFile { path });
    }
    // Root could write to another user's directory, who could then read the secrets.
    if !is_own(&found) {
        return Err(Error::OutputNotOwned { path });
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

/// Whether a path is a regular file, not a link to one.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_own(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// Whether this user has rendered into the directory: its SHA256SUMS lists nothing but scripts and payloads.
fn is_rendered(directory: &Path) -> bool {
    let path = directory.join(SUMS_FILE);
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && is_own(&found)) {
        return false;
    }
    let sums = fs::read_to_string(&path).unwrap_or_default();
    let is_rendered = |line: &str| Checksum::parse(line).is_some_and(|sum| sum.is_rendered());
    !sums.is_empty() && sums.lines().all(is_rendered)
}

/// Creates a subdirectory, or makes an existing one private. A link is refused: it may lead out of the handoff
/// directory.
fn make_subdirectory(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => DirBuilder::new()
            .mode(PRIVATE_MODE)
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
    fs::set_permissions(directory, Permissions::from_mode(PRIVATE_MODE))
        .map_err(Error::file("make private", directory))
}
