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
mod slips;
mod yaml;

use crate::error::Error;
pub use diagnostic::{Diagnostic, Problem, credentials, quoted, shown_path};
use diagnostic::{Mark, Source};
use files::Files;
pub use relations::absolute;
use resolve::Resolver;
pub use schema::schema;
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use yaml::Node;

/// A config file, read and checked. Its servers are not kept: there may be thousands of them.
#[derive(Debug)]
pub struct Config {
    source: Source,
    /// `<app>/<environment>`.
    app: String,
    /// All but the servers.
    outline: Rc<Node>,
    files: Files,
    /// Of all servers, in the order of the file.
    addresses: Vec<Address>,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
}

/// Where a server is found.
#[derive(Debug)]
struct Address {
    host: Box<str>,
    port: u16,
    /// Another server has the same host.
    shares_host: bool,
    selected: bool,
    /// The server in the config file.
    at: Mark,
    /// Its host there.
    mark: Mark,
}

impl Address {
    /// The host, and after a separator the port where the host alone is not enough.
    fn text(&self, separator: char) -> String {
        match self.shares_host {
            true => format!("{}{separator}{}", self.host, self.port),
            false => self.host.to_string(),
        }
    }

    /// The host as DNS compares it.
    fn lower(&self) -> impl Iterator<Item = char> {
        self.host.chars().flat_map(char::to_lowercase)
    }

    /// Whether `--host` names it.
    fn is(&self, name: &str) -> bool {
        let length = self.host.len();
        name.get(..length)
            .is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
            && (name.len() == length || name[length..] == format!(":{}", self.port))
    }
}

impl Config {
    /// Keeps the servers that `--host` names, each as HOST or HOST:PORT; without names, all.
    ///
    /// # Errors
    /// A name that no server has.
    pub fn select(&mut self, names: &[String]) -> Result<(), Error> {
        if let Some(unknown) = names
            .iter()
            .find(|name| !self.addresses.iter().any(|address| address.is(name)))
        {
            return Err(Error::Usage {
                what: format!("no server is called {}", quoted(unknown)),
                help: format!("the config has {}", self.names()),
            });
        }
        for address in &mut self.addresses {
            address.selected = names.is_empty() || names.iter().any(|name| address.is(name));
        }
        Ok(())
    }

    /// The servers as `--host` takes them.
    fn names(&self) -> String {
        const SHOWN: usize = 20;
        let shown = self.addresses.iter().take(SHOWN);
        let mut names: Vec<String> = shown.map(|address| address.text(':')).collect();
        if self.addresses.len() > SHOWN {
            names.push(format!("{} more", self.addresses.len() - SHOWN));
        }
        names.join(", ")
    }

    fn selected(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| address.selected)
    }

    /// What each selected server is called in talk and results: its host, with the port only where
    /// the host alone is not enough.
    pub fn labels(&self) -> Vec<String> {
        self.selected().map(|address| address.text(':')).collect()
    }

    /// The number of selected servers.
    pub fn len(&self) -> usize {
        self.selected().count()
    }

    /// The selected servers in the order of the file, each made when it is asked for.
    pub fn servers(&mut self) -> impl Iterator<Item = Server> {
        resolve::servers(
            &self.app,
            &self.source,
            &self.outline,
            &mut self.files,
            &self.addresses,
        )
    }
}

/// One server with all its settings: `common` under `servers[i]`, defaults filled in, checked.
#[derive(Debug, Clone)]
pub struct Server {
    /// The host, or `<host>_<port>` where two servers of the config share a host.
    pub name: String,
    /// What the config deploys, as `<app>/<environment>`.
    #[expect(dead_code, reason = "no script names it yet")]
    pub app: String,
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
    /// Private key with which git on the host reads the repository.
    pub deploy_key: Option<Arc<Secret>>,
    #[expect(dead_code, reason = "the clone does not follow it yet")]
    pub submodules: bool,
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
    /// What curl fetches.
    pub url: String,
    /// Absolute path of the socket through which it is fetched.
    pub socket: Option<String>,
    /// Host header, if another than that of the URL.
    pub host: Option<String>,
    /// What counts as an answer.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Seconds.
    pub timeout: u32,
}

