//! Reads the packages of a `pylock.toml`, and chooses the file of each that fits the target.

use super::marker;
use super::target::Target;
use super::{PackError, Result};
use crate::credentials::decode;
use crate::diagnostics::quoted;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The parts of a `pylock.toml` (PEP 751) that uv writes and that are used here.
#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<LockedPackage>,
}

#[derive(Debug, Deserialize)]
struct LockedPackage {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default)]
    wheels: Vec<LockedFile>,
    sdist: Option<LockedFile>,
    archive: Option<LockedFile>,
    vcs: Option<Vcs>,
    directory: Option<Directory>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct LockedFile {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    upload_time: Option<toml::value::Datetime>,
    #[serde(default)]
    hashes: HashMap<String, String>,
    subdirectory: Option<String>,
}

#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Vcs {
    pub url: Option<String>,
    pub path: Option<String>,
    pub commit_id: String,
    pub subdirectory: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Directory {
    path: String,
}

/// The packages that a target installs.
#[derive(Debug, Default)]
pub struct Resolved {
    pub packages: Vec<Package>,
    /// Directories with projects of the repository to install, relative to its top.
    pub local: Vec<PathBuf>,
    /// Packages without a usable file, each followed by the reason.
    pub unsupported: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    /// `None` if only the file name says it.
    pub version: Option<String>,
    pub origin: Origin,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    Wheel(PackageFile),
    /// A source distribution or another archive, to build a wheel from.
    Archive(PackageFile),
    Vcs(Vcs),
}

/// A wheel or an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct PackageFile {
    pub file_name: String,
    pub location: Location,
    pub sha256: Option<String>,
    /// Upload time, such as `2026-11-26T12:00:00Z`.
    pub published: Option<String>,
    pub subdirectory: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Location {
    Url(String),
    Path(PathBuf),
}

impl Package {
    /// Name and version, for messages.
    pub fn label(&self) -> String {
        display_name(&self.name, self.version.as_deref())
    }

    pub fn file(&self) -> Option<&PackageFile> {
        match &self.origin {
            Origin::Wheel(file) | Origin::Archive(file) => Some(file),
            Origin::Vcs(_) => None,
        }
    }

    /// Whether the package is downloaded, or its file lies in one of `directories`.
    pub fn is_within(&self, directories: &[PathBuf]) -> bool {
        let Some(Location::Path(path)) = self.file().map(|file| &file.location) else {
            return true;
        };
        let path = path.canonicalize().ok();
        path.is_some_and(|path| {
            path.is_file() && directories.iter().any(|parent| path.starts_with(parent))
        })
    }
}

impl PackageFile {
    /// `directory` is the base of relative paths. `None` without a URL and a path.
    fn from_lock(file: &LockedFile, directory: &Path) -> Option<Self> {
        let location = match (&file.url, &file.path) {
            (Some(url), _) => match url.strip_prefix("file://") {
                Some(path) => Location::Path(PathBuf::from(decode(path))),
                None => Location::Url(url.clone()),
            },
            (None, Some(path)) => Location::Path(directory.join(path)),
            (None, None) => return None,
        };
        let file_name = match &location {
            Location::Url(url) => decode(url.split(['#', '?']).next()?.rsplit('/').next()?),
            Location::Path(path) => decode(&path.file_name()?.to_string_lossy()),
        };
        Some(PackageFile {
            file_name: file.name.clone().unwrap_or(file_name),
            location,
            sha256: file.hashes.get("sha256").cloned(),
            published: file.upload_time.as_ref().map(ToString::to_string),
            subdirectory: file.subdirectory.clone(),
        })
    }
}

