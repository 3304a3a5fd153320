//! uv, which resolves and builds; it is installed for this program alone where it is missing.

use super::Fault;
use super::cache::{Cache, Seen};
use super::indexes::{self, Index};
use super::program::Program;
use super::target::Target;
use crate::config::PackageManager;
use crate::credentials::{decode, mask, without_secrets};
use std::collections::HashMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The uv that payloads carry, and that is installed here where there is none.
pub const UV: &str = "0.13.9";

/// The first version of uv that can be used here.
const OLDEST: [u32; 2] = [0, 13];

/// What runs on this machine to make dependencies.
pub struct Tools {
    uv: PathBuf,
    /// This machine's Python: a repository may have programs that uv would ask instead.
    python: String,
    /// Where uv keeps things, whatever a repository's settings say.
    uv_cache: String,
    /// Settings in pip's files, by name.
    pip: HashMap<String, String>,
    /// uv asks in pip's place: its own settings do not count.
    is_pip: bool,
}

/// Builds get this time, the first one that a zip can hold.
const EPOCH: &str = "315532800";

/// Settings of pip with uv's variables for the same. The first is set where none is.
const SETTINGS: [(&str, &[&str]); 4] = [
    ("index-url", &["UV_DEFAULT_INDEX", "UV_INDEX_URL"]),
    ("extra-index-url", &["UV_INDEX", "UV_EXTRA_INDEX_URL"]),
    ("find-links", &["UV_FIND_LINKS"]),
    ("cert", &["SSL_CERT_FILE"]),
];

/// What uv's variables begin with that say how it connects to an index.
const CONNECTION: [&str; 4] = [
    "UV_HTTP_",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
];

impl Tools {
    pub fn find(cache: &Cache, manager: PackageManager) -> Result<Self, Fault> {
        let uv = if is_new("uv") {
            PathBuf::from("uv")
        } else {
            own_uv(cache)?
        };
        let python = Program::python()
            .args(["-c", "import sys; print(sys.executable)"])
            .output()?;
        let uv_cache = match env::var("UV_CACHE_DIR") {
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
            pip: pip_settings()?,
            is_pip: manager == PackageManager::Pip,
        })
    }

    /// A setting of `pip install`: its variable comes before its files.
    fn pip_setting(&self, name: &str) -> Option<String> {
        let value = env::var(pip_variable(name)).ok();
        let value = value.filter(|value| !value.is_empty());
        let value = value.or_else(|| self.pip.get(name).cloned())?;
        Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Indexes and directories of wheels that this user has named.
    pub fn indexes(&self) -> Vec<Index> {
        let mut indexes = indexes::of_user();
        for (setting, variables) in &SETTINGS[..3] {
            let of_uv = variables.iter().filter_map(|name| env::var(name).ok());
            for words in of_uv.chain(self.pip_setting(setting)) {
                let is_directories = *setting == "find-links";
                let ends = |c: char| c.is_whitespace() || is_directories && c == ',';
                let words = words.split(ends).filter(|word| !word.is_empty());
                indexes.extend(words.map(Index::of));
            }
        }
        indexes
    }

    /// Directories of wheels that this user has named.
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

    /// Those directories and what lies in them: other wheels may have the names of those before.
    pub fn seen_links(&self) -> Vec<Seen> {
        let directories = self.find_links();
        let entries = directories.iter().flat_map(fs::read_dir).flatten();
        let files = entries.filter_map(|entry| Seen::now(&entry.ok()?.path()));
        let mut seen: Vec<Seen> = files.collect();
        seen.extend(directories.iter().filter_map(|path| Seen::now(path)));
        seen.sort();
        seen
    }

    /// uv, with pip's settings where it has none of its own. The code of packages that it runs gets no other variables of
    /// this user than uv's own, but for those that are `needed`.
    pub fn uv(&self, directory: &Path, needed: impl Fn(&str) -> bool) -> Program {
        let mut uv = Program::new(&self.uv)
            .directory(directory)
            .only_env(|name| self.is_for_uv(name) || needed(name));
        if self.is_pip {
            uv = uv.env("UV_NO_CONFIG", "1").env("UV_NO_SOURCES", "1");
        }
        for (setting, variables) in SETTINGS {
            let is_set = |name: &&str| self.is_for_uv(name) && env::var_os(name).is_some();
            let is_set = variables.iter().any(is_set);
            if let Some(mut value) = self.pip_setting(setting).filter(|_| !is_set) {
                if setting == "find-links" {
                    // uv runs in another directory.
                    let path = |word: &str| match Path::new(word).canonicalize() {
                        Ok(path) => path.to_string_lossy().into_owned(),
                        Err(_) => word.to_owned(),
                    };
                    value = value.split(' ').map(path).collect::<Vec<_>>().join(",");
                }
                uv = uv.env(variables[0], value);
            }
        }
        uv.env("UV_NO_PROGRESS", "1")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_CACHE_DIR", &self.uv_cache)
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .env("TZ", "UTC")
            .env("PYTHONHASHSEED", "0")
    }

    /// Whether uv gets a variable. Those that name a Python or a project are not about this one, and those that change what
    /// is installed are not pip's.
    fn is_for_uv(&self, name: &str) -> bool {
        let is_secret = name.contains("PUBLISH") || name.contains("TOKEN");
        match name {
            "PATH" | "HOME" | "TMPDIR" | "NETRC" | "SSL_CERT_FILE" | "SSL_CERT_DIR" => true,
            "XDG_CACHE_HOME" | "XDG_CONFIG_HOME" | "XDG_CONFIG_DIRS" => true,
            "UV_PYTHON" | "UV_PROJECT" | "UV_PROJECT_ENVIRONMENT" => false,
            name if name.starts_with("UV_") && self.is_pip => {
                CONNECTION.iter().any(|start| name.starts_with(start))
            }
            name if name.starts_with("UV_") => !is_secret && !indexes::is_login(name),
            name => name.to_lowercase().ends_with("_proxy"),
        }
    }

    /// uv that asks what a list of requirements comes to, for a Python. `text` is that of the list.
    pub fn compile(&self, directory: &Path, target: &Target, text: &str) -> Program {
        let has = |word: &str| text.contains(word);
        let needed = |name: &str| match name {
            "SSH_AUTH_SOCK" => has("git+ssh"),
            name if name.starts_with("GIT_") => has("git+"),
            name => indexes::is_login(name) || indexes::variables(text).any(|named| named == name),
        };
        self.uv(directory, needed)
            .args(["pip", "compile", "--quiet", "--format", "pylock.toml"])
            .args(["--no-header", "--no-annotate", "--python", &self.python])
            .arg("--python-version")
            .arg(target.version())
    }

    /// uv that resolves for a target.
    pub fn resolve(&self, directory: &Path, target: &Target, text: &str) -> Program {
        self.compile(directory, target, text)
            .arg("--python-platform")
            .arg(target.uv_platform())
    }

    /// uv that builds a wheel into `out`. Its build tools are no newer than `newest`, so that another day makes the same
    /// bytes. They come from `indexes`, whose logins it gets.
    pub fn build(
        &self,
        source: &Path,
        out: &Path,
        indexes: &[Index],
        newest: Option<&str>,
    ) -> Program {
        let is_needed = |name: &str| indexes.iter().any(|index| index.has_variable(name));
        let mut uv = self
            .uv(out, is_needed)
            .args(["build", "--quiet", "--wheel", "--no-create-gitignore"])
            .arg("--out-dir")
            .arg(out);
        if let Some(newest) = newest {
            uv = uv.args(["--exclude-newer", newest]);
        }
        uv.arg(source)
    }

    /// Fetches files from their URLs to paths, with the logins of indexes: what went wrong.
    pub fn fetch(
        &self,
        files: &[(String, PathBuf)],
        indexes: &[Index],
    ) -> Result<Vec<String>, Fault> {
        let logins: Vec<_> = indexes.iter().filter_map(Index::login).collect();
        let mut input = serde_json::json!(logins).to_string() + "\n";
        for (url, path) in files {
            let job = serde_json::json!({"url": url, "path": path.to_string_lossy()});
            input += &(job.to_string() + "\n");
        }
        let mut python = Program::python()
            .args(["-c", include_str!("fetch.py")])
            .input(input);
        if let Some(file) = self.pip_setting("cert") {
            python = python.env("PIP_CERT", file);
        }
        Ok(python.output()?.lines().map(mask).collect())
    }
}

