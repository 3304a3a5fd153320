//! From packages to wheels: fetched, or built where that needs no compiler.

use super::archive::sum_file;
use super::cache::{Cache, Work};
use super::program::{Program, last_lines};
use super::resolve::{Origin, Package, Place, Source, Vcs};
use super::target::Target;
use super::tools::Tools;
use super::{Fault, Note, key, named};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// A wheel of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    pub name: String,
    pub version: String,
    pub file_name: String,
    pub sha256: String,
    pub path: PathBuf,
    /// What it was built of, for people.
    pub built_of: Option<String>,
}

/// What makes wheels.
pub struct Wheels<'a> {
    pub cache: &'a Cache,
    pub work: &'a Work,
    pub tools: &'a Tools,
    pub target: &'a Target,
    pub tree: &'a Path,
    pub note: Note<'a>,
}

/// What building made of a source.
#[derive(Serialize, Deserialize)]
struct Built {
    file_name: String,
    sha256: String,
}

/// Build tools are at least as new as these, which know the Pythons of today.
const TOOLS: &str = "2026-11-01T00:00:00Z";

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
        misfits.extend(outside.iter().map(|package| {
            let label = named(&package.name, package.version.as_deref());
            format!("{label} lies outside of the repository")
        }));
        let files: Vec<&Source> = packages
            .iter()
            .filter_map(|package| match &package.origin {
                Origin::Wheel(file) | Origin::Archive(file) => Some(file),
                Origin::Vcs(_) => None,
            })
            .collect();
        let paths = self.fetch(&files)?;
        let mut paths = paths.into_iter();
        let mut wheels = Vec::new();
        for package in packages {
            let label = named(&package.name, package.version.as_deref());
            let wheel = match &package.origin {
                Origin::Wheel(file) => {
                    let (path, sha256) = paths.next().unwrap_or_default();
                    Ok((file.file_name.clone(), sha256, path, None))
                }
                Origin::Archive(file) => {
                    let (path, sha256) = paths.next().unwrap_or_default();
                    self.build_archive(file, &path, &sha256)
                        .map(|(name, sum, path)| {
                            (
                                name,
                                sum,
                                path,
                                Some(format!("{} sha256:{sha256}", file.file_name)),
                            )
                        })
                }
                Origin::Vcs(vcs) => self.build_vcs(vcs).map(|(name, sum, path)| {
                    let of = vcs.url.clone().unwrap_or_default();
                    (name, sum, path, Some(format!("{of} at {}", vcs.commit_id)))
                }),
            };
            match wheel {
                Ok((file_name, sha256, path, built_of)) => wheels.push(Wheel {
                    name: package.name.clone(),
                    version: match &package.version {
                        Some(version) => version.clone(),
                        None => file_name.split('-').nth(1).unwrap_or_default().to_owned(),
                    },
                    file_name,
                    sha256,
                    path,
                    built_of,
                }),
                Err(Fault::Misfit(reason)) => misfits.push(format!("{label} {reason}")),
                Err(other) => return Err(other),
            }
        }
        Ok(wheels)
    }

    /// Where the files are on this machine, with their sums.
    fn fetch(&self, files: &[&Source]) -> Result<Vec<(PathBuf, String)>, Fault> {
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let known = file
                .sha256
                .as_ref()
                .and_then(|sum| self.cache.find_whole("wheels", sum));
            found.push(match (&file.place, known) {
                (Place::Path(path), _) => path.clone(),
                (Place::Url(_), Some(path)) => path,
                (Place::Url(url), None) => {
                    let path = self.work.path().join(format!("file-{number}"));
                    missing.push((url.clone(), path.clone()));
                    path
                }
            });
        }
        if !missing.is_empty() {
            (self.note)(&format!("Fetching {} packages", missing.len()));
            let problems = self.tools.fetch(&missing)?;
            if !problems.is_empty() {
                return Err(Fault::new(
                    format!("packages cannot be fetched: {}", problems.join("; ")),
                    "try again, or see that this machine reaches the package index",
                ));
            }
        }
        let mut summed = Vec::new();
        for (file, path) in files.iter().zip(found) {
            let (sum, _) = sum_file(&path).map_err(Fault::file("read", &path))?;
            if file
                .sha256
                .as_ref()
                .is_some_and(|expected| *expected != sum)
            {
                return Err(Fault::new(
                    format!(
                        "{} has the SHA-256 {sum}, not the one that was locked or announced",
                        file.file_name
                    ),
                    "do not deploy it; see who serves the package index",
                ));
            }
            let kept = self.cache.path("wheels", &sum);
            if path.starts_with(self.work.path()) {
                fs::rename(&path, &kept).map_err(Fault::file("write", &kept))?;
                summed.push((kept, sum));
            } else {
                summed.push((path, sum));
            }
        }
        Ok(summed)
    }

    fn build_archive(
        &self,
        file: &Source,
        path: &Path,
        sha256: &str,
    ) -> Result<(String, String, PathBuf), Fault> {
        let newest = file.published.as_deref().unwrap_or(TOOLS).max(TOOLS);
        let key = key(&["built", sha256, newest]);
        if let Some(built) = self.cache.noted::<Built>(&key)
            && let Some(path) = self.cache.find_whole("wheels", &built.sha256)
        {
            return Ok((built.file_name, built.sha256, path));
        }
        (self.note)(&format!(
            "Building {}, which runs its code on this machine",
            file.file_name
        ));
        let directory = tempfile::tempdir_in(self.work.path())
            .map_err(Fault::file("write in", self.work.path()))?;
        // uv goes by the name.
        let source = directory.path().join(&file.file_name);
        fs::copy(path, &source).map_err(Fault::file("write", &source))?;
        let (file_name, path) = self.build(&source, directory.path(), newest)?;
        let (file_name, sha256, path) = self.keep(file_name, &path)?;
        self.cache.note(
            &key,
            &Built {
                file_name: file_name.clone(),
                sha256: sha256.clone(),
            },
        );
        Ok((file_name, sha256, path))
    }

    fn build_vcs(&self, vcs: &Vcs) -> Result<(String, String, PathBuf), Fault> {
        let directory = tempfile::tempdir_in(self.work.path())
            .map_err(Fault::file("write in", self.work.path()))?;
        let tree = directory.path().join("tree");
        let url = vcs
            .url
            .as_deref()
            .or(vcs.path.as_deref())
            .unwrap_or_default();
        (self.note)(&format!(
            "Building {}, which runs its code on this machine",
            crate::credentials::mask(url)
        ));
        let git = || {
            Program::new("git")
                .directory(Path::new("/"))
                .args(["-c", "core.hooksPath=/dev/null"])
        };
        let commands = [
            git()
                .args(["clone", "--quiet", "--no-checkout", "--", url])
                .arg(&tree),
            git()
                .arg("-C")
                .arg(&tree)
                .args(["checkout", "--quiet", "--detach", &vcs.commit_id]),
            git().arg("-C").arg(&tree).args([
                "submodule",
                "--quiet",
                "update",
                "--init",
                "--recursive",
            ]),
        ];
        for command in commands {
            command.output()?;
        }
        let source = match &vcs.subdirectory {
            Some(subdirectory) => tree.join(subdirectory),
            None => tree,
        };
        let (file_name, path) = self.build(&source, directory.path(), TOOLS)?;
        self.keep(file_name, &path)
    }

    /// Builds the projects in directories of a checkout, which their builds change.
    pub fn build_local(&self, tree: &Path, directories: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
        let mut wheels = Vec::new();
        for directory in directories {
            let shown = match directory.as_os_str().is_empty() {
                true => "the project".to_owned(),
                false => directory.display().to_string(),
            };
            (self.note)(&format!(
                "Building {shown}, which runs its code on this machine"
            ));
            let out = self.work.path().join(format!("built-{}", wheels.len()));
            fs::create_dir(&out).map_err(Fault::file("create", &out))?;
            let (_, path) = self
                .build(&tree.join(directory), &out, TOOLS)
                .map_err(|fault| match fault {
                    Fault::Misfit(reason) => Fault::of_field(
                        "dependency_file",
                        format!("{shown} of the repository {reason}"),
                        "make it a project of Python alone, or deploy with `delivery: pull`",
                    ),
                    other => other,
                })?;
            wheels.push(path);
        }
        wheels.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(wheels)
    }

    /// A wheel for any machine, of a source.
    fn build(&self, source: &Path, out: &Path, newest: &str) -> Result<(String, PathBuf), Fault> {
        let failed = |reason: String| Err(Fault::Misfit(reason));
        if source.is_dir() {
            // Some builds take over the times of files, which are those of the checkout.
            let touch = ["-exec", "touch", "-h", "-t", "198001010000", "{}", "+"];
            let find = Program::new("find")
                .arg(source)
                .args(touch)
                .env("TZ", "UTC");
            find.output()?;
        }
        let (mut is_well, _, mut said) = self.tools.build(source, out, Some(newest)).run()?;
        // An index may not say when its files were published.
        if !is_well && said.contains("exclude-newer") {
            (is_well, _, said) = self.tools.build(source, out, None).run()?;
        }
        if !is_well {
            return failed(format!("could not be built: {}", last_lines(&said)));
        }
        let built = fs::read_dir(out).map_err(Fault::file("read", out))?;
        let wheel = built
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
        let Some(path) = wheel else {
            return failed("could not be built: there is no wheel".to_owned());
        };
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match name.ends_with("-any.whl") && self.target.rank(&name).is_some() {
            true => Ok((name, path)),
            false => failed(format!(
                "has no wheel for {}, and building one takes a compiler",
                self.target
            )),
        }
    }

    fn keep(&self, file_name: String, path: &Path) -> Result<(String, String, PathBuf), Fault> {
        let (sum, _) = sum_file(path).map_err(Fault::file("read", path))?;
        let kept = self.cache.path("wheels", &sum);
        fs::rename(path, &kept).map_err(Fault::file("write", &kept))?;
        Ok((file_name, sum, kept))
    }
}
