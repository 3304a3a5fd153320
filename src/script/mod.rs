//! Renders the scripts of a [`Server`]. Pure: the same config and files give the same bytes on any machine.

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
pub use logs::logged_units;
pub use setup::host_packages;
use sha2::{Digest, Sha256};
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScriptKind {
    Setup,
    Deploy,
    /// Sent by `pystrano logs`; not written by `render`.
    #[value(skip)]
    Logs,
}

impl ScriptKind {
    /// The scripts that `render` writes.
    pub const ALL: [ScriptKind; 2] = [ScriptKind::Setup, ScriptKind::Deploy];

    pub fn file_name(self) -> &'static str {
        match self {
            ScriptKind::Setup => "setup.sh",
            ScriptKind::Deploy => "deploy.sh",
            ScriptKind::Logs => "logs.sh",
        }
    }
}

/// Whether a script contains its secrets. One without them refuses to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Reveal,
    Redact,
}

/// The placeholder for a secret that was left out.
const REDACTED: &str = "[redacted]";

/// Renders one script of a server.
pub fn render(kind: ScriptKind, server: &Server, secrets: Secrets) -> Result<String, Error> {
    match kind {
        ScriptKind::Setup => setup::render(server, secrets),
        ScriptKind::Deploy => deploy::render(server, secrets),
        ScriptKind::Logs => logs::render(server),
    }
}

/// Renders a template with a final newline, which Askama strips.
pub fn render_text(template: impl Template) -> Result<String, Error> {
    Ok(template.render()? + "\n")
}

/// Whether a script was rendered without its secrets.
pub fn is_redacted(script: &str) -> bool {
    const REFUSES: &str = include_str!("../../templates/parts/redacted.sh");
    script.contains(REFUSES.trim_end())
}

/// Whether a script was rendered for the app and environment of this server.
pub fn is_for(script: &str, server: &Server) -> bool {
    let app = format!("app={}", shell_escape::unix::escape((&*server.app).into()));
    script.lines().any(|line| line.trim_start() == app)
}

/// The SHA-256 of the payload that a script needs, if it needs one.
pub fn payload_sha256(script: &str) -> Option<&str> {
    let mut lines = script.lines();
    let sum = lines.find_map(|line| line.trim().strip_prefix("payload_sha256="))?;
    let is_hex = sum.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then_some(sum)
}

/// The file name of an app's `deploy_key` in `~/.ssh` on a host: `pystrano-<app>,<environment>`. Unlike a dash, a
/// comma is encoded where it is part of either. Not with `%`, which ssh expands in `IdentityFile`.
fn deploy_key_name(app: &str) -> String {
    let plain = record_name(app).replace('/', ",").replace('%', "+");
    format!("pystrano-{plain}")
}

/// The SHA-256 of a text in hexadecimal, as `sha256sum` prints it.
pub fn sha256(content: &str) -> String {
    hex(Sha256::new_with_prefix(content))
}

/// The directory on a host in which `setup.sh` records the files and units of each app and environment.
const RECORDS: &str = "/var/lib/pystrano/apps";

/// The path of an app's record below [`RECORDS`]: `<app>/<environment>`, with other than plain characters as `%XX`.
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

/// How many of the last lines of a unit's log can be read.
const LOG_LINES: usize = 10_000;
/// How many lines `--follow` starts with, so that none is lost between showing a log and following it.
const FOLLOWED_LINES: usize = 1000;

/// Arguments of journalctl to show or to follow a unit's log. The sudo rule allows exactly these, so readers must filter the
/// output themselves, for example for fewer lines.
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

/// Base64 in lines of 76 characters without a final newline, as the body of a heredoc for `base64 -d`; or the placeholder.
fn base64_lines(bytes: &[u8], secrets: Secrets) -> String {
    if secrets == Secrets::Redact {
        return REDACTED.to_owned();
    }
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(76).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
fn test_server(source_code_url: &str, fields: &str) -> Server {
    let text = format!(
        "config_version: 2\ncommon:\n  source_code_url: {source_code_url}\n  project_user: deploy\n  \
         project_root: shop\n  venv_dir: .venv\n  branch: main\n{fields}servers:\n  - host: app1.example.com\n"
    );
    let config = crate::config::parse_bytes(text.as_bytes());
    config.expect("a config").servers.remove(0)
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
