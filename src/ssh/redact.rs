//! Redacts secrets in output of hosts.

use super::sanitize::{strip_terminal_codes, truncate};
use crate::config::Server;
use crate::credentials;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::sync::Arc;

/// Minimum bytes of a secret: shorter texts are too common.
const MIN_SECRET: usize = 4;
/// Minimum bytes of a secret whose variable does not have the name of one.
const MIN_UNNAMED_SECRET: usize = 6;
const REDACTED: &str = "[redacted]";

/// Redacts the secrets of one server.
///
/// Secrets have at least four bytes. They are:
/// - each line of a secret file or deploy key;
/// - passwords in URLs;
/// - values of variables with names like `PASSWORD`, `TOKEN` or `API_KEY`, except numbers of up to five digits and
///   words like `true`;
/// - values of other variables, of at least six bytes, that are not made of words, numbers, host names, paths or URLs
///   without credentials.
///
/// A word of the project's paths, user, host, app or unit names is never redacted.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Keyed by their first bytes, longest first.
    secrets: HashMap<[u8; MIN_SECRET], Vec<String>>,
}

impl Redactor {
    /// A redactor for the secrets of a server, including those that are words of its names; see
    /// [`Redactor::allow_names_of`].
    pub fn new(server: &Server) -> Self {
        let mut redactor = Redactor::default();
        for (name, value) in server.env_file.iter().flat_map(|env| &env.variables) {
            redactor.add_text(value, names_secret(name));
        }
        let files = server.secrets.iter().map(|secret| &secret.bytes[..]);
        for bytes in files.chain(server.deploy_key.iter().map(|key| &key.bytes[..])) {
            redactor.add_text(&String::from_utf8_lossy(bytes), true);
        }
        for text in Self::texts_with_urls(server) {
            redactor.add_credentials(text);
        }
        redactor.sort();
        redactor
    }

    /// Allows secrets that are words of the server's names: `[redacted]` within a known path would reveal the secret.
    pub fn allow_names_of(self: &Arc<Self>, server: &Server) -> Arc<Self> {
        self.allow_names(&Self::public_names(server))
    }

    fn allow_names(self: &Arc<Self>, names: &[&str]) -> Arc<Self> {
        let is_allowed = |secret: &String| names.iter().any(|name| has_word(name, secret));
        if !self.secrets.values().flatten().any(is_allowed) {
            return Arc::clone(self);
        }
        let mut redactor = Redactor::clone(self);
        for candidates in redactor.secrets.values_mut() {
            candidates.retain(|secret| !is_allowed(secret));
        }
        Arc::new(redactor)
    }

    /// A redactor for these values; `named` as in `add_text`.
    #[cfg(any(test, fuzzing))]
    pub fn from_values(values: &[&str], named: bool) -> Self {
        let mut redactor = Redactor::default();
        for value in values {
            redactor.add_text(value, named);
        }
        redactor.sort();
        redactor
    }

