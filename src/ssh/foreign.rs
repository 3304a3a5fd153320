//! What hosts print is not ours: secrets are taken out and nothing in it reaches a terminal as a command.

use crate::config::Server;
use crate::credentials;
use std::borrow::Cow;
use std::collections::HashMap;

/// A shown line is cut after this many characters.
const SHOWN: usize = 2000;
/// Values shorter than this many bytes are too common to be told from ordinary text.
const SHORTEST: usize = 4;
const REDACTED: &[u8] = b"[redacted]";

/// Takes the env values and secret files of a server out of foreign text.
#[derive(Default)]
pub struct Redactor {
    /// By their first bytes, the longest first.
    secrets: HashMap<[u8; SHORTEST], Vec<Box<[u8]>>>,
}

impl Redactor {
    /// Every env value, every secret file, every line of both, and the passwords in their URLs, of at
    /// least four bytes.
    pub fn new(server: &Server) -> Self {
        let values = server.env_file.iter().flat_map(|env| &env.variables);
        let secrets = server.secrets.iter().map(|secret| &secret.bytes[..]);
        let key = server.deploy_key.iter().map(|key| &key.bytes[..]);
        let files = secrets.chain(key);
        Self::from_texts(values.map(|(_, value)| value.as_bytes()).chain(files))
    }

    fn from_texts<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut secrets: HashMap<_, Vec<Box<[u8]>>> = HashMap::new();
        let mut add = |secret: &[u8]| {
            if let Some(start) = secret.first_chunk() {
                secrets.entry(*start).or_default().push(secret.into());
            }
        };
        for line in texts.flat_map(|text| text.split(|byte| *byte == b'\n')) {
            add(line.trim_ascii());
            for password in credentials::candidates(line) {
                for form in [password, &percent_decoded(password)] {
                    add(form);
                    // What reads the URL and stumbles over these shows what stands between them.
                    form.split(|byte| b"/?#".contains(byte)).for_each(&mut add);
                }
            }
        }
        for candidates in secrets.values_mut() {
            candidates.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            candidates.dedup();
        }
        Redactor { secrets }
    }

    /// The text with every secret in it replaced.
    pub fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut clean = Vec::new();
        let (mut kept, mut at) = (0, 0);
        while let Some(start) = text[at..].first_chunk() {
            let found = self.secrets.get(start).and_then(|candidates| {
                candidates
                    .iter()
                    .find(|secret| text[at..].starts_with(secret))
            });
            match found {
                Some(secret) => {
                    clean.extend_from_slice(&text[kept..at]);
                    clean.extend_from_slice(REDACTED);
                    at += secret.len();
                    kept = at;
                }
                None => at += 1,
            }
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        clean.extend_from_slice(&text[kept..]);
        Cow::Owned(clean)
    }

    /// One line that is safe to print: redacted, harmless, and of bounded length.
    pub fn clean(&self, line: &[u8]) -> String {
        harmless(&self.redact(line))
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let code = match rest {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        let code = code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(code.unwrap_or(*first));
        rest = if code.is_some() { &rest[3..] } else { after };
    }
    decoded
}

/// Drops escape sequences and what a carriage return overwrote; replaces every other character
/// that a terminal could act on or that hides the order of the text.
pub fn harmless(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let mut shown = String::with_capacity(text.len().min(SHOWN));
    let mut characters = text.chars();
    let mut count = 0;
    while let Some(character) = characters.next() {
        let safe = match character {
            '\u{1b}' => {
                skip_escape(&mut characters);
                continue;
            }
            '\t' => ' ',
            _ if character.is_control() || is_invisible(character) => '\u{fffd}',
            _ => character,
        };
        count += 1;
        if count > SHOWN {
            shown.push('…');
            break;
        }
        shown.push(safe);
    }
    shown
}

/// Eats the rest of an escape sequence: CSI to its final byte, OSC and the like to BEL or ST.
fn skip_escape(characters: &mut std::str::Chars) {
    match characters.next() {
        Some('[') => {
            let _ = characters.find(|character| ('@'..='~').contains(character));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let end = characters.find(|end| matches!(end, '\u{7}' | '\u{1b}' | '\u{9c}'));
            if end == Some('\u{1b}') {
                characters.next();
            }
        }
        _ => {}
    }
}

/// Characters that change how others are shown: direction marks and overrides, line separators.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_nothing_to_act_on() {
        for (raw, shown) in [
            (&b"plain"[..], "plain"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link", "link"),
            (b"10%\r50%\r100%\r", "100%"),
            (b"a\0b\x07c", "a\u{fffd}b\u{fffd}c"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("a\u{202e}b\u{9b}31m".as_bytes(), "a\u{fffd}b\u{fffd}31m"),
            (b"a\tb", "a b"),
            (b"\x1b", ""),
        ] {
            assert_eq!(harmless(raw), shown);
        }
        assert_eq!(harmless(&[b'x'; 9000]).chars().count(), SHOWN + 1);
    }

    #[test]
    fn secrets_are_replaced_longest_first() {
        let secrets = ["hunter22", "hunter2222", "abc", "pässwörd\n  two lines "];
        let redactor = Redactor::from_texts(secrets.iter().map(|secret| secret.as_bytes()));
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
    fn passwords_in_urls_are_replaced_in_each_form() {
        let urls = [
            "postgres://app:s3cret%2Fpw@db.example.com:5432/app?contact=me@here",
            "redis://:tr0ub4dor@cache/0, redis://:second@cache/1",
            "mysql://app:raw/hard#w0rd@db/app",
            "https://host/without@password",
            "ssh://git@host/path",
        ];
        let redactor = Redactor::from_texts(urls.iter().map(|url| url.as_bytes()));
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
        assert_eq!(percent_decoded(b"%41%zz%4"), b"A%zz%4");
    }
}
