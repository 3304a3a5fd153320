//! From `deployment.yml` to checked [`Server`]s. The only module that reads files.

mod diagnostic;
mod dotenv;
mod files;
pub mod known_hosts;
mod layer;
mod relations;
mod resolve;
pub mod rules;
mod schema;
mod settings;
mod yaml;

use crate::error::Error;
pub use diagnostic::{Diagnostic, Problem, quoted, shown_path};
use diagnostic::{Findings, Source};
use files::Files;
pub use relations::absolute;
use resolve::Resolver;
pub use schema::schema;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A config file, read and checked, with every server resolved.
#[derive(Debug)]
pub struct Config {
    /// In the order of the file.
    pub servers: Vec<Server>,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// Keeps the servers that `--host` names, each as HOST or HOST:PORT; without names, all.
    ///
    /// # Errors
    /// A name that no server has.
    pub fn select(&mut self, names: &[String]) -> Result<(), Error> {
        let is = |server: &Server, name: &String| {
            *name == server.host
                || name
                    .strip_prefix(&server.host)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .is_some_and(|port| port == server.port.to_string())
        };
        if let Some(unknown) = names
            .iter()
            .find(|name| !self.servers.iter().any(|server| is(server, name)))
        {
            return Err(Error::Usage {
                what: format!("no server is called {}", quoted(unknown)),
                help: format!("the config has {}", self.names()),
            });
        }
        if !names.is_empty() {
            self.servers
                .retain(|server| names.iter().any(|name| is(server, name)));
        }
        Ok(())
    }

    /// The servers as `--host` takes them; the port only where the host alone is not enough.
    fn names(&self) -> String {
        const SHOWN: usize = 20;
        let mut names = self.labels();
        if names.len() > SHOWN {
            names.truncate(SHOWN);
            names.push(format!("{} more", self.servers.len() - SHOWN));
        }
        names.join(", ")
    }

    /// What each server is called in talk and results: its host, with the port only where the host
    /// alone is not enough.
    pub fn labels(&self) -> Vec<String> {
        let mut hosts: HashMap<&str, usize> = HashMap::new();
        for server in &self.servers {
            *hosts.entry(&server.host).or_default() += 1;
        }
        self.servers
            .iter()
            .map(|server| match hosts[server.host.as_str()] {
                1 => server.host.clone(),
                _ => format!("{}:{}", server.host, server.port),
            })
            .collect()
    }
}

/// One server with all its settings: `common` under `servers[i]`, defaults filled in, checked.
#[derive(Debug, Clone)]
pub struct Server {
    /// The host, or `<host>_<port>` where two servers of the config share a host.
    pub name: String,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    Django,
    FastApi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    Pip,
    Uv,
}

/// Whether releases share one virtualenv, or dependencies follow the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
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
///
/// # Errors
/// The file cannot be read, or has mistakes.
pub fn load(path: &Path) -> Result<Config, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Config, Error> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let source = Source::new(path, text);
    let mut errors = Findings::default();
    let mut warnings = Findings::default();
    let mut files = Files::default();
    let mut servers = Vec::new();
    if std::str::from_utf8(bytes).is_err() {
        let start = source.place(char::REPLACEMENT_CHARACTER);
        let problem = Problem::new("the file is not UTF-8 from here on", "save it as UTF-8");
        errors.add(source.diagnostic(start, problem));
    } else if let Some((tree, root)) = yaml::parse(text, &source, &mut errors) {
        let mut resolver = Resolver {
            tree: &tree,
            source: &source,
            errors: &mut errors,
            warnings: &mut warnings,
            files: &mut files,
            addresses: HashMap::new(),
        };
        servers = resolver.servers(root);
    }
    for warning in files.warnings {
        warnings.add(warning);
    }
    match errors.is_empty() {
        true => Ok(Config {
            servers,
            warnings: warnings.into_vec(),
        }),
        false => Err(Error::Config(errors.into_vec())),
    }
}

#[cfg(test)]
mod tests;
