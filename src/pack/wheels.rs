//! From packages to wheels: fetched, or built where that needs no compiler.

use super::archive::sum_file;
use super::cache::{Cache, Work};
use super::git::Git;
use super::indexes::Index;
use super::program::Program;
use super::resolve::{Origin, Package, Place, Source, Vcs};
use super::target::Target;
use super::tools::Tools;
use super::{Fault, Note, key};
use crate::credentials::mask;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A wheel of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    pub name: String,
    pub version: String,
    pub file: WheelFile,
    pub path: PathBuf,
    /// What it was built of, for people.
    pub built_of: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WheelFile {
    pub name: String,
    pub sha256: String,
}

/// What makes wheels.
pub struct Wheels<'a> {
    pub cache: &'a Cache,
    pub work: &'a Work,
    pub tools: &'a Tools,
    pub target: &'a Target,
    pub tree: &'a Path,
    pub indexes: &'a [Index],
    pub note: Note<'a>,
}

/// Why a package has no wheel.
enum Unbuilt {
    /// That is its own; others may have such a reason, too.
    Misfit(String),
    Fault(Fault),
}

impl From<Fault> for Unbuilt {
    fn from(fault: Fault) -> Self {
        Unbuilt::Fault(fault)
    }
}

/// Build tools are at least as new as these, which know the Pythons of today.
const TOOLS: &str = "2026-11-01T00:00:00Z";

/// So many of the files that cannot be fetched are named.
const SHOWN: usize = 5;

