//! The entries of `ssh_known_hosts`.

use super::host::{integer_port, is_ipv6, operand};
use super::{Context, Item, Validation, refuse, single_line};
use crate::diagnostics::{Message, quoted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownHost {
    /// A host whose keys `ssh-keyscan` fetches.
    Scan { host: String, port: Option<u16> },
    /// A complete line for known_hosts, written unchanged.
    Pinned(String),
}

impl Item for KnownHost {
    fn add(list: &mut Vec<Self>, item: &str, _: &mut Context) -> Validation {
        list.extend(KnownHost::parse(item)?);
        Ok(())
    }
}

impl KnownHost {
    /// Parses an entry of `ssh_known_hosts`: hosts to scan, or one complete line of known_hosts.
    ///
    /// # Errors
    /// A host or port is invalid, or the line is incomplete or has a damaged key.
    pub fn parse(value: &str) -> Result<Vec<KnownHost>, Message> {
        single_line(value)?;
        let words: Vec<&str> = value.split_whitespace().collect();
        match words[..] {
            // The Python tool passed the entry to ssh-keyscan unchanged, so configs may have `-p PORT HOST`.
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
}

fn scan(value: &str) -> Result<KnownHost, Message> {
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

fn scan_host(value: &str) -> Result<String, Message> {
    operand(value)?;
    let allowed = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if !value.is_empty() && (value.chars().all(allowed) || is_ipv6(value)) {
        Ok(value.to_owned())
    } else {
        not_known_host(value)
    }
}

fn scan_port(value: &str) -> Result<u16, Message> {
    integer_port(value).ok_or_else(|| {
        Message::new(
            format!("{} is not a port", quoted(value)),
            "write a number from 1 to 65535",
        )
    })
}

fn not_known_host<T>(value: &str) -> Result<T, Message> {
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

/// Whether a word looks like a base64 key. All keys begin with the length of the type's name as a 32-bit number, whose
/// upper bytes are zero.
fn is_key(word: &str) -> bool {
    word.starts_with("AAAA")
}

/// Checks a line of known_hosts. `words` are its words without the marker.
fn pinned(line: &str, words: &[&str]) -> Result<Vec<KnownHost>, Message> {
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
    // A key blob begins with the length and the name of its type.
    let type_in_key = STANDARD.decode(key).ok().and_then(|bytes| {
        let length = u32::from_be_bytes(*bytes.first_chunk::<4>()?) as usize;
        let name = bytes.get(4..)?.get(..length)?;
        Some(String::from_utf8_lossy(name).into_owned())
    });
    match type_in_key {
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