/// Parses a `pylock.toml`, whose paths are relative to `directory`, and keeps what `target` installs.
///
/// # Errors
/// Syntax errors, or a marker that cannot be evaluated.
pub fn parse_pylock(
    text: &str,
    target: &Target,
    directory: &Path,
    tree: &Path,
) -> Result<Resolved> {
    let lock: Lock = toml::from_str(text).map_err(|error| PackError::UvOutput {
        reason: error.message().to_owned(),
    })?;
    let mut resolved = Resolved::default();
    for package in lock.packages {
        if let Some(marker) = &package.marker {
            match marker::evaluate(marker, target) {
                Some(true) => {}
                Some(false) => continue,
                None => {
                    return Err(PackError::UnknownMarker {
                        package: package.name,
                        marker: marker.clone(),
                    });
                }
            }
        }
        if let Some(local) = &package.directory {
            let path = directory.join(&local.path);
            let path = path.canonicalize().unwrap_or(path);
            match path.strip_prefix(tree.canonicalize().unwrap_or_else(|_| tree.to_owned())) {
                Ok(path) => resolved.local.push(path.to_owned()),
                Err(_) => resolved.unsupported.push(format!(
                    "{} lies outside of the repository, in {}",
                    package.name, local.path
                )),
            }
            continue;
        }
        match choose_file(&package, target, directory).and_then(check_file_name) {
            Ok(origin) => resolved.packages.push(Package {
                name: package.name,
                version: package.version,
                origin,
            }),
            Err(reason) => {
                let version = package.version.as_deref();
                resolved
                    .unsupported
                    .push(format!("{} {reason}", display_name(&package.name, version)));
            }
        }
    }
    Ok(resolved)
}

/// Rejects file names that would leave their directory or break a list of files, since a lock's author chooses them.
fn check_file_name(origin: Origin) -> Result<Origin, String> {
    if let Origin::Wheel(file) | Origin::Archive(file) = &origin {
        let name = &file.file_name;
        let is_unsafe = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if name.starts_with('.') || name.contains(is_unsafe) {
            return Err(format!("has a file with the name {}", quoted(name)));
        }
        if file.subdirectory.is_some() {
            return Err(format!(
                "lies in a directory of {name}, from which no wheel can be built"
            ));
        }
    }
    Ok(origin)
}

/// The best file of a package for a target, or why there is none.
fn choose_file(
    package: &LockedPackage,
    target: &Target,
    directory: &Path,
) -> Result<Origin, String> {
    let source = |file: &LockedFile| PackageFile::from_lock(file, directory);
    let best = package
        .wheels
        .iter()
        .filter_map(source)
        .filter_map(|wheel| Some((target.rank(&wheel.file_name)?, wheel)))
        .min_by(|(a, one), (b, other)| a.cmp(b).then_with(|| other.file_name.cmp(&one.file_name)));
    if let Some((_, wheel)) = best {
        return Ok(Origin::Wheel(wheel));
    }
    if let Some(vcs) = &package.vcs {
        return Ok(Origin::Vcs(vcs.clone()));
    }
    match package
        .archive
        .as_ref()
        .or(package.sdist.as_ref())
        .and_then(source)
    {
        Some(file) if !file.file_name.ends_with(".whl") => Ok(Origin::Archive(file)),
        Some(wheel) => match target.rank(&wheel.file_name) {
            Some(_) => Ok(Origin::Wheel(wheel)),
            None => Err(format!("is the wheel {}", wheel.file_name)),
        },
        None => Err("has only wheels for other platforms".to_owned()),
    }
}

impl Resolved {
    /// Rejects packages that a lock takes from git repositories on this machine, which the hosts do not have.
    pub fn reject_local_repositories(mut self) -> Self {
        let unsupported = &mut self.unsupported;
        self.packages.retain(|package| {
            let is_local = match &package.origin {
                Origin::Vcs(vcs) => vcs.url.as_ref().is_none_or(|url| url.starts_with("file:")),
                _ => false,
            };
            if is_local {
                unsupported.push(format!(
                    "{} lies outside of the repository",
                    package.label()
                ));
            }
            !is_local
        });
        self
    }
}

/// Keeps the last version of each package: a lock may have several, for different patch releases of Python.
pub fn deduplicate(packages: &mut Vec<Package>) {
    let by_name: BTreeMap<String, Package> = packages
        .drain(..)
        .map(|package| (package.name.clone(), package))
        .collect();
    packages.extend(by_name.into_values());
}

/// Name and version of a package, for messages.
fn display_name(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    }
}