    #[cfg(any(test, fuzzing))]
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().flatten().map(String::as_str)
    }

    /// Names that most messages contain: what is deployed where, and by which user.
    fn public_names(server: &Server) -> Vec<&str> {
        let units = server.service_file.iter().map(|unit| &*unit.name);
        let names: [&str; 5] = [
            &server.project_root,
            &server.venv_dir,
            &server.project_user,
            &server.host,
            &server.app,
        ];
        units.chain(names).collect()
    }

    /// The settings that may contain a URL with a password.
    pub fn texts_with_urls(server: &Server) -> impl Iterator<Item = &str> {
        let commands = [
            &server.dependency_install_command,
            &server.migration_command,
            &server.static_files_command,
        ];
        let commands = commands.into_iter().flatten();
        let commands = commands.chain(server.hooks.commands());
        let units = server.service_file.iter().map(|unit| unit.text.as_str());
        let texts = commands.map(|command| &**command).chain(units);
        texts.chain([&*server.source_code_url])
    }

    /// Adds each line that is a secret; `named` if the text is one by its origin or the name of its variable.
    fn add_text(&mut self, text: &str, named: bool) {
        for line in text.lines().map(str::trim) {
            if is_secret(line, named) {
                self.add(line);
            }
            self.add_credentials(line);
        }
    }

    /// Adds the passwords of all URLs in a text.
    fn add_credentials(&mut self, text: &str) {
        for found in credentials::find(text) {
            self.add(&text[found]);
        }
        for password in credentials::candidates(text.as_bytes()) {
            let password = String::from_utf8_lossy(password);
            let decoded = percent_decode_str(&password).decode_utf8_lossy();
            for form in [&password, &decoded] {
                self.add(form);
                // A URL parser that fails at an unescaped delimiter prints a part of the password.
                for part in form.split(['/', '?', '#']) {
                    self.add(part);
                }
            }
        }
    }

    /// Adds a secret, in the form in which `redact` sees it.
    fn add(&mut self, secret: &str) {
        let secret = strip_terminal_codes(secret.as_bytes()).replace('\u{fffd}', "");
        if let Some(start) = secret.as_bytes().first_chunk() {
            self.secrets.entry(*start).or_default().push(secret);
        }
    }

    fn sort(&mut self) {
        for candidates in self.secrets.values_mut() {
            candidates.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            candidates.dedup();
        }
    }

    /// Makes one line fit to be shown: without terminal codes, redacted, truncated.
    pub fn clean(&self, line: &[u8]) -> String {
        truncate(self.redact(&strip_terminal_codes(line)))
    }

    /// Replaces every secret in the text, even if U+FFFD in the place of stripped characters splits it.
    fn redact(&self, text: &str) -> String {
        if self.secrets.is_empty() {
            return text.to_owned();
        }
        // The bytes to search, and the position of each in `text`.
        let (visible, positions): (Vec<u8>, Vec<usize>) = text
            .char_indices()
            .filter(|(_, character)| *character != '\u{fffd}')
            .flat_map(|(at, character)| at..at + character.len_utf8())
            .map(|at| (text.as_bytes()[at], at))
            .unzip();
        let mut clean = String::with_capacity(text.len());
        let (mut copied, mut at) = (0, 0);
        while let Some(start) = visible[at..].first_chunk() {
            let candidates = self.secrets.get(start).into_iter().flatten();
            let mut found =
                candidates.filter(|secret| visible[at..].starts_with(secret.as_bytes()));
            if let Some(secret) = found.next() {
                clean += &text[copied..positions[at]];
                clean += REDACTED;
                at += secret.len();
                copied = positions[at - 1] + 1;
            } else {
                at += 1;
            }
        }
        clean + &text[copied..]
    }
}

/// Whether `name` contains `text` at word boundaries.
fn has_word(name: &str, text: &str) -> bool {
    let is_boundary = |beside: Option<char>| !beside.is_some_and(char::is_alphanumeric);
    name.match_indices(text).any(|(at, _)| {
        is_boundary(name[..at].chars().next_back())
            && is_boundary(name[at + text.len()..].chars().next())
    })
}

/// Whether the name of a variable says that it holds a secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let anywhere = [
        "PASSW",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "CREDENTIAL",
        "APIKEY",
    ];
    anywhere.iter().any(|part| name.contains(part))
        || name
            .split('_')
            .any(|word| matches!(word, "KEY" | "PASS" | "PWD" | "DSN"))
}

fn is_secret(text: &str, named: bool) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if named {
        let is_word =
            ["true", "false", "none", "null"].contains(&text.to_ascii_lowercase().as_str());
        text.len() >= MIN_SECRET && !is_word && !(is_number && text.len() < MIN_UNNAMED_SECRET)
    } else {
        text.len() >= MIN_UNNAMED_SECRET && !is_ordinary(text)
    }
}

