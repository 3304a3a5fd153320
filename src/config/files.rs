//! Local files that the config names. Each is read once and shared by all servers that name it.

use super::dotenv;
use super::environment_file::{self, Assignment, is_name};
use super::types::{
    Context, Item, Scalar, Text, Validation, ensure, refuse, secret_name, single_line, unit_name,
};
use super::unit::{Unit, UnitKind};
use crate::diagnostics::{Diagnostics, Message, quoted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A dotenv file. `bytes` is copied to the host, `variables` is exported to the commands of a deploy.
#[derive(Debug)]
pub struct EnvFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    /// The variables that a shell can export, in the order of the file. The last value of a name wins.
    pub variables: Vec<(String, String)>,
    /// Lines that systemd's `EnvironmentFile=` parses differently, 1-based.
    pub differing_lines: Vec<usize>,
}

/// A local file that is copied to `shared/` and linked into releases.
#[derive(Debug)]
pub struct Secret {
    /// The file name, without directories.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// An ssh private key without a passphrase.
#[derive(Debug)]
pub struct PrivateKey {
    pub bytes: Vec<u8>,
}

impl Scalar for Arc<EnvFile> {
    type Raw = Text;

    fn parse(Text(path): Text, context: &mut Context) -> Result<Self, Message> {
        let file = context.files.env_file(&path, context.diagnostics)?;
        warn_if_exposed(&path, context);
        Ok(file)
    }
}

impl Item for Arc<Unit> {
    fn add(list: &mut Vec<Self>, item: &str, context: &mut Context) -> Validation {
        let unit = context.files.unit(item)?;
        add_once(list, unit, |unit| &unit.name).or_else(|name| {
            refuse(
                format!("two units are called {}", quoted(&name)),
                "rename one: unit names are unique on a host",
            )
        })
    }
}

impl Scalar for Arc<PrivateKey> {
    type Raw = Text;

    fn parse(Text(path): Text, context: &mut Context) -> Result<Self, Message> {
        let key = context.files.deploy_key(&path)?;
        warn_if_exposed(&path, context);
        Ok(key)
    }
}

impl Item for Arc<Secret> {
    fn add(list: &mut Vec<Self>, item: &str, context: &mut Context) -> Validation {
        let secret = context.files.secret(item)?;
        warn_if_exposed(item, context);
        add_once(list, secret, |secret| &secret.name).or_else(|name| {
            refuse(
                format!("two secrets are called {}", quoted(&name)),
                "rename one: they are in one directory on the host",
            )
        })
    }
}

/// Adds a file unless it is in the list already.
///
/// # Errors
/// Returns the name if another file in the list has the same one.
fn add_once<T>(
    list: &mut Vec<Arc<T>>,
    file: Arc<T>,
    name: fn(&T) -> &String,
) -> Result<(), String> {
    match list.iter().find(|other| name(other) == name(&file)) {
        None => list.push(file),
        Some(other) if Arc::ptr_eq(other, &file) => {}
        Some(_) => return Err(name(&file).clone()),
    }
    Ok(())
}

/// Warns of a file with secrets that other local users can read or change.
fn warn_if_exposed(path: &str, context: &mut Context) {
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    // A draft does not exist yet.
    if mode.is_ok_and(|mode| mode & 0o066 != 0) {
        context.warn(Message::new(
            format!(
                "other users of this machine can read or change {}",
                quoted(path)
            ),
            format!("run `chmod 600 {}`", shell_escape::escape(path.into())),
        ));
    }
}

/// Files of one kind, or why they cannot be used, by their path in the config.
type Cache<T> = HashMap<String, Result<Arc<T>, Message>>;

/// Reads local files, and caches them.
#[derive(Debug, Default)]
pub struct Files {
    env_files: Cache<EnvFile>,
    units: Cache<Unit>,
    secrets: Cache<Secret>,
    deploy_keys: Cache<PrivateKey>,
    /// The contents of files that are still to be written, by their path.
    drafts: HashMap<String, Vec<u8>>,
}

impl Files {
    pub fn with_drafts(drafts: HashMap<String, Vec<u8>>) -> Self {
        Files {
            drafts,
            ..Files::default()
        }
    }

    fn env_file(
        &mut self,
        path: &str,
        diagnostics: &mut Diagnostics,
    ) -> Result<Arc<EnvFile>, Message> {
        cached(&mut self.env_files, path, || {
            let bytes = read_draft_or_file(&self.drafts, path)?;
            env_file(path, bytes, diagnostics)
        })
    }

