//! Collects the wheels of packages: downloaded, or built if the result is the same for any machine.

use super::archive::hash_file;
use super::cache::{Cache, WorkDir};
use super::git::Git;
use super::indexes::Index;
use super::program::Program;
use super::resolve::{Location, Origin, Package, PackageFile, Vcs};
use super::target::Target;
use super::tools::Tools;
use super::{Notify, PackError, Result, cache_key};
use crate::credentials::mask;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A wheel of a payload.
pub struct Wheel {
    pub name: String,
    pub version: String,
    pub file: WheelFile,
    pub path: PathBuf,
    /// The archive or commit it was built from, for the comment in the payload's `requirements.txt`.
    pub built_from: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub struct WheelFile {
    pub name: String,
    pub sha256: String,
}

/// Downloads and builds wheels for a target.
pub struct WheelCollector<'a> {
    pub cache: &'a Cache,
    pub work_dir: &'a WorkDir,
    pub tools: &'a Tools,
    pub target: &'a Target,
    pub tree: &'a Path,
    pub indexes: &'a [Index],
    pub notify: Notify<'a>,
}

/// Why a package has no wheel.
enum BuildFailure {
    /// The package itself is the reason; all such packages are reported together.
    Unsupported(String),
    Error(PackError),
}

impl From<PackError> for BuildFailure {
    fn from(error: PackError) -> Self {
        BuildFailure::Error(error)
    }
}

/// Build tools published after this, or after the package itself if that is newer, are not used. Without this minimum,
/// packages would be built with tools of their time, which may not know today's Python.
const BUILD_TOOLS_CUTOFF: &str = "2026-11-01T00:00:00Z";

/// How many failed downloads an error message lists.
const MAX_SHOWN_FAILURES: usize = 5;

