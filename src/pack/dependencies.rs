//! Builds the payload part with a release's dependencies.

use super::cache::{Cache, Fingerprint, PartRef, WorkDir};
use super::indexes::Index;
use super::input::{Input, selection_args};
use super::program::Program;
use super::resolve::{self, Resolved};
use super::target::Target;
use super::tools::{Tools, UV_VERSION};
use super::wheels::{Wheel, WheelCollector};
use super::{Notify, PackError, Result, archive, cache_key};
use crate::config::{PackageManager, Server, VenvMode};
use crate::credentials::without_secrets;
use crate::payload::{DEPENDENCIES, Part};
use std::path::{Path, PathBuf};

/// The dependencies of a release, for its payload.
pub struct Dependencies {
    /// `None` if the config's own command installs the dependencies, without uv.
    pub part: Option<Part>,
    /// Wheels of the repository's own projects. They are part of the source: each commit may change them.
    pub local_wheels: Vec<PathBuf>,
    /// Files of this machine that the result depends on.
    pub fingerprints: Vec<Fingerprint>,
}

/// Resolves and packs the dependencies of a server.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    pub server: &'a Server,
    pub target: &'a Target,
    /// The checkout.
    pub tree: &'a Path,
    pub commit: &'a str,
    pub cache: &'a Cache,
    pub work_dir: &'a WorkDir,
    pub notify: Notify<'a>,
}

