//! Finds, masks and removes passwords and tokens of URLs in any text.

use percent_encoding::percent_decode_str;
use std::ops::Range;

/// How many bytes of a URL are examined. Keeps the search linear where one line of a file holds many URLs.
const MAX_URL_LENGTH: usize = 1024;
/// A user name of at least this many bytes without a password is taken for an access token.
const MIN_TOKEN_LENGTH: usize = 20;

/// The byte ranges of the passwords and tokens of all URLs in a text, in order and without overlaps.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for url in urls(text.as_bytes()) {
        if let Some(secret) = url.secret()
            && found.last().is_none_or(|last| last.end <= secret.start)
        {
            found.push(secret);
        }
    }
    found
}

/// Replaces each password and token.
pub fn replace(text: &str, replacement: impl Fn(&str) -> String) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    for secret in find(text) {
        clean += &text[copied..secret.start];
        clean += &replacement(&text[secret.clone()]);
        copied = secret.end;
    }
    clean + &text[copied..]
}

/// Replaces each password and token with as many asterisks as it has characters, so that columns stay the same.
pub fn mask(text: &str) -> String {
    replace(text, |secret| "*".repeat(secret.chars().count()))
}

/// Removes all passwords and tokens.
pub fn without_secrets(text: &str) -> String {
    replace(text, |_| String::new())
}

/// Everything in a text that may be the password of a URL, to redact it in the output of commands. Two candidates per
/// URL: up to the last `@` of the authority, and, as the password may contain an unencoded `/`, up to the last `@`.
pub fn candidates(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    urls(text).flat_map(move |url| {
        let ends = [url.last_at(url.authority_end), url.last_at(url.end)];
        let colon = url.first_colon();
        ends.into_iter()
            .filter_map(move |end| text.get(colon? + 1..end?))
    })
}

/// A URL inside a text, as byte offsets. It ends at white space or a double quote.
struct Url<'a> {
    text: &'a [u8],
    /// The first byte after `://`.
    start: usize,
    /// The start of the path, query or fragment.
    authority_end: usize,
    end: usize,
}

fn urls(text: &[u8]) -> impl Iterator<Item = Url<'_>> {
    let starts = (3..=text.len()).filter(|at| text[..*at].ends_with(b"://"));
    starts.map(|start| {
        let limit = text.len().min(start + MAX_URL_LENGTH);
        let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'"';
        let length = text[start..limit].iter().position(ends);
        let end = length.map_or(limit, |length| start + length);
        let path = text[start..end]
            .iter()
            .position(|byte| b"/?#".contains(byte));
        Url {
            text,
            start,
            authority_end: path.map_or(end, |length| start + length),
            end,
        }
    })
}

impl Url<'_> {
    /// The last `@` before `end`.
    fn last_at(&self, end: usize) -> Option<usize> {
        let at = self.text[self.start..end]
            .iter()
            .rposition(|byte| *byte == b'@');
        at.map(|at| self.start + at)
    }

    fn first_colon(&self) -> Option<usize> {
        let colon = self.text[self.start..self.end]
            .iter()
            .position(|byte| *byte == b':');
        colon.map(|colon| self.start + colon)
    }

    /// The range of the password, or of a user name that is a token.
    fn secret(&self) -> Option<Range<usize>> {
        let colon = self
            .first_colon()
            .filter(|colon| *colon < self.authority_end);
        match (self.last_at(self.authority_end), colon) {
            (Some(at), Some(colon)) if colon < at => (colon + 1 < at).then_some(colon + 1..at),
            (Some(at), _) => (at - self.start >= MIN_TOKEN_LENGTH).then_some(self.start..at),
            // The colon belongs to an IPv6 address.
            (None, Some(_)) if self.text[self.start] == b'[' => None,
            // An unencoded `/` in the password seems to end the authority. Digits after the colon would be a port.
            (None, Some(colon)) => {
                let port = &self.text[colon + 1..self.authority_end];
                let at = self.last_at(self.end)?;
                (!port.iter().all(u8::is_ascii_digit)).then_some(colon + 1..at)
            }
            (None, None) => None,
        }
    }
}

