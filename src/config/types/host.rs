//! Hosts and users.

use super::form::Integer;
use super::{Context, Scalar, Validation, line, refuse, text_type};
use crate::diagnostics::{Message, quoted};
use serde_json::Value as Json;
use std::net::Ipv6Addr;

text_type! {
    /// A host as ssh takes it.
    Host, host
}

text_type! {
    /// A Linux user name.
    UnixUser, user
}

/// A TCP port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port(pub u16);

impl Scalar for Port {
    type Form = Integer;

    fn parse(Integer(number): Integer, context: &mut Context) -> Result<Self, Message> {
        in_range(context.field, number, 1, 65_535).map(Port)
    }

    fn schema() -> Json {
        Integer::in_range(1, 65_535)
    }
}

/// The number, if it lies in a range.
///
/// # Errors
/// Another number.
pub fn in_range<T: TryFrom<i64>>(
    field: &str,
    number: i64,
    least: i64,
    most: i64,
) -> Result<T, Message> {
    let fits = (least..=most).contains(&number).then_some(number);
    fits.and_then(|number| number.try_into().ok())
        .ok_or_else(|| {
            Message::new(
                format!("`{field}` is {number}"),
                format!("write a number from {least} to {most}"),
            )
        })
}

impl std::fmt::Display for Port {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// An operand that no program may take for an option.
pub fn operand(value: &str) -> Validation {
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
pub fn host(value: &str) -> Validation {
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
        None if value.chars().all(|c| c == '.') || value.eq_ignore_ascii_case("SHA256SUMS") => {
            refuse(
                format!("{} is not a host", quoted(value)),
                "write a name or an address",
            )
        }
        None => Ok(()),
    }
}

pub fn is_ipv6(value: &str) -> bool {
    let address = value.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}

pub fn integer_port(value: &str) -> Option<u16> {
    value.parse().ok().filter(|port| *port > 0)
}

/// A Linux user name, as Debian's useradd takes it.
pub fn user(value: &str) -> Validation {
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
