//! Fields of the health check.

use super::host::{integer_port, is_ipv6};
use super::path::no_parent;
use super::raw::Text;
use super::{Context, Scalar, Validation, ensure, number_type, refuse, single_line, text_type};
use crate::diagnostics::{Message, quoted};
use std::ops::RangeInclusive;

text_type! {
    /// A Host header: `host` or `host:port`.
    HttpHost, http_host
}

/// The URL that curl requests on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthUrl {
    pub url: String,
    /// Absolute path of the Unix socket to connect to.
    pub socket: Option<String>,
}

impl Scalar for HealthUrl {
    type Raw = Text;

    fn parse(Text(text): Text, _: &mut Context) -> Result<Self, Message> {
        let (url, socket) = url(&text)?;
        Ok(HealthUrl { url, socket })
    }
}

/// HTTP statuses that count as healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Scalar for Statuses {
    type Raw = Text;

    fn parse(Text(text): Text, _: &mut Context) -> Result<Self, Message> {
        statuses(&text).map(Statuses)
    }
}

number_type! {
    /// A duration.
    Seconds(u32), 1, 86_400
}

/// Parses an HTTP URL or `unix:SOCKET:PATH` into the URL and the path of the socket.
fn url(value: &str) -> Result<(String, Option<String>), Message> {
    single_line(value)?;
    match value.strip_prefix("unix:") {
        Some(rest) => unix_url(value, rest),
        None => http_url(value).map(|()| (value.to_owned(), None)),
    }
}

fn unix_url(value: &str, rest: &str) -> Result<(String, Option<String>), Message> {
    let help = "write it like unix:/run/shop.sock:/health";
    let Some((socket, path)) = rest.split_once(':') else {
        return refuse(format!("{} has no path to fetch", quoted(value)), help);
    };
    no_parent(socket)?;
    if value.contains(char::is_whitespace) {
        return refuse(
            format!("{} has a space", quoted(value)),
            "write %20 for a space",
        );
    }
    let is_file = socket.starts_with('/') && !socket.ends_with('/');
    if is_file && path.starts_with('/') {
        Ok((format!("http://localhost{path}"), Some(socket.to_owned())))
    } else {
        refuse(
            format!("{} does not name two absolute paths", quoted(value)),
            help,
        )
    }
}

fn http_host(value: &str) -> Validation {
    single_line(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let (host, port) = split_port(value);
    let name_fits = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => is_ipv6(address),
        None => !host.is_empty() && host.chars().all(allowed),
    };
    ensure(
        name_fits && port.is_none_or(|port| integer_port(port).is_some()),
        || format!("{} is not a Host header", quoted(value)),
        "write the name under which the app answers, such as shop.example.com",
    )
}

/// Splits off the port. The colons of an IPv6 address are inside brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Parses HTTP statuses and ranges of statuses, separated by commas.
fn statuses(value: &str) -> Result<Vec<RangeInclusive<u16>>, Message> {
    single_line(value)?;
    let status = |text: &str| {
        let text = text.trim();
        let number = text.parse().ok().filter(|_| text.len() == 3)?;
        (100..=599).contains(&number).then_some(number)
    };
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = status(first)?..=status(last)?;
        (!range.is_empty()).then_some(range)
    };
    value
        .split(',')
        .map(range)
        .collect::<Option<_>>()
        .ok_or_else(|| {
            Message::new(
                format!("{} is not a list of HTTP statuses", quoted(value)),
                "write statuses from 100 to 599 and ranges of them, such as 200-399 or 200,301-302",
            )
        })
}

fn http_url(value: &str) -> Validation {
    let lower = value.to_ascii_lowercase();
    let Some(rest) = ["http://", "https://"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme))
    else {
        return refuse(
            format!("{} is not an http address", quoted(value)),
            "begin it with http:// or https://, or write unix:/SOCKET:/PATH",
        );
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return refuse(
            "the health check has a user name or password, which all users of the host would see",
            "name an address that needs none",
        );
    }
    let (host, port) = split_port(authority);
    if value.contains(char::is_whitespace) {
        refuse(
            format!("{} has a space", quoted(value)),
            "write %20 for a space",
        )
    } else if host.is_empty() {
        refuse(
            format!("{} has no host", quoted(value)),
            "write it like http://127.0.0.1:8000/health",
        )
    } else if port.is_some_and(|port| integer_port(port).is_none()) {
        refuse(
            format!("{} has no port after its last colon", quoted(value)),
            "write a number from 1 to 65535",
        )
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_ranges() {
        assert_eq!(statuses("200-399").ok(), Some(vec![200..=399]));
        let several = vec![200..=200, 301..=302];
        assert_eq!(statuses("200, 301 - 302").ok(), Some(several));
        for wrong in [
            "",
            "20",
            "399-200",
            "99",
            "600",
            "2xx",
            "200,",
            "+200",
            "200-300-400",
        ] {
            assert!(statuses(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_is_a_number_without_a_sign() {
        assert!(url("http://127.0.0.1:8000/").is_ok());
        assert!(url("http://127.0.0.1:+8000/").is_err());
        assert!(http_host("shop.example.com:+80").is_err());
    }

    #[test]
    fn a_health_check_goes_through_a_socket() {
        let socket = Some("/run/shop.sock".to_owned());
        let expected = ("http://localhost/health?a=b:c".to_owned(), socket);
        assert_eq!(
            url("unix:/run/shop.sock:/health?a=b:c").ok(),
            Some(expected)
        );
        for wrong in [
            "unix:/run/shop.sock",
            "unix:run/shop.sock:/",
            "unix:/run/:/",
            "unix:/a:b",
            "unix:/a/../b:/",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
