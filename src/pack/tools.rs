//! uv, which resolves and builds; it is installed for this program alone where it is missing.

use super::Fault;
use super::cache::Cache;
use super::program::Program;
use super::target::Target;
use crate::credentials::decode;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The uv that payloads carry, and that is installed here where there is none.
pub const UV: &str = "0.13.9";

/// What runs on this machine to make dependencies.
pub struct Tools {
    uv: PathBuf,
    /// This machine's Python: a repository may have programs that uv would ask instead.
    python: String,
    /// Where uv keeps things, whatever a repository's settings say.
    uv_cache: String,
    /// Settings of pip in its files and variables, by name.
    pip: HashMap<String, String>,
}

/// Builds get this time, the first one that a zip can hold.
const EPOCH: &str = "315532800";

impl Tools {
    pub fn find(cache: &Cache) -> Result<Self, Fault> {
        let uv = match Program::is_there("uv") {
            true => PathBuf::from("uv"),
            false => own_uv(cache)?,
        };
        let settings = Program::python()
            .args(["-m", "pip", "config", "list"])
            .run();
        let settings = settings.map(|(_, output, _)| output).unwrap_or_default();
        let pip = String::from_utf8_lossy(&settings)
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                let name = name.rsplit('.').next()?.to_owned();
                Some((name, value.trim_matches(['\'', '"']).to_owned()))
            })
            .collect();
        let python = Program::python()
            .args(["-c", "import sys; print(sys.executable)"])
            .output()?;
        let uv_cache = match std::env::var("UV_CACHE_DIR") {
            Ok(directory) => directory,
            Err(_) => Program::new(&uv)
                .directory(Path::new("/"))
                .args(["cache", "dir"])
                .output()?,
        };
        Ok(Tools {
            uv,
            python: python.trim().to_owned(),
            uv_cache: uv_cache.trim().to_owned(),
            pip,
        })
    }

    fn pip_setting(&self, name: &str) -> Option<String> {
        let words = self.pip.get(name)?.replace("\\n", " ");
        Some(words.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Directories of wheels that this user has named.
    pub fn find_links(&self) -> Vec<PathBuf> {
        let of_uv = [
            "UV_FIND_LINKS",
            "UV_DEFAULT_INDEX",
            "UV_INDEX_URL",
            "UV_INDEX",
        ];
        let of_uv = of_uv.iter().filter_map(|name| std::env::var(name).ok());
        let of_pip = ["find-links", "index-url", "extra-index-url"];
        let of_pip = of_pip.iter().filter_map(|name| self.pip_setting(name));
        let words: Vec<String> = of_uv.chain(of_pip).collect();
        words
            .iter()
            .flat_map(|words| words.split([' ', ',']))
            .filter_map(|word| {
                let path = word.strip_prefix("file://").map_or(word.to_owned(), decode);
                Path::new(&path).canonicalize().ok()
            })
            .collect()
    }

    /// uv, with pip's settings where it has none of its own.
    pub fn uv(&self, directory: &Path) -> Program {
        let mut uv = Program::new(&self.uv).directory(directory);
        for (setting, variable) in [
            ("index-url", "UV_DEFAULT_INDEX"),
            ("extra-index-url", "UV_INDEX"),
            ("find-links", "UV_FIND_LINKS"),
            ("cert", "SSL_CERT_FILE"),
        ] {
            if let Some(value) = self
                .pip_setting(setting)
                .filter(|_| std::env::var_os(variable).is_none())
            {
                let value = match setting {
                    "find-links" => value.replace(' ', ","),
                    _ => value,
                };
                uv = uv.env(variable, value);
            }
        }
        uv.env("UV_NO_PROGRESS", "1")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_CACHE_DIR", &self.uv_cache)
            .without_env(&[
                "VIRTUAL_ENV",
                "UV_PROJECT",
                "UV_PYTHON",
                "UV_PROJECT_ENVIRONMENT",
            ])
    }

    /// uv that asks what a list of requirements comes to, for a Python.
    pub fn compile(&self, directory: &Path, target: &Target) -> Program {
        self.uv(directory)
            .args([
                "pip",
                "compile",
                "--quiet",
                "--format",
                "pylock.toml",
                "--no-header",
                "--no-annotate",
            ])
            .args(["--python", &self.python])
            .arg("--python-version")
            .arg(target.version())
    }

    /// uv that resolves for a target.
    pub fn resolve(&self, directory: &Path, target: &Target) -> Program {
        self.compile(directory, target)
            .arg("--python-platform")
            .arg(target.uv_platform())
    }

    /// uv that builds a wheel into `out`: the code that it runs gets neither this user's variables nor agent, and its
    /// build tools are no newer than `newest`, so that another day makes the same bytes.
    pub fn build(&self, source: &Path, out: &Path, newest: Option<&str>) -> Program {
        let kept = |name: &str| {
            matches!(
                name,
                "PATH" | "HOME" | "TMPDIR" | "XDG_CACHE_HOME" | "SSL_CERT_FILE" | "SSL_CERT_DIR"
            ) || name.to_lowercase().ends_with("_proxy")
                || name.starts_with("UV_") && !name.starts_with("UV_PUBLISH_")
        };
        let mut uv = Program::new(&self.uv).only_env(kept);
        for (setting, variable) in [("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")] {
            if let Some(value) = self
                .pip_setting(setting)
                .filter(|_| std::env::var_os(variable).is_none())
            {
                uv = uv.env(variable, value);
            }
        }
        uv = uv
            .directory(out)
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("TZ", "UTC")
            .env("PYTHONHASHSEED", "0")
            .env("UV_NO_PROGRESS", "1")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_CACHE_DIR", &self.uv_cache)
            .args([
                "build",
                "--quiet",
                "--wheel",
                "--no-create-gitignore",
                "--out-dir",
            ])
            .arg(out);
        if let Some(newest) = newest {
            uv = uv.args(["--exclude-newer", newest]);
        }
        uv.arg(source)
    }

    /// Fetches files from their URLs to paths: what went wrong.
    pub fn fetch(&self, files: &[(String, PathBuf)]) -> Result<Vec<String>, Fault> {
        let jobs: Vec<String> = files
            .iter()
            .map(|(url, path)| {
                serde_json::json!({"url": url, "path": path.to_string_lossy()}).to_string() + "\n"
            })
            .collect();
        let variables = [
            "UV_DEFAULT_INDEX",
            "UV_INDEX_URL",
            "UV_INDEX",
            "UV_EXTRA_INDEX_URL",
        ];
        let indexes = variables
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .chain(
                ["index-url", "extra-index-url"]
                    .iter()
                    .filter_map(|name| self.pip_setting(name)),
            );
        let indexes: Vec<String> = indexes
            .flat_map(|urls| {
                urls.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .map(|url| {
                url.split_once("=http")
                    .map_or(url.clone(), |(_, rest)| format!("http{rest}"))
            })
            .collect();
        let mut python = Program::python()
            .args(["-c", include_str!("fetch.py")])
            .env("FETCH_INDEXES", indexes.join(" "))
            .input(jobs.concat());
        if let Some(file) = self.pip_setting("cert") {
            python = python.env("PIP_CERT", file);
        }
        Ok(python.output()?.lines().map(str::to_owned).collect())
    }
}

fn own_uv(cache: &Cache) -> Result<PathBuf, Fault> {
    let directory = cache.tools().join(format!("uv-{UV}"));
    let uv = directory.join("bin/uv");
    if Program::is_there(&uv) {
        return Ok(uv);
    }
    let failed = |fault: Fault| match fault {
        Fault::Other(message) => Fault::Other(
            message.about("uv is missing, and could not be installed for this program"),
        ),
        other => other,
    };
    Program::python()
        .args(["-m", "venv", "--clear"])
        .arg(&directory)
        .output()
        .map_err(failed)?;
    Program::new(directory.join("bin/python"))
        .directory(Path::new("/"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .arg(format!("uv=={UV}"))
        .without_env(&["PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT"])
        .output()
        .map_err(failed)?;
    Ok(uv)
}
