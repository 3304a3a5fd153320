//! From `deployment.yml` to checked [`Server`]s. The only module that reads files.

use crate::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A config file, read and checked, with every server resolved.
#[derive(Debug)]
pub struct Config {
    /// In the order of the file.
    pub servers: Vec<Server>,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
}

/// One mistake or warning, at its place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: PathBuf,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: String,
    /// The line itself.
    pub source: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}:{}:{}: {}; {}",
            self.file.display(),
            self.line,
            self.column,
            self.what,
            self.help
        )
    }
}

/// One server with all its settings: `common` under `servers[i]`, defaults filled in, checked.
#[derive(Debug, Clone)]
pub struct Server {
    pub host: String,
    pub port: u16,
    /// Who `setup` connects as; anyone but root goes through `sudo -n`.
    pub setup_user: String,
    pub project_user: String,
    /// Absolute path of the project on the host.
    pub project_root: String,
    pub source_code_url: String,
    pub branch: Option<String>,
    /// Tag, SHA or ref to check out; forces a full clone.
    pub revision: Option<String>,
    /// `None` is a full clone. Always `None` with a revision.
    pub clone_depth: Option<u32>,
    pub framework: Framework,
    pub package_manager: PackageManager,
    /// Absolute path of the virtualenv on the host.
    pub venv_dir: String,
    pub venv_mode: VenvMode,
    pub dependency_file: String,
    pub dependency_install_command: Option<String>,
    pub run_migrations: bool,
    pub collect_static_files: bool,
    /// FastAPI only.
    pub migration_command: Option<String>,
    /// FastAPI only.
    pub static_files_command: Option<String>,
    /// `None` keeps all.
    pub keep_releases: Option<u32>,
    pub system_packages: Vec<String>,
    pub ssh_known_hosts: Vec<KnownHost>,
    pub env_file: Option<Arc<EnvFile>>,
    pub service: Option<Arc<Service>>,
    pub secrets: Vec<Arc<Secret>>,
    pub forward_agent: bool,
    pub health_check: Option<HealthCheck>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    Django,
    FastApi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageManager {
    Pip,
    Uv,
}

/// Whether releases share one virtualenv, or dependencies follow the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VenvMode {
    Shared,
    Release,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownHost {
    /// Keys are asked with `ssh-keyscan`.
    Scan { host: String, port: Option<u16> },
    /// A whole `host keytype key` line, written as it is.
    Pinned(String),
}

/// A dotenv file: its bytes go to the host, its variables to the commands.
#[derive(Debug)]
pub struct EnvFile {
    pub bytes: Vec<u8>,
    /// In the order of the file, the last value of a name; only names that a shell can export.
    pub variables: Vec<(String, String)>,
}

/// A systemd unit.
#[derive(Debug)]
pub struct Service {
    /// File name, such as `gunicorn.service`.
    pub unit: String,
    pub text: String,
}

/// A local file that is copied to `shared/` and linked into releases.
#[derive(Debug)]
pub struct Secret {
    /// File name, without directories.
    pub name: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub url: String,
    /// Seconds.
    pub timeout: u32,
}

/// Reads and checks the config of one app and environment. All mistakes come back at once.
pub fn load(path: &Path) -> Result<Config, Error> {
    Err(Error::File {
        action: "read",
        path: path.to_owned(),
        source: std::io::ErrorKind::Unsupported.into(),
    })
}
