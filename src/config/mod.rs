//! Reads `deployment.yml` and the local files it names, validates them, and returns [`Server`]s.

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

/// A valid config.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    /// The servers, in the order of the file.
    pub servers: Vec<Server>,
    /// Warnings about the config and the files it names, sorted by position.
    pub warnings: Vec<Diagnostic>,
}

/// Why a config cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    Unreadable(io::Error),
    /// The config is not valid. All mistakes are listed, sorted by position.
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
    /// The servers of the config, for the message.
    pub known: String,
}

impl Config {
    /// Keeps only the servers that `--host` names, each as HOST or HOST:PORT. Keeps all if there are no names.
    ///
    /// # Errors
    /// No server matches one of the names.
    pub fn select(&mut self, names: &[String]) -> Result<(), UnknownServer> {
        let is_unknown = |name: &&String| !self.servers.iter().any(|server| server.matches(name));
        if let Some(unknown) = names.iter().find(is_unknown) {
            return Err(UnknownServer {
                name: unknown.clone(),
                known: join_names(&self.labels()),
            });
        }
        if !names.is_empty() {
            self.servers
                .retain(|server| names.iter().any(|name| server.matches(name)));
        }
        Ok(())
    }

    /// Runs the servers' `env_command`s and uses their output as env files. Returns warnings about the output.
    ///
    /// # Errors
    /// A command fails, or its output cannot be used as a dotenv file.
    pub fn fetch_env(&mut self) -> Result<Vec<Diagnostic>, EnvCommandError> {
        env_command::fetch(&mut self.servers)
    }

    /// A diagnostic at the position of a server's field, for a mistake that is only found when its value is used.
    pub fn field_error(&self, server: usize, field: &str, message: Message) -> Diagnostic {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let source = Source::new(&self.path, text.trim_start_matches('\u{feff}').to_owned());
        let root = yaml::read(&mut Diagnostics::new(&source));
        let position = root.map_or_else(
            || source.position_of(0),
            |root| document::field_position(&root, self.servers[server].index, field),
        );
        source.diagnostic(position, message)
    }

    /// The labels of all servers.
    pub fn labels(&self) -> Vec<String> {
        self.servers.iter().map(Server::label).collect()
    }
}

impl Server {
    /// The server's name in messages, results and `--host`: the host, followed by the port if several servers share
    /// the host.
    pub fn label(&self) -> String {
        if self.name == *self.host {
            self.name.clone()
        } else {
            format!("{}:{}", self.host, self.port_number())
        }
    }

    /// Whether the server itself clones the repository and installs from the package index, without a payload.
    pub fn fetches(&self) -> bool {
        self.payload.is_none() && self.delivery == Delivery::Pull
    }

    /// Sets the revision to deploy. A shallow clone may not contain it, so the whole history is cloned.
    pub fn set_revision(&mut self, revision: types::Revision) {
        self.revision = Some(revision);
        self.clone_depth.0 = None;
    }

    /// The configured port, or 22. Distinguishes servers that share a host.
    pub fn port_number(&self) -> u16 {
        self.port.map_or(22, |port| port.0)
    }

    /// Whether a name given to `--host` selects this server.
    fn matches(&self, name: &str) -> bool {
        let length = self.host.len();
        name.get(..length)
            .is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
            && (name.len() == length || name[length..] == format!(":{}", self.port_number()))
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads and validates the config of `app`, which is `<app>/<environment>`.
///
/// # Errors
/// The file cannot be read, or has mistakes, all of which are returned.
pub fn load(path: &Path, app: &str) -> Result<Config, ConfigError> {
    let bytes = std::fs::read(path).map_err(ConfigError::Unreadable)?;
    parse(path, app, &bytes, Files::default())
}

/// Validates the text of a config that is still to be written to `path`. `drafts` holds the texts of local files that
/// will be written with it, by their paths in the config.
///
/// # Errors
/// The text has mistakes, all of which are returned.
pub fn parse_draft(
    path: &Path,
    app: &str,
    text: &str,
    drafts: HashMap<&str, &str>,
) -> Result<Config, ConfigError> {
    let drafts = drafts.into_iter();
    let drafts = drafts.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let files = Files::with_drafts(drafts.collect());
    parse(path, app, text.as_bytes(), files)
}

/// The name of the field whose entry begins on this line or is the last to begin above it.
pub fn field_at(path: &Path, text: &str, line: usize) -> Option<String> {
    let source = Source::new(path, text.to_owned());
    let root = yaml::read(&mut Diagnostics::new(&source))?;
    let fields = document::fields(&root).filter(|entry| entry.key_position.line <= line);
    let field = fields.max_by_key(|entry| entry.key_position.line);
    field.map(|entry| entry.key.clone())
}

/// Parses a config that is not in a file.
#[cfg(any(test, fuzzing))]
pub fn parse_bytes(bytes: &[u8]) -> Result<Config, ConfigError> {
    let path = Path::new("deployment.yml");
    parse(path, "shop/production", bytes, Files::default())
}

fn parse(path: &Path, app: &str, bytes: &[u8], mut files: Files) -> Result<Config, ConfigError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let valid = str::from_utf8(bytes).map_err(|error| error.valid_up_to());
    let invalid = invalid_characters(&text, valid.err());
    let source = Source::new(path, text);
    let mut diagnostics = Diagnostics::new(&source);
    let servers = match yaml::read(&mut diagnostics) {
        Some(root) => document::servers(app, &root, &mut files, &mut diagnostics),
        None => Vec::new(),
    };
    // Other errors on a line with invalid characters are only consequences.
    let lines = invalid
        .iter()
        .map(|(index, _)| source.position_of(*index).line);
    diagnostics.discard_errors_on(&lines.collect::<Vec<_>>());
    for (index, message) in invalid {
        diagnostics.error(source.position_of(index), message);
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

/// Finds characters that YAML forbids: the first bytes that are not UTF-8, at the byte offset `invalid_utf8`, and the
/// first few control characters. Returns the index of each in characters, with a message.
fn invalid_characters(text: &str, invalid_utf8: Option<usize>) -> Vec<(usize, Message)> {
    const MAX_REPORTED: usize = 20;
    let controls = text.match_indices(is_disallowed_control).take(MAX_REPORTED);
    let controls = controls.map(|(offset, control)| {
        let code = control.chars().next().map_or(0, u32::from);
        let what = format!("the file has the control character U+{code:04X}");
        let help = "leave it out, or write it as an escape in double quotes";
        (offset, Message::new(what, help))
    });
    let bytes = invalid_utf8.map(|offset| {
        let message = Message::new("the file is not UTF-8 from here on", "save it as UTF-8");
        (offset, message)
    });
    let to_index = |(offset, message)| (text[..offset].chars().count(), message);
    controls.chain(bytes).map(to_index).collect()
}

#[cfg(test)]
mod tests;
