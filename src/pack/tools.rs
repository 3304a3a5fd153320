//! uv, which resolves dependencies and builds wheels. If the operator has none, pystrano installs one in its cache.

use super::cache::{Cache, Fingerprint};
use super::indexes::{self, Index};
use super::program::Program;
use super::target::Target;
use super::{PackError, Result};
use crate::config::PackageManager;
use crate::credentials::{decode, mask, without_secrets};
use std::collections::HashMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The version of uv in payloads, and of the one installed in the cache.
pub const UV_VERSION: &str = "0.13.9";

/// The oldest version of the operator's uv that has all options used here.
const MIN_UV: [u32; 2] = [0, 13];

/// uv on this machine, with its settings.
pub struct Tools {
    uv: PathBuf,
    /// Absolute path of this machine's Python: uv could otherwise run one that it finds in the repository.
    python: String,
    /// Passed explicitly, since the repository's settings could name another one.
    uv_cache: String,
    /// Settings in pip's configuration files, by name.
    pip: HashMap<String, String>,
    /// Hosts use pip, so uv's own settings are ignored.
    is_pip: bool,
}

/// The mtime of files in built wheels: 1980-01-01, the earliest that a zip archive can store.
const SOURCE_DATE_EPOCH: &str = "315532800";

/// pip's settings with uv's variables for them. If none of these is set, the first gets pip's value. The first three name
/// package indexes.
const PIP_SETTINGS: [(&str, &[&str]); 4] = [
    ("index-url", &["UV_DEFAULT_INDEX", "UV_INDEX_URL"]),
    ("extra-index-url", &["UV_INDEX", "UV_EXTRA_INDEX_URL"]),
    ("find-links", &["UV_FIND_LINKS"]),
    ("cert", &["SSL_CERT_FILE"]),
];

/// Prefixes of uv's variables about connections. They apply even where uv stands in for pip.
const CONNECTION_PREFIXES: [&str; 4] = [
    "UV_HTTP_",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
];

impl Tools {
    /// Finds the operator's uv, or installs one.
    ///
    /// # Errors
    /// There is no working `python3`, or uv cannot be installed.
    pub fn find(cache: &Cache, manager: PackageManager) -> Result<Self> {
        let uv = if is_supported_uv("uv") {
            PathBuf::from("uv")
        } else {
            install_uv(cache)?
        };
        let python = Program::python()
            .args(["-c", "import sys; print(sys.executable)"])
            .run()?;
        let uv_cache = match env::var("UV_CACHE_DIR") {
            Ok(directory) => directory,
            Err(_) => Program::new(&uv)
                .directory(Path::new("/"))
                .args(["cache", "dir"])
                .run()?,
        };
        Ok(Tools {
            uv,
            python: python.trim().to_owned(),
            uv_cache: uv_cache.trim().to_owned(),
            pip: pip_settings()?,
            is_pip: manager == PackageManager::Pip,
        })
    }

