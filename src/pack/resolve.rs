//! What is to be installed: from the dependency file to packages, each with the file that fits the target.

use super::marker;
use super::target::Target;
use super::{Fault, named};
use crate::credentials::decode;
use crate::diagnostics::quoted;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A `pylock.toml`, as uv writes it.
#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
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

/// What a target installs.
#[derive(Debug, Default)]
pub struct Resolved {
    pub packages: Vec<Package>,
    /// Directories of the repository, from its top, that are installed themselves.
    pub local: Vec<PathBuf>,
    /// Packages that nothing can be had of, with the reason.
    pub misfits: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    /// `None` where its file says it.
    pub version: Option<String>,
    pub origin: Origin,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    Wheel(Source),
    /// A wheel is built of it.
    Archive(Source),
    Vcs(Vcs),
}

/// A file of a package.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    pub file_name: String,
    pub place: Place,
    pub sha256: Option<String>,
    /// When it was published, as `2026-11-26T12:00:00Z`.
    pub published: Option<String>,
    pub subdirectory: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    Url(String),
    Path(PathBuf),
}

impl Package {
    /// For people.
    pub fn label(&self) -> String {
        named(&self.name, self.version.as_deref())
    }

    pub fn file(&self) -> Option<&Source> {
        match &self.origin {
            Origin::Wheel(file) | Origin::Archive(file) => Some(file),
            Origin::Vcs(_) => None,
        }
    }

    /// Whether its file is fetched, or lies in one of these directories.
    pub fn is_within(&self, directories: &[PathBuf]) -> bool {
        let Some(Place::Path(path)) = self.file().map(|file| &file.place) else {
            return true;
        };
        let path = path.canonicalize().ok();
        path.is_some_and(|path| path.is_file() && directories.iter().any(|it| path.starts_with(it)))
    }
}

impl Source {
    /// `directory` is what its path starts from.
    fn of(file: &LockedFile, directory: &Path) -> Option<Self> {
        let place = match (&file.url, &file.path) {
            (Some(url), _) => match url.strip_prefix("file://") {
                Some(path) => Place::Path(PathBuf::from(decode(path))),
                None => Place::Url(url.clone()),
            },
            (None, Some(path)) => Place::Path(directory.join(path)),
            (None, None) => return None,
        };
        let last = match &place {
            Place::Url(url) => decode(url.split(['#', '?']).next()?.rsplit('/').next()?),
            Place::Path(path) => decode(&path.file_name()?.to_string_lossy()),
        };
        Some(Source {
            file_name: file.name.clone().unwrap_or(last),
            place,
            sha256: file.hashes.get("sha256").cloned(),
            published: file.upload_time.as_ref().map(ToString::to_string),
            subdirectory: file.subdirectory.clone(),
        })
    }
}

/// Reads a `pylock.toml`, whose paths start from `directory` in `tree`.
///
/// # Errors
/// It is none, or has a marker that cannot be told.
pub fn read(text: &str, target: &Target, directory: &Path, tree: &Path) -> Result<Resolved, Fault> {
    let lock: Lock = toml::from_str(text).map_err(|error| Fault::UvAnswer {
        reason: error.message().to_owned(),
    })?;
    let mut resolved = Resolved::default();
    for package in lock.packages {
        if let Some(marker) = &package.marker {
            match marker::holds(marker, target) {
                Some(true) => {}
                Some(false) => continue,
                None => {
                    return Err(Fault::Marker {
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
                Err(_) => resolved.misfits.push(format!(
                    "{} lies outside of the repository, in {}",
                    package.name, local.path
                )),
            }
            continue;
        }
        match choose(&package, target, directory).and_then(named_safely) {
            Ok(origin) => resolved.packages.push(Package {
                name: package.name,
                version: package.version,
                origin,
            }),
            Err(reason) => {
                let version = package.version.as_deref();
                resolved
                    .misfits
                    .push(format!("{} {reason}", named(&package.name, version)));
            }
        }
    }
    Ok(resolved)
}

/// Files keep their names on this machine, wherever a lock wants them to lie.
fn named_safely(origin: Origin) -> Result<Origin, String> {
    if let Origin::Wheel(file) | Origin::Archive(file) = &origin {
        let name = &file.file_name;
        let is_odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if name.starts_with('.') || name.contains(is_odd) {
            return Err(format!("has a file of the name {}", quoted(name)));
        }
        if file.subdirectory.is_some() {
            return Err(format!(
                "lies in a directory of {name}, of which no wheel can be built"
            ));
        }
    }
    Ok(origin)
}

/// The file of a package that fits a target, or why none does.
fn choose(package: &Locked, target: &Target, directory: &Path) -> Result<Origin, String> {
    let source = |file: &LockedFile| Source::of(file, directory);
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
        None => Err("has wheels for others only".to_owned()),
    }
}

impl Resolved {
    /// Leaves out what a lock takes from repositories of this machine, which are none of the app's.
    pub fn without_own_repositories(mut self) -> Self {
        let misfits = &mut self.misfits;
        self.packages.retain(|package| {
            let is_own = match &package.origin {
                Origin::Vcs(vcs) => vcs.url.as_ref().is_none_or(|url| url.starts_with("file:")),
                _ => false,
            };
            if is_own {
                misfits.push(format!(
                    "{} lies outside of the repository",
                    package.label()
                ));
            }
            !is_own
        });
        self
    }
}

/// Packages of which two versions remain, for one patch release of Python and for another, are there once: the later one.
pub fn without_doubles(packages: &mut Vec<Package>) {
    let by_name: BTreeMap<String, Package> = packages
        .drain(..)
        .map(|package| (package.name.clone(), package))
        .collect();
    packages.extend(by_name.into_values());
}
