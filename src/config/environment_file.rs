//! A parser for `EnvironmentFile=` as systemd reads it, to find lines that mean something else to python-dotenv.

use State::*;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The value that a parser gives a variable, and the lines of the assignment, 1-based.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment {
    pub value: String,
    pub lines: RangeInclusive<usize>,
}

/// The last assignment of each variable, by name.
pub type Variables = BTreeMap<String, Assignment>;

/// The lines on which assignments begin that systemd parses differently from python-dotenv, which parsed `dotenv`.
pub fn differing_lines(text: &str, dotenv: &Variables) -> Vec<usize> {
    let systemd = systemd_variables(text);
    let mut differing: Vec<&RangeInclusive<usize>> = Vec::new();
    for name in dotenv.keys().chain(systemd.keys()) {
        let (actual, expected) = (systemd.get(name), dotenv.get(name));
        if actual.map(|actual| &actual.value) != expected.map(|expected| &expected.value) {
            differing.extend(actual.or(expected).map(|assignment| &assignment.lines));
        }
    }
    differing.sort_by_key(|lines| *lines.start());
    let mut lines: Vec<usize> = Vec::new();
    let mut end = 0;
    for range in differing {
        // An assignment above that spans this line has been reported already.
        if *range.start() > end {
            lines.push(*range.start());
            end = *range.end();
        }
    }
    lines
}

/// Parses a file like `parse_env_file_internal` of systemd 252, and drops invalid names, as systemd does afterwards.
fn systemd_variables(text: &str) -> Variables {
    let mut reader = SystemdReader {
        variables: Variables::new(),
        state: BeforeKey,
        key: String::new(),
        value: String::new(),
        trimmed_length: 0,
        line: 1,
        key_line: 1,
    };
    let mut previous = '\0';
    for c in text.chars() {
        match reader.state {
            BeforeValue | Value if is_newline(c) => reader.end_assignment(),
            _ => reader.state = reader.next_state(c),
        }
        // Counts lines like python-dotenv: CR and CRLF are line breaks, too.
        if c == '\n' && previous != '\r' || c == '\r' {
            reader.line += 1;
        }
        previous = c;
    }
    if !matches!(reader.state, BeforeKey | Key | Comment | CommentEscape) {
        reader.end_assignment();
    }
    reader.variables
}

struct SystemdReader {
    variables: Variables,
    state: State,
    key: String,
    value: String,
    /// The length of the value without trailing unquoted white space.
    trimmed_length: usize,
    line: usize,
    key_line: usize,
}

#[derive(Clone, Copy)]
enum State {
    BeforeKey,
    Key,
    BeforeValue,
    Value,
    ValueEscape,
    SingleQuote,
    DoubleQuote,
    DoubleQuoteEscape,
    Comment,
    CommentEscape,
}

impl SystemdReader {
    fn end_assignment(&mut self) {
        if matches!(self.state, Value) {
            self.value.truncate(self.trimmed_length);
        }
        let key = std::mem::take(&mut self.key);
        let assignment = Assignment {
            value: std::mem::take(&mut self.value),
            lines: self.key_line..=self.line,
        };
        let name = key.trim_end_matches(is_space);
        if is_name(name) {
            self.variables.insert(name.to_owned(), assignment);
        }
        self.trimmed_length = 0;
        self.state = BeforeKey;
    }

    /// The state after a character that does not end an assignment.
    fn next_state(&mut self, c: char) -> State {
        match self.state {
            BeforeKey if matches!(c, '#' | ';') => Comment,
            BeforeKey if is_space(c) => BeforeKey,
            BeforeKey => {
                self.key = c.to_string();
                self.key_line = self.line;
                Key
            }
            Key if is_newline(c) => BeforeKey,
            Key if c == '=' => BeforeValue,
            Key => {
                self.key.push(c);
                Key
            }
            BeforeValue if c == '\'' => SingleQuote,
            BeforeValue if c == '"' => DoubleQuote,
            BeforeValue | Value if c == '\\' => ValueEscape,
            BeforeValue if is_space(c) => BeforeValue,
            Value if is_space(c) => {
                self.value.push(c);
                Value
            }
            ValueEscape if is_newline(c) => self.push([], Value),
            BeforeValue | Value | ValueEscape => self.push([c], Value),
            SingleQuote if c == '\'' => BeforeValue,
            DoubleQuote if c == '"' => BeforeValue,
            DoubleQuote if c == '\\' => DoubleQuoteEscape,
            SingleQuote | DoubleQuote => self.push([c], self.state),
            DoubleQuoteEscape => match c {
                '"' | '\\' | '`' | '$' => self.push([c], DoubleQuote),
                '\n' => self.push([], DoubleQuote),
                _ => self.push(['\\', c], DoubleQuote),
            },
            Comment if c == '\\' => CommentEscape,
            Comment if is_newline(c) => BeforeKey,
            Comment | CommentEscape => Comment,
        }
    }

    /// Appends characters that are not trimmed at the end of the value. Returns `next`.
    fn push<const N: usize>(&mut self, characters: [char; N], next: State) -> State {
        self.value.extend(characters);
        self.trimmed_length = self.value.len();
        next
    }
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_space(c: char) -> bool {
    is_newline(c) || matches!(c, ' ' | '\t')
}

/// Whether systemd and shells accept this as the name of a variable.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::files::env_file;
    use super::*;
    use crate::diagnostics::{Diagnostics, Source};
    use std::path::Path;

    fn differing(text: &str) -> Vec<usize> {
        let source = Source::new(Path::new("deployment.yml"), String::new());
        let text = format!("{text}\nNEXT=next\n");
        let file = env_file("env", text.into_bytes(), &mut Diagnostics::new(&source));
        file.expect("an env file").differing_lines
    }

