//! The files of a checkout of the app. They are only read, within bounds, and no link is followed.

use crate::diagnostics::sanitize;
use crate::error::Error;
use std::fs::{self, DirEntry, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Directories below the top.
const DEPTH: usize = 4;
const MOST_ENTRIES: usize = 5_000;
/// Of one file.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// Directories that hold no code of the app itself, besides hidden ones.
const SKIPPED: [&str; 9] = [
    "__pycache__",
    "doc",
    "docs",
    "example",
    "examples",
    "node_modules",
    "site-packages",
    "test",
    "tests",
];

pub struct Checkout {
    root: PathBuf,
    /// Paths from the top, sorted, those of each directory before those below it.
    files: Vec<PathBuf>,
}

impl Checkout {
    /// The checkout in a directory; without one, the current directory if it is the top of one.
    ///
    /// # Errors
    /// It is not a directory.
    pub fn open(directory: Option<&Path>) -> Result<Option<Self>, Error> {
        let root = directory.unwrap_or(Path::new("."));
        if directory.is_none() && fs::symlink_metadata(".git").is_err() {
            return Ok(None);
        }
        if !root.is_dir() {
            let path = root.to_owned();
            return Err(Error::NoCheckout { path });
        }
        let files = files(root);
        Ok(Some(Checkout {
            root: root.to_owned(),
            files,
        }))
    }

    /// The files below a directory, by their paths from the top.
    pub fn files_in(&self, directory: &Path) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().map(PathBuf::as_path);
        files.filter(move |file| file.starts_with(directory))
    }

    /// Whether a file was listed.
    pub fn has(&self, file: &Path) -> bool {
        self.files.iter().any(|known| known == file)
    }

    /// Whether something has this path, be it a link.
    pub fn holds(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.root.join(path)).is_ok()
    }

    /// The text of a file that was listed, or of one of git's; `None` for a large one.
    pub fn read(&self, file: &Path) -> Option<String> {
        let git = Path::new(".git");
        let is_directory = |found: fs::Metadata| found.is_dir();
        let is_of_git = file.parent() == Some(git)
            && fs::symlink_metadata(self.root.join(git)).is_ok_and(is_directory);
        if !is_of_git && !self.has(file) {
            return None;
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .custom_flags(flags)
            .open(self.root.join(file))
            .ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
        let is_whole = bytes.len() as u64 <= MOST_BYTES;
        is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = MOST_ENTRIES;
    let mut directories = vec![PathBuf::new()];
    for _ in 0..=DEPTH {
        let mut below = Vec::new();
        for directory in directories {
            let entries = fs::read_dir(root.join(&directory)).into_iter().flatten();
            let mut entries: Vec<DirEntry> = entries.take(left).filter_map(Result::ok).collect();
            left -= entries.len();
            if entries
                .iter()
                .any(|entry| entry.file_name() == "pyvenv.cfg")
            {
                continue;
            }
            entries.sort_by_key(DirEntry::file_name);
            for entry in entries {
                // A name that cannot be shown as it is, is in no default.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if sanitize(&name) != name || name.contains(['\n', '\t']) {
                    continue;
                }
                let path = directory.join(name);
                // The type of a link is neither, so none is followed.
                match entry.file_type() {
                    Ok(kind) if kind.is_file() => files.push(path),
                    Ok(kind) if kind.is_dir() && !is_skipped(&path) => below.push(path),
                    _ => {}
                }
            }
        }
        directories = below;
    }
    files
}

fn is_skipped(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || SKIPPED.contains(&&*name)
}

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
