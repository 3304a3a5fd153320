//! Everything that can stop a command before a host is contacted, and the exit codes.

use crate::config::UnknownServer;
use crate::diagnostics::{Diagnostic, Message, quoted};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit codes of the `pystrano` program. The scripts end with the same numbers.
pub mod exit {
    /// A host failed: after promotion had begun, and was put back; or in `setup` or `status`.
    pub const FAILED: u8 = 1;
    /// The command line or the config is wrong; nothing was contacted.
    pub const USAGE: u8 = 2;
    /// Stopped before promotion; every host is as it was.
    pub const STOPPED: u8 = 3;
    /// A host could not be reached, and nothing was promoted.
    pub const UNREACHABLE: u8 = 4;
    /// Hosts differ from each other, or the state of one is not known.
    pub const IN_DOUBT: u8 = 5;
    /// Interrupted. The process ends by the signal that came; of Ctrl-C a shell shows 130.
    pub const INTERRUPTED: u8 = 130;
}

#[derive(Debug)]
pub enum Error {
    /// The config has mistakes; all of them, in the order of the file.
    Config {
        mistakes: Vec<Diagnostic>,
        warnings: Vec<Diagnostic>,
    },
    /// The command line asks for something that cannot be: what, and what to do.
    Usage { what: String, help: String },
    /// Several options do so, each with its mistake.
    Options(Vec<Message>),
    /// A local file could not be read or written.
    File {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// A template could not be rendered.
    Render(askama::Error),
}

impl Error {
    /// For `map_err`: the error of doing `action` to the file.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Error::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub fn code(&self) -> ExitCode {
        ExitCode::from(exit::USAGE)
    }
}

impl From<UnknownServer> for Error {
    fn from(UnknownServer { name, known }: UnknownServer) -> Self {
        Error::Usage {
            what: format!("no server is called {}", quoted(&name)),
            help: format!("the config has {known}"),
        }
    }
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Self {
        Error::Render(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config { mistakes, .. } => {
                for (index, diagnostic) in mistakes.iter().enumerate() {
                    if index > 0 {
                        out.write_str("\n")?;
                    }
                    diagnostic.fmt(out)?;
                }
                Ok(())
            }
            Error::Options(messages) => {
                let lines = messages.iter().map(Message::to_string);
                out.write_str(&lines.collect::<Vec<_>>().join("\nerror: "))
            }
            Error::Usage { what, help } => write!(out, "{what}; {help}"),
            Error::File {
                action,
                path,
                source,
            } => {
                write!(out, "cannot {action} {}: {source}", path.display())
            }
            Error::Render(source) => write!(out, "cannot render a script: {source}"),
        }
    }
}

impl std::error::Error for Error {}
