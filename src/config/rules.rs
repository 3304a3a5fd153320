//! What single values may be. Each rule names the mistake and what to do about it.

use super::KnownHost;
use super::diagnostic::{Problem, quoted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::Ipv6Addr;

pub type Verdict = Result<(), Problem>;

fn refuse<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::new(what, help))
}

/// Text on one line: no control characters.
pub fn line(value: &str) -> Verdict {
    match value.chars().find(|character| character.is_control()) {
        None => Ok(()),
        Some('\n' | '\r') => refuse("the value has a line break", "write it on one line"),
        Some('\t') => refuse("the value has a tab", "write a space, or leave it out"),
        Some(control) => refuse(
            format!("the value has {}", control_name(control)),
            "leave it out",
        ),
    }
}

/// Shell text: line breaks and tabs are fine, other control characters are not.
pub fn command(value: &str) -> Verdict {
    match value
        .chars()
        .find(|character| character.is_control() && !matches!(character, '\n' | '\t'))
    {
        None => Ok(()),
        Some(control) => refuse(
            format!("the command has {}", control_name(control)),
            "leave it out",
        ),
    }
}

fn control_name(control: char) -> String {
    match control {
        '\0' => "a NUL character".to_owned(),
        _ => format!("the control character U+{:04X}", u32::from(control)),
    }
}

/// An operand that no program may take for an option.
fn operand(value: &str) -> Verdict {
    line(value)?;
    match value.starts_with('-') {
        true => refuse(
            format!(
                "{} starts with `-`: programs take it for an option",
                quoted(value)
            ),
            "leave the `-` out",
        ),
        false => Ok(()),
    }
}

/// A host as ssh takes it.
pub fn host(value: &str) -> Verdict {
    operand(value)?;
    if let Some((user, host)) = value.rsplit_once('@') {
        return refuse(
            format!("the host {} names a user", quoted(value)),
            format!(
                "write {} here; setup connects as setup_user, deploy as project_user ({})",
                quoted(host),
                quoted(user)
            ),
        );
    }
    if let Some(inner) = value.strip_prefix('[') {
        let address = inner.split(']').next().unwrap_or_default();
        return refuse(
            format!("the host {} has brackets", quoted(value)),
            format!("write {} here, and the port as `port:`", quoted(address)),
        );
    }
    if let Some((host, port)) = value.split_once(':')
        && !is_ipv6(value)
    {
        return match integer_port(port) {
            Some(port) if !host.is_empty() => refuse(
                format!("the host {} has a port", quoted(value)),
                format!("write {} here and `port: {port}` under it", quoted(host)),
            ),
            _ => refuse(
                format!("the host {} has a colon", quoted(value)),
                "write a name, an IPv4 address or an IPv6 address without brackets",
            ),
        };
    }
    // What OpenSSH refuses, and `/`, which no name of a directory can have.
    match value
        .chars()
        .find(|c| c.is_whitespace() || "'`\"$\\;&<>|(){}/".contains(*c))
    {
        Some(' ') => refuse(
            format!("the host {} has a space", quoted(value)),
            "write one host name; each server has its own entry",
        ),
        Some(character) => refuse(
            format!("the host {} has the character {character:?}", quoted(value)),
            "write a name or an address alone",
        ),
        None if value.chars().all(|c| c == '.') => refuse(
            format!("{} is not a host", quoted(value)),
            "write a name or an address",
        ),
        None => Ok(()),
    }
}

fn is_ipv6(value: &str) -> bool {
    let address = value.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}

fn integer_port(value: &str) -> Option<u16> {
    value.parse().ok().filter(|port| *port > 0)
}