    /// A setting of `pip install`, from its variable or else from its configuration files.
    fn pip_setting(&self, name: &str) -> Option<String> {
        let value = env::var(pip_variable(name)).ok();
        let value = value.filter(|value| !value.is_empty());
        let value = value.or_else(|| self.pip.get(name).cloned())?;
        Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The indexes and `find-links` directories in the operator's settings.
    pub fn indexes(&self) -> Vec<Index> {
        let mut indexes = indexes::user_indexes();
        for (setting, variables) in &PIP_SETTINGS[..3] {
            let uv_values = variables.iter().filter_map(|name| env::var(name).ok());
            for words in uv_values.chain(self.pip_setting(setting)) {
                let is_find_links = *setting == "find-links";
                let is_separator = |c: char| c.is_whitespace() || is_find_links && c == ',';
                let words = words.split(is_separator).filter(|word| !word.is_empty());
                indexes.extend(words.map(Index::parse));
            }
        }
        indexes
    }

    /// The `find-links` directories in the operator's settings that exist on this machine.
    pub fn find_links(&self) -> Vec<PathBuf> {
        let path = |index: Index| {
            let path = match index.url.strip_prefix("file://") {
                Some(path) => decode(path),
                None => index.url,
            };
            Path::new(&path).canonicalize().ok()
        };
        self.indexes().into_iter().filter_map(path).collect()
    }

    /// Fingerprints of these directories and their files: a wheel may be replaced by one of the same name.
    pub fn find_links_fingerprints(&self) -> Vec<Fingerprint> {
        let directories = self.find_links();
        let entries = directories.iter().flat_map(fs::read_dir).flatten();
        let files = entries.filter_map(|entry| Fingerprint::of(&entry.ok()?.path()));
        let mut fingerprints: Vec<Fingerprint> = files.collect();
        fingerprints.extend(directories.iter().filter_map(|path| Fingerprint::of(path)));
        fingerprints.sort();
        fingerprints
    }

    /// uv, with pip's settings where it has none of its own. Since it runs code of packages, it gets none of the operator's
    /// environment variables except uv's own and those that satisfy `needed`.
    pub fn uv(&self, directory: &Path, needed: impl Fn(&str) -> bool) -> Program {
        let mut uv = Program::new(&self.uv)
            .directory(directory)
            .only_env(|name| self.passes_to_uv(name) || needed(name));
        if self.is_pip {
            uv = uv.env("UV_NO_CONFIG", "1").env("UV_NO_SOURCES", "1");
        }
        for (setting, variables) in PIP_SETTINGS {
            let is_set = |name: &&str| self.passes_to_uv(name) && env::var_os(name).is_some();
            let is_set = variables.iter().any(is_set);
            if let Some(mut value) = self.pip_setting(setting).filter(|_| !is_set) {
                if setting == "find-links" {
                    // Relative paths would not work: uv runs in another directory.
                    let absolute = |word: &str| match Path::new(word).canonicalize() {
                        Ok(path) => path.to_string_lossy().into_owned(),
                        Err(_) => word.to_owned(),
                    };
                    value = value.split(' ').map(absolute).collect::<Vec<_>>().join(",");
                }
                uv = uv.env(variables[0], value);
            }
        }
        uv.env("UV_NO_PROGRESS", "1")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_CACHE_DIR", &self.uv_cache)
            .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH)
            .env("TZ", "UTC")
            .env("PYTHONHASHSEED", "0")
    }

    /// Whether uv gets a variable of the operator's environment. Those that select a Python or a project are meant for other
    /// projects; in place of pip, uv gets none that influence what is installed.
    fn passes_to_uv(&self, name: &str) -> bool {
        let is_secret = name.contains("PUBLISH") || name.contains("TOKEN");
        match name {
            "PATH" | "HOME" | "TMPDIR" | "NETRC" | "SSL_CERT_FILE" | "SSL_CERT_DIR" => true,
            "XDG_CACHE_HOME" | "XDG_CONFIG_HOME" | "XDG_CONFIG_DIRS" => true,
            "UV_PYTHON" | "UV_PROJECT" | "UV_PROJECT_ENVIRONMENT" => false,
            name if name.starts_with("UV_") && self.is_pip => CONNECTION_PREFIXES
                .iter()
                .any(|start| name.starts_with(start)),
            name if name.starts_with("UV_") => !is_secret && !indexes::is_login_variable(name),
            name => name.to_lowercase().ends_with("_proxy"),
        }
    }

    /// `uv pip compile` for the target's Python version. The requirements, whose content is `text`, decide which of the
    /// operator's variables uv gets.
    pub fn compile(&self, directory: &Path, target: &Target, text: &str) -> Program {
        let has = |word: &str| text.contains(word);
        let needed = |name: &str| match name {
            "SSH_AUTH_SOCK" => has("git+ssh"),
            name if name.starts_with("GIT_") => has("git+"),
            name => {
                indexes::is_login_variable(name)
                    || indexes::referenced_variables(text).any(|named| named == name)
            }
        };
        self.uv(directory, needed)
            .args(["pip", "compile", "--quiet", "--format", "pylock.toml"])
            .args(["--no-header", "--no-annotate", "--python", &self.python])
            .arg("--python-version")
            .arg(target.version())
    }

    /// `uv pip compile` for the target's Python version and platform.
    pub fn resolve(&self, directory: &Path, target: &Target, text: &str) -> Program {
        self.compile(directory, target, text)
            .arg("--python-platform")
            .arg(target.uv_platform())
    }