    fn unit(&mut self, path: &str) -> Result<Arc<Unit>, Message> {
        cached(&mut self.units, path, || {
            let name = file_name(path)?;
            let bytes = read_draft_or_file(&self.drafts, path)?;
            unit_name(&name)?;
            let kind = UnitKind::from_name(&name).unwrap_or(UnitKind::Service);
            Unit::new(PathBuf::from(path), name, kind, utf8(path, bytes)?)
        })
    }

    fn secret(&mut self, path: &str) -> Result<Arc<Secret>, Message> {
        cached(&mut self.secrets, path, || {
            let name = file_name(path)?;
            let bytes = read(path)?;
            secret_name(&name)?;
            Ok(Secret { name, bytes })
        })
    }

    fn deploy_key(&mut self, path: &str) -> Result<Arc<PrivateKey>, Message> {
        cached(&mut self.deploy_keys, path, || {
            let text = utf8(path, read(path)?)?;
            check_key(path, &text)?;
            // ssh requires LF line endings, and one after the last line.
            let mut bytes = text.trim().replace("\r\n", "\n").into_bytes();
            bytes.push(b'\n');
            Ok(PrivateKey { bytes })
        })
    }
}

/// Checks that a file is a private key, and that ssh can use it without a passphrase.
fn check_key(path: &str, text: &str) -> Result<(), Message> {
    let text = text.trim();
    let Some((kind, body)) = text
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("PRIVATE KEY-----"))
    else {
        let help = "name a private key, such as `ssh-keygen -t ed25519 -N '' -f FILE` makes";
        return refuse(format!("{} is not a private key", quoted(path)), help);
    };
    // After the magic bytes of the format come the length and the name of the cipher.
    let has_no_cipher = |body: &str| {
        let body: String = body
            .lines()
            .take_while(|line| !line.starts_with('-'))
            .collect();
        let start = STANDARD.decode(body.get(..64)?).ok()?;
        Some(start.starts_with(b"openssh-key-v1\0\0\0\0\x04none"))
    };
    let is_locked = match kind {
        "OPENSSH " => has_no_cipher(body) == Some(false),
        _ => kind == "ENCRYPTED " || body.contains("ENCRYPTED"),
    };
    ensure(
        !is_locked,
        || format!("the key {} has a passphrase", quoted(path)),
        "git on the host cannot be asked for it: name a key without one, which only reads this repository",
    )
}

/// Returns the file from the cache, or reads it. Failures are cached, too.
fn cached<T>(
    cache: &mut Cache<T>,
    path: &str,
    read: impl FnOnce() -> Result<T, Message>,
) -> Result<Arc<T>, Message> {
    let result = cache.entry(path.to_owned());
    result.or_insert_with(|| read().map(Arc::new)).clone()
}

fn read_draft_or_file(drafts: &HashMap<String, Vec<u8>>, path: &str) -> Result<Vec<u8>, Message> {
    match drafts.get(path) {
        Some(bytes) => Ok(bytes.clone()),
        None => read(path),
    }
}

/// Parses a dotenv file. Reports warnings about lines and names that are skipped.
///
/// # Errors
/// The text is not UTF-8, or its variables are too large for the environment of a process.
pub fn env_file(
    path: &str,
    bytes: Vec<u8>,
    diagnostics: &mut Diagnostics,
) -> Result<EnvFile, Message> {
    let text = utf8(path, bytes)?;
    let dotenv = dotenv::parse(&text);
    let mut warn = |line: usize, message: Message| {
        diagnostics.warn_in_file(Path::new(path), line, message);
    };
    for line in dotenv.skipped {
        let what = "this line is not understood and skipped";
        let help = "write NAME=value, and close every quote";
        warn(line, Message::new(what, help));
    }
    let mut variables = Vec::new();
    let mut assignments = environment_file::Variables::new();
    for dotenv::Variable { name, value, line } in dotenv.values {
        if let Err(message) = check_exportable(&name) {
            warn(line, message);
        } else if let Some(value) = value {
            check_variable_size(path, &name, &value, line)?;
            let assignment = Assignment {
                value: value.clone(),
                lines: line..=line,
            };
            assignments.insert(name.clone(), assignment);
            variables.push((name, value));
        }
    }
    let size = |(name, value): &(String, String)| name.len() + value.len() + 10;
    if dotenv.is_too_large || variables.iter().map(size).sum::<usize>() > MAX_ENV_SIZE {
        return refuse(
            format!(
                "the variables of {} are more than a program can be given",
                quoted(path)
            ),
            "keep them below 1.5 MB; give large values to the app as files, with `secrets`",
        );
    }
    Ok(EnvFile {
        path: PathBuf::from(path),
        differing_lines: environment_file::differing_lines(&text, &assignments),
        bytes: text.into_bytes(),
        variables,
    })
}

