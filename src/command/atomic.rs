//! Atomic writes of files.

use crate::error::Error;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Prefix and suffix of the names of temporary files.
const UNFINISHED: (&str, &str) = (".pystrano-", ".unfinished");

/// Writes `path` by renaming a temporary file in `directory`, which is on the same file system. The umask applies to
/// `mode`.
///
/// # Errors
/// If writing fails; a previous file at `path` is still there.
pub fn write(
    path: &Path,
    directory: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Error> {
    let file = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED.0)
            .suffix(UNFINISHED.1)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)?;
        write(file.as_file_mut())?;
        file.persist(path)?;
        Ok(())
    };
    file().map_err(Error::file("write", path))
}

/// Removes temporary files that killed runs left in a directory: they may hold secrets.
pub fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A directory with such a name belongs to a host.
        let is_file = entry.file_type()?.is_file();
        if is_file && name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
