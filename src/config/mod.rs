//! From `deployment.yml` to checked [`Server`]s. Of the user's files, only this module reads the config
//! and those that it names.

#![expect(clippy::disallowed_methods, reason = "it reads the user's files")]

mod document;
mod dotenv;
mod env_command;
mod environment_file;
mod fields;
mod files;
mod reader;
mod schema;
pub mod types;
pub mod unit;
mod validate;

use crate::diagnostics::{
    Diagnostic, Diagnostics, Message, Source, is_disallowed_control, join_names, quoted,
};
use crate::yaml;
pub use env_command::EnvCommandError;
pub use fields::Server;
use files::Files;
#[cfg(test)]
pub use files::Secret;
pub use reader::similar;
pub use schema::schema;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
pub use types::{
    Delivery, Framework, Hooks, KnownHost, PackageManager, VenvMode, absolute, is_ssh,
};

/// A config file, read and checked.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    /// In the order of the file.
    pub servers: Vec<Server>,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
}

/// Why a config cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    Unreadable(io::Error),
    /// All mistakes, in the order of the file.
    Mistakes {
        mistakes: Vec<Diagnostic>,
        warnings: Vec<Diagnostic>,
    },
}

/// `--host` names a server that the config does not have.
#[derive(Debug, thiserror::Error)]
#[error("no server is called {}; the config has {known}", quoted(name))]
pub struct UnknownServer {
    pub name: String,
    /// The servers that it has, for people.
    pub known: String,
}

impl Config {
    /// Keeps the servers that `--host` names, each as HOST or HOST:PORT; without names, all.
    ///
    /// # Errors
    /// A name that no server has.
    pub fn select(&mut self, names: &[String]) -> Result<(), UnknownServer> {
        let is_unknown = |name: &&String| !self.servers.iter().any(|server| server.is(name));
        if let Some(unknown) = names.iter().find(is_unknown) {
            return Err(UnknownServer {
                name: unknown.clone(),
                known: join_names(&self.labels()),
            });
        }
        if !names.is_empty() {
            self.servers
                .retain(|server| names.iter().any(|name| server.is(name)));
        }
        Ok(())
    }

    /// Runs the `env_command` of each server, once where they are the same: what it prints becomes the env file.
    ///
    /// # Errors
    /// A command that fails, or prints what is no dotenv text.
    pub fn fetch_env(&mut self) -> Result<Vec<Diagnostic>, EnvCommandError> {
        env_command::fetch(&mut self.servers)
    }

    /// A mistake in the value of a server's field that shows only when the value is used, at its position.
    pub fn mistake(&self, server: usize, field: &str, message: Message) -> Diagnostic {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let source = Source::new(&self.path, text.trim_start_matches('\u{feff}').to_owned());
        let root = yaml::read(&mut Diagnostics::new(&source));
        let position = root.map_or_else(
            || source.position_of(0),
            |root| document::field_position(&root, self.servers[server].index, field),
        );
        source.diagnostic(position, message)
    }

    /// What each server is called in messages and results, and by `--host`.
    pub fn labels(&self) -> Vec<String> {
        self.servers.iter().map(Server::label).collect()
    }
}

impl Server {
    /// The host, with the port only where the host alone is not enough.
    pub fn label(&self) -> String {
        if self.name == *self.host {
            self.name.clone()
        } else {
            format!("{}:{}", self.host, self.port_number())
        }
    }

    /// Whether it clones the repository and installs from the package index itself, without a payload.
    pub fn fetches(&self) -> bool {
        self.payload.is_none() && self.delivery == Delivery::Pull
    }

    /// Makes it deploy this revision, which takes a full clone.
    pub fn set_revision(&mut self, revision: types::Revision) {
        self.revision = Some(revision);
        self.clone_depth.0 = None;
    }

    /// The port that distinguishes servers of one host.
    pub fn port_number(&self) -> u16 {
        self.port.map_or(22, |port| port.0)
    }

    /// Whether `--host` names it.
    fn is(&self, name: &str) -> bool {
        let length = self.host.len();
        name.get(..length)
            .is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
            && (name.len() == length || name[length..] == format!(":{}", self.port_number()))
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads and checks the config of `app`, which is `<app>/<environment>`. All mistakes come back at
/// once.
///
/// # Errors
/// The file cannot be read, or has mistakes.
pub fn load(path: &Path, app: &str) -> Result<Config, ConfigError> {
    let bytes = std::fs::read(path).map_err(ConfigError::Unreadable)?;
    parse(path, app, &bytes, Files::default())
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
) -> Result<Config, ConfigError> {
    let drafts = drafts.into_iter();
    let drafts = drafts.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let files = Files::with(drafts.collect());
    parse(path, app, text.as_bytes(), files)
}

/// The field of a config that is written on a line, or goes on there.
pub fn field_at(path: &Path, text: &str, line: usize) -> Option<String> {
    let source = Source::new(path, text.to_owned());
    let root = yaml::read(&mut Diagnostics::new(&source))?;
    let fields = document::fields(&root).filter(|entry| entry.key_position.line <= line);
    let field = fields.max_by_key(|entry| entry.key_position.line);
    field.map(|entry| entry.key.clone())
}

/// The same for the bytes of a config that is in no file.
#[cfg(any(test, fuzzing))]
pub fn read(bytes: &[u8]) -> Result<Config, ConfigError> {
    let path = Path::new("deployment.yml");
    parse(path, "shop/production", bytes, Files::default())
}

fn parse(path: &Path, app: &str, bytes: &[u8], mut files: Files) -> Result<Config, ConfigError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let valid = str::from_utf8(bytes).map_err(|error| error.valid_up_to());
    let unreadable = unreadable(&text, valid.err());
    let source = Source::new(path, text);
    let mut diagnostics = Diagnostics::new(&source);
    let servers = match yaml::read(&mut diagnostics) {
        Some(root) => document::servers(app, &root, &mut files, &mut diagnostics),
        None => Vec::new(),
    };
    // What else is wrong on such a line follows from it.
    let damaged = unreadable
        .iter()
        .map(|(number, _)| source.position_of(*number).line);
    diagnostics.discard_errors_on(&damaged.collect::<Vec<_>>());
    for (number, message) in unreadable {
        diagnostics.error(source.position_of(number), message);
    }
    let (mistakes, warnings) = diagnostics.into_parts();
    if mistakes.is_empty() {
        Ok(Config {
            path: path.to_owned(),
            servers,
            warnings,
        })
    } else {
        Err(ConfigError::Mistakes { mistakes, warnings })
    }
}

/// What no YAML may hold, with the number of characters before it: where bytes were no UTF-8, and the first
/// control characters.
fn unreadable(text: &str, valid: Option<usize>) -> Vec<(usize, Message)> {
    const SHOWN: usize = 20;
    let controls = text.match_indices(is_disallowed_control).take(SHOWN);
    let controls = controls.map(|(offset, control)| {
        let number = control.chars().next().map_or(0, u32::from);
        let what = format!("the file has the control character U+{number:04X}");
        let help = "leave it out, or write it as an escape in double quotes";
        (offset, Message::new(what, help))
    });
    let bytes = valid.map(|valid| {
        let message = Message::new("the file is not UTF-8 from here on", "save it as UTF-8");
        (valid, message)
    });
    let count = |(offset, message)| (text[..offset].chars().count(), message);
    controls.chain(bytes).map(count).collect()
}

#[cfg(test)]
mod tests;