/// What this user's variables name as indexes, without logins: what was resolved with others is resolved again.
pub fn indexes_of_variables() -> Vec<String> {
    let names = SETTINGS[..3].iter().flat_map(|(setting, of_uv)| {
        let of_uv = of_uv.iter().map(|name| (*name).to_owned());
        of_uv.chain([pip_variable(setting)])
    });
    let values = names.map(|name| env::var(name).unwrap_or_default());
    values.map(|value| without_secrets(&value)).collect()
}

fn pip_variable(setting: &str) -> String {
    format!("PIP_{}", setting.to_uppercase().replace('-', "_"))
}

/// The settings in pip's files that `pip install` uses. Without pip there are none.
fn pip_settings() -> Result<HashMap<String, String>, Fault> {
    let list = ["-m", "pip", "config", "list"];
    let listed = Program::python().args(list).run()?.output;
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

/// Whether a uv is there, runs, and has the options that it is given.
fn is_new(uv: impl AsRef<OsStr>) -> bool {
    let printed = Program::new(uv).arg("--version").output();
    printed.is_ok_and(|text| {
        let version = text.split_whitespace().nth(1).unwrap_or_default();
        let numbers = version.split('.').map_while(|number| number.parse().ok());
        numbers.collect::<Vec<u32>>()[..] >= OLDEST[..]
    })
}

fn own_uv(cache: &Cache) -> Result<PathBuf, Fault> {
    let directory = cache.path("tools", &format!("uv-{UV}"));
    let uv = directory.join("bin/uv");
    if is_new(&uv) {
        return Ok(uv);
    }
    let failed = |fault| Fault::NoUv(Box::new(fault));
    Program::python()
        .args(["-m", "venv", "--clear"])
        .arg(&directory)
        .output()
        .map_err(failed)?;
    Program::new(directory.join("bin/python"))
        .directory(Path::new("/"))
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .arg("--disable-pip-version-check")
        .arg(format!("uv=={UV}"))
        .without_env(&["PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT"])
        .output()
        .map_err(failed)?;
    Ok(uv)
}