/// Reads and checks the config of `app`, which is `<app>/<environment>`. All mistakes come back at
/// once.
///
/// # Errors
/// The file cannot be read, or has mistakes.
pub fn load(path: &Path, app: &str) -> Result<Config, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    parse(path, app, bytes, Files::default())
}

/// Checks the text of a config before it is written. `drafts` are texts of the local files that
/// are written with it, by their paths in the config.
///
/// # Errors
/// Its mistakes.
pub fn review(
    path: &Path,
    app: &str,
    text: &str,
    drafts: HashMap<&str, &str>,
) -> Result<Config, Error> {
    let drafts = drafts.into_iter();
    let drafts = drafts.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    parse(
        path,
        app,
        text.as_bytes().to_vec(),
        Files::with(drafts.collect()),
    )
}

fn parse(path: &Path, app: &str, bytes: Vec<u8>, mut files: Files) -> Result<Config, Error> {
    let (text, valid) = match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            Some(error.utf8_error().valid_up_to()),
        ),
    };
    let mark_length = match text.starts_with('\u{feff}') {
        true => '\u{feff}'.len_utf8(),
        false => 0,
    };
    let text = text[mark_length..].to_owned();
    let unreadable = unreadable(&text, valid.map(|valid| valid - mark_length));
    let mut source = Source::new(path, text);
    let (outline, mut errors) = loop {
        match resolve::outline(&source) {
            (Err(stop), _)
                if stop
                    .shallow
                    .clone()
                    .is_some_and(|lines| source.indent(lines)) => {}
            (Ok(outline), errors) => break (Some(outline), errors),
            (Err(stop), mut errors) => {
                errors.add(source.diagnostic(stop.mark, stop.problem));
                break (None, errors);
            }
        }
    };
    let mut damaged = Vec::new();
    for (number, problem) in unreadable {
        let mark = source.place(number);
        damaged.push(mark.line);
        errors.add(source.diagnostic(mark, problem));
    }
    let mut resolver = Resolver::new(&source, &mut files);
    if let Some(outline) = &outline {
        resolver.check(outline);
    }
    let Resolver {
        errors: mut more,
        mut warnings,
        addresses,
        ..
    } = resolver;
    more.retain(|mistake| !damaged.contains(&mistake.line));
    errors.extend(more);
    for warning in files.warnings.drain(..) {
        warnings.add(warning);
    }
    match outline {
        Some(outline) if errors.is_empty() => Ok(Config {
            source,
            app: app.to_owned(),
            outline,
            files,
            addresses,
            warnings: warnings.into_vec(),
        }),
        _ => Err(Error::Config {
            mistakes: errors.into_vec(),
            warnings: warnings.into_vec(),
        }),
    }
}

/// What no YAML may hold, with the number of characters before it: where bytes were no UTF-8, and the first
/// control characters.
fn unreadable(text: &str, valid: Option<usize>) -> Vec<(usize, Problem)> {
    const SHOWN: usize = 20;
    let controls = text.match_indices(diagnostic::is_foreign).take(SHOWN);
    let controls = controls.map(|(offset, control)| {
        let number = control.chars().next().map_or(0, u32::from);
        let what = format!("the file has the control character U+{number:04X}");
        let help = "leave it out, or write it as an escape in double quotes";
        (offset, Problem::new(what, help))
    });
    let bytes = valid.map(|valid| {
        let problem = Problem::new("the file is not UTF-8 from here on", "save it as UTF-8");
        (valid, problem)
    });
    let count = |(offset, problem)| (text[..offset].chars().count(), problem);
    controls.chain(bytes).map(count).collect()
}

#[cfg(test)]
mod tests;
