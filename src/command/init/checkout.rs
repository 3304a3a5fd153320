//! Bounded, read-only access to a checkout of the app, which is not trusted: no symbolic link is followed.

use crate::diagnostics::sanitize;
use crate::error::Error;
use std::fs::{self, DirEntry, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAX_DEPTH: usize = 4;
const MAX_ENTRIES: usize = 5_000;
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Directories without code of the app itself; hidden ones are skipped, too.
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
    /// Relative paths, sorted by name, a directory's files before those of its subdirectories.
    files: Vec<PathBuf>,
}

impl Checkout {
    /// Lists the files of `directory`, or of the current directory for `None`; that must be the top of a git checkout,
    /// otherwise there is no `Checkout`.
    ///
    /// # Errors
    /// If `directory` is not a directory.
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

    /// The listed files below a directory.
    pub fn files_in(&self, directory: &Path) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().map(PathBuf::as_path);
        files.filter(move |file| file.starts_with(directory))
    }

    /// The listed Python files below a directory.
    pub fn python_files(&self, directory: &Path) -> impl Iterator<Item = &Path> {
        self.files_in(directory)
            .filter(|file| file.extension().is_some_and(|extension| extension == "py"))
    }

    /// Whether a file was listed.
    pub fn has(&self, file: &Path) -> bool {
        self.files.iter().any(|known| known == file)
    }

    /// Whether a path exists, be it a link or a file that is not listed.
    pub fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(self.root.join(path)).is_ok()
    }

    /// The text of a listed file or of a file in `.git`; `None` if it is larger than [`MAX_FILE_BYTES`] or cannot be
    /// read.
    pub fn read(&self, file: &Path) -> Option<String> {
        let git = Path::new(".git");
        // `.git` can be a link, too.
        let in_git_directory = file.parent() == Some(git)
            && fs::symlink_metadata(self.root.join(git)).is_ok_and(|found| found.is_dir());
        if !in_git_directory && !self.has(file) {
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
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).ok()?;
        let is_whole = bytes.len() as u64 <= MAX_FILE_BYTES;
        is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Lists files breadth first. Skips virtualenvs and [`SKIPPED`].
fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = MAX_ENTRIES;
    let mut directories = vec![PathBuf::new()];
    for _ in 0..=MAX_DEPTH {
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
                // A name with control characters cannot be printed as it is, so it must not become a default.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if sanitize(&name) != name || name.contains(['\n', '\t']) {
                    continue;
                }
                let path = directory.join(name);
                // The file type is that of the entry itself: a link is neither a file nor a directory.
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

/// The last component of a path; empty if there is none.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