    /// Texts that systemd and python-dotenv parse differently, with the variables that a unit on Debian 12 got. Each text
    /// was followed by the line `NEXT=next`, which sets a variable unless it becomes part of a value.
    const OBSERVED: [(&str, &[(&str, &str)]); 41] = [
        ("V=a #b", &[("V", "a #b")]),
        ("V= #x", &[("V", "#x")]),
        ("V=\"a\" # comment", &[("V", "a# comment")]),
        ("V=a\\b", &[("V", "ab")]),
        ("V=a\\nb", &[("V", "anb")]),
        ("V=\"a\\nb\"", &[("V", "a\\nb")]),
        ("V=\"a\\tb\"", &[("V", "a\\tb")]),
        ("V=\"a\\$b\"", &[("V", "a$b")]),
        ("V='a\\\\b'", &[("V", "a\\\\b")]),
        ("V=a\\\\b", &[("V", "a\\b")]),
        ("V='it\\'s'", &[("V", "it\\s'")]),
        ("V=C:\\Windows\\q", &[("V", "C:Windowsq")]),
        ("V=\"a\\`b\"", &[("V", "a`b")]),
        ("V=${PLAIN}", &[("V", "${PLAIN}")]),
        ("V=\"x${PLAIN}y\"", &[("V", "x${PLAIN}y")]),
        ("V='x${PLAIN}y'", &[("V", "x${PLAIN}y")]),
        ("V=${NOPE:-dflt}", &[("V", "${NOPE:-dflt}")]),
        ("V=x${NOPE}y", &[("V", "x${NOPE}y")]),
        ("V=\"a\"\"b\"", &[("V", "ab")]),
        ("V=\"a\" \"b\"", &[("V", "ab")]),
        ("V=\"a\"b", &[("V", "ab")]),
        ("V=a\\", &[("V", "aNEXT=next")]),
        ("V=x7#k $p %1\\2", &[("V", "x7#k $p %12")]),
        ("V=abc\\", &[("V", "abcNEXT=next")]),
        ("V=a\\ b", &[("V", "a b")]),
        ("V='a' # c", &[("V", "a# c")]),
        ("V=\"a\"# c", &[("V", "a# c")]),
        ("export V=yes", &[]),
        ("'V'=q", &[]),
        ("A=1\nV=${A}2", &[("A", "1"), ("V", "${A}2")]),
        ("\u{feff}V=1", &[]),
        ("# comment \\\nV=hidden?", &[]),
        ("V=\"abc", &[("V", "abc\nNEXT=next\n")]),
        ("V='abc", &[("V", "abc\nNEXT=next\n")]),
        ("V=\"a\\\nb\"", &[("V", "ab")]),
        ("V=\\\"a\\\"", &[("V", "\"a\"")]),
        ("V=a#b #c", &[("V", "a#b #c")]),
        ("V=a\t#c", &[("V", "a\t#c")]),
        ("V=a\\\\", &[("V", "a\\")]),
        ("_=x", &[("_", "x")]),
        ("IFS=x", &[("IFS", "x")]),
    ];

    #[test]
    fn values_are_parsed_like_systemd() {
        for (text, expected) in OBSERVED {
            let read = systemd_variables(&format!("{text}\nNEXT=next\n"));
            let read: Vec<(&str, &str)> = read
                .iter()
                .map(|(name, assignment)| (&**name, &*assignment.value))
                .collect();
            let mut expected = expected.to_vec();
            if !expected
                .iter()
                .any(|(_, value)| value.contains("NEXT=next"))
            {
                expected.push(("NEXT", "next"));
            }
            expected.sort_unstable();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn lines_that_systemd_parses_differently_are_found() {
        for (text, _) in OBSERVED {
            let line = match text {
                "A=1\nV=${A}2" | "# comment \\\nV=hidden?" => 2,
                _ => 1,
            };
            assert_eq!(differing(text), [line], "{text:?}");
        }
    }

    #[test]
    fn lines_that_both_parse_alike_are_not_reported() {
        for text in [
            "V=plain",
            "V=two words",
            " V = spaces around ",
            "V=a#b",
            "V=\"a #b\"",
            "V='a #b'",
            "V=$x",
            "V=$(x)",
            "V=`x`",
            "V=\"a\\\"b\"",
            "V=\"a\\\\b\"",
            "V='a\\nb'",
            "V=it's",
            "V=a\"b\"c",
            "V={\"a\": [1, 2]}",
            "V='{\"a\": 1}'",
            "V=[1, 2]",
            "V=\"two\nlines\"",
            "V='two\nlines'",
            "V=",
            "V=\"\"",
            "V=a=b",
            "V=a;b",
            "V=100%",
            "V=a!",
            "V=*",
            "V=~",
            "V=pässwörd",
            "V=a\u{a0}b",
            "V=a\tb",
            "V=a\r",
            "A=1\r\nV=2\r\nW=3\r",
            "V=a\rW=b",
            "V=a\u{b}b",
            "    V=indented",
            "V=1\nV=2",
            "; comment",
            "# comment",
            "",
            "SECRET_KEY='django-insecure-$a#b&c('",
            "SECRET_KEY=a$b#c&d(e",
            "V",
        ] {
            assert!(
                differing(text).is_empty(),
                "{text:?}: {:?}",
                differing(text)
            );
        }
    }

    #[test]
    fn lines_inside_a_reported_assignment_are_not_reported() {
        assert_eq!(differing("A=b\\\nC=d\nE=f # g"), [1, 3]);
        assert_eq!(differing("A=\"b\nC=d\nE=f"), [1]);
    }
}
