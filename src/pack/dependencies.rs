//! The dependencies of a release, from its dependency file, for a target.

use super::cache::{Cache, Noted, Seen, Work};
use super::indexes::Index;
use super::input::Input;
use super::program::Program;
use super::resolve::{self, Resolved};
use super::target::Target;
use super::tools::{Tools, UV};
use super::wheels::{Wheel, Wheels};
use super::{Fault, Note, archive, key};
use crate::config::{PackageManager, Server, VenvMode};
use crate::credentials::without_secrets;
use crate::payload::{DEPENDENCIES, Part};
use std::path::{Path, PathBuf};

/// What a payload has of a release's dependencies.
pub struct Dependencies {
    pub part: Option<Part>,
    /// Wheels of what lies in the repository itself.
    pub own: Vec<PathBuf>,
    /// What they follow from besides the commit.
    pub seen: Vec<Seen>,
}

/// What resolves a server's dependencies.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    pub server: &'a Server,
    pub target: &'a Target,
    pub tree: &'a Path,
    pub commit: &'a str,
    pub cache: &'a Cache,
    pub work: &'a Work,
    pub note: Note<'a>,
}

impl Resolver<'_> {
    pub fn make(&self) -> Result<Dependencies, Fault> {
        let is_uv = self.server.package_manager == PackageManager::Uv;
        if self.server.dependency_install_command.is_some() {
            return Ok(Dependencies {
                // The command finds it on PATH.
                part: is_uv.then(|| self.part_of_uv()).transpose()?,
                own: Vec::new(),
                seen: Vec::new(),
            });
        }
        let tools = Tools::find(self.cache, self.server.package_manager)?;
        let input = self.input(&tools)?;
        let indexes = input.indexes(&tools, self.tree);
        let urls = indexes.iter().map(|index| without_secrets(&index.url));
        let seen = tools.seen_links();
        let key = key((
            ("dependencies", self.target, UV, is_uv),
            (urls.collect::<Vec<_>>(), &seen),
            (
                &self.server.dependency_extras,
                &self.server.dependency_groups,
            ),
            (&self.server.dependency_file, &input.text),
            (!input.is_whole).then_some(self.commit),
        ));
        if let Some((noted, local)) = self.cache.noted::<(Noted, Vec<PathBuf>)>(&key)
            && let Some(part) = self.cache.part(&noted)
        {
            let own = self.build_own(&self.wheels(&tools, &indexes), &local)?;
            return Ok(Dependencies {
                part: Some(part),
                own,
                seen,
            });
        }
        // The code of the repository's projects is asked what they need, and writes into their directories.
        let copy;
        let mut resolver = *self;
        if !input.is_lock && !input.is_whole {
            copy = self.copy("resolved")?;
            resolver.tree = &copy;
        }
        let wheels = resolver.wheels(&tools, &indexes);
        let mut resolved = if input.is_lock {
            resolve::read(&input.text, self.target, self.tree, self.tree)?
                .without_own_repositories()
        } else {
            resolver.compile(&wheels, &input)?
        };
        resolve::without_doubles(&mut resolved.packages);
        let own = self.build_own(&wheels, &resolved.local)?;
        let part = self.pack(&wheels, &mut resolved, is_uv)?;
        self.cache.note(&key, &(Noted::of(&part), &resolved.local));
        Ok(Dependencies {
            part: Some(part),
            own,
            seen,
        })
    }

    fn wheels<'a>(&'a self, tools: &'a Tools, indexes: &'a [Index]) -> Wheels<'a> {
        Wheels {
            cache: self.cache,
            work: self.work,
            tools,
            target: self.target,
            tree: self.tree,
            indexes,
            note: self.note,
        }
    }

    /// A copy of the checkout, for programs that change it: what is deployed is the commit.
    fn copy(&self, name: &str) -> Result<PathBuf, Fault> {
        let copy = self.work.path().join(name);
        let cp = Program::new("cp").arg("-Rp").arg(self.tree).arg(&copy);
        cp.output()?;
        Ok(copy)
    }

    fn build_own(&self, wheels: &Wheels, local: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
        let mut local = local.to_vec();
        // pip installs the project of a `pyproject.toml` itself.
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
            return Err(Fault::SharedCode {
                file: self.server.dependency_file.to_string(),
                project,
            });
        }
        wheels.build_local(&self.copy("build")?, &local)
    }

    /// Asks the package index what a list of requirements comes to.
    fn compile(&self, wheels: &Wheels, input: &Input) -> Result<Resolved, Fault> {
        let directory = self.tree.join(self.server.app_dir.to_string());
        let resolve = |strategy: &[&str]| {
            wheels
                .tools
                .resolve(&directory, self.target, &input.text)
                .arg(self.tree.join(&*self.server.dependency_file))
                .args(strategy)
                .args(self.sets())
                .run()
        };
        let ended = resolve(match self.server.package_manager {
            // As pip takes them: the best version, whichever index has it.
            PackageManager::Pip => &["--index-strategy", "unsafe-best-match"],
            PackageManager::Uv => &[],
        })?;
        if ended.is_success() {
            let resolved = resolve::read(&ended.output, self.target, &directory, self.tree)?;
            self.check_hashes(&resolved, &input.text)?;
            return Ok(resolved);
        }
        self.name_misfits(wheels, &directory, input)?;
        // Only without the strategy uv says that an index wants a login.
        let hides_login = " was not found in the package registry";
        let ended = if ended.errors.contains(hides_login) {
            resolve(&[])?
        } else {
            ended
        };
        let reason = ended.reason();
        let refusals = ["(401 Unauthorized)", "(403 Forbidden)"];
        if refusals
            .iter()
            .any(|refusal| ended.errors.contains(refusal))
        {
            return Err(Fault::IndexLogin { reason });
        }
        Err(Fault::Unresolved {
            file: self.server.dependency_file.to_string(),
            target: self.target.to_string(),
            reason,
        })
    }

    /// uv stops at the first package that is not for the target: all of them, where that is what it stopped at.
    fn name_misfits(&self, wheels: &Wheels, directory: &Path, input: &Input) -> Result<(), Fault> {
        let text = wheels
            .tools
            .compile(directory, self.target, &input.text)
            .arg("--universal")
            .arg(self.tree.join(&*self.server.dependency_file))
            .args(self.sets())
            .run()?
            .output;
        let mut resolved = resolve::read(&text, self.target, directory, self.tree)?;
        if !resolved.misfits.is_empty() {
            self.get(wheels, &mut resolved)?;
        }
        Ok(())
    }

    /// The wheels of what was resolved.
    ///
    /// # Errors
    /// Packages that have none, all of them at once.
    fn get(&self, wheels: &Wheels, resolved: &mut Resolved) -> Result<Vec<Wheel>, Fault> {
        let found = wheels.get(&resolved.packages, &mut resolved.misfits)?;
        if resolved.misfits.is_empty() {
            return Ok(found);
        }
        Err(Fault::Misfits {
            file: self.server.dependency_file.to_string(),
            target: self.target.to_string(),
            packages: std::mem::take(&mut resolved.misfits),
        })
    }

    /// Requirements that have hashes have them for all that is installed.
    fn check_hashes(&self, resolved: &Resolved, text: &str) -> Result<(), Fault> {
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
            Some(file) => Err(Fault::NoHash {
                file: self.server.dependency_file.to_string(),
                package: file.file_name.clone(),
            }),
        }
    }

    fn part_of_uv(&self) -> Result<Part, Fault> {
        let key = key(("uv", UV, self.target));
        if let Some(noted) = self.cache.noted(&key)
            && let Some(part) = self.cache.part(&noted)
        {
            return Ok(part);
        }
        let tools = Tools::find(self.cache, self.server.package_manager)?;
        let indexes = tools.indexes();
        let wheels = self.wheels(&tools, &indexes);
        let part = self.pack(&wheels, &mut Resolved::default(), true)?;
        self.cache.note(&key, &Noted::of(&part));
        Ok(part)
    }

    /// Packs the wheels of what was resolved, and uv's where it is needed.
    fn pack(&self, wheels: &Wheels, resolved: &mut Resolved, with_uv: bool) -> Result<Part, Fault> {
        let mut carried = self.get(wheels, resolved)?;
        let mut list = String::new();
        for wheel in &carried {
            if let Some(source) = &wheel.built_of {
                list += &format!("# built of {source}\n");
            }
            list += &format!(
                "{}=={} --hash=sha256:{}\n",
                wheel.name, wheel.version, wheel.file.sha256
            );
        }
        let count = carried.len();
        if with_uv && !carried.iter().any(|wheel| wheel.name == "uv") {
            carried.extend(self.uv_wheel(wheels)?);
        }
        let mut files: Vec<(String, PathBuf)> = carried
            .into_iter()
            .map(|wheel| (format!("wheels/{}", wheel.file.name), wheel.path))
            .collect();
        files.sort();
        let part = self.cache.add_part(DEPENDENCIES, |out| {
            archive::pack_files(("requirements.txt", &list), &files, out)
        })?;
        (self.note)(&format!("Packed {count} packages for {}", self.target));
        Ok(part)
    }

    fn uv_wheel(&self, wheels: &Wheels) -> Result<Vec<Wheel>, Fault> {
        let directory = self.work.path();
        let output = wheels
            .tools
            .resolve(directory, self.target, "")
            .args(["--no-config", "--no-deps", "-"])
            .input(format!("uv=={UV}\n"))
            .output()?;
        let mut resolved = resolve::read(&output, self.target, directory, self.tree)?;
        self.get(wheels, &mut resolved)
    }
}
