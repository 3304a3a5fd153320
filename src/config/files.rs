//! The local files that a config names, each read once and shared.

use super::dotenv;
use super::environment_file::{self, Assignment, is_name};
use super::types::{
    Context, Item, Scalar, Text, Validation, ensure, refuse, secret_name, single_line, unit_name,
};
use super::unit::{Unit, UnitKind};
use crate::diagnostics::{Diagnostic, Diagnostics, Message, quoted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A dotenv file: its bytes go to the host, its variables to the commands.
#[derive(Debug)]
pub struct EnvFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    /// In the order of the file, the last value of a name; only names that a shell can export.
    pub variables: Vec<(String, String)>,
    /// Lines that systemd's `EnvironmentFile=` reads otherwise.
    pub differing_lines: Vec<usize>,
}

/// A local file that is copied to `shared/` and linked into releases.
#[derive(Debug)]
pub struct Secret {
    /// File name, without directories.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A private key of ssh.
#[derive(Debug)]
pub struct PrivateKey {
    pub bytes: Vec<u8>,
}

impl Scalar for Arc<EnvFile> {
    type Raw = Text;

    fn parse(Text(path): Text, context: &mut Context) -> Result<Self, Message> {
        let file = context.files.env_file(&path, context.diagnostics)?;
        warn_if_open(&path, context);
        Ok(file)
    }
}

impl Item for Arc<Unit> {
    fn add(list: &mut Vec<Self>, item: &str, context: &mut Context) -> Validation {
        let unit = context.files.unit(item)?;
        add_once(list, unit, |unit| &unit.name).or_else(|name| {
            refuse(
                format!("two units are called {}", quoted(&name)),
                "rename one: a host has one unit of a name",
            )
        })
    }
}

impl Scalar for Arc<PrivateKey> {
    type Raw = Text;

    fn parse(Text(path): Text, context: &mut Context) -> Result<Self, Message> {
        let key = context.files.deploy_key(&path)?;
        warn_if_open(&path, context);
        Ok(key)
    }
}

impl Item for Arc<Secret> {
    fn add(list: &mut Vec<Self>, item: &str, context: &mut Context) -> Validation {
        let secret = context.files.secret(item)?;
        warn_if_open(item, context);
        add_once(list, secret, |secret| &secret.name).or_else(|name| {
            refuse(
                format!("two secrets are called {}", quoted(&name)),
                "rename one: they stand in one directory on the host",
            )
        })
    }
}

/// Adds a file that is not listed yet. The error is a name that another file has.
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

/// Warns of a file with secrets that other users of this machine can read or change.
fn warn_if_open(path: &str, context: &mut Context) {
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    // A draft is not there yet.
    if mode.is_ok_and(|mode| mode & 0o066 != 0) {
        context.warn(Message::new(
            format!("other users of this machine can read {}", quoted(path)),
            format!("run `chmod 600 {}`", shell_escape::escape(path.into())),
        ));
    }
}

/// Files of one kind by their path in the config.
type Known<T> = HashMap<String, Result<Arc<T>, Message>>;

#[derive(Debug, Default)]
pub struct Files {
    env_files: Known<EnvFile>,
    units: Known<Unit>,
    secrets: Known<Secret>,
    deploy_keys: Known<PrivateKey>,
    /// What files will hold that are not written yet.
    drafts: HashMap<String, Vec<u8>>,
}

impl Files {
    pub fn with(drafts: HashMap<String, Vec<u8>>) -> Self {
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
        remember(&mut self.env_files, path, || {
            let bytes = draft_or_file(&self.drafts, path)?;
            env_file(path, bytes, diagnostics)
        })
    }

    fn unit(&mut self, path: &str) -> Result<Arc<Unit>, Message> {
        remember(&mut self.units, path, || {
            let name = file_name(path)?;
            let bytes = draft_or_file(&self.drafts, path)?;
            unit_name(&name)?;
            let kind = UnitKind::of(&name).unwrap_or(UnitKind::Service);
            Unit::new(PathBuf::from(path), name, kind, utf8(path, bytes)?)
        })
    }

    fn secret(&mut self, path: &str) -> Result<Arc<Secret>, Message> {
        remember(&mut self.secrets, path, || {
            let name = file_name(path)?;
            let bytes = read(path)?;
            secret_name(&name)?;
            Ok(Secret { name, bytes })
        })
    }