impl WheelCollector<'_> {
    /// The wheels of `packages`. The reasons why some have none are added to `unsupported`.
    pub fn collect(
        &self,
        packages: &[Package],
        unsupported: &mut Vec<String>,
    ) -> Result<Vec<Wheel>> {
        let mut allowed = self.tools.find_links();
        allowed.extend(self.tree.canonicalize());
        let (packages, outside): (Vec<&Package>, Vec<&Package>) = packages
            .iter()
            .partition(|package| package.is_within(&allowed));
        unsupported.extend(
            outside
                .iter()
                .map(|package| format!("{} lies outside of the repository", package.label())),
        );
        let files = packages.iter().filter_map(|package| package.file());
        let downloads = self.download(files)?;
        let mut wheels = Vec::new();
        for package in packages {
            match self.wheel(package, &downloads) {
                Ok(wheel) => wheels.push(wheel),
                Err(BuildFailure::Unsupported(reason)) => {
                    unsupported.push(format!("{} {reason}", package.label()));
                }
                Err(BuildFailure::Error(error)) => return Err(error),
            }
        }
        Ok(wheels)
    }

    fn wheel(
        &self,
        package: &Package,
        downloads: &HashMap<&str, PathBuf>,
    ) -> Result<Wheel, BuildFailure> {
        let (file, path, built_from) = match &package.origin {
            Origin::Wheel(source) => {
                let (path, sha256) = self.verify(source, downloads)?;
                let name = source.file_name.clone();
                (WheelFile { name, sha256 }, path, None)
            }
            Origin::Archive(source) => {
                let (archive, sha256) = self.verify(source, downloads)?;
                let (file, path) = self.build_archive(source, &archive, &sha256)?;
                let built_from = format!("{} sha256:{sha256}", source.file_name);
                (file, path, Some(built_from))
            }
            Origin::Vcs(vcs) => {
                let git = Git::of(vcs.url.as_ref().or(vcs.path.as_ref()).map_or("", |url| url))?;
                let (file, path) = self.build_vcs(&git, vcs)?;
                let built_from = format!("{} at {}", mask(&git.url), vcs.commit_id);
                (file, path, Some(built_from))
            }
        };
        let version = match &package.version {
            Some(version) => version.clone(),
            None => file.name.split('-').nth(1).unwrap_or_default().to_owned(),
        };
        Ok(Wheel {
            name: package.name.clone(),
            version,
            file,
            path,
            built_from,
        })
    }

    /// Downloads files that are not in the cache. Returns the paths of all, by URL.
    fn download<'s>(
        &self,
        files: impl Iterator<Item = &'s PackageFile>,
    ) -> Result<HashMap<&'s str, PathBuf>> {
        let mut paths = HashMap::new();
        let mut missing = Vec::new();
        for file in files {
            let Location::Url(url) = &file.location else {
                continue;
            };
            let sum = file.sha256.as_ref();
            let cached = sum.and_then(|sum| self.cache.find_verified("wheels", sum));
            let path = cached.unwrap_or_else(|| {
                let path = self.work_dir.path().join(format!("file-{}", missing.len()));
                missing.push((url.clone(), path.clone()));
                path
            });
            paths.insert(url.as_str(), path);
        }
        if !missing.is_empty() {
            (self.notify)(&format!("Fetching {} packages", missing.len()));
            let mut reasons = self.tools.download(&missing, self.indexes)?;
            if reasons.len() > MAX_SHOWN_FAILURES {
                let more = reasons.split_off(MAX_SHOWN_FAILURES).len();
                reasons.push(format!("{more} more"));
            }
            if !reasons.is_empty() {
                return Err(PackError::Download { reasons });
            }
        }
        Ok(paths)
    }

    /// Verifies the hash of a package's file if one is known, and moves downloads into the cache. Returns path and SHA-256.
    fn verify(
        &self,
        file: &PackageFile,
        downloads: &HashMap<&str, PathBuf>,
    ) -> Result<(PathBuf, String)> {
        let path = match &file.location {
            Location::Path(path) => path,
            Location::Url(url) => &downloads[url.as_str()],
        };
        let (sha256, _) = hash_file(path).map_err(PackError::file("read", path))?;
        if file.sha256.as_ref().is_some_and(|sum| *sum != sha256) {
            let file = file.file_name.clone();
            return Err(PackError::HashMismatch { file, sha256 });
        }
        match &file.location {
            Location::Path(path) => Ok((path.clone(), sha256)),
            Location::Url(_) => Ok((self.move_to_cache(path, &sha256)?, sha256)),
        }
    }

    fn move_to_cache(&self, path: &Path, sha256: &str) -> Result<PathBuf> {
        let cached = self.cache.path("wheels", sha256);
        fs::rename(path, &cached).map_err(PackError::file("write", &cached))?;
        Ok(cached)
    }

    fn build_archive(
        &self,
        file: &PackageFile,
        path: &Path,
        sha256: &str,
    ) -> Result<(WheelFile, PathBuf), BuildFailure> {
        let published = file.published.as_deref().unwrap_or_default();
        let cutoff = BUILD_TOOLS_CUTOFF.max(published);
        let key = cache_key(("built", sha256, cutoff));
        self.build_cached(&key, &file.file_name, cutoff, |directory| {
            // uv tells the kind of archive by its name.
            let source = directory.join(&file.file_name);
            fs::copy(path, &source).map_err(PackError::file("write", &source))?;
            Ok(source)
        })
    }

    fn build_vcs(&self, git: &Git, vcs: &Vcs) -> Result<(WheelFile, PathBuf), BuildFailure> {
        let key = cache_key(("built", &git.url, &vcs.commit_id, &vcs.subdirectory));
        self.build_cached(&key, &mask(&git.url), BUILD_TOOLS_CUTOFF, |directory| {
            let tree = directory.join("tree");
            let clone = ["clone", "--quiet", "--no-checkout", "--", &git.url];
            git.command().args(clone).arg(&tree).run()?;
            let checkout = ["checkout", "--quiet", "--detach", &vcs.commit_id];
            git.command_in(&tree).args(checkout).run()?;
            let submodules = ["submodule", "--quiet", "update", "--init", "--recursive"];
            git.command_in(&tree).args(submodules).run()?;
            Ok(match &vcs.subdirectory {
                Some(subdirectory) => tree.join(subdirectory),
                None => tree,
            })
        })
    }

    /// Builds a wheel unless the cache has one under `key`. `get_source` puts the source into a directory; `label` names it in
    /// messages.
    fn build_cached(
        &self,
        key: &str,
        label: &str,
        cutoff: &str,
        get_source: impl FnOnce(&Path) -> Result<PathBuf>,
    ) -> Result<(WheelFile, PathBuf), BuildFailure> {
        let cached = self.cache.load::<WheelFile>(key).and_then(|file| {
            let path = self.cache.find_verified("wheels", &file.sha256)?;
            Some((file, path))
        });
        let (file, path) = match cached {
            Some(cached) => cached,
            None => {
                self.announce_build(label);
                let directory = tempfile::tempdir_in(self.work_dir.path())
                    .map_err(PackError::file("write in", self.work_dir.path()))?;
                let source = get_source(directory.path())?;
                // Not those of the repository: the code of the package must not get their logins.
                let indexes = self.tools.indexes();
                let (name, path) = self.build(&source, directory.path(), &indexes, cutoff)?;
                let (sha256, _) = hash_file(&path).map_err(PackError::file("read", &path))?;
                let path = self.move_to_cache(&path, &sha256)?;
                let file = WheelFile { name, sha256 };
                self.cache.store(key, &file);
                (file, path)
            }
        };
        self.check_compatible(&file.name)?;
        Ok((file, path))
    }

    fn announce_build(&self, label: &str) {
        (self.notify)(&format!(
            "Building {label}, which runs its code on this machine"
        ));
    }

    /// Builds the projects in `directories` of a checkout. Builds may write into it, so it must be a copy.
    pub fn build_local(&self, tree: &Path, directories: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let mut wheels = Vec::new();
        for directory in directories {
            let project = if directory.as_os_str().is_empty() {
                "the project".to_owned()
            } else {
                directory.display().to_string()
            };
            self.announce_build(&project);
            let out = self.work_dir.path().join(format!("built-{}", wheels.len()));
            fs::create_dir(&out).map_err(PackError::file("create", &out))?;
            let built = self.build(
                &tree.join(directory),
                &out,
                self.indexes,
                BUILD_TOOLS_CUTOFF,
            );
            let built = built.and_then(|(name, path)| self.check_compatible(&name).map(|()| path));
            wheels.push(built.map_err(|failure| match failure {
                BuildFailure::Unsupported(reason) => PackError::ProjectBuild { project, reason },
                BuildFailure::Error(error) => error,
            })?);
        }
        wheels.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(wheels)
    }

    /// Builds a wheel into `out`. Returns its file name and path.
    fn build(
        &self,
        source: &Path,
        out: &Path,
        indexes: &[Index],
        cutoff: &str,
    ) -> Result<(String, PathBuf), BuildFailure> {
        if source.is_dir() {
            // Some build backends copy mtimes into the wheel, here those of the checkout.
            let touch = ["-exec", "touch", "-h", "-t", "198001010000", "{}", "+"];
            let find = Program::new("find").arg(source).args(touch);
            find.env("TZ", "UTC").run()?;
        }
        let build = |cutoff| self.tools.build(source, out, indexes, cutoff).output();
        let mut built = build(Some(cutoff))?;
        // The index does not say when its files were published.
        if !built.is_success() && built.stderr.contains("exclude-newer") {
            built = build(None)?;
        }
        if !built.is_success() {
            let reason = format!("could not be built: {}", built.reason());
            return Err(BuildFailure::Unsupported(reason));
        }
        let files = fs::read_dir(out).map_err(PackError::file("read", out))?;
        let wheel = files.filter_map(Result::ok).find_map(|file| {
            let name = file.file_name().into_string().ok()?;
            name.ends_with(".whl").then(|| (name, file.path()))
        });
        let reason =
            || BuildFailure::Unsupported("could not be built: there is no wheel".to_owned());
        wheel.ok_or_else(reason)
    }

    /// Checks that a wheel that was built here is for any platform, and for the target's Python.
    fn check_compatible(&self, name: &str) -> Result<(), BuildFailure> {
        if name.ends_with("-any.whl") && self.target.rank(name).is_some() {
            return Ok(());
        }
        Err(BuildFailure::Unsupported(format!(
            "has no wheel for {}, and building one takes a compiler",
            self.target
        )))
    }
}