    /// `uv build` of a wheel into `out`. Build tools published after `cutoff` are not used, so that a later build gives the
    /// same bytes. They come from `indexes`, whose logins uv gets.
    pub fn build(
        &self,
        source: &Path,
        out: &Path,
        indexes: &[Index],
        cutoff: Option<&str>,
    ) -> Program {
        let is_needed = |name: &str| {
            indexes
                .iter()
                .any(|index| index.is_own_login_variable(name))
        };
        let mut uv = self
            .uv(out, is_needed)
            .args(["build", "--quiet", "--wheel", "--no-create-gitignore"])
            .arg("--out-dir")
            .arg(out);
        if let Some(cutoff) = cutoff {
            uv = uv.args(["--exclude-newer", cutoff]);
        }
        uv.arg(source)
    }

    /// Downloads `files`, pairs of URL and path, with the logins of `indexes`. Returns a message for each failed download.
    pub fn download(&self, files: &[(String, PathBuf)], indexes: &[Index]) -> Result<Vec<String>> {
        let logins: Vec<_> = indexes.iter().filter_map(Index::login).collect();
        let mut input = serde_json::json!(logins).to_string() + "\n";
        for (url, path) in files {
            let job = serde_json::json!({"url": url, "path": path.to_string_lossy()});
            input += &(job.to_string() + "\n");
        }
        let mut python = Program::python()
            .args(["-c", include_str!("download.py")])
            .input(input);
        if let Some(file) = self.pip_setting("cert") {
            python = python.env("PIP_CERT", file);
        }
        Ok(python.run()?.lines().map(mask).collect())
    }
}

/// The values of the operator's variables that name indexes, without logins, for cache keys.
pub fn index_variables() -> Vec<String> {
    let names = PIP_SETTINGS[..3].iter().flat_map(|(setting, uv_names)| {
        let uv_names = uv_names.iter().map(|name| (*name).to_owned());
        uv_names.chain([pip_variable(setting)])
    });
    let values = names.map(|name| env::var(name).unwrap_or_default());
    values.map(|value| without_secrets(&value)).collect()
}

fn pip_variable(setting: &str) -> String {
    format!("PIP_{}", setting.to_uppercase().replace('-', "_"))
}

/// The settings in pip's configuration files that apply to `pip install`. Empty without pip.
fn pip_settings() -> Result<HashMap<String, String>> {
    let list = ["-m", "pip", "config", "list"];
    let listed = Program::python().args(list).output()?.stdout;
    let mut settings = HashMap::new();
    for section in ["global.", "install."] {
        settings.extend(listed.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix(section)?.split_once('=')?;
            let value = value.trim_matches(['\'', '"']).replace("\\n", " ");
            Some((name.to_owned(), value))
        }));
    }
    Ok(settings)
}

/// Whether `uv` runs and is not too old.
fn is_supported_uv(uv: impl AsRef<OsStr>) -> bool {
    let printed = Program::new(uv).arg("--version").run();
    printed.is_ok_and(|text| {
        let version = text.split_whitespace().nth(1).unwrap_or_default();
        let numbers = version.split('.').map_while(|number| number.parse().ok());
        numbers.collect::<Vec<u32>>()[..] >= MIN_UV[..]
    })
}

/// Installs uv in a virtualenv in the cache, unless it is there.
fn install_uv(cache: &Cache) -> Result<PathBuf> {
    let directory = cache.path("tools", &format!("uv-{UV_VERSION}"));
    let uv = directory.join("bin/uv");
    if is_supported_uv(&uv) {
        return Ok(uv);
    }
    let failed = |error| PackError::InstallUv(Box::new(error));
    Program::python()
        .args(["-m", "venv", "--clear"])
        .arg(&directory)
        .run()
        .map_err(failed)?;
    Program::new(directory.join("bin/python"))
        .directory(Path::new("/"))
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .arg("--disable-pip-version-check")
        .arg(format!("uv=={UV_VERSION}"))
        .without_env(&["PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT"])
        .run()
        .map_err(failed)?;
    Ok(uv)
}
