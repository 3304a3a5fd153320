//! What was made before: `$XDG_CACHE_HOME/pystrano`, or `~/.cache/pystrano`.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads what it keeps, and marks it as used"
)]

use super::{Fault, Note, archive, known_name};
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

/// So many files of a kind are kept, those that were used last, and all that a run may still send.
const KEPT: &[(&str, usize)] = &[("parts", 24), ("wheels", 2000), ("notes", 500)];
const SENT_FOR: Duration = Duration::from_secs(3600);

/// While it is open, no other run has it: what lies about in it was left by killed ones.
pub struct Cache {
    directory: PathBuf,
    _lock: File,
}

/// A part of the cache, in a note: its name in a payload, and its SHA-256.
#[derive(Serialize, Deserialize)]
pub struct Noted(String, String);

impl Noted {
    pub fn of(part: &Part) -> Self {
        Noted(part.name.to_owned(), part.sha256.clone())
    }
}

/// A file or directory outside of the cache that a note follows from, as it was then.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl Seen {
    pub fn now(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Seen {
            path: path.to_owned(),
            size: file.len(),
            modified: file.modified().ok()?,
        })
    }

    pub fn is_unchanged(&self) -> bool {
        Seen::now(&self.path).is_some_and(|now| now == *self)
    }
}

/// A directory to work in, which goes away with this.
pub type Work = TempDir;

impl Cache {
    /// Makes the directory where it is missing, for its owner alone. Waits for another run to be done with it.
    pub fn open(note: Note) -> Result<Self, Fault> {
        let absolute = |name| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or(Fault::NoCache)?;
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
        // Programs in it are run.
        let found = fs::metadata(&directory).map_err(Fault::file("read", &directory))?;
        if found.uid() != geteuid().as_raw() {
            return Err(Fault::CacheOfAnother { path: directory });
        }
        if found.mode() & 0o022 != 0 {
            return Err(Fault::OpenCache { path: directory });
        }
        let path = directory.join("lock");
        let lock = || -> io::Result<File> {
            let file = File::options()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                note("Waiting for another run, which makes a payload");
                flock(&file, FlockOperation::LockExclusive)?;
            }
            Ok(file)
        };
        let cache = Cache {
            _lock: lock().map_err(Fault::file("lock", &path))?,
            directory,
        };
        cache.clean_up();
        Ok(cache)
    }

    /// A new directory to work in.
    pub fn work(&self) -> Result<Work, Fault> {
        let parent = self.directory.join("work");
        tempfile::tempdir_in(&parent).map_err(Fault::file("make a directory in", &parent))
    }

    /// Where a file of a kind lies, by a name that says what is in it.
    pub fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.directory.join(kind).join(name)
    }

    /// A file that is there, marked as used.
    pub fn find(&self, kind: &str, name: &str) -> Option<PathBuf> {
        let path = self.path(kind, name);
        let file = File::open(&path).ok()?;
        let _ = file.set_modified(SystemTime::now());
        Some(path)
    }

    /// A file whose name is its SHA-256. One that has been changed goes away.
    pub fn find_whole(&self, kind: &str, sha256: &str) -> Option<PathBuf> {
        let path = self.find(kind, sha256)?;
        if archive::sum_file(&path).is_ok_and(|(sum, _)| sum == sha256) {
            return Some(path);
        }
        let _ = fs::remove_file(path);
        None
    }

    /// Writes a part.
    pub fn add_part(
        &self,
        name: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Part, Fault> {
        let directory = self.directory.join("parts");
        let add = || -> io::Result<Part> {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            let mut summing = archive::Summing::new(io::BufWriter::new(&mut file));
            write(&mut summing)?;
            summing.flush()?;
            let size = summing.size;
            let sha256 = summing.sum();
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
        add().map_err(Fault::file("write in", &directory))
    }

    /// A part that was written before.
    pub fn part(&self, Noted(name, sha256): &Noted) -> Option<Part> {
        let file = self.find("parts", sha256)?;
        Some(Part {
            name: known_name(name)?,
            sha256: sha256.clone(),
            size: fs::metadata(&file).ok()?.len(),
            file,
            offset: 0,
        })
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
    }

    /// Removes what killed runs left, and what was not used for longest.
    fn clean_up(&self) {
        let entries = |kind: &str| {
            let entries = fs::read_dir(self.directory.join(kind)).into_iter();
            entries.flatten().filter_map(Result::ok)
        };
        for left in entries("work") {
            let _ = fs::remove_dir_all(left.path());
        }
        for (kind, count) in KEPT {
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
                if time.elapsed().is_ok_and(|age| age > SENT_FOR) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }
}