/// A Linux user name, as Debian's useradd takes it.
pub fn user(value: &str) -> Verdict {
    operand(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let help = "use letters, digits, `_`, `-` and `.`, at most 32, not only digits";
    let well_formed = value.len() <= 32
        && value.chars().all(allowed)
        && !value.starts_with('.')
        && !value.chars().all(|c| c.is_ascii_digit());
    match well_formed {
        true => Ok(()),
        false => refuse(format!("{} is not a user name", quoted(value)), help),
    }
}

/// An absolute path on the host, or one under the user's home.
pub fn remote_path(value: &str) -> Verdict {
    line(value)?;
    no_parent(value)?;
    match value.split('/').all(|part| part.is_empty()) {
        true => refuse(
            format!("{} is the root directory of the host", quoted(value)),
            "name a directory of the app",
        ),
        false => Ok(()),
    }
}

fn no_parent(value: &str) -> Verdict {
    match value.split('/').any(|part| part == "..") {
        true => refuse(
            format!("the path {} has a `..`", quoted(value)),
            "write the path that is meant",
        ),
        false => Ok(()),
    }
}

/// The path of a virtualenv, which python and PATH must be able to name.
pub fn venv(value: &str) -> Verdict {
    remote_path(value)?;
    match value.contains(':') {
        true => refuse(
            format!(
                "the path {} has a colon, which separates the paths of PATH",
                quoted(value)
            ),
            "name another directory",
        ),
        false => Ok(()),
    }
}

/// A file inside the release.
pub fn dependency_file(value: &str) -> Verdict {
    operand(value)?;
    no_parent(value)?;
    match value.starts_with('/') {
        true => refuse(
            format!("{} is an absolute path", quoted(value)),
            "name the file from the top of the repository",
        ),
        false => Ok(()),
    }
}

/// What `git clone` takes.
pub fn repository(value: &str) -> Verdict {
    operand(value)
}

/// A branch as `git check-ref-format --branch` takes it.
pub fn branch(value: &str) -> Verdict {
    operand(value)?;
    let wrong = if value == "HEAD" || value == "@" {
        Some(format!("{value} is not the name of a branch"))
    } else if let Some(character) = value.chars().find(|c| " ~^:?*[\\".contains(*c)) {
        Some(match character {
            ' ' => "a space".to_owned(),
            other => format!("`{other}`"),
        })
        .map(|character| format!("it has {character}"))
    } else if value.contains("..") {
        Some("it has `..`".to_owned())
    } else if value.contains("@{") {
        Some("it has `@{`".to_owned())
    } else if value.starts_with('/') || value.ends_with('/') || value.contains("//") {
        Some("a part between slashes is empty".to_owned())
    } else if value.split('/').any(|part| part.starts_with('.')) {
        Some("a part starts with `.`".to_owned())
    } else if value.split('/').any(|part| part.ends_with(".lock")) {
        Some("a part ends with `.lock`".to_owned())
    } else if value.ends_with('.') {
        Some("it ends with `.`".to_owned())
    } else {
        None
    };
    match wrong {
        None => Ok(()),
        Some(reason) => refuse(
            format!("git does not take {} as a branch: {reason}", quoted(value)),
            "write the name of a branch or tag; a commit goes into `revision`",
        ),
    }
}

/// Any way to name a commit.
pub fn revision(value: &str) -> Verdict {
    operand(value)?;
    match value.chars().any(char::is_whitespace) {
        true => refuse(
            format!("the revision {} has a space", quoted(value)),
            "write one tag, SHA or ref",
        ),
        false => Ok(()),
    }
}

/// A Debian package, as `apt-get install` takes it: `name`, `name:arch`, `name=version`, `name/release`.
pub fn package(value: &str) -> Verdict {
    operand(value)?;
    let (name, rest) = match value.find([':', '=', '/']) {
        Some(end) => value.split_at(end),
        None => (value, ""),
    };
    let (arch, rest) = match rest.strip_prefix(':') {
        Some(after) => after.split_at(after.find(['=', '/']).unwrap_or(after.len())),
        None => ("any", rest),
    };
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    // apt removes the package when the name ends with `-`.
    let name_fits = name.len() >= 2
        && name.starts_with(lower)
        && name.chars().all(|c| lower(c) || "+-.".contains(c))
        && !name.ends_with('-');
    let arch_fits = !arch.is_empty() && arch.chars().all(|c| lower(c) || c == '-');
    let rest_fits = rest.is_empty()
        || rest.len() > 1
            && rest[1..]
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.:~_".contains(c));
    if name_fits && arch_fits && rest_fits {
        return Ok(());
    }
    let help = match value.contains([',', ';']) {
        true => "separate packages with spaces or write them as a list",
        false => "write `name`, `name=version`, `name:arch` or `name/release`",
    };
    refuse(format!("{} is not a Debian package", quoted(value)), help)
}

/// An http address that curl fetches on the host.
pub fn url(value: &str) -> Verdict {
    line(value)?;
    let lower = value.to_ascii_lowercase();
    let authority = ["http://", "https://"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme))
        .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        None => refuse(
            format!("{} is not an http address", quoted(value)),
            "begin it with http:// or https://",
        ),
        Some("") => refuse(
            format!("{} names no host", quoted(value)),
            "write it like http://127.0.0.1:8000/health",
        ),
        Some(_) if value.contains(char::is_whitespace) => refuse(
            format!("{} has a space", quoted(value)),
            "write %20 for a space",
        ),
        Some(_) => Ok(()),
    }
}

/// The file name of a systemd unit that can be restarted.
pub fn unit(name: &str) -> Verdict {
    const KINDS: [&str; 8] = [
        "service",
        "socket",
        "target",
        "timer",
        "path",
        "mount",
        "automount",
        "slice",
    ];
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":_.@\\-".contains(c);
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    if !KINDS.contains(&kind) || stem.is_empty() || name.len() > 255 {
        return refuse(
            format!("{} is not the name of a systemd unit", quoted(name)),
            "name the file like gunicorn.service",
        );
    }
    if let Some(character) = name.chars().find(|c| !allowed(*c)) {
        return refuse(
            format!(
                "the unit name {} has the character {character:?}",
                quoted(name)
            ),
            "use letters, digits, `:`, `_`, `.`, `@` and `-`",
        );
    }
    if name.starts_with(['-', '.']) {
        return refuse(
            format!("the unit name {} starts with a sign", quoted(name)),
            "let it start with a letter",
        );
    }
    match stem.ends_with('@') {
        true => refuse(
            format!("{} is a template, which cannot be started", quoted(name)),
            "name the file after an instance, like app@1.service",
        ),
        false => Ok(()),
    }
}

