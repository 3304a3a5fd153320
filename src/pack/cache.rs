//! What was made before: `$XDG_CACHE_HOME/pystrano`, or `~/.cache/pystrano`.

#![expect(clippy::disallowed_methods, reason = "it reads what it keeps")]

use super::{Fault, archive};
use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW, flock, futimens};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// So many files of a kind are kept, those that were used last.
const KEPT: &[(&str, usize)] = &[("parts", 24), ("wheels", 2000), ("notes", 500)];

pub struct Cache {
    directory: PathBuf,
}

/// A directory to work in, which goes away with this.
pub struct Work {
    directory: TempDir,
    /// While it is open and locked, no other run removes the directory.
    _lock: File,
}

impl Work {
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Cache {
    /// Makes the directory where it is missing, for its owner alone.
    pub fn open() -> Result<Self, Fault> {
        let absolute = |name| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or_else(|| {
                Fault::new(
                    "there is no place for a payload's parts",
                    "set HOME or XDG_CACHE_HOME",
                )
            })?;
        let directory = cache.join("pystrano");
        for name in ["work", "tools", "apt"]
            .iter()
            .chain(KEPT.iter().map(|(name, _)| name))
        {
            let path = directory.join(name);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(Fault::file("create", &path))?;
        }
        Ok(Cache { directory })
    }

    /// A new directory to work in. Those that killed runs left go away.
    pub fn work(&self) -> Result<Work, Fault> {
        let parent = self.directory.join("work");
        let _all = self.lock("work")?;
        let failed = Fault::file("make a directory in", &parent);
        let made = || -> io::Result<Work> {
            // From its making to its lock, nobody else may look at it.
            for entry in fs::read_dir(&parent)? {
                let path = entry?.path();
                let is_left = File::open(&path).is_ok_and(|directory| {
                    flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok()
                });
                if is_left {
                    let _ = fs::remove_dir_all(&path);
                }
            }
            let directory = tempfile::tempdir_in(&parent)?;
            let lock = File::open(directory.path())?;
            flock(&lock, FlockOperation::LockExclusive)?;
            Ok(Work {
                directory,
                _lock: lock,
            })
        };
        made().map_err(failed)
    }

    /// Keeps other runs from a directory of the cache, as long as what it returns is open.
    pub fn lock(&self, name: &str) -> Result<File, Fault> {
        let path = self.directory.join(name);
        let lock = || -> io::Result<File> {
            let directory = File::open(&path)?;
            flock(&directory, FlockOperation::LockExclusive)?;
            Ok(directory)
        };
        lock().map_err(Fault::file("lock", &path))
    }

    /// Where programs are installed that this machine lacks.
    pub fn tools(&self) -> PathBuf {
        self.directory.join("tools")
    }

    /// Where a file of a kind lies, by a name that says what is in it.
    pub fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.directory.join(kind).join(name)
    }

    /// A file that is there, marked as used.
    pub fn find(&self, kind: &str, name: &str) -> Option<PathBuf> {
        let path = self.path(kind, name);
        let file = File::open(&path).ok()?;
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let _ = futimens(&file, &times);
        Some(path)
    }

    /// Writes a file whose name is its SHA-256: that, its size, and where it is.
    pub fn add(
        &self,
        kind: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(String, u64, PathBuf), Fault> {
        let directory = self.directory.join(kind);
        let failed = Fault::file("write in", &directory);
        let add = || -> io::Result<_> {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            let mut summing = archive::Summing::new(io::BufWriter::new(&mut file));
            write(&mut summing)?;
            summing.flush()?;
            let size = summing.size;
            let sum = summing.sum();
            let path = directory.join(&sum);
            file.persist(&path)?;
            Ok((sum, size, path))
        };
        let added = add().map_err(failed)?;
        self.prune(kind);
        Ok(added)
    }

    /// What an earlier run noted under a key.
    pub fn noted<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let path = self.find("notes", key)?;
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Notes something under a key, which says all that it follows from.
    pub fn note(&self, key: &str, note: &impl Serialize) {
        let directory = self.directory.join("notes");
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            serde_json::to_writer(&mut file, note)?;
            file.persist(directory.join(key))?;
            Ok(())
        };
        // Without it the next run does the work again.
        let _ = write();
        self.prune("notes");
    }

    /// Removes what was not used for longest.
    fn prune(&self, kind: &str) {
        let count = KEPT
            .iter()
            .find_map(|(name, count)| (*name == kind).then_some(*count));
        let Some(entries) = count.and_then(|_| fs::read_dir(self.directory.join(kind)).ok()) else {
            return;
        };
        let mut used: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .collect();
        used.sort_by(|a, b| b.cmp(a));
        for (_, path) in used.iter().skip(count.unwrap_or(usize::MAX)) {
            let _ = fs::remove_file(path);
        }
    }
}