/// The credentials that git sends to the repository's server.
pub struct Login {
    /// Scheme, host and port.
    pub server: String,
    pub username: String,
    pub password: String,
}

/// Splits an HTTP(S) URL into the URL without user and password, and the login if it has a password or token.
pub fn split_login(url: &str) -> (String, Option<Login>) {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| url.starts_with(scheme));
    let secret = urls(url.as_bytes()).next().and_then(|url| url.secret());
    let (Some(scheme), Some(secret)) = (scheme, secret) else {
        return (url.to_owned(), None);
    };
    let host = &url[secret.end + 1..];
    let user = &url[scheme.len()..secret.end];
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    let authority = host.split('/').next().unwrap_or(host);
    let login = Login {
        server: format!("{scheme}{authority}"),
        username: decode(username),
        password: decode(password),
    };
    (format!("{scheme}{host}"), Some(login))
}

/// Decodes percent escapes. Returns the text unchanged if the result is not UTF-8 or has control characters.
pub fn decode(text: &str) -> String {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !decoded.contains(char::is_control) => decoded.into_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_masked() {
        for (text, masked) in [
            (
                "https://ada:s3cret@host/x.git",
                "https://ada:******@host/x.git",
            ),
            ("https://ada:pä@host", "https://ada:**@host"),
            ("https://ada:s3/cr#et@host/x", "https://ada:********@host/x"),
            (
                "ssh://git@host/x, redis://:pw@cache/0",
                "ssh://git@host/x, redis://:**@cache/0",
            ),
            (
                "a: http://127.0.0.1/ b: https://a:pw@h/",
                "a: http://127.0.0.1/ b: https://a:**@h/",
            ),
            (
                "https://ghp_0123456789abcdef0123@h/",
                "https://************************@h/",
            ),
            ("http://127.0.0.1:8000/@me", "http://127.0.0.1:8000/@me"),
            (
                "http://h/?next=https://a:pw@h/",
                "http://h/?next=https://a:**@h/",
            ),
            ("https://ada:@host/", "https://ada:@host/"),
            ("http://[::1]:80/@a", "http://[::1]:80/@a"),
            ("://", "://"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn a_login_is_taken_out_of_the_url() {
        let parts = |url: &str| {
            let (url, login) = split_login(url);
            let login = login.map(|login| [login.server, login.username, login.password]);
            (url, login)
        };
        let login = |server: &str, username: &str, password: &str| {
            Some([server, username, password].map(str::to_owned))
        };
        for (url, plain, found) in [
            (
                "https://ada:s%40c%2Fret@git.example.com:8443/shop.git",
                "https://git.example.com:8443/shop.git",
                login("https://git.example.com:8443", "ada", "s@c/ret"),
            ),
            (
                "https://ghp_0123456789abcdef0123456789@git.example.com/shop.git",
                "https://git.example.com/shop.git",
                login(
                    "https://git.example.com",
                    "ghp_0123456789abcdef0123456789",
                    "",
                ),
            ),
            (
                "http://ada:100%@[::1]:80/shop.git",
                "http://[::1]:80/shop.git",
                login("http://[::1]:80", "ada", "100%"),
            ),
            (
                "https://ada:a%0Ab%+1@git.example.com/shop.git",
                "https://git.example.com/shop.git",
                login("https://git.example.com", "ada", "a%0Ab%+1"),
            ),
        ] {
            assert_eq!(parts(url), (plain.to_owned(), found));
        }
        for url in [
            "https://git.example.com/shop.git",
            "https://ada@git.example.com/shop.git",
            "git@git.example.com:shop.git",
            "ssh://ada:x@git.example.com/shop.git",
            "/srv/shop.git",
            "https://git.example.com/shop.git?next=https://ada:x@other.example.com/",
        ] {
            assert_eq!(parts(url), (url.to_owned(), None));
        }
    }
}