/// The name under which a secret stands in `shared/` and in every release.
pub fn secret_name(name: &str) -> Verdict {
    line(name)?;
    let taken = matches!(
        name,
        ".env" | "media" | "revisions.log" | ".git" | ".pystrano"
    ) || name.starts_with(".env.");
    match taken {
        true => refuse(
            format!(
                "a secret cannot be called {}: the name is taken on the host",
                quoted(name)
            ),
            "rename the file",
        ),
        false => Ok(()),
    }
}

/// An entry of `ssh_known_hosts`: hosts to ask for their keys, or one whole line.
pub fn known_host(value: &str) -> Result<Vec<KnownHost>, Problem> {
    line(value)?;
    let words: Vec<&str> = value.split_whitespace().collect();
    match words[..] {
        // The Python tool handed the entry to ssh-keyscan as it was.
        ["-p", port, host] => Ok(vec![KnownHost::Scan {
            host: scan_host(host)?,
            port: Some(scan_port(port)?),
        }]),
        [marker, ..] if marker.starts_with('@') => pinned(value, &words[1..]),
        [_, _, key, ..] if is_key(key) => pinned(value, &words),
        [_, kind, ..] if is_key_type(kind) || is_key(kind) => pinned(value, &words),
        _ => words.iter().map(|word| scan(word)).collect(),
    }
}

fn scan(value: &str) -> Result<KnownHost, Problem> {
    if let Some(rest) = value.strip_prefix('[')
        && let Some((host, rest)) = rest.split_once(']')
    {
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(scan_port(port)?),
            None if rest.is_empty() => None,
            None => return not_known_host(value),
        };
        let host = scan_host(host)?;
        return Ok(KnownHost::Scan { host, port });
    }
    if let Some((host, port)) = value.split_once(':')
        && !is_ipv6(value)
        && integer_port(port).is_some()
    {
        return refuse(
            format!("ssh-keyscan does not take {}", quoted(value)),
            format!("write [{host}]:{port}"),
        );
    }
    Ok(KnownHost::Scan {
        host: scan_host(value)?,
        port: None,
    })
}

fn scan_host(value: &str) -> Result<String, Problem> {
    operand(value)?;
    let allowed = |c: char| c.is_alphanumeric() || "._-".contains(c);
    match !value.is_empty() && (value.chars().all(allowed) || is_ipv6(value)) {
        true => Ok(value.to_owned()),
        false => not_known_host(value),
    }
}

fn scan_port(value: &str) -> Result<u16, Problem> {
    integer_port(value).ok_or_else(|| {
        Problem::new(
            format!("{} is not a port", quoted(value)),
            "write a number from 1 to 65535",
        )
    })
}

fn not_known_host<T>(value: &str) -> Result<T, Problem> {
    refuse(
        format!("{} is not a known host", quoted(value)),
        "write `host`, `[host]:port` or a whole line `host keytype key`",
    )
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

/// Whether a word looks like the base64 of a key: all begin with the length of a short name.
fn is_key(word: &str) -> bool {
    word.starts_with("AAAA")
}

/// A line of known_hosts; its words begin with the hosts.
fn pinned(line: &str, words: &[&str]) -> Result<Vec<KnownHost>, Problem> {
    let marker = line.split_whitespace().next().unwrap_or_default();
    if marker.starts_with('@') && !matches!(marker, "@cert-authority" | "@revoked") {
        return refuse(
            format!("{} is not a mark of known_hosts", quoted(marker)),
            "write @cert-authority or @revoked, or leave it out",
        );
    }
    let (kind, key) = match words[..] {
        [hosts, kind, key, ..] if !hosts.starts_with('-') => (kind, key),
        _ => {
            return refuse(
                "this line of known_hosts is not complete",
                "copy the whole line: `host keytype key`",
            );
        }
    };
    if !is_key_type(kind) {
        return refuse(
            format!("{} is not a type of key", quoted(kind)),
            "copy the whole line: `host keytype key`, such as `host ssh-ed25519 AAAA…`",
        );
    }
    // A key begins with the length and the name of its type.
    let named = STANDARD.decode(key).ok().and_then(|bytes| {
        let length = u32::from_be_bytes(*bytes.first_chunk::<4>()?) as usize;
        let name = bytes.get(4..)?.get(..length)?;
        Some(String::from_utf8_lossy(name).into_owned())
    });
    match named {
        Some(name) if name == kind => Ok(vec![KnownHost::Pinned(line.to_owned())]),
        Some(name) if is_key_type(&name) => refuse(
            format!(
                "the key is of the type {}, not {}",
                quoted(&name),
                quoted(kind)
            ),
            "copy the whole line again",
        ),
        _ => refuse(
            "the key of this known host is damaged",
            "copy the whole line again",
        ),
    }
}