impl Resolver<'_> {
    pub fn build(&self) -> Result<Dependencies> {
        let is_uv = self.server.package_manager == PackageManager::Uv;
        if self.server.dependency_install_command.is_some() {
            return Ok(Dependencies {
                // Hosts put uv on the command's PATH.
                part: is_uv.then(|| self.uv_part()).transpose()?,
                local_wheels: Vec::new(),
                fingerprints: Vec::new(),
            });
        }
        let tools = Tools::find(self.cache, self.server.package_manager)?;
        let input = Input::read(self.server, self.tree, &tools)?;
        let indexes = input.indexes(&tools, self.tree);
        let urls = indexes.iter().map(|index| without_secrets(&index.url));
        let fingerprints = tools.find_links_fingerprints();
        let key = cache_key((
            ("dependencies", self.target, UV_VERSION, is_uv),
            (urls.collect::<Vec<_>>(), &fingerprints),
            (
                &self.server.dependency_extras,
                &self.server.dependency_groups,
            ),
            (&self.server.dependency_file, &input.text),
            (!input.is_self_contained).then_some(self.commit),
        ));
        if let Some((cached, local)) = self.cache.load::<(PartRef, Vec<PathBuf>)>(&key)
            && let Some(part) = self.cache.part(&cached)
        {
            let local_wheels = self.build_local(&self.wheels(&tools, &indexes), &local)?;
            return Ok(Dependencies {
                part: Some(part),
                local_wheels,
                fingerprints,
            });
        }
        // For metadata, uv runs the build backends of the repository's projects, which may write into the checkout.
        let copy;
        let mut resolver = *self;
        if !input.is_lock && !input.is_self_contained {
            copy = self.copy_checkout("resolved")?;
            resolver.tree = &copy;
        }
        let wheels = resolver.wheels(&tools, &indexes);
        let mut resolved = if input.is_lock {
            resolve::parse_pylock(&input.text, self.target, self.tree, self.tree)?
                .reject_local_repositories()
        } else {
            resolver.compile(&wheels, &input)?
        };
        resolve::deduplicate(&mut resolved.packages);
        let local = std::mem::take(&mut resolved.local);
        let local_wheels = self.build_local(&wheels, &local)?;
        let part = self.pack(&wheels, resolved, is_uv)?;
        self.cache.store(&key, &(PartRef::new(&part), &local));
        Ok(Dependencies {
            part: Some(part),
            local_wheels,
            fingerprints,
        })
    }

    fn wheels<'a>(&'a self, tools: &'a Tools, indexes: &'a [Index]) -> WheelCollector<'a> {
        WheelCollector {
            cache: self.cache,
            work_dir: self.work_dir,
            tools,
            target: self.target,
            tree: self.tree,
            indexes,
            notify: self.notify,
        }
    }

    /// Copies the checkout for programs that may write into it: what is deployed must be the commit.
    fn copy_checkout(&self, name: &str) -> Result<PathBuf> {
        let copy = self.work_dir.path().join(name);
        let cp = Program::new("cp").arg("-Rp").arg(self.tree).arg(&copy);
        cp.run()?;
        Ok(copy)
    }

    /// Builds wheels of the projects in directories of the checkout.
    fn build_local(&self, wheels: &WheelCollector, local: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let mut local = local.to_vec();
        // pip installs the project of a `pyproject.toml` along with its dependencies.
        if self.server.package_manager == PackageManager::Pip
            && let Some(directory) = self.server.dependency_file.project_directory()
        {
            local.push(PathBuf::from(if directory == "." { "" } else { directory }));
        }
        local.sort();
        local.dedup();
        let Some(first) = local.first() else {
            return Ok(Vec::new());
        };
        if self.server.venv_mode == VenvMode::Shared {
            let project = if first.as_os_str().is_empty() {
                ".".to_owned()
            } else {
                first.display().to_string()
            };
            return Err(PackError::ProjectInSharedVenv {
                file: self.server.dependency_file.to_string(),
                project,
            });
        }
        wheels.build_local(&self.copy_checkout("build")?, &local)
    }

    /// Resolves requirements on the package index.
    fn compile(&self, wheels: &WheelCollector, input: &Input) -> Result<Resolved> {
        let directory = self.tree.join(self.server.app_dir.to_string());
        let resolve = |strategy: &[&str]| {
            wheels
                .tools
                .resolve(&directory, self.target, &input.text)
                .arg(self.tree.join(&*self.server.dependency_file))
                .args(strategy)
                .args(selection_args(self.server))
                .output()
        };
        let output = resolve(match self.server.package_manager {
            // As pip does: the best version of all indexes.
            PackageManager::Pip => &["--index-strategy", "unsafe-best-match"],
            PackageManager::Uv => &[],
        })?;
        if output.is_success() {
            let resolved =
                resolve::parse_pylock(&output.stdout, self.target, &directory, self.tree)?;
            self.check_hashes(&resolved, &input.text)?;
            return Ok(resolved);
        }
        self.report_unsupported(wheels, &directory, input)?;
        // With `unsafe-best-match`, uv says this even of an index that wants a login.
        let output = if output
            .stderr
            .contains(" was not found in the package registry")
        {
            resolve(&[])?
        } else {
            output
        };
        let reason = output.reason();
        let refusals = ["(401 Unauthorized)", "(403 Forbidden)"];
        if refusals
            .iter()
            .any(|refusal| output.stderr.contains(refusal))
        {
            return Err(PackError::IndexLogin { reason });
        }
        Err(PackError::Unresolved {
            file: self.server.dependency_file.to_string(),
            target: self.target.to_string(),
            reason,
        })
    }

    /// uv stops at the first package without a file for the target. To report all of them, this resolves for any platform.
    ///
    /// # Errors
    /// [`PackError::UnsupportedPackages`], if there are any.
    fn report_unsupported(
        &self,
        wheels: &WheelCollector,
        directory: &Path,
        input: &Input,
    ) -> Result<()> {
        let text = wheels
            .tools
            .compile(directory, self.target, &input.text)
            .arg("--universal")
            .arg(self.tree.join(&*self.server.dependency_file))
            .args(selection_args(self.server))
            .output()?
            .stdout;
        let resolved = resolve::parse_pylock(&text, self.target, directory, self.tree)?;
        if !resolved.unsupported.is_empty() {
            self.collect(wheels, resolved)?;
        }
        Ok(())
    }

    /// Collects the wheels of the resolved packages.
    ///
    /// # Errors
    /// [`PackError::UnsupportedPackages`] with all packages that have none.
    fn collect(&self, wheels: &WheelCollector, mut resolved: Resolved) -> Result<Vec<Wheel>> {
        let found = wheels.collect(&resolved.packages, &mut resolved.unsupported)?;
        if resolved.unsupported.is_empty() {
            return Ok(found);
        }
        Err(PackError::UnsupportedPackages {
            file: self.server.dependency_file.to_string(),
            target: self.target.to_string(),
            packages: resolved.unsupported,
        })
    }

    /// If the requirements have any hashes, they must have one for each file: pip would refuse the others.
    fn check_hashes(&self, resolved: &Resolved, text: &str) -> Result<()> {
        if !text.contains("--hash=") {
            return Ok(());
        }
        let is_listed = |sum: &String| text.contains(sum.as_str());
        let mut files = resolved
            .packages
            .iter()
            .filter_map(|package| package.file());
        match files.find(|file| !file.sha256.as_ref().is_some_and(is_listed)) {
            None => Ok(()),
            Some(file) => Err(PackError::MissingHash {
                file: self.server.dependency_file.to_string(),
                package: file.file_name.clone(),
            }),
        }
    }

    /// A part with the wheel of uv alone.
    fn uv_part(&self) -> Result<Part> {
        let key = cache_key(("uv", UV_VERSION, self.target));
        if let Some(cached) = self.cache.load(&key)
            && let Some(part) = self.cache.part(&cached)
        {
            return Ok(part);
        }
        let tools = Tools::find(self.cache, self.server.package_manager)?;
        let indexes = tools.indexes();
        let wheels = self.wheels(&tools, &indexes);
        let part = self.pack(&wheels, Resolved::default(), true)?;
        self.cache.store(&key, &PartRef::new(&part));
        Ok(part)
    }

    /// Packs the wheels of the resolved packages with a `requirements.txt`, and the wheel of uv if hosts need it.
    fn pack(&self, wheels: &WheelCollector, resolved: Resolved, with_uv: bool) -> Result<Part> {
        let mut packed = self.collect(wheels, resolved)?;
        let mut list = String::new();
        for wheel in &packed {
            if let Some(source) = &wheel.built_from {
                list += &format!("# built of {source}\n");
            }
            list += &format!(
                "{}=={} --hash=sha256:{}\n",
                wheel.name, wheel.version, wheel.file.sha256
            );
        }
        let count = packed.len();
        if with_uv && !packed.iter().any(|wheel| wheel.name == "uv") {
            packed.extend(self.uv_wheel(wheels)?);
        }
        let mut files: Vec<(String, PathBuf)> = packed
            .into_iter()
            .map(|wheel| (format!("wheels/{}", wheel.file.name), wheel.path))
            .collect();
        files.sort();
        let part = self.cache.add_part(DEPENDENCIES, |out| {
            archive::pack_files(("requirements.txt", &list), &files, out)
        })?;
        (self.notify)(&format!("Packed {count} packages for {}", self.target));
        Ok(part)
    }

    /// The wheel of uv, as the only element.
    fn uv_wheel(&self, wheels: &WheelCollector) -> Result<Vec<Wheel>> {
        let directory = self.work_dir.path();
        let output = wheels
            .tools
            .resolve(directory, self.target, "")
            .args(["--no-config", "--no-deps", "-"])
            .input(format!("uv=={UV_VERSION}\n"))
            .run()?;
        let resolved = resolve::parse_pylock(&output, self.target, directory, self.tree)?;
        self.collect(wheels, resolved)
    }
}
