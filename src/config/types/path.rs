//! Paths on the host.

use super::host::operand;
use super::{Validation, ensure, single_line, text_type};
use crate::diagnostics::{Message, quoted};
use std::path::{Path, PathBuf};

text_type! {
    /// A path on the host: absolute, or relative to the user's home.
    RemotePath, remote_path, warn_tilde
}

text_type! {
    /// The path of a virtualenv; without `:`, since it goes into PATH.
    VenvDir, venv, warn_tilde
}

text_type! {
    /// A file of the release with the app's dependencies.
    DependencyFile, dependency_file
}

impl DependencyFile {
    /// The directory of the file if it is a `uv.lock`; empty for the top of the repository.
    pub fn uv_lock_directory(&self) -> Option<&str> {
        self.directory_of("uv.lock", "")
    }

    /// The directory of the file if it is a `pyproject.toml`; `.` for the top of the repository.
    pub fn project_directory(&self) -> Option<&str> {
        self.directory_of("pyproject.toml", ".")
    }

    /// The directory of the file if it has this name; `top` for the top of the repository.
    fn directory_of<'a>(&'a self, name: &str, top: &'a str) -> Option<&'a str> {
        let (directory, file) = self.0.rsplit_once('/').unwrap_or((top, &self.0));
        (file == name).then_some(directory)
    }

    /// Makes the path, which is relative to the app's directory, relative to the top of the repository.
    ///
    /// # Errors
    /// The path leads out of the repository.
    pub fn resolve_from(&mut self, app_dir: &super::AppDir) -> Validation {
        let mut parts: Vec<&str> = app_dir.parts().collect();
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

    /// The default file for a package manager.
    pub fn default_for(manager: super::PackageManager) -> Self {
        DependencyFile(
            match manager {
                super::PackageManager::Pip => "requirements.txt",
                super::PackageManager::Uv => "uv.lock",
            }
            .to_owned(),
        )
    }
}

/// Resolves a path of the config on the host, relative to the user's home, and drops empty and `.` components.
pub fn absolute(user: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/home/{user}/{path}")
    };
    format!("/{}", collapse(&whole))
}

/// Drops empty and `.` components of a path, and slashes at both ends.
pub fn collapse(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    parts.join("/")
}

fn warn_tilde(path: &str, field: &str) -> Option<Message> {
    path.starts_with('~').then(|| {
        Message::new(
            format!("`~` is not expanded in `{field}`"),
            "leave it out: the path starts from the user's home",
        )
    })
}

fn remote_path(value: &str) -> Validation {
    single_line(value)?;
    no_parent(value)?;
    ensure(
        !value.split('/').all(|part| part.is_empty()),
        || format!("{} is the root directory of the host", quoted(value)),
        "name a directory of the app",
    )
}

/// Resolves `.` and `..` in a path without access to the file system, and so without regard to symlinks.
pub fn normalize_lexically(path: &Path) -> PathBuf {
    path.iter().fold(PathBuf::new(), |mut path, part| {
        match part.to_str() {
            Some(".") => {}
            Some("..") => drop(path.pop()),
            _ => path.push(part),
        }
        path
    })
}

/// Checks that a path has no `..`.
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
                "the path {} has a colon, which separates the entries of PATH",
                quoted(value)
            )
        },
        "name another directory",
    )
}

fn dependency_file(value: &str) -> Validation {
    operand(value)?;
    // Leading `..` are checked once the app's directory is known, by `resolve_from`.
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
