//! Reads the files that decide a release's dependencies: a lock, or requirements with the files that they include.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the dependency files of the checkout"
)]

use super::indexes::{self, Index};
use super::tools::Tools;
use super::{PackError, Result, ancestors_within};
use crate::config::{PackageManager, Server};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Input {
    /// The output of `uv export` for a lock; otherwise the names and contents of all files.
    pub text: String,
    pub is_lock: bool,
    /// Nothing but `text` and the package index decides the result, so it is the same for other commits.
    pub is_self_contained: bool,
    /// Where uv starts to look for settings.
    directory: PathBuf,
}

/// Options in requirements files that refer to no local file.
const INDEX_OPTIONS: [&str; 12] = [
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
    /// # Errors
    /// The dependency file is missing, includes a file that is not certainly in the repository, or is a lock that uv
    /// cannot export.
    pub fn read(server: &Server, tree: &Path, tools: &Tools) -> Result<Self> {
        let lock_directory = server.dependency_file.uv_lock_directory();
        match lock_directory.filter(|_| server.package_manager == PackageManager::Uv) {
            Some(directory) => Input::export(server, tree, tools, &tree.join(directory)),
            None => Input::read_files(server, tree),
        }
    }

    /// Exports what the project installs from its `uv.lock`, which is in the project's directory or a parent. Works offline.
    fn export(server: &Server, tree: &Path, tools: &Tools, project: &Path) -> Result<Self> {
        let mut locks = ancestors_within(project, tree).map(|path| path.join("uv.lock"));
        let Some(lock) = locks.find_map(|path| fs::read_to_string(path).ok()) else {
            let files = format!("{}, nor a uv.lock above it", server.dependency_file);
            return Err(PackError::NoDependencyFile { files });
        };
        let text = tools
            .uv(tree, indexes::is_login_variable)
            .arg("--project")
            .arg(project)
            .args(["export", "--quiet", "--frozen", "--no-dev"])
            .args(["--format", "pylock.toml", "--no-header", "--no-annotate"])
            .args(selection_args(server))
            .run_or(|output| {
                let reason = output.reason();
                PackError::Lock { reason }
            })?;
        if !text.contains("[[packages]]") && lock.lines().any(|line| line.starts_with("members = "))
        {
            return Err(PackError::EmptyProject);
        }
        let local_sources = ["vcs = ", "directory = ", "{ path = "];
        Ok(Input {
            is_self_contained: !local_sources.iter().any(|source| text.contains(source)),
            text,
            is_lock: true,
            directory: project.to_owned(),
        })
    }

    /// Reads a requirements file with its includes, or a `pyproject.toml`; with uv also the settings that influence how it
    /// resolves them.
    fn read_files(server: &Server, tree: &Path) -> Result<Self> {
        let file = Path::new(&*server.dependency_file);
        if !tree.join(file).is_file() {
            let files = server.dependency_file.to_string();
            return Err(PackError::NoDependencyFile { files });
        }
        let directory = tree.join(server.app_dir.to_string());
        let mut input = Input {
            text: String::new(),
            is_lock: false,
            is_self_contained: true,
            directory: directory.clone(),
        };
        if file.extension().is_some_and(|kind| kind == "toml") {
            let text = input.add_text(tree, file)?;
            let local_sources = ["dynamic", "path", "workspace", "git", "file:", "url"];
            input.is_self_contained = !local_sources.iter().any(|word| text.contains(word));
        } else {
            input.add_requirements(tree, file, &mut BTreeSet::new())?;
        }
        if server.package_manager == PackageManager::Pip {
            return Ok(input);
        }
        for directory in ancestors_within(&directory, tree) {
            for name in ["pyproject.toml", "uv.toml", ".python-version"] {
                if let Ok(text) = fs::read_to_string(directory.join(name)) {
                    input.text += &format!("\0{name}\0{text}");
                }
            }
        }
        Ok(input)
    }

    /// Reads a file, which must be UTF-8: uv decodes UTF-16, too, in which includes would not be found.
    fn add_text(&mut self, tree: &Path, file: &Path) -> Result<String> {
        let path = tree.join(file);
        let text = fs::read_to_string(&path).map_err(PackError::file("read", &path))?;
        self.text += &format!("\0{}\0{text}", file.display());
        Ok(text)
    }

    /// Reads a requirements file with its includes, which uv reads as requirements, too, whatever their names are.
    fn add_requirements(
        &mut self,
        tree: &Path,
        file: &Path,
        visited: &mut BTreeSet<PathBuf>,
    ) -> Result<()> {
        if !visited.insert(file.to_owned()) {
            return Ok(());
        }
        let text = self.add_text(tree, file)?;
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let Some(included) = included_file(line) else {
                self.is_self_contained &= is_index_requirement(line);
                continue;
            };
            let Some(included) = plain_path(included) else {
                let (file, included) = (file.display().to_string(), included.to_owned());
                return Err(PackError::UnclearInclude { file, included });
            };
            let included = file.parent().unwrap_or(Path::new("")).join(included);
            let path = tree.join(&included);
            if !path.is_file() {
                self.is_self_contained = false;
            } else if contains(tree, &path) {
                self.add_requirements(tree, &included, visited)?;
            } else {
                return Err(PackError::OutsideRepository { path: included });
            }
        }
        Ok(())
    }

    /// The operator's indexes, then those in the repository's uv settings and in the requirements.
    pub fn indexes(&self, tools: &Tools, tree: &Path) -> Vec<Index> {
        let mut found = tools.indexes();
        found.extend(indexes::project_indexes(&self.directory, tree));
        if !self.is_lock {
            found.extend(indexes::urls_with_logins(&self.text));
        }
        found
    }
}

