//! From a [`Server`] to the text of its scripts: pure, the same bytes on any machine.

mod deploy;
mod escape;
mod logs;
mod setup;

use crate::config::Server;
use crate::error::Error;
use crate::payload::hex;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use escape::shell_line;
pub use logs::units as logged_units;
pub use setup::host_packages;
use sha2::{Digest, Sha256};
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScriptKind {
    Setup,
    Deploy,
    /// What `logs` sends; it is nothing to keep.
    #[value(skip)]
    Logs,
}

impl ScriptKind {
    /// Those that are written out.
    pub const ALL: [ScriptKind; 2] = [ScriptKind::Setup, ScriptKind::Deploy];

    pub fn file_name(self) -> &'static str {
        match self {
            ScriptKind::Setup => "setup.sh",
            ScriptKind::Deploy => "deploy.sh",
            ScriptKind::Logs => "logs.sh",
        }
    }
}

/// Whether a script carries secret bytes. One without them refuses to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Reveal,
    Redact,
}

/// What stands where a secret was left out.
const REDACTED: &str = "[redacted]";

/// The text of one script of one server.
pub fn render(kind: ScriptKind, server: &Server, secrets: Secrets) -> Result<String, Error> {
    match kind {
        ScriptKind::Setup => setup::render(server, secrets),
        ScriptKind::Deploy => deploy::render(server, secrets),
        ScriptKind::Logs => logs::render(server),
    }
}

/// The text of a template, with its last newline, which Askama drops.
pub fn render_text(template: impl Template) -> Result<String, Error> {
    Ok(template.render()? + "\n")
}

/// Whether a script is one whose secrets were left out.
pub fn is_redacted(script: &str) -> bool {
    const REFUSES: &str = include_str!("../../templates/parts/redacted.sh");
    script.contains(REFUSES.trim_end())
}

/// Whether a script is of the app and environment of a server.
pub fn is_for(script: &str, server: &Server) -> bool {
    let app = format!("app={}", shell_escape::unix::escape((&*server.app).into()));
    script.lines().any(|line| line.trim_start() == app)
}

/// The SHA-256 of the payload that a script asks for, if it asks for one.
pub fn payload_sha256(script: &str) -> Option<&str> {
    let mut lines = script.lines();
    let sum = lines.find_map(|line| line.trim().strip_prefix("payload_sha256="))?;
    let is_hex = sum.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then_some(sum)
}

/// The name of an app's `deploy_key` on a host, in `~/.ssh` of `project_user`: `pystrano-<app>,<environment>`,
/// since a dash could be of either. ssh expands `%` in names of keys.
fn deploy_key_name(app: &str) -> String {
    let plain = record_name(app).replace('/', ",").replace('%', "+");
    format!("pystrano-{plain}")
}

/// The SHA-256 of a text in hexadecimal, as `sha256sum` prints it.
pub fn sha256(content: &str) -> String {
    hex(Sha256::new_with_prefix(content))
}

/// Directory on a host in which `setup.sh` records what each app and environment has there.
const RECORDS: &str = "/var/lib/pystrano/apps";

/// The path of an app's record below [`RECORDS`]: `<app>/<environment>`, with `%XX` for all that is not
/// plain in a path.
fn record_name(app: &str) -> String {
    let mut name = String::new();
    for part in app.split('/') {
        if !name.is_empty() {
            name.push('/');
        }
        for (index, byte) in part.bytes().enumerate() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => name.push(byte.into()),
                b'.' | b'-' if index > 0 => name.push(byte.into()),
                _ => {
                    let _ = write!(name, "%{byte:02X}");
                }
            }
        }
    }
    name
}

/// So many lines of a unit's log can be read at most.
const LOG_LINES: usize = 10_000;
/// Whoever follows it gets so many first, so that none is missed between showing and following.
const FOLLOWED_LINES: usize = 1000;

/// The arguments of journalctl that show the last lines of a unit's log, or go on with those to come. sudo lets the
/// app user run it with these, argument for argument: what else is asked for, such as fewer lines, is left to
/// whoever reads them.
fn log_arguments(unit: &str, follow: bool) -> Vec<String> {
    let mut arguments = vec![
        "--no-pager".to_owned(),
        format!("--unit={unit}"),
        "--output=short-unix".to_owned(),
    ];
    if follow {
        arguments.extend([format!("--lines={FOLLOWED_LINES}"), "--follow".to_owned()]);
    } else {
        arguments.push(format!("--lines={LOG_LINES}"));
    }
    arguments
}

/// The body of a heredoc for `base64 -d`: lines of 76 characters, the last without its newline.
fn encode(bytes: &[u8], secrets: Secrets) -> String {
    if secrets == Secrets::Redact {
        return REDACTED.to_owned();
    }
    let text = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / 76);
    let mut rest = text.as_str();
    while rest.len() > 76 {
        let (line, more) = rest.split_at(76);
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_host_are_plain() {
        assert_eq!(record_name("shop/production"), "shop/production");
        assert_eq!(record_name("..a/-b c"), "%2E.a/%2Db%20c");
        assert_eq!(record_name("a\n%/é"), "a%0A%25/%C3%A9");
    }

    #[test]
    fn two_apps_of_one_user_never_share_a_deploy_key() {
        let apps = [
            "a-b/c", "a/b-c", "a,b/c", "a/b,c", "a b/c", "a+20b/c", "a%20b/c",
        ];
        let names = apps.map(deploy_key_name);
        assert_eq!(names[0], "pystrano-a-b,c");
        for (index, name) in names.iter().enumerate() {
            assert!(!name.contains(['%', '/', ' ']), "{name}");
            assert!(!names[index + 1..].contains(name), "{name}");
        }
    }
}
