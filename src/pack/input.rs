//! What a release's dependencies follow from: a lock, or a list of requirements with all that it names.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the dependency files of the checkout"
)]

use super::dependencies::Resolver;
use super::indexes::{self, Index};
use super::tools::Tools;
use super::{Fault, up_from};
use crate::config::PackageManager;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Input {
    /// What `uv export` printed of a lock, or the text of all files.
    pub text: String,
    pub is_lock: bool,
    /// The text says all.
    pub is_whole: bool,
    /// Where uv looks for settings first.
    directory: PathBuf,
}

/// Options of requirements files that name no other file and no source.
const OPTIONS_OF_INDEXES: [&str; 12] = [
    "--extra-index-url",
    "--hash",
    "--index-url",
    "--no-binary",
    "--no-index",
    "--only-binary",
    "--pre",
    "--prefer-binary",
    "--require-hashes",
    "--trusted-host",
    "--use-feature",
    "-i",
];

impl Input {
    /// The indexes that it and settings of uv name, after those that this user names.
    pub fn indexes(&self, tools: &Tools, tree: &Path) -> Vec<Index> {
        let mut found = tools.indexes();
        found.extend(indexes::of_settings(&self.directory, tree));
        if !self.is_lock {
            found.extend(indexes::in_text(&self.text));
        }
        found
    }
}

impl Resolver<'_> {
    pub fn input(&self, tools: &Tools) -> Result<Input, Fault> {
        let lock_directory = self.server.dependency_file.uv_lock_directory();
        match lock_directory.filter(|_| self.server.package_manager == PackageManager::Uv) {
            Some(directory) => self.export(tools, &self.tree.join(directory)),
            None => self.read_file(),
        }
    }

    /// What the lock has for the app: no network is needed. It lies in the project's directory, or above it.
    fn export(&self, tools: &Tools, project: &Path) -> Result<Input, Fault> {
        let mut locks = up_from(project, self.tree).map(|path| path.join("uv.lock"));
        let Some(lock) = locks.find_map(|path| fs::read_to_string(path).ok()) else {
            return Err(self.missing(", nor a uv.lock above it"));
        };
        let exported = tools
            .uv(self.tree, indexes::is_login)
            .arg("--project")
            .arg(project)
            .args(["export", "--quiet", "--frozen", "--no-dev"])
            .args(["--format", "pylock.toml", "--no-header", "--no-annotate"])
            .args(self.sets())
            .run()?;
        if !exported.is_success() {
            let reason = exported.reason();
            return Err(Fault::Lock { reason });
        }
        let text = exported.output;
        if !text.contains("[[packages]]") && lock.lines().any(|line| line.starts_with("members = "))
        {
            return Err(Fault::EmptyProject);
        }
        let others = ["vcs = ", "directory = ", "{ path = "];
        Ok(Input {
            is_whole: !others.iter().any(|other| text.contains(other)),
            text,
            is_lock: true,
            directory: project.to_owned(),
        })
    }

    fn missing(&self, and: &str) -> Fault {
        let files = format!("{}{and}", self.server.dependency_file);
        Fault::NoDependencyFile { files }
    }

    /// uv's options for the extras and the groups that are installed.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        let extras = self.server.dependency_extras.iter();
        let groups = self.server.dependency_groups.iter();
        extras
            .flat_map(|extra| ["--extra", extra])
            .chain(groups.flat_map(|group| ["--group", group]))
    }

    /// A list of requirements with all that it names, or a project's description; and settings of uv, which change what
    /// it makes of them.
    fn read_file(&self) -> Result<Input, Fault> {
        let file = Path::new(&*self.server.dependency_file);
        if !self.tree.join(file).is_file() {
            return Err(self.missing(""));
        }
        let mut input = Input {
            text: String::new(),
            is_lock: false,
            is_whole: true,
            directory: self.tree.join(self.server.app_dir.to_string()),
        };
        self.read_requirements(file, &mut input, &mut BTreeSet::new())?;
        if self.server.package_manager == PackageManager::Pip {
            return Ok(input);
        }
        for directory in up_from(&input.directory, self.tree) {
            for name in ["pyproject.toml", "uv.toml", ".python-version"] {
                if let Ok(text) = fs::read_to_string(directory.join(name)) {
                    input.text += &format!("\0{name}\0{text}");
                }
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
        if path.extension().is_some_and(|kind| kind == "toml") {
            let others = ["dynamic", "path", "workspace", "git", "file:", "url"];
            input.is_whole &= !others.iter().any(|word| text.contains(word));
            return Ok(());
        }
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let Some(other) = included(line) else {
                input.is_whole &= is_of_index(line);
                continue;
            };
            let other = file.parent().unwrap_or(Path::new("")).join(other);
            let path = self.tree.join(&other);
            if !path.is_file() {
                input.is_whole = false;
            } else if self.has(&path) {
                self.read_requirements(&other, input, read)?;
            } else {
                return Err(Fault::Outside { path: other });
            }
        }
        Ok(())
    }

    /// Whether a path leads into the repository.
    fn has(&self, path: &Path) -> bool {
        let tree = self.tree.canonicalize();
        tree.is_ok_and(|tree| path.canonicalize().is_ok_and(|path| path.starts_with(tree)))
    }
}

/// The file that a line of a requirements file includes.
fn included(line: &str) -> Option<&str> {
    let options = ["-r", "-c", "--requirement", "--constraint"];
    options.iter().find_map(|option| {
        let rest = line.strip_prefix(option)?;
        let is_end = |c: char| c == '=' || c.is_whitespace();
        rest.starts_with(is_end).then(|| rest[1..].trim())
    })
}

/// Whether a line of a requirements file asks for nothing but what package indexes have.
fn is_of_index(line: &str) -> bool {
    let option = line.split(|c: char| c == '=' || c.is_whitespace()).next();
    line.starts_with('#')
        || OPTIONS_OF_INDEXES.contains(&option.unwrap_or_default())
        || !line.starts_with(['.', '-']) && !line.contains(['/', '@', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_requirements_are_told_apart() {
        for (line, file) in [
            ("-r base.txt", Some("base.txt")),
            ("-r\tbase.txt", Some("base.txt")),
            ("--constraint=base.txt", Some("base.txt")),
            ("-rbase.txt", None),
            ("--requirements base.txt", None),
        ] {
            assert_eq!(included(line), file, "{line}");
        }
        for line in [
            "",
            "# see ../other",
            "alpha>=1; python_version < '3.12'",
            "--index-url https://a/simple",
            "--hash=sha256:0",
        ] {
            assert!(is_of_index(line), "{line}");
        }
        for line in [
            ".",
            "-e lib",
            "-rbase.txt",
            "--find-links wheels",
            "lib/tool",
            "tool @ file:lib",
            "${TOOL}",
        ] {
            assert!(!is_of_index(line), "{line}");
        }
    }
}