/// Checks that a shell can export a variable with this name.
fn check_exportable(name: &str) -> Validation {
    if !is_name(name) {
        return refuse(
            "a shell cannot export what this line names",
            "the commands run without it; use letters, digits and `_` for a name",
        );
    }
    ensure(
        !RESERVED.contains(&name),
        || format!("shells keep {name} for themselves"),
        "the commands run without it; choose another name",
    )
}

/// Maximum size of all variables together, in bytes. By default Linux allows 2 MiB for arguments and environment; the
/// rest is for arguments and other variables.
const MAX_ENV_SIZE: usize = 1_500_000;

/// Checks that a variable is within Linux's limit for a single string of the environment.
fn check_variable_size(path: &str, name: &str, value: &str, line: usize) -> Validation {
    /// The length of `NAME=value` without the terminating NUL: `MAX_ARG_STRLEN - 1`.
    const MAX_LENGTH: usize = 131_071;
    ensure(
        name.len() + 1 + value.len() <= MAX_LENGTH,
        || {
            format!(
                "the value of {name} in line {line} of {} is too large for the environment of a program",
                quoted(path)
            )
        },
        "keep it below 128 KiB; give it to the app as a file, with `secrets`",
    )
}

/// Variables that a shell sets itself, or does not allow to be set.
const RESERVED: [&str; 27] = [
    "BASHOPTS",
    "BASHPID",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_CMDS",
    "BASH_LINENO",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSINFO",
    "DIRSTACK",
    "EGID",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GID",
    "GROUPS",
    "IFS",
    "LINENO",
    "OPTIND",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
    "UID",
    "_",
];

/// The last component of a path.
fn file_name(path: &str) -> Result<String, Message> {
    single_line(path)?;
    match Path::new(path).file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(not_a_file(path)),
    }
}

fn not_a_file(path: &str) -> Message {
    Message::new(
        format!("{} is not a regular file", quoted(path)),
        "name a file",
    )
}

/// Checks that a file is small enough to be embedded in scripts.
pub fn check_file_size(what: &str, size: u64) -> Validation {
    ensure(
        size <= MAX_FILE_SIZE,
        || {
            format!(
                "{what} is larger than {} MiB, and every script carries it",
                MAX_FILE_SIZE >> 20
            )
        },
        "bring it to the hosts in another way",
    )
}

/// Maximum size of a file that scripts embed, in bytes. The shell on the host needs about ten times as much memory.
const MAX_FILE_SIZE: u64 = 10 << 20;

/// Reads a regular file. Paths are relative to the working directory.
fn read(path: &str) -> Result<Vec<u8>, Message> {
    single_line(path)?;
    let problem = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound if path.starts_with('~') => Message::new(
            format!("the local file {} does not exist", quoted(path)),
            "`~` is not expanded; write the whole path",
        ),
        ErrorKind::NotFound => Message::new(
            format!("the local file {} does not exist", quoted(path)),
            "create it, or correct the path, which starts from the directory you are in",
        ),
        _ => Message::new(
            format!("the local file {} cannot be read: {error}", quoted(path)),
            "make it readable for you",
        ),
    };
    let found = std::fs::metadata(path).map_err(problem)?;
    if !found.is_file() {
        return Err(not_a_file(path));
    }
    check_file_size(&format!("the local file {}", quoted(path)), found.len())?;
    std::fs::read(path).map_err(problem)
}

/// Decodes a file as UTF-8 text without NUL characters.
fn utf8(path: &str, bytes: Vec<u8>) -> Result<String, Message> {
    let line = |end: usize, bytes: &[u8]| bytes[..end].iter().filter(|b| **b == b'\n').count() + 1;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = line(error.utf8_error().valid_up_to(), error.as_bytes());
        Message::new(
            format!("{} is not UTF-8 in its line {line}", quoted(path)),
            "save it as UTF-8",
        )
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(place) => Err(Message::new(
            format!(
                "{} has a NUL character in its line {}",
                quoted(path),
                line(place, text.as_bytes())
            ),
            "leave it out",
        )),
    }
}
