//! Links of a checkout that lead out of it. On a host they may mean something; here they would lead to this user's files.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Those links, while they are taken away, with their targets.
pub struct OutwardLinks(Vec<(PathBuf, PathBuf)>);

impl OutwardLinks {
    /// Takes them away, and those that lead nowhere, so that no program follows one.
    pub fn take(tree: &Path) -> io::Result<Self> {
        let mut links = Vec::new();
        find(tree, &tree.canonicalize()?, &mut links)?;
        for (link, _) in &links {
            fs::remove_file(link)?;
        }
        Ok(OutwardLinks(links))
    }

    pub fn put_back(self) -> io::Result<()> {
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
