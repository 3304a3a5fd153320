//! Files for handoff: a directory that only its owner can read, in which each file is whole or not there.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the checksums of an earlier render"
)]

use super::atomic;
use crate::error::Error;
use crate::pack;
use crate::payload::Payload;
use crate::script;
use crate::script::ScriptKind;
use crate::ssh;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Lines, Seek, Write};
use std::iter::Peekable;
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
    /// Without a name: nothing stays behind when this is interrupted.
    sums: BufWriter<File>,
    earlier: Option<Earlier>,
    /// Those that were written, by their path in the directory.
    payloads: Vec<String>,
}

/// The checksums that an earlier render left.
struct Earlier {
    lines: Peekable<Lines<BufReader<File>>>,
    /// Files that are written anew, by their path in the directory, but those of lines that were taken.
    replaced: HashSet<String>,
}

impl Handoff {
    /// Makes the directory, or makes sure that an existing one is private.
    ///
    /// # Errors
    /// Others may look into it, and it is not for these files alone: it may be `/tmp`.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        make(directory)?;
        atomic::remove_unfinished(directory).map_err(Error::file("clean up", directory))?;
        let sums = tempfile::tempfile_in(directory).map_err(Error::file("write in", directory))?;
        Ok(Handoff {
            directory: directory.to_owned(),
            sums: BufWriter::new(sums),
            earlier: Earlier::open(&directory.join(SUMS))?,
            payloads: Vec::new(),
        })
    }

    /// Writes one script of a server.
    ///
    /// # Errors
    /// What should be the server's directory is something else, or leads elsewhere.
    pub fn add(&mut self, server: &str, kind: ScriptKind, text: &str) -> Result<(), Error> {
        let host = self.directory.join(server);
        make_host(&host)?;
        let name = kind.file_name();
        atomic::write(&host.join(name), &self.directory, PRIVATE, |file| {
            file.write_all(text.as_bytes())
        })?;
        let path = format!("{server}/{name}");
        writeln!(self.sums, "{}  {path}", script::sha256(text))
            .map_err(Error::file("write in", &self.directory))?;
        if let Some(earlier) = &mut self.earlier {
            earlier.replace(path);
        }
        Ok(())
    }

    /// Writes the payload that servers share, once.
    pub fn add_payload(&mut self, payload: &Payload) -> Result<(), Error> {
        let path = format!("{PAYLOADS}/{}.tar", payload.sha256);
        if self.payloads.contains(&path) {
            return Ok(());
        }
        make_host(&self.directory.join(PAYLOADS))?;
        // Its name says what is in it, unless somebody has changed it.
        atomic::write(
            &self.directory.join(&path),
            &self.directory,
            0o600,
            |file| {
                let mut out = BufWriter::new(file);
                pack::write(payload, &mut out)?;
                out.flush()
            },
        )?;
        writeln!(self.sums, "{}  {path}", payload.sha256)
            .map_err(Error::file("write in", &self.directory))?;
        if let Some(earlier) = &mut self.earlier {
            earlier.replace(path.clone());
        }
        self.payloads.push(path);
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
        let earlier = self.earlier.take();
        self.sums
            .flush()
            .map_err(Error::file("write in", &self.directory))?;
        let mut left = Vec::new();
        atomic::write(&self.directory.join(SUMS), &self.directory, 0o600, |file| {
            if let Some(earlier) = earlier {
                left = earlier.copy_kept(&self.directory, file)?;
            }
            let mut sums = self.sums.get_ref();
            sums.rewind()?;
            io::copy(&mut sums, file).map(drop)
        })?;
        for payload in &left {
            let path = self.directory.join(payload);
            fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        }
        let Some(key) = key else {
            return Ok(left);
        };
        let path = self.directory.join(SUMS);
        let sums = fs::read(&path).map_err(Error::file("read", &path))?;
        let text = ssh::sign(&sums, key)?;
        atomic::write(&signature, &self.directory, 0o600, |file| {
            file.write_all(&text)
        })?;
        Ok(left)
    }
}

impl Earlier {
    /// `None` if there was none.
    fn open(path: &Path) -> Result<Option<Self>, Error> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => {
                let sums = File::open(path).map_err(Error::file("read", path))?;
                Ok(Some(Earlier {
                    lines: BufReader::new(sums).lines().peekable(),
                    replaced: HashSet::new(),
                }))
            }
            _ => Ok(None),
        }
    }

    /// Takes the line of a file that is written anew. When all are, in their old order, none is kept
    /// in memory.
    fn replace(&mut self, path: String) {
        let is_next = self.lines.next_if(|line| {
            let line = line.as_deref().ok();
            let next = line.and_then(|line| line.split_once("  "));
            next.is_some_and(|(_, next)| next == path)
        });
        if is_next.is_none() {
            self.replaced.insert(path);
        }
    }

    /// Copies the lines of files that are there and were not written anew; gives the payloads that no script names.
    fn copy_kept(self, directory: &Path, file: &mut File) -> io::Result<Vec<String>> {
        let mut out = BufWriter::new(file);
        let mut payloads = Vec::new();
        for line in self.lines {
            let line = line?;
            let Some((sum, path)) = line.split_once("  ") else {
                continue;
            };
            let is_file = |found: Metadata| found.is_file();
            if self.replaced.contains(path)
                || !fs::symlink_metadata(directory.join(path)).is_ok_and(is_file)
            {
                continue;
            }
            match path == format!("{PAYLOADS}/{sum}.tar") {
                true => payloads.push((sum.to_owned(), path.to_owned())),
                false => writeln!(out, "{line}")?,
            }
        }
        let named = match payloads.is_empty() {
            true => HashSet::new(),
            false => named_payloads(directory)?,
        };
        let mut left = Vec::new();
        for (sum, path) in payloads {
            match named.contains(&sum) {
                true => writeln!(out, "{sum}  {path}")?,
                false => left.push(path),
            }
        }
        out.flush()?;
        Ok(left)
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
            let setting =
                |line: &str| Some(line.trim().strip_prefix("payload_sha256=")?.to_owned());
            named.extend(script.lines().find_map(setting));
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
    let Ok(sums) = File::open(&path) else {
        return false;
    };
    let mut lines = BufReader::new(sums).lines().peekable();
    lines.peek().is_some() && lines.all(|line| line.is_ok_and(|line| is_rendered_line(&line)))
}

/// Whether a line of checksums is of a script or a payload.
fn is_rendered_line(line: &str) -> bool {
    line.split_once("  ").is_some_and(|(sum, path)| {
        sum.len() == 64
            && sum.bytes().all(|digit| digit.is_ascii_hexdigit())
            && ScriptKind::ALL
                .iter()
                .any(|kind| path.ends_with(&format!("/{}", kind.file_name())))
            || path == format!("{PAYLOADS}/{sum}.tar")
    })
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
