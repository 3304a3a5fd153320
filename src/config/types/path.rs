//! Paths on the host.

use super::host::operand;
use super::{Validation, ensure, line, text_type};
use crate::diagnostics::{Message, quoted};
use std::path::{Path, PathBuf};

text_type! {
    /// An absolute path on the host, or one under the user's home.
    RemotePath, remote_path, tilde
}

text_type! {
    /// The path of a virtualenv, which python and PATH must be able to name.
    VenvDir, venv, tilde
}

text_type! {
    /// A file inside the release.
    DependencyFile, dependency_file
}

impl DependencyFile {
    /// The directory of a `uv.lock`, which uv installs as a whole; empty at the top of the repository.
    pub fn uv_lock_directory(&self) -> Option<&str> {
        self.directory_of("uv.lock", "")
    }

    /// The directory of a `pyproject.toml`; `.` for the top of the repository.
    pub fn project_directory(&self) -> Option<&str> {
        self.directory_of("pyproject.toml", ".")
    }

    /// The directory of a file of this name.
    fn directory_of<'a>(&'a self, name: &str, top: &'a str) -> Option<&'a str> {
        let (directory, own) = self.0.rsplit_once('/').unwrap_or((top, &self.0));
        (own == name).then_some(directory)
    }

    /// Starts from a directory of the repository.
    ///
    /// # Errors
    /// It leads out of the repository.
    pub fn put_in(&mut self, directory: &super::AppDir) -> Validation {
        let mut parts: Vec<&str> = directory.parts().collect();
        let mut below = self.0.as_str();
        while let Some(rest) = below.strip_prefix("../") {
            if parts.pop().is_none() {
                return no_parent(&self.0);
            }
            below = rest;
        }
        parts.push(below);
        self.0 = parts.join("/");
        Ok(())
    }

    /// That of a package manager.
    pub fn default_of(manager: super::PackageManager) -> Self {
        DependencyFile(
            match manager {
                super::PackageManager::Pip => "requirements.txt",
                super::PackageManager::Uv => "uv.lock",
            }
            .to_owned(),
        )
    }
}

/// A path of a config on the host: under the user's home unless it is absolute; no empty or `.` parts.
pub fn absolute(user: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/home/{user}/{path}")
    };
    let parts = whole.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| path + "/" + part)
}

fn tilde(path: &str, field: &str) -> Option<Message> {
    path.starts_with('~').then(|| {
        Message::new(
            format!("`~` is not expanded in `{field}`"),
            "leave it out: the path starts from the user's home",
        )
    })
}

fn remote_path(value: &str) -> Validation {
    line(value)?;
    no_parent(value)?;
    ensure(
        !value.split('/').all(|part| part.is_empty()),
        || format!("{} is the root directory of the host", quoted(value)),
        "name a directory of the app",
    )
}

/// A path without `.`, and without the directories that `..` leaves.
pub fn normal(path: &Path) -> PathBuf {
    path.iter().fold(PathBuf::new(), |mut normal, part| {
        match part.to_str() {
            Some(".") => {}
            Some("..") => drop(normal.pop()),
            _ => normal.push(part),
        }
        normal
    })
}

pub fn no_parent(value: &str) -> Validation {
    ensure(
        !value.split('/').any(|part| part == ".."),
        || format!("the path {} has a `..`", quoted(value)),
        "write the path that is meant",
    )
}

fn venv(value: &str) -> Validation {
    remote_path(value)?;
    ensure(
        !value.contains(':'),
        || {
            format!(
                "the path {} has a colon, which separates the paths of PATH",
                quoted(value)
            )
        },
        "name another directory",
    )
}

fn dependency_file(value: &str) -> Validation {
    operand(value)?;
    // How far above the app's directory it may lie shows only with that.
    let mut below = value;
    while let Some(rest) = below.strip_prefix("../") {
        below = rest;
    }
    no_parent(below)?;
    ensure(
        !value.starts_with('/'),
        || format!("{} is an absolute path", quoted(value)),
        "name the file from the top of the repository",
    )
}
