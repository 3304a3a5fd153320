//! Symlinks in the checkout whose target lies outside of it. Followed on this machine, they would put the operator's
//! files into the payload; the release on a host gets them unchanged.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The removed symlinks with their targets.
pub struct EscapingLinks(Vec<(PathBuf, PathBuf)>);

impl EscapingLinks {
    /// Removes symlinks that escape `tree`, and dangling ones, so that no program follows them.
    pub fn remove(tree: &Path) -> io::Result<Self> {
        let mut links = Vec::new();
        find(tree, &tree.canonicalize()?, &mut links)?;
        for (link, _) in &links {
            fs::remove_file(link)?;
        }
        Ok(EscapingLinks(links))
    }

    pub fn restore(self) -> io::Result<()> {
        self.0
            .iter()
            .try_for_each(|(link, target)| symlink(target, link))
    }
}

fn find(directory: &Path, tree: &Path, links: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            find(&path, tree, links)?;
        } else if kind.is_symlink() && !path.canonicalize().is_ok_and(|end| end.starts_with(tree)) {
            let target = fs::read_link(&path)?;
            links.push((path, target));
        }
    }
    Ok(())
}
