//! How systemd reads a dotenv file that a unit names as its `EnvironmentFile=`.

use State::*;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A variable that a reader makes of a file, and the lines, 1-based, where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment {
    pub value: String,
    pub lines: RangeInclusive<usize>,
}

/// Variables by their names; the last assignment counts.
pub type Variables = BTreeMap<String, Assignment>;

/// The lines that systemd reads otherwise than the deploy's commands, to which the file means `commands`.
pub fn differing_lines(text: &str, commands: &Variables) -> Vec<usize> {
    let service = systemd_variables(text);
    let mut differing: Vec<&RangeInclusive<usize>> = Vec::new();
    for name in commands.keys().chain(service.keys()) {
        let (read, meant) = (service.get(name), commands.get(name));
        if read.map(|read| &read.value) != meant.map(|meant| &meant.value) {
            differing.extend(read.or(meant).map(|assignment| &assignment.lines));
        }
    }
    differing.sort_by_key(|lines| *lines.start());
    let mut lines: Vec<usize> = Vec::new();
    let mut end = 0;
    for range in differing {
        // What an assignment above has swallowed needs no mention.
        if *range.start() > end {
            lines.push(*range.start());
            end = *range.end();
        }
    }
    lines
}

/// What systemd 252 makes of a file: its `parse_env_file_internal`, without the names that it then drops.
fn systemd_variables(text: &str) -> Variables {
    let mut reader = SystemdReader {
        variables: Variables::new(),
        state: BeforeKey,
        key: String::new(),
        value: String::new(),
        kept: 0,
        line: 1,
        key_line: 1,
    };
    let mut previous = '\0';
    for c in text.chars() {
        match reader.state {
            BeforeValue | Value if is_newline(c) => reader.end_assignment(),
            _ => reader.state = reader.next_state(c),
        }
        // As python-dotenv counts lines.
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
    /// The part of the value that stays although white space at its end goes.
    kept: usize,
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
            self.value.truncate(self.kept);
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
        self.kept = 0;
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
            ValueEscape if is_newline(c) => self.keep([], Value),
            BeforeValue | Value | ValueEscape => self.keep([c], Value),
            SingleQuote if c == '\'' => BeforeValue,
            DoubleQuote if c == '"' => BeforeValue,
            DoubleQuote if c == '\\' => DoubleQuoteEscape,
            SingleQuote | DoubleQuote => self.keep([c], self.state),
            DoubleQuoteEscape => match c {
                '"' | '\\' | '`' | '$' => self.keep([c], DoubleQuote),
                '\n' => self.keep([], DoubleQuote),
                _ => self.keep(['\\', c], DoubleQuote),
            },
            Comment if c == '\\' => CommentEscape,
            Comment if is_newline(c) => BeforeKey,
            Comment | CommentEscape => Comment,
        }
    }

    /// Adds to the value what stays in it, even at its end.
    fn keep<const N: usize>(&mut self, characters: [char; N], next: State) -> State {
        self.value.extend(characters);
        self.kept = self.value.len();
        next
    }
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_space(c: char) -> bool {
    is_newline(c) || matches!(c, ' ' | '\t')
}

/// Whether the environment of a process can have a variable of this name.
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

    /// What a unit on Debian 12 got for its `EnvironmentFile=`, which ended with the line `NEXT=next`: that variable,
    /// unless the text swallowed it, and these. All differ from what the commands get.
    const SEEN: [(&str, &[(&str, &str)]); 41] = [
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
    fn values_are_read_as_systemd_reads_them() {
        for (text, expected) in SEEN {
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
    fn lines_that_systemd_reads_otherwise_are_found() {
        for (text, _) in SEEN {
            let line = match text {
                "A=1\nV=${A}2" | "# comment \\\nV=hidden?" => 2,
                _ => 1,
            };
            assert_eq!(differing(text), [line], "{text:?}");
        }
    }

    #[test]
    fn lines_that_both_read_alike_are_not() {
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
    fn what_a_line_swallows_is_not_reported_again() {
        assert_eq!(differing("A=b\\\nC=d\nE=f # g"), [1, 3]);
        assert_eq!(differing("A=\"b\nC=d\nE=f"), [1]);
    }
}