/// Whether a text consists of words and short numbers, like names, hosts, paths and URLs.
fn is_ordinary(text: &str) -> bool {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (host, rest) = address.split_once(':').unwrap_or((address, ""));
    // A colon is followed by a port and a path.
    let port = rest.split('/').next().unwrap_or_default();
    port.bytes().all(|byte| byte.is_ascii_digit())
        && host
            .split(|character: char| "./_-,@+ ".contains(character))
            .chain(rest.split(['/', '.', '_', '-']))
            .all(is_word_or_number)
}

/// Matches `production`, `Berlin`, `UTC`, `db1`, `2026`: a word in one case with at most two digits, or only digits.
fn is_word_or_number(text: &str) -> bool {
    let word = text.trim_end_matches(|character: char| character.is_ascii_digit());
    if word.is_empty() {
        return text.len() <= 8;
    }
    let tail = word
        .strip_prefix(|first: char| first.is_ascii_uppercase())
        .unwrap_or(word);
    let is_one_case = tail.bytes().all(|byte| byte.is_ascii_lowercase())
        || word.bytes().all(|byte| byte.is_ascii_uppercase());
    is_one_case && word.len() <= 20 && text.len() - word.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[redacted]` in the place of a known name would reveal it.
    #[test]
    fn trial_21_a_password_that_is_a_name_of_the_config_leaves_paths_whole() {
        let mut redactor = Redactor::default();
        for secret in ["shop", "deploy", "hop/cur", "db.example", "shop-4711"] {
            redactor.add_text(secret, true);
        }
        redactor.sort();
        let redactor = Arc::new(redactor).allow_names(&["/home/deploy/shop", "db.example.com"]);
        let path = "/home/deploy/shop/current at db.example.com";
        assert_eq!(
            redactor.clean(path.as_bytes()),
            "/home/deploy/s[redacted]rent at db.example.com"
        );
        assert_eq!(redactor.clean(b"shop-4711"), "[redacted]");
    }

    #[test]
    fn the_passwords_in_commands_are_redacted() {
        let text = "config_version: 2\ncommon:\n  source_code_url: git@h:u.git\n  project_user: deploy\n  project_root: shop\n  venv_dir: .venv\n  \
                    dependency_install_command: get https://a:canary-1@h/\n  static_files_command: get https://a:canary-2@h/\n  \
                    migration_command: get https://a:canary-3@h/\n  \
                    hooks: {before_migrate: get https://a:canary-4@h/, on_success: [\"true\", \"get https://a:canary-5@h/\"]}\n\
                    servers:\n  - host: h\n";
        let config = crate::config::parse_bytes(text.as_bytes());
        let redactor = Redactor::new(&config.expect("a config").servers[0]);
        for number in 1..=5 {
            let printed = format!("https://a:canary-{number}@h/ was told canary-{number}");
            let clean = redactor.clean(printed.as_bytes());
            assert_eq!(clean, "https://a:[redacted]@h/ was told [redacted]");
        }
    }

    #[test]
    fn a_secret_in_the_name_of_one_host_is_redacted_for_the_others() {
        let text = "config_version: 2\ncommon:\n  source_code_url: https://a:canary@h/u.git\n  project_user: deploy\n  \
                    project_root: shop\n  venv_dir: .venv\nservers:\n  - host: canary.h\n  - host: b.h\n";
        let config = crate::config::parse_bytes(text.as_bytes());
        let servers = config.expect("a config").servers;
        let redactor = Arc::new(Redactor::new(&servers[0]));
        for (server, clean) in servers.iter().zip(["canary", "[redacted]"]) {
            assert_eq!(redactor.allow_names_of(server).clean(b"canary"), clean);
        }
    }

    #[test]
    fn secrets_are_replaced_longest_first() {
        let secrets = ["hunter22", "hunter2222", "abc", "pässwörd\n  two lines "];
        let redactor = Redactor::from_values(&secrets, true);
        for (raw, clean) in [
            ("nothing here", "nothing here"),
            ("x=hunter22;", "x=[redacted];"),
            ("hunter2222hunter22", "[redacted][redacted]"),
            ("hunter2", "hunter2"),
            ("abc", "abc"),
            ("is pässwörd, two lines", "is [redacted], [redacted]"),
        ] {
            assert_eq!(redactor.clean(raw.as_bytes()), clean);
        }
    }

    #[test]
    fn trial_11_nothing_that_is_not_shown_hides_a_secret() {
        let redactor = Redactor::from_values(&["hunter2222", "with\ttab-and-\u{200b}more"], true);
        for raw in [
            "hunt\x1b[31mer22\x1b[0m22",
            "hun\x1b]0;title\x07ter2222",
            "hunt\u{200b}er2222",
            "h\x01u\x02nter222\u{202e}2",
            "with\ttab-and-more",
        ] {
            assert_eq!(redactor.clean(raw.as_bytes()), "[redacted]", "{raw:?}");
        }
        let long = format!("{}hunter2222", "x".repeat(1995));
        assert!(!redactor.clean(long.as_bytes()).contains("hunt"));
    }

    #[test]
    fn trial_21_only_what_is_secret_is_redacted() {
        for (name, value, secret) in [
            ("DJANGO_ENV", "production", false),
            ("DEBUG", "true", false),
            ("PORT", "8000", false),
            ("LANG", "de_DE.UTF-8", false),
            ("HOSTS", "shop.example.com,www.example.com", false),
            ("MEDIA", "/srv/apps/shop/shared/media", false),
            ("SITE", "https://shop.example.com:8443/static/", false),
            ("CACHE", "redis://cache1:6379/0", false),
            ("MODULE", "shop.settings.production", false),
            ("NAME", "The Little Shop", false),
            ("TOKEN_TTL", "3600", false),
            ("USE_TOKEN", "False", false),
            ("ADMIN", "root@example.com", false),
            ("PASSWORD", "production", true),
            ("DB_PASS", "swordfish", true),
            ("SECRET_KEY", "correct horse battery", true),
            ("PIN_TOKEN", "837193", true),
            ("SALT", "x9$kQ2vv", true),
            ("SENTRY", "aGVsbG8gd29ybGQ", true),
            ("STRIPE", "sk_live_4eC39HqLyjWD", true),
            ("ID", "5f2c9a7be01d", true),
            ("DATABASE", "postgres://app:pw1234@db/app", true),
        ] {
            let mut redactor = Redactor::default();
            redactor.add_text(value, names_secret(name));
            let shown = redactor.clean(value.as_bytes());
            assert_eq!(shown != value, secret, "{name}={value}: {shown}");
        }
    }

    #[test]
    fn passwords_in_urls_are_replaced_in_each_form() {
        let urls = [
            "postgres://app:s3cret%2Fpw@db.example.com:5432/app?contact=me@here",
            "redis://:tr0ub4dor@cache/0, redis://:second@cache/1",
            "mysql://app:raw/hard#w0rd@db/app",
            "https://host/without@password",
            "ssh://git@host/path",
        ];
        let mut redactor = Redactor::default();
        for url in urls {
            redactor.add_credentials(url);
        }
        redactor.sort();
        for (raw, clean) in [
            (
                "user app, password s3cret%2Fpw",
                "user app, password [redacted]",
            ),
            ("password s3cret/pw", "password [redacted]"),
            ("no host s3cret", "no host [redacted]"),
            (
                "AUTH tr0ub4dor, AUTH second",
                "AUTH [redacted], AUTH [redacted]",
            ),
            ("bad port 'hard'", "bad port '[redacted]'"),
            ("fragment w0rd", "fragment [redacted]"),
            ("raw/hard#w0rd", "[redacted]"),
            ("cannot reach db.example.com", "cannot reach db.example.com"),
            (
                "https://host without password",
                "https://host without password",
            ),
        ] {
            assert_eq!(redactor.clean(raw.as_bytes()), clean);
        }
    }
}