    fn deploy_key(&mut self, path: &str) -> Result<Arc<PrivateKey>, Message> {
        remember(&mut self.deploy_keys, path, || {
            let text = utf8(path, read(path)?)?;
            check_key(path, &text)?;
            // ssh wants line feeds, one after the last line, too.
            let mut bytes = text.trim().replace("\r\n", "\n").into_bytes();
            bytes.push(b'\n');
            Ok(PrivateKey { bytes })
        })
    }
}

/// Checks that ssh can use a private key without anybody who types a passphrase.
fn check_key(path: &str, text: &str) -> Result<(), Message> {
    let text = text.trim();
    let Some((kind, body)) = text
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("PRIVATE KEY-----"))
    else {
        let help = "name a private key, such as `ssh-keygen -t ed25519 -N '' -f FILE` makes";
        return refuse(format!("{} is no private key", quoted(path)), help);
    };
    // The format's magic is followed by the length and the name of the cipher.
    let opened = |body: &str| {
        let body: String = body
            .lines()
            .take_while(|line| !line.starts_with('-'))
            .collect();
        let start = STANDARD.decode(body.get(..64)?).ok()?;
        Some(start.starts_with(b"openssh-key-v1\0\0\0\0\x04none"))
    };
    let is_locked = match kind {
        "OPENSSH " => opened(body) == Some(false),
        _ => kind == "ENCRYPTED " || body.contains("ENCRYPTED"),
    };
    ensure(
        !is_locked,
        || format!("the key {} has a passphrase", quoted(path)),
        "git on the host cannot be asked for it: name a key without one, which only reads this repository",
    )
}

fn remember<T>(
    known: &mut Known<T>,
    path: &str,
    read: impl FnOnce() -> Result<T, Message>,
) -> Result<Arc<T>, Message> {
    if let Some(result) = known.get(path) {
        return result.clone();
    }
    let result = read().map(Arc::new);
    known.insert(path.to_owned(), result.clone());
    result
}

fn draft_or_file(drafts: &HashMap<String, Vec<u8>>, path: &str) -> Result<Vec<u8>, Message> {
    match drafts.get(path) {
        Some(bytes) => Ok(bytes.clone()),
        None => read(path),
    }
}

/// Reads a dotenv file, of which it warns.
pub fn env_file(
    path: &str,
    bytes: Vec<u8>,
    diagnostics: &mut Diagnostics,
) -> Result<EnvFile, Message> {
    let text = utf8(path, bytes)?;
    let dotenv = dotenv::parse(&text);
    // The lines are not shown: they may hold a secret.
    let mut warn = |line: usize, message: Message| {
        diagnostics.add_warning(Diagnostic::without_excerpt(Path::new(path), line, message));
    };
    for line in dotenv.skipped {
        let what = "this line is not understood and skipped";
        let help = "write NAME=value, and close every quote";
        warn(line, Message::new(what, help));
    }
    let mut variables = Vec::new();
    let mut assignments = environment_file::Variables::new();
    for dotenv::Variable { name, value, line } in dotenv.values {
        if let Err(message) = can_be_exported(&name) {
            warn(line, message);
        } else if let Some(value) = value {
            check_size(path, &name, &value, line)?;
            let assignment = Assignment {
                value: value.clone(),
                lines: line..=line,
            };
            assignments.insert(name.clone(), assignment);
            variables.push((name, value));
        }
    }
    let size = |(name, value): &(String, String)| name.len() + value.len() + 10;
    if dotenv.is_too_large || variables.iter().map(size).sum::<usize>() > LARGEST_ENV {
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

/// Checks that a shell can export a variable of this name.
fn can_be_exported(name: &str) -> Validation {
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

/// What all variables may take, as Linux counts it, with room for others.
const LARGEST_ENV: usize = 1_500_000;

/// Checks that Linux can give a variable to a program.
fn check_size(path: &str, name: &str, value: &str, line: usize) -> Validation {
    /// Of `NAME=value`, without the NUL at its end.
    const LARGEST: usize = 131_071;
    ensure(
        name.len() + 1 + value.len() <= LARGEST,
        || {
            format!(
                "the value of {name} in line {line} of {} is larger than a program can be given",
                quoted(path)
            )
        },
        "keep it below 128 KiB; give it to the app as a file, with `secrets`",
    )
}

/// Variables that a shell sets itself, or that it refuses to have set.
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

/// The last part of a path.
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

/// Refuses what is too large for scripts to carry.
pub fn check_length(what: &str, length: u64) -> Validation {
    ensure(
        length <= LARGEST,
        || {
            format!(
                "{what} is larger than {} MiB, and every script carries it",
                LARGEST >> 20
            )
        },
        "bring it to the hosts in another way",
    )
}

/// Of a file that scripts carry: they are held in memory here and, some ten times as large, by the shell there.
const LARGEST: u64 = 10 << 20;

/// A regular file's bytes. Paths are relative to the directory the command runs in.
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
    check_length(&format!("the local file {}", quoted(path)), found.len())?;
    std::fs::read(path).map_err(problem)
}

/// The bytes as text without NUL.
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
