//! The cache of built parts, wheels and results: `$XDG_CACHE_HOME/pystrano`, or `~/.cache/pystrano`.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads cached files and updates their mtime"
)]

use super::{Notify, PackError, Result, archive, part_name};
use crate::payload::Part;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// How many of the most recently used files each directory keeps; `notes` holds results as JSON.
const LIMITS: &[(&str, usize)] = &[("parts", 24), ("wheels", 2000), ("notes", 500)];
/// Files used within this time are kept beyond the limits: another run may still be sending them.
const MIN_AGE: Duration = Duration::from_secs(3600);

/// Locked exclusively while open, so leftovers found in it come from killed runs.
pub struct Cache {
    directory: PathBuf,
    _lock: File,
}

/// How a cached result refers to a part: its name in the payload, and its SHA-256.
#[derive(Serialize, Deserialize)]
pub struct PartRef(String, String);

impl PartRef {
    pub fn new(part: &Part) -> Self {
        PartRef(part.name.to_owned(), part.sha256.clone())
    }
}

/// Size and mtime of a file or directory outside of the cache, to tell whether a cached result is stale.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl Fingerprint {
    /// `None` if the file cannot be accessed.
    pub fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Fingerprint {
            path: path.to_owned(),
            size: file.len(),
            modified: file.modified().ok()?,
        })
    }

    pub fn is_unchanged(&self) -> bool {
        Fingerprint::of(&self.path).is_some_and(|now| now == *self)
    }
}

/// A temporary directory, removed when dropped.
pub type WorkDir = TempDir;

impl Cache {
    /// Creates the cache with mode 0700 if it is missing, and waits until no other run holds its lock.
    ///
    /// # Errors
    /// There is no home directory, or another user owns the cache or can write to it.
    pub fn open(notify: Notify) -> Result<Self> {
        let absolute = |name| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or(PackError::NoCache)?;
        let directory = cache.join("pystrano");
        for name in ["work", "tools", "apt"]
            .iter()
            .chain(LIMITS.iter().map(|(name, _)| name))
        {
            let path = directory.join(name);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(PackError::file("create", &path))?;
        }
        // uv is run from it, so nobody else may be able to write there.
        let found = fs::metadata(&directory).map_err(PackError::file("read", &directory))?;
        if found.uid() != geteuid().as_raw() {
            return Err(PackError::ForeignCache { path: directory });
        }
        if found.mode() & 0o022 != 0 {
            return Err(PackError::WritableCache { path: directory });
        }
        let path = directory.join("lock");
        let lock = || -> io::Result<File> {
            let file = File::options()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                notify("Waiting for another run, which makes a payload");
                flock(&file, FlockOperation::LockExclusive)?;
            }
            Ok(file)
        };
        let cache = Cache {
            _lock: lock().map_err(PackError::file("lock", &path))?,
            directory,
        };
        cache.clean_up();
        Ok(cache)
    }

    pub fn work_dir(&self) -> Result<WorkDir> {
        let parent = self.directory.join("work");
        tempfile::tempdir_in(&parent).map_err(PackError::file("make a directory in", &parent))
    }

    /// The path of a file; `kind` is the cache's subdirectory.
    pub fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.directory.join(kind).join(name)
    }

    /// The path of an existing file, whose mtime becomes the time of its last use.
    pub fn find(&self, kind: &str, name: &str) -> Option<PathBuf> {
        let path = self.path(kind, name);
        let file = File::open(&path).ok()?;
        let _ = file.set_modified(SystemTime::now());
        Some(path)
    }

    /// Finds a file named by its SHA-256; removes it if its content does not match.
    pub fn find_verified(&self, kind: &str, sha256: &str) -> Option<PathBuf> {
        let path = self.find(kind, sha256)?;
        if archive::hash_file(&path).is_ok_and(|(sum, _)| sum == sha256) {
            return Some(path);
        }
        let _ = fs::remove_file(path);
        None
    }

    /// Stores the part `name` with the content that `write` produces.
    pub fn add_part(
        &self,
        name: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Part> {
        let directory = self.directory.join("parts");
        let add = || -> io::Result<Part> {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            let mut hashing = archive::Hashing::new(io::BufWriter::new(&mut file));
            write(&mut hashing)?;
            hashing.flush()?;
            let (sha256, size) = hashing.finish();
            let path = directory.join(&sha256);
            file.persist(&path)?;
            Ok(Part {
                name,
                sha256,
                size,
                file: path,
                offset: 0,
            })
        };
        add().map_err(PackError::file("write in", &directory))
    }

    /// The part of an earlier run, unless it was evicted. Its content is not verified.
    pub fn part(&self, PartRef(name, sha256): &PartRef) -> Option<Part> {
        let file = self.find("parts", sha256)?;
        Some(Part {
            name: part_name(name)?,
            sha256: sha256.clone(),
            size: fs::metadata(&file).ok()?.len(),
            file,
            offset: 0,
        })
    }

    /// The result that an earlier run stored under `key`.
    pub fn load<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let path = self.find("notes", key)?;
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Stores a result under `key`, which must cover everything that the result depends on.
    pub fn store(&self, key: &str, result: &impl Serialize) {
        let directory = self.directory.join("notes");
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            serde_json::to_writer(&mut file, result)?;
            file.persist(directory.join(key))?;
            Ok(())
        };
        // A failure only costs the next run the work.
        let _ = write();
    }

    /// Removes leftovers of killed runs, then the least recently used files beyond `LIMITS`.
    fn clean_up(&self) {
        let entries = |kind: &str| {
            let entries = fs::read_dir(self.directory.join(kind)).into_iter();
            entries.flatten().filter_map(Result::ok)
        };
        for leftover in entries("work") {
            let _ = fs::remove_dir_all(leftover.path());
        }
        for (kind, count) in LIMITS {
            let mut used = Vec::new();
            for entry in entries(kind) {
                if entry.file_name().as_encoded_bytes().starts_with(b".tmp") {
                    let _ = fs::remove_file(entry.path());
                } else if let Ok(time) = entry.metadata().and_then(|file| file.modified()) {
                    used.push((time, entry.path()));
                }
            }
            used.sort_by(|a, b| b.cmp(a));
            for (time, path) in used.iter().skip(*count) {
                if time.elapsed().is_ok_and(|age| age > MIN_AGE) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }
}