impl Wheels<'_> {
    /// The wheels of packages; of those that have none, the reasons go to `misfits`.
    pub fn get(
        &self,
        packages: &[Package],
        misfits: &mut Vec<String>,
    ) -> Result<Vec<Wheel>, Fault> {
        let mut may_be_read = self.tools.find_links();
        may_be_read.extend(self.tree.canonicalize());
        let (packages, outside): (Vec<&Package>, Vec<&Package>) = packages
            .iter()
            .partition(|package| package.is_within(&may_be_read));
        misfits.extend(
            outside
                .iter()
                .map(|package| format!("{} lies outside of the repository", package.label())),
        );
        let files = packages.iter().filter_map(|package| package.file());
        let fetched = self.fetch(files)?;
        let mut wheels = Vec::new();
        for package in packages {
            match self.wheel(package, &fetched) {
                Ok(wheel) => wheels.push(wheel),
                Err(Unbuilt::Misfit(reason)) => {
                    misfits.push(format!("{} {reason}", package.label()));
                }
                Err(Unbuilt::Fault(fault)) => return Err(fault),
            }
        }
        Ok(wheels)
    }

    fn wheel(&self, package: &Package, fetched: &HashMap<&str, PathBuf>) -> Result<Wheel, Unbuilt> {
        let (file, path, built_of) = match &package.origin {
            Origin::Wheel(source) => {
                let (path, sha256) = self.check(source, fetched)?;
                let name = source.file_name.clone();
                (WheelFile { name, sha256 }, path, None)
            }
            Origin::Archive(source) => {
                let (archive, sha256) = self.check(source, fetched)?;
                let (file, path) = self.build_archive(source, &archive, &sha256)?;
                let built_of = format!("{} sha256:{sha256}", source.file_name);
                (file, path, Some(built_of))
            }
            Origin::Vcs(vcs) => {
                let git = Git::of(vcs.url.as_ref().or(vcs.path.as_ref()).map_or("", |url| url))?;
                let (file, path) = self.build_vcs(&git, vcs)?;
                let built_of = format!("{} at {}", mask(&git.url), vcs.commit_id);
                (file, path, Some(built_of))
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
            built_of,
        })
    }

    /// Fetches what the cache has not: where the files are, by their URLs.
    fn fetch<'s>(
        &self,
        files: impl Iterator<Item = &'s Source>,
    ) -> Result<HashMap<&'s str, PathBuf>, Fault> {
        let mut paths = HashMap::new();
        let mut missing = Vec::new();
        for file in files {
            let Place::Url(url) = &file.place else {
                continue;
            };
            let sum = file.sha256.as_ref();
            let known = sum.and_then(|sum| self.cache.find_whole("wheels", sum));
            let path = known.unwrap_or_else(|| {
                let path = self.work.path().join(format!("file-{}", missing.len()));
                missing.push((url.clone(), path.clone()));
                path
            });
            paths.insert(url.as_str(), path);
        }
        if !missing.is_empty() {
            (self.note)(&format!("Fetching {} packages", missing.len()));
            let mut reasons = self.tools.fetch(&missing, self.indexes)?;
            if reasons.len() > SHOWN {
                let more = reasons.split_off(SHOWN).len();
                reasons.push(format!("{more} more"));
            }
            if !reasons.is_empty() {
                return Err(Fault::Fetch { reasons });
            }
        }
        Ok(paths)
    }

    /// A package's file and its sum, which is the one that was promised. What was fetched is in the cache from now on.
    fn check(
        &self,
        file: &Source,
        fetched: &HashMap<&str, PathBuf>,
    ) -> Result<(PathBuf, String), Fault> {
        let path = match &file.place {
            Place::Path(path) => path,
            Place::Url(url) => &fetched[url.as_str()],
        };
        let (sha256, _) = sum_file(path).map_err(Fault::file("read", path))?;
        if file.sha256.as_ref().is_some_and(|sum| *sum != sha256) {
            let file = file.file_name.clone();
            return Err(Fault::OtherFile { file, sha256 });
        }
        match &file.place {
            Place::Path(path) => Ok((path.clone(), sha256)),
            Place::Url(_) => Ok((self.keep(path, &sha256)?, sha256)),
        }
    }

    fn keep(&self, path: &Path, sha256: &str) -> Result<PathBuf, Fault> {
        let kept = self.cache.path("wheels", sha256);
        fs::rename(path, &kept).map_err(Fault::file("write", &kept))?;
        Ok(kept)
    }

    fn build_archive(
        &self,
        file: &Source,
        path: &Path,
        sha256: &str,
    ) -> Result<(WheelFile, PathBuf), Unbuilt> {
        let newest = file.published.as_deref().unwrap_or(TOOLS).max(TOOLS);
        let key = key(("built", sha256, newest));
        self.build_once(&key, &file.file_name, newest, |directory| {
            // uv goes by the name.
            let source = directory.join(&file.file_name);
            fs::copy(path, &source).map_err(Fault::file("write", &source))?;
            Ok(source)
        })
    }

    fn build_vcs(&self, git: &Git, vcs: &Vcs) -> Result<(WheelFile, PathBuf), Unbuilt> {
        let key = key(("built", &git.url, &vcs.commit_id, &vcs.subdirectory));
        self.build_once(&key, &mask(&git.url), TOOLS, |directory| {
            let tree = directory.join("tree");
            let clone = ["clone", "--quiet", "--no-checkout", "--", &git.url];
            git.call().args(clone).arg(&tree).output()?;
            let checkout = ["checkout", "--quiet", "--detach", &vcs.commit_id];
            git.call_in(&tree).args(checkout).output()?;
            let submodules = ["submodule", "--quiet", "update", "--init", "--recursive"];
            git.call_in(&tree).args(submodules).output()?;
            Ok(match &vcs.subdirectory {
                Some(subdirectory) => tree.join(subdirectory),
                None => tree,
            })
        })
    }

    /// Builds what a key names, unless the cache has it. `get` puts the source into a directory.
    fn build_once(
        &self,
        key: &str,
        shown: &str,
        newest: &str,
        get: impl FnOnce(&Path) -> Result<PathBuf, Fault>,
    ) -> Result<(WheelFile, PathBuf), Unbuilt> {
        let known = self.cache.noted::<WheelFile>(key).and_then(|file| {
            let path = self.cache.find_whole("wheels", &file.sha256)?;
            Some((file, path))
        });
        let (file, path) = match known {
            Some(known) => known,
            None => {
                self.note_build(shown);
                let directory = tempfile::tempdir_in(self.work.path())
                    .map_err(Fault::file("write in", self.work.path()))?;
                let source = get(directory.path())?;
                // It does not know the indexes of the repository.
                let indexes = self.tools.indexes();
                let (name, path) = self.build(&source, directory.path(), &indexes, newest)?;
                let (sha256, _) = sum_file(&path).map_err(Fault::file("read", &path))?;
                let path = self.keep(&path, &sha256)?;
                let file = WheelFile { name, sha256 };
                self.cache.note(key, &file);
                (file, path)
            }
        };
        self.check_fit(&file.name)?;
        Ok((file, path))
    }

    fn note_build(&self, shown: &str) {
        (self.note)(&format!(
            "Building {shown}, which runs its code on this machine"
        ));
    }

    /// Builds the projects in directories of a checkout, which their builds change.
    pub fn build_local(&self, tree: &Path, directories: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
        let mut wheels = Vec::new();
        for directory in directories {
            let project = if directory.as_os_str().is_empty() {
                "the project".to_owned()
            } else {
                directory.display().to_string()
            };
            self.note_build(&project);
            let out = self.work.path().join(format!("built-{}", wheels.len()));
            fs::create_dir(&out).map_err(Fault::file("create", &out))?;
            let built = self.build(&tree.join(directory), &out, self.indexes, TOOLS);
            let built = built.and_then(|(name, path)| self.check_fit(&name).map(|()| path));
            wheels.push(built.map_err(|unbuilt| match unbuilt {
                Unbuilt::Misfit(reason) => Fault::Project { project, reason },
                Unbuilt::Fault(fault) => fault,
            })?);
        }
        wheels.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(wheels)
    }

    /// Builds a wheel: its name, and where it is.
    fn build(
        &self,
        source: &Path,
        out: &Path,
        indexes: &[Index],
        newest: &str,
    ) -> Result<(String, PathBuf), Unbuilt> {
        if source.is_dir() {
            // Some builds take over the times of files, which are those of the checkout.
            let touch = ["-exec", "touch", "-h", "-t", "198001010000", "{}", "+"];
            let find = Program::new("find").arg(source).args(touch);
            find.env("TZ", "UTC").output()?;
        }
        let build = |newest| self.tools.build(source, out, indexes, newest).run();
        let mut built = build(Some(newest))?;
        // An index may not say when its files were published.
        if !built.is_success() && built.errors.contains("exclude-newer") {
            built = build(None)?;
        }
        if !built.is_success() {
            let reason = format!("could not be built: {}", built.reason());
            return Err(Unbuilt::Misfit(reason));
        }
        let files = fs::read_dir(out).map_err(Fault::file("read", out))?;
        let wheel = files.filter_map(Result::ok).find_map(|file| {
            let name = file.file_name().into_string().ok()?;
            name.ends_with(".whl").then(|| (name, file.path()))
        });
        let reason = || Unbuilt::Misfit("could not be built: there is no wheel".to_owned());
        wheel.ok_or_else(reason)
    }

    /// Makes sure that a wheel that was built here is one for any machine, and for the target's Python.
    fn check_fit(&self, name: &str) -> Result<(), Unbuilt> {
        if name.ends_with("-any.whl") && self.target.rank(name).is_some() {
            return Ok(());
        }
        Err(Unbuilt::Misfit(format!(
            "has no wheel for {}, and building one takes a compiler",
            self.target
        )))
    }
}
