//! The dependencies of a release, from its dependency file, for a target.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the dependency files of the checkout"
)]

use super::cache::{Cache, Work};
use super::program::last_lines;
use super::resolve::{self, Resolved};
use super::target::Target;
use super::tools::{Tools, UV};
use super::wheels::{Wheel, Wheels};
use super::{Fault, Made, Note, archive, key};
use crate::config::{PackageManager, Server, VenvMode};
use crate::payload::DEPENDENCIES;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a payload has of a release's dependencies.
pub struct Dependencies {
    pub part: Option<Made>,
    /// Wheels of what lies in the repository itself.
    pub own: Vec<PathBuf>,
}

/// What resolves a server's dependencies.
pub struct Resolver<'a> {
    pub server: &'a Server,
    pub target: &'a Target,
    pub tree: &'a Path,
    pub commit: &'a str,
    pub cache: &'a Cache,
    pub work: &'a Work,
    pub note: Note<'a>,
}

/// What the dependencies follow from.
struct Input {
    text: String,
    /// The text says all.
    is_whole: bool,
    /// What `uv export` printed, where there is a lock.
    locked: Option<String>,
}

impl Resolver<'_> {
    pub fn make(&self) -> Result<Dependencies, Fault> {
        let is_uv = self.server.package_manager == PackageManager::Uv;
        if self.server.dependency_install_command.is_some() {
            return Ok(Dependencies {
                // The command finds it on PATH.
                part: is_uv.then(|| self.part_of_uv()).transpose()?,
                own: Vec::new(),
            });
        }
        let tools = Tools::find(self.cache)?;
        let input = match self.lock()? {
            Some((project, lock)) => self.export(&tools, &project, &lock)?,
            None => self.read_file()?,
        };
        let settings = [
            "dependencies 1",
            &format!("{} {UV} {is_uv}", self.target),
            &format!(
                "{:?} {:?}",
                self.server.dependency_extras, self.server.dependency_groups
            ),
            &self.server.dependency_file,
            &input.text,
            if input.is_whole { "" } else { self.commit },
        ];
        let key = key(&settings);
        if let Some((made, local)) = self.cache.noted::<(Made, Vec<PathBuf>)>(&key)
            && made.is_there(self.cache)
        {
            return Ok(Dependencies {
                own: self.build_own(&tools, &local)?,
                part: Some(made),
            });
        }
        let mut resolved = match &input.locked {
            Some(text) => {
                resolve::read(text, self.target, self.tree, self.tree)?.without_own_repositories()
            }
            None => self.compile(&tools, &input.text)?,
        };
        resolve::without_doubles(&mut resolved.packages);
        let own = self.build_own(&tools, &resolved.local)?;
        let wheels = self
            .wheels(&tools)
            .get(&resolved.packages, &mut resolved.misfits)?;
        if !resolved.misfits.is_empty() {
            return Err(self.misfits(&resolved.misfits));
        }
        let made = self.pack(&tools, &wheels, is_uv)?;
        self.cache.note(&key, &(&made, &resolved.local));
        Ok(Dependencies {
            part: Some(made),
            own,
        })
    }

    fn wheels<'a>(&'a self, tools: &'a Tools) -> Wheels<'a> {
        Wheels {
            cache: self.cache,
            work: self.work,
            tools,
            target: self.target,
            tree: self.tree,
            note: self.note,
        }
    }

    /// All of them at once.
    fn misfits(&self, misfits: &[String]) -> Fault {
        Fault::of_field(
            "dependency_file",
            format!(
                "{} of the packages of {} cannot go into a payload for {}:\n    {}\n  ",
                misfits.len(),
                self.server.dependency_file,
                self.target,
                misfits.join("\n    ")
            ),
            "take versions that have wheels for it, correct `python` and `platform`, or build wheels on such a machine \
             with `pip wheel` and name their directory in PIP_FIND_LINKS",
        )
    }

    fn build_own(&self, tools: &Tools, local: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
        let mut local = local.to_vec();
        if let Some(directory) = self.pip_project() {
            local.push(directory);
        }
        local.sort();
        local.dedup();
        if local.is_empty() {
            return Ok(Vec::new());
        }
        if self.server.venv_mode == VenvMode::Shared {
            let shown = match local[0].as_os_str().is_empty() {
                true => ".".to_owned(),
                false => local[0].display().to_string(),
            };
            return Err(Fault::of_field(
                "dependency_file",
                format!(
                    "the virtualenv that releases share must not hold code of one of them, and {} installs from the repository: {shown}",
                    self.server.dependency_file
                ),
                "write `venv_mode: release`",
            ));
        }
        // Builds write into their source; what is deployed is the commit.
        let copy = self.work.path().join("build");
        super::program::Program::new("cp")
            .arg("-Rp")
            .arg(self.tree)
            .arg(&copy)
            .output()?;
        self.wheels(tools).build_local(&copy, &local)
    }

    /// The project that pip installs itself, of a `pyproject.toml`.
    fn pip_project(&self) -> Option<PathBuf> {
        let is_pip = self.server.package_manager == PackageManager::Pip;
        let directory = self.server.dependency_file.project_directory()?;
        is_pip.then(|| PathBuf::from(if directory == "." { "" } else { directory }))
    }

    fn missing(&self, what: &str) -> Fault {
        Fault::of_field(
            "dependency_file",
            format!(
                "the repository has no {}{what}",
                self.server.dependency_file
            ),
            "correct it",
        )
    }

    /// The directory of the project and the file of its lock, which lies there or above it.
    fn lock(&self) -> Result<Option<(PathBuf, PathBuf)>, Fault> {
        let Some(directory) = self.server.dependency_file.uv_lock_directory() else {
            return Ok(None);
        };
        if self.server.package_manager == PackageManager::Pip {
            return Ok(None);
        }
        let project = self.tree.join(directory);
        let mut above = project
            .ancestors()
            .take_while(|path| path.starts_with(self.tree));
        match above.find(|path| path.join("uv.lock").is_file()) {
            Some(path) => Ok(Some((project.clone(), path.join("uv.lock")))),
            None => Err(self.missing(", nor a uv.lock above it")),
        }
    }

    /// What the lock has for the app: no network is needed.
    fn export(&self, tools: &Tools, project: &Path, lock: &Path) -> Result<Input, Fault> {
        let mut uv = tools.uv(self.tree).arg("--project").arg(project).args([
            "export",
            "--quiet",
            "--frozen",
            "--no-dev",
            "--format",
            "pylock.toml",
            "--no-header",
            "--no-annotate",
        ]);
        uv = self.with_sets(uv);
        let (is_well, output, said) = uv.run()?;
        let text = String::from_utf8_lossy(&output).into_owned();
        if !is_well {
            return Err(Fault::of_field(
                "dependency_file",
                format!("uv cannot read the lock: {}", last_lines(&said)),
                "run `uv lock`, and commit it",
            ));
        }
        let lock = fs::read_to_string(lock).map_err(Fault::file("read", lock))?;
        if !text.contains("[[packages]]") && lock.lines().any(|line| line.starts_with("members = "))
        {
            return Err(Fault::of_field(
                "dependency_file",
                "uv installs nothing for this project, on which no member of the workspace depends",
                "name a member's directory and uv.lock, as in services/api/uv.lock",
            ));
        }
        Ok(Input {
            is_whole: !text.contains("vcs = ")
                && !text.contains("directory = ")
                && !text.contains("{ path = "),
            text: text.clone(),
            locked: Some(text),
        })
    }

    fn with_sets(&self, mut program: super::program::Program) -> super::program::Program {
        for extra in &self.server.dependency_extras {
            program = program.args(["--extra", extra]);
        }
        for group in &self.server.dependency_groups {
            program = program.args(["--group", group]);
        }
        program
    }

    /// A list of requirements with all that it names, or a project's description.
    fn read_file(&self) -> Result<Input, Fault> {
        let file = Path::new(&*self.server.dependency_file).to_owned();
        if !self.tree.join(&file).is_file() {
            return Err(self.missing(""));
        }
        let mut input = Input {
            text: String::new(),
            is_whole: true,
            locked: None,
        };
        self.read_requirements(&file, &mut input, &mut BTreeSet::new())?;
        for name in ["uv.toml", ".python-version"] {
            if let Ok(text) = fs::read_to_string(self.tree.join(name)) {
                input.text += &text;
            }
        }
        Ok(input)
    }

    fn read_requirements(
        &self,
        file: &Path,
        input: &mut Input,
        read: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Fault> {
        if !read.insert(file.to_owned()) {
            return Ok(());
        }
        let path = self.tree.join(file);
        let bytes = fs::read(&path).map_err(Fault::file("read", &path))?;
        let text = String::from_utf8_lossy(&bytes);
        input.text += &format!("\0{}\0{text}", file.display());
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let depends = ["dynamic", "path", "workspace", "git", "file:", "url"];
            input.is_whole &= !depends.iter().any(|word| text.contains(word));
            return Ok(());
        }
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let option = ["-r", "-c", "--requirement", "--constraint"]
                .iter()
                .find_map(|option| {
                    let rest = line.strip_prefix(option)?;
                    rest.starts_with([' ', '=']).then(|| rest[1..].trim())
                });
            match option {
                Some(other) => {
                    let other = file.parent().unwrap_or(Path::new("")).join(other);
                    let path = self.tree.join(&other);
                    if path.is_file() && !self.has(&path) {
                        return Err(Fault::of_field(
                            "dependency_file",
                            format!("{} lies outside of the repository", other.display()),
                            "take it into the repository",
                        ));
                    }
                    match path.is_file() {
                        true => self.read_requirements(&other, input, read)?,
                        false => input.is_whole = false,
                    }
                }
                None if line.starts_with("-f") || line.starts_with("--find-links") => {
                    input.is_whole = false;
                }
                None if line.starts_with(['#', '-'])
                    && !line.starts_with("-e")
                    && !line.starts_with("--e") => {}
                None => {
                    input.is_whole &=
                        !line.contains(['/', '@', '$']) && !line.starts_with(['.', '-'])
                }
            }
        }
        Ok(())
    }

    /// Whether a path leads into the repository.
    fn has(&self, path: &Path) -> bool {
        let tree = self.tree.canonicalize();
        tree.is_ok_and(|tree| path.canonicalize().is_ok_and(|path| path.starts_with(tree)))
    }

    /// Asks the package index what a list of requirements comes to.
    fn compile(&self, tools: &Tools, text: &str) -> Result<Resolved, Fault> {
        let directory = self.tree.join(self.server.app_dir.to_string());
        let resolve = |strategy: &[&str]| {
            let mut uv = tools
                .resolve(&directory, self.target)
                .arg(self.tree.join(&*self.server.dependency_file))
                .args(strategy);
            // Where a package does not declare its metadata, its code is asked.
            if !text.contains("git+ssh") {
                uv = uv.without_env(&["SSH_AUTH_SOCK"]);
            }
            self.with_sets(uv).run()
        };
        // As pip takes them: the best version, whichever index has it.
        let best_of_all = ["--index-strategy", "unsafe-best-match"];
        let (is_well, output, mut said) = resolve(match self.server.package_manager {
            PackageManager::Pip => &best_of_all,
            PackageManager::Uv => &[],
        })?;
        if !is_well {
            self.name_misfits(tools, &directory)?;
            if said.contains(" was not found in the package registry") {
                // Only without it uv says that an index wants a login.
                said = resolve(&[])?.2;
            }
            if said.contains("(401 Unauthorized)") || said.contains("(403 Forbidden)") {
                return Err(Fault::of_field(
                    "dependency_file",
                    format!("the package index wants a login: {}", last_lines(&said)),
                    "give it in the URL of pip's index-url, or in ~/.netrc, on this machine",
                ));
            }
            return Err(Fault::of_field(
                "dependency_file",
                format!(
                    "{} cannot be resolved for {}: {}",
                    self.server.dependency_file,
                    self.target,
                    last_lines(&said)
                ),
                "correct it, or see that this machine reaches the package index",
            ));
        }
        let text = String::from_utf8_lossy(&output);
        let resolved = resolve::read(&text, self.target, &directory, self.tree)?;
        self.check_hashes(&resolved)?;
        Ok(resolved)
    }

    /// uv stops at the first package that is not for the target: all of them, where that is what it stopped at.
    fn name_misfits(&self, tools: &Tools, directory: &Path) -> Result<(), Fault> {
        let uv = tools
            .compile(directory, self.target)
            .arg("--universal")
            .arg(self.tree.join(&*self.server.dependency_file));
        let (_, output, _) = self.with_sets(uv).run()?;
        let text = String::from_utf8_lossy(&output);
        let mut resolved = resolve::read(&text, self.target, directory, self.tree)?;
        if !resolved.misfits.is_empty() {
            let wheels = self.wheels(tools);
            wheels.get(&resolved.packages, &mut resolved.misfits)?;
        }
        match resolved.misfits.is_empty() {
            true => Ok(()),
            false => Err(self.misfits(&resolved.misfits)),
        }
    }

    /// A list of requirements that has hashes has them for what is installed.
    fn check_hashes(&self, resolved: &Resolved) -> Result<(), Fault> {
        let path = self.tree.join(&*self.server.dependency_file);
        let text = fs::read_to_string(&path).map_err(Fault::file("read", &path))?;
        if !text.contains("--hash=") {
            return Ok(());
        }
        for package in &resolved.packages {
            let (resolve::Origin::Wheel(file) | resolve::Origin::Archive(file)) = &package.origin
            else {
                continue;
            };
            let is_listed = file
                .sha256
                .as_ref()
                .is_some_and(|sum| text.contains(sum.as_str()));
            if !is_listed {
                return Err(Fault::of_field(
                    "dependency_file",
                    format!(
                        "{} has no hash of {}",
                        self.server.dependency_file, file.file_name
                    ),
                    "write its hashes anew, with `uv pip compile --generate-hashes` say",
                ));
            }
        }
        Ok(())
    }

    fn part_of_uv(&self) -> Result<Made, Fault> {
        let key = key(&["uv", UV, &self.target.to_string()]);
        if let Some(made) = self.cache.noted::<Made>(&key)
            && made.is_there(self.cache)
        {
            return Ok(made);
        }
        let made = self.pack(&Tools::find(self.cache)?, &[], true)?;
        self.cache.note(&key, &made);
        Ok(made)
    }

    /// Packs wheels, and uv's where it is needed.
    fn pack(&self, tools: &Tools, wheels: &[Wheel], with_uv: bool) -> Result<Made, Fault> {
        let mut list = String::new();
        for wheel in wheels {
            if let Some(source) = &wheel.built_of {
                list += &format!("# built of {source}\n");
            }
            list += &format!(
                "{}=={} --hash=sha256:{}\n",
                wheel.name, wheel.version, wheel.sha256
            );
        }
        let mut carried = wheels.to_vec();
        if with_uv && !wheels.iter().any(|wheel| wheel.name == "uv") {
            carried.extend(self.uv_wheel(tools)?);
        }
        let mut files: Vec<(String, PathBuf)> = carried
            .into_iter()
            .map(|wheel| (format!("wheels/{}", wheel.file_name), wheel.path))
            .collect();
        files.sort();
        let (sha256, size, _) = self.cache.add("parts", |out| {
            archive::pack_files(Some(("requirements.txt", &list)), &files, out)
        })?;
        (self.note)(&format!(
            "Packed {} packages for {}",
            wheels.len(),
            self.target
        ));
        Ok(Made {
            name: DEPENDENCIES.to_owned(),
            sha256,
            size,
        })
    }

    fn uv_wheel(&self, tools: &Tools) -> Result<Vec<Wheel>, Fault> {
        let output = tools
            .resolve(self.work.path(), self.target)
            .args(["--no-config", "--no-deps", "-"])
            .input(format!("uv=={UV}\n"))
            .output()?;
        let mut resolved = resolve::read(&output, self.target, self.work.path(), self.tree)?;
        let wheels = self
            .wheels(tools)
            .get(&resolved.packages, &mut resolved.misfits)?;
        match resolved.misfits.is_empty() {
            true => Ok(wheels),
            false => Err(self.misfits(&resolved.misfits)),
        }
    }
}
