//! Errors that stop a command before it contacts a host.

use crate::config::{EnvCommandError, UnknownServer};
use crate::diagnostics::{Diagnostic, Message, sanitize, shown_path};
use crate::pack;
use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Messages have the form `what is wrong; what to do about it`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All mistakes of the config, sorted by position.
    #[error("{}", join(mistakes, "\n"))]
    Config {
        mistakes: Vec<Diagnostic>,
        warnings: Vec<Diagnostic>,
    },
    #[error("{} does not exist; {help}", shown_path(path).display())]
    NoConfig { path: PathBuf, help: String },
    #[error("{} is a directory; name the config with --config-file-name", shown_path(path).display())]
    ConfigIsDirectory { path: PathBuf },
    #[error("{} cannot be read: {source}; make it a file that you can read", shown_path(path).display())]
    UnreadableConfig { path: PathBuf, source: io::Error },
    /// The name of an app or environment is not a single path component.
    #[error(
        "{name:?} cannot be the name of an {kind}; it names one directory: no `/`, `.` or `..`"
    )]
    TargetName { kind: &'static str, name: String },
    #[error(transparent)]
    UnknownServer(#[from] UnknownServer),
    #[error(
        "{name:?} cannot be the name of a release; `pystrano status` lists those that are there"
    )]
    ReleaseName { name: String },
    #[error("there is no page {name:?}; `pystrano man --list` lists them")]
    NoPage { name: String },
    /// One message per option that is wrong or missing.
    #[error("{}", join(.0, "\nerror: "))]
    Options(Vec<Message>),
    #[error("cannot ask on this terminal: {source}; give the answers as options")]
    Prompt { source: inquire::InquireError },
    #[error("{path} exists; overwrite it with --force, or remove it")]
    Exists { path: String },
    #[error(
        "{} is a link to {}, and init writes through none; make it a directory, or name the one that is meant with --deploy-config-dir",
        shown_path(link).display(), sanitize(&target.to_string_lossy())
    )]
    DirectoryIsLink { link: PathBuf, target: PathBuf },
    #[error("--from: {} is not a directory; name a checkout of the app", path.display())]
    NoCheckout { path: PathBuf },
    #[error("{} is not a directory; name a new one", path.display())]
    OutputIsFile { path: PathBuf },
    #[error(
        "{path} holds other files, and its mode {mode:04o} lets others in; \
         name a new directory, or `chmod 700 {path}` if nobody else needs it", path = path.display()
    )]
    OutputIsOpen { path: PathBuf, mode: u32 },
    #[error(
        "{path} belongs to another user, who could read and replace what is written into it; name a new directory",
        path = path.display()
    )]
    OutputNotOwned { path: PathBuf },
    /// Something other than a directory is where a host's scripts belong.
    #[error("{} is not a directory; remove it, or name a new directory", path.display())]
    HostIsFile { path: PathBuf },
    #[error(
        "{label} has no unit; name its `service_file` in the config, or other servers with --host"
    )]
    NoUnit { label: String },
    #[error("{label} has no unit {name:?}; it has {known}")]
    UnknownUnit {
        name: String,
        label: String,
        known: String,
    },
    #[error(transparent)]
    EnvCommand(#[from] EnvCommandError),
    #[error("{}", sanitize(&.0.to_string()))]
    Payload(pack::PackError),
    #[error(
        "{label} has `delivery: push`, whose script comes with a payload; add --payload and --output DIR"
    )]
    NeedsPayload { label: String },
    #[error("{} has no {name}; render it into the same directory", sums.display())]
    MissingChecksum { name: String, sums: PathBuf },
    #[error("{} is not as it was rendered; render it again, and have it reviewed", path.display())]
    ChangedSinceRender { path: PathBuf },
    #[error(
        "{} has no secrets and refuses to run; name a directory of `pystrano render --output`, without --redact",
        path.display()
    )]
    WithoutSecrets { path: PathBuf },
    #[error("{} is not of {app}; name the directory that was rendered for it", path.display())]
    OtherApp { path: PathBuf, app: String },
    #[error("{} is not signed; render with --sign, or leave --allowed-signers out", path.display())]
    NotSigned { path: PathBuf },
    #[error("{} signs these scripts; name the allowed signers with --allowed-signers FILE", path.display())]
    NoSigners { path: PathBuf },
    #[error("{} was not made by one of {}: {output}; do not run these scripts", path.display(), signers.display())]
    BadSignature {
        path: PathBuf,
        signers: PathBuf,
        /// What ssh-keygen printed.
        output: String,
    },
    #[error("ssh-keygen could not sign with {}: {status}; its output is above", key.display())]
    SigningFailed {
        key: PathBuf,
        status: std::process::ExitStatus,
    },
    #[error("cannot run ssh-keygen: {source}; install the OpenSSH client")]
    Keygen { source: io::Error },
    #[error("the command is too long; give it its data on stdin or in a file")]
    LongCommand,
    #[error("cannot run {}: {source}; name another program in PYSTRANO_SSH", program.display())]
    Ssh {
        program: OsString,
        source: io::Error,
    },
    #[error(
        "there is no program {}; install the OpenSSH client, or name another in PYSTRANO_SSH", program.display()
    )]
    NoSsh { program: OsString },
    #[error(
        "{servers} servers need more open files than the system allows; \
         raise `ulimit -Hn`, or name at most {room} servers with --host"
    )]
    OpenFiles { servers: usize, room: u64 },
    #[error("cannot listen for Ctrl-C: {source}; try again with fewer programs running")]
    Signals { source: io::Error },
    /// A local file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A bug in pystrano, whatever the config says.
    #[error(
        "a template of pystrano cannot be rendered: {0}; this is a fault of pystrano, please report it"
    )]
    Template(#[from] askama::Error),
}

fn join(texts: &[impl Display], separator: &str) -> String {
    let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
    texts.join(separator)
}

impl Error {
    /// Returns a closure for `map_err`: `action` on the file at `path` failed.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