/// uv's options for the selected extras and dependency groups.
pub fn selection_args(server: &Server) -> impl Iterator<Item = &str> {
    let extras = server.dependency_extras.iter();
    let groups = server.dependency_groups.iter();
    extras
        .flat_map(|extra| ["--extra", extra])
        .chain(groups.flat_map(|group| ["--group", group]))
}

/// Whether a path, with symlinks resolved, is in the repository.
fn contains(tree: &Path, path: &Path) -> bool {
    let tree = tree.canonicalize();
    tree.is_ok_and(|tree| path.canonicalize().is_ok_and(|path| path.starts_with(tree)))
}

/// The file that a line such as `-r FILE` includes.
fn included_file(line: &str) -> Option<&str> {
    let options = ["-r", "-c", "--requirement", "--constraint"];
    options.iter().find_map(|option| {
        let rest = line.strip_prefix(option)?;
        let is_end = |c: char| c == '=' || c == '\\' || c.is_whitespace();
        let value = rest.split('#').next().unwrap_or_default();
        rest.starts_with(is_end)
            .then(|| value.trim_start_matches('=').trim())
    })
}

/// The path of an included file, without the quotes around it. `None` for what uv reads as another path: it expands
/// variables, removes quotes and backslashes, and takes URLs.
fn plain_path(written: &str) -> Option<&str> {
    let path = ['"', '\'']
        .iter()
        .find_map(|quote| written.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(written);
    (!path.is_empty() && !path.contains(['"', '\'', '\\', '$', ':'])).then_some(path)
}

/// Whether a line of a requirements file needs nothing but a package index.
fn is_index_requirement(line: &str) -> bool {
    let option = line.split(|c: char| c == '=' || c.is_whitespace()).next();
    line.starts_with('#')
        || INDEX_OPTIONS.contains(&option.unwrap_or_default())
        || !line.starts_with(['.', '-']) && !line.contains(['/', '@', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_lines_are_classified() {
        for (line, file) in [
            ("-r base.txt", Some("base.txt")),
            ("-r\tbase.txt", Some("base.txt")),
            ("--constraint=base.txt", Some("base.txt")),
            ("-rbase.txt", None),
            ("--requirements base.txt", None),
        ] {
            assert_eq!(included_file(line), file, "{line}");
        }
        for line in [
            "",
            "# see ../other",
            "alpha>=1; python_version < '3.12'",
            "--index-url https://a/simple",
            "--hash=sha256:0",
        ] {
            assert!(is_index_requirement(line), "{line}");
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
            assert!(!is_index_requirement(line), "{line}");
        }
    }
}
