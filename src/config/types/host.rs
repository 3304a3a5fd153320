//! Hosts, ports and users.

use super::{Validation, ensure, number_type, refuse, single_line, text_type};
use crate::diagnostics::quoted;
use std::net::Ipv6Addr;

text_type! {
    /// A host name or address for ssh, without user and port.
    Host, host
}

text_type! {
    /// A user name that Debian's `useradd` accepts.
    UnixUser, user
}

number_type! {
    /// A TCP port.
    Port(u16), 1, 65_535
}

/// Checks that programs cannot mistake the value for an option.
pub fn operand(value: &str) -> Validation {
    single_line(value)?;
    ensure(
        !value.starts_with('-'),
        || {
            format!(
                "{} starts with `-`: programs take it for an option",
                quoted(value)
            )
        },
        "leave the `-` out",
    )
}

fn host(value: &str) -> Validation {
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
    // The characters that OpenSSH rejects, and `/`: `render` names a directory after the host.
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
    // `parse` also accepts a sign.
    let is_digits = value.bytes().all(|digit| digit.is_ascii_digit());
    value.parse().ok().filter(|port| is_digits && *port > 0)
}

fn user(value: &str) -> Validation {
    operand(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let help = "use letters, digits, `_`, `-` and `.`, at most 32, not only digits";
    let well_formed = value.len() <= 32
        && value.chars().all(allowed)
        && !value.starts_with('.')
        && !value.chars().all(|c| c.is_ascii_digit());
    ensure(
        well_formed,
        || format!("{} is not a user name", quoted(value)),
        help,
    )
}
