//! Reproducible archives: entries are sorted, and owners, mtimes and the umask leave no trace.

#![expect(clippy::disallowed_methods, reason = "it reads what it packs")]

use super::{hex, part_name};
use crate::payload::Part;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// The directory in a release with what pystrano adds to it, such as wheels and the launcher.
pub const RELEASE_STATE: &str = ".pystrano";

/// A reader or writer that counts and hashes the bytes passing through.
pub struct Hashing<T> {
    inner: T,
    digest: Sha256,
    size: u64,
}

impl<T> Hashing<T> {
    pub fn new(inner: T) -> Self {
        Hashing {
            inner,
            digest: Sha256::new(),
            size: 0,
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// The SHA-256 of all bytes in hexadecimal, and their number.
    pub fn finish(self) -> (String, u64) {
        (hex(self.digest), self.size)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.count(&bytes[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The SHA-256 of a file in hexadecimal, and its size in bytes.
pub fn hash_file(path: &Path) -> io::Result<(String, u64)> {
    hash(File::open(path)?)
}

fn hash(mut reader: impl Read) -> io::Result<(String, u64)> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut reader, &mut hashing)?;
    Ok(hashing.finish())
}

/// Packs a release: the files of `tree` except `.git`, and `wheels` as `.pystrano/wheels/*`.
pub fn pack_source(tree: &Path, wheels: &[PathBuf], out: impl Write) -> io::Result<()> {
    // The gzip header would otherwise name the operating system (255: unknown).
    let gzip = GzBuilder::new()
        .operating_system(255)
        .write(out, Compression::default());
    let mut archive = Builder::new(gzip);
    add_directory(&mut archive, tree, Path::new(""))?;
    if !wheels.is_empty() {
        let parent = Path::new(RELEASE_STATE);
        let directory = &parent.join("wheels");
        for parent in [parent, directory] {
            let mut header = header(EntryType::Directory, 0o755, 0);
            archive.append_data(&mut header, parent, io::empty())?;
        }
        for wheel in wheels {
            let name = wheel.file_name().unwrap_or_default();
            add_file(&mut archive, &directory.join(name), wheel, 0o644)?;
        }
    }
    archive.into_inner()?.finish()?.flush()
}

/// Adds the entries of the directory `path` below `name` in the archive.
fn add_directory(archive: &mut Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name();
        let is_top = name.as_os_str().is_empty();
        if file_name == ".git" || is_top && file_name == RELEASE_STATE {
            continue;
        }
        let (path, name) = (entry.path(), name.join(&file_name));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let mut header = header(EntryType::Directory, 0o755, 0);
            archive.append_data(&mut header, &name, io::empty())?;
            add_directory(archive, &path, &name)?;
        } else if kind.is_symlink() {
            add_link(archive, &name, fs::read_link(&path)?.as_os_str())?;
        } else {
            let is_executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            let mode = if is_executable { 0o755 } else { 0o644 };
            add_file(archive, &name, &path, mode)?;
        }
    }
    Ok(())
}

fn add_file(
    archive: &mut Builder<impl Write>,
    name: &Path,
    path: &Path,
    mode: u32,
) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut header = header(EntryType::Regular, mode, size);
    archive.append_data(&mut header, name, file.take(size))
}

/// Adds a symlink with its target byte for byte, which may be absolute or contain `..`.
fn add_link(archive: &mut Builder<impl Write>, name: &Path, target: &OsStr) -> io::Result<()> {
    let mut link = header(EntryType::Symlink, 0o777, 0);
    let target = target.as_bytes();
    if link.set_link_name_literal(target).is_err() {
        // The target is too long for the header: GNU tar's long-link extension.
        let mut long = header(EntryType::GNULongLink, 0o644, target.len() as u64 + 1);
        let data = [target, b"\0"].concat();
        archive.append_data(&mut long, "././@LongLink", &data[..])?;
    }
    archive.append_data(&mut link, name, io::empty())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// Packs a generated text file, then `files` as (name in the archive, path).
pub fn pack_files(
    (name, text): (&str, &str),
    files: &[(String, PathBuf)],
    out: impl Write,
) -> io::Result<()> {
    let mut archive = Builder::new(out);
    let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
    archive.append_data(&mut header, name, text.as_bytes())?;
    for (name, path) in files {
        add_file(&mut archive, Path::new(name), path, 0o644)?;
    }
    archive.into_inner()?.flush()
}

/// Writes the payload's tar.
///
/// # Errors
/// I/O errors, or a part that no longer has its SHA-256.
pub fn pack_parts(parts: &[Part], out: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(out);
    for part in parts {
        let mut header = header(EntryType::Regular, 0o644, part.size);
        let mut reader = Hashing::new(part.open()?);
        archive.append_data(&mut header, part.name, &mut reader)?;
        if reader.finish().0 != part.sha256 {
            return Err(io::Error::other("it has been changed since it was made"));
        }
    }
    archive.into_inner()?.flush()
}

/// Lists and hashes the parts in a payload's tar.
///
/// # Errors
/// I/O errors, or a member that is not a payload part.
pub fn find_parts(path: &Path) -> io::Result<Vec<Part>> {
    let mut archive = tar::Archive::new(File::open(path)?);
    let mut parts = Vec::new();
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        let Some(name) = part_name(&String::from_utf8_lossy(&entry.path_bytes())) else {
            return Err(io::Error::other("it is not a payload"));
        };
        let (sha256, size) = hash(&mut entry)?;
        parts.push(Part {
            name,
            sha256,
            size,
            file: path.to_owned(),
            offset: entry.raw_file_position(),
        });
    }
    Ok(parts)
}
