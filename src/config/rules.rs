//! What single values may be. Each rule names the mistake and what to do about it.

use super::diagnostic::{Problem, quoted};
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

pub type Verdict = Result<(), Problem>;

pub fn refuse<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Problem> {
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
pub fn operand(value: &str) -> Verdict {
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

/// Whether git reaches the repository over ssh: `ssh://…` or `user@host:path`.
pub fn is_ssh(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "ssh" | "git+ssh" | "ssh+git"),
        None => url
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/')),
    }
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

/// What curl fetches on the host: an http address, or `unix:SOCKET:PATH`. Gives the URL, and the
/// path of the socket.
pub fn url(value: &str) -> Result<(String, Option<String>), Problem> {
    line(value)?;
    match value.strip_prefix("unix:") {
        Some(rest) => unix_url(value, rest),
        None => http_url(value).map(|()| (value.to_owned(), None)),
    }
}

fn unix_url(value: &str, rest: &str) -> Result<(String, Option<String>), Problem> {
    let help = "write it like unix:/run/shop.sock:/health";
    let Some((socket, path)) = rest.split_once(':') else {
        return refuse(format!("{} names no path to fetch", quoted(value)), help);
    };
    no_parent(socket)?;
    if value.contains(char::is_whitespace) {
        return refuse(
            format!("{} has a space", quoted(value)),
            "write %20 for a space",
        );
    }
    let is_file = socket.starts_with('/') && !socket.ends_with('/');
    match is_file && path.starts_with('/') {
        true => Ok((format!("http://localhost{path}"), Some(socket.to_owned()))),
        false => refuse(
            format!("{} does not name two absolute paths", quoted(value)),
            help,
        ),
    }
}

/// A Host header: `host` or `host:port`.
pub fn http_host(value: &str) -> Verdict {
    line(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let (host, port) = match value.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (value, None),
    };
    let name_fits = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => is_ipv6(address),
        None => !host.is_empty() && host.chars().all(allowed),
    };
    match name_fits && port.is_none_or(|port| integer_port(port).is_some()) {
        true => Ok(()),
        false => refuse(
            format!("{} is not a Host header", quoted(value)),
            "write the name under which the app answers, such as shop.example.com",
        ),
    }
}

/// HTTP statuses and ranges of them, with `,` between.
pub fn statuses(value: &str) -> Result<Vec<RangeInclusive<u16>>, Problem> {
    line(value)?;
    let status = |text: &str| {
        let text = text.trim();
        let number = text.parse().ok().filter(|_| text.len() == 3)?;
        (100..=599).contains(&number).then_some(number)
    };
    let range = |text: &str| {
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        let range = status(least)?..=status(most)?;
        (!range.is_empty()).then_some(range)
    };
    value
        .split(',')
        .map(range)
        .collect::<Option<_>>()
        .ok_or_else(|| {
            Problem::new(
                format!("{} is not a list of HTTP statuses", quoted(value)),
                "write statuses from 100 to 599 and ranges of them, such as 200-399 or 200,301-302",
            )
        })
}

/// An http address.
fn http_url(value: &str) -> Verdict {
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
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if value.contains(char::is_whitespace) {
        refuse(
            format!("{} has a space", quoted(value)),
            "write %20 for a space",
        )
    } else if host.is_empty() {
        refuse(
            format!("{} names no host", quoted(value)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ssh_repository_needs_an_ssh_client() {
        for (url, ssh) in [
            ("git@github.com:example/example.git", true),
            ("ssh://git@example.com:2222/example.git", true),
            ("ssh+git://example.com/example.git", true),
            ("[::1]:example.git", true),
            ("git+ssh://example.com/example.git", true),
            ("https://example.com/example.git", false),
            ("git://example.com:9418/example", false),
            ("file:///srv/example", false),
            ("/srv/git:example", false),
        ] {
            assert_eq!(is_ssh(url), ssh, "{url}");
        }
    }

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
