//! How systemd reads a dotenv file that a unit names as its `EnvironmentFile=`.

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
    let value = |variables: &Variables, name: &String| {
        variables
            .get(name)
            .map(|assignment| assignment.value.clone())
    };
    let mut differing: Vec<RangeInclusive<usize>> = commands
        .keys()
        .chain(service.keys())
        .filter(|name| value(commands, name) != value(&service, name))
        .filter_map(|name| {
            let lines = [&service, commands].map(|variables| variables.get(name));
            let lines = lines.into_iter().flatten().next()?;
            Some(lines.lines.clone())
        })
        .collect();
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
    use State::*;

    let is_newline = |c: char| matches!(c, '\n' | '\r');
    let is_space = |c: char| is_newline(c) || matches!(c, ' ' | '\t');
    let mut variables = Variables::new();
    let (mut state, mut key, mut value) = (BeforeKey, String::new(), String::new());
    // The part of the value that stays although white space at its end goes.
    let mut kept = 0;
    let (mut line, mut key_line) = (1, 1);
    let mut previous = '\0';
    for c in text.chars().chain(['\0']) {
        let ends = c == '\0';
        if matches!(state, BeforeValue | Value) && is_newline(c)
            || ends && !matches!(state, BeforeKey | Key | Comment | CommentEscape)
        {
            if matches!(state, Value) {
                value.truncate(kept);
            }
            let name = std::mem::take(&mut key);
            let assignment = Assignment {
                value: std::mem::take(&mut value),
                lines: key_line..=line,
            };
            if is_name(name.trim_end_matches(is_space)) {
                variables.insert(name.trim_end_matches(is_space).to_owned(), assignment);
            }
            kept = 0;
            state = BeforeKey;
        } else {
            state = match state {
                BeforeKey if matches!(c, '#' | ';') => Comment,
                BeforeKey if is_space(c) => BeforeKey,
                BeforeKey => {
                    key.clear();
                    key.push(c);
                    key_line = line;
                    Key
                }
                Key if is_newline(c) => BeforeKey,
                Key if c == '=' => BeforeValue,
                Key => {
                    key.push(c);
                    Key
                }
                BeforeValue if c == '\'' => SingleQuote,
                BeforeValue if c == '"' => DoubleQuote,
                BeforeValue | Value if c == '\\' => ValueEscape,
                BeforeValue if is_space(c) => BeforeValue,
                BeforeValue | Value => {
                    value.push(c);
                    if !is_space(c) {
                        kept = value.len();
                    }
                    Value
                }
                ValueEscape => {
                    if !is_newline(c) {
                        value.push(c);
                    }
                    kept = value.len();
                    Value
                }
                SingleQuote if c == '\'' => BeforeValue,
                DoubleQuote if c == '"' => BeforeValue,
                DoubleQuote if c == '\\' => DoubleQuoteEscape,
                SingleQuote | DoubleQuote => {
                    let quote = state;
                    value.push(c);
                    kept = value.len();
                    quote
                }
                DoubleQuoteEscape => {
                    match c {
                        '"' | '\\' | '`' | '$' => value.push(c),
                        '\n' => {}
                        _ => value.extend(['\\', c]),
                    }
                    kept = value.len();
                    DoubleQuote
                }
                Comment if c == '\\' => CommentEscape,
                Comment if is_newline(c) => BeforeKey,
                Comment | CommentEscape => Comment,
            };
        }
        // As python-dotenv counts lines.
        if c == '\n' && previous != '\r' || c == '\r' {
            line += 1;
        }
        previous = c;
    }
    variables
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

    /// What a unit on Debian 12 got for its `EnvironmentFile=`, which ended with `NEXT=next`. All differ from
    /// what the commands get.
    const SEEN: [(&str, &[(&str, &str)]); 41] = [
        ("V=a #b", &[("V", "a #b"), ("NEXT", "next")]),
        ("V= #x", &[("V", "#x"), ("NEXT", "next")]),
        (
            "V=\"a\" # comment",
            &[("V", "a# comment"), ("NEXT", "next")],
        ),
        ("V=a\\b", &[("V", "ab"), ("NEXT", "next")]),
        ("V=a\\nb", &[("V", "anb"), ("NEXT", "next")]),
        ("V=\"a\\nb\"", &[("V", "a\\nb"), ("NEXT", "next")]),
        ("V=\"a\\tb\"", &[("V", "a\\tb"), ("NEXT", "next")]),
        ("V=\"a\\$b\"", &[("V", "a$b"), ("NEXT", "next")]),
        ("V='a\\\\b'", &[("V", "a\\\\b"), ("NEXT", "next")]),
        ("V=a\\\\b", &[("V", "a\\b"), ("NEXT", "next")]),
        ("V='it\\'s'", &[("V", "it\\s'"), ("NEXT", "next")]),
        ("V=C:\\Windows\\q", &[("V", "C:Windowsq"), ("NEXT", "next")]),
        ("V=\"a\\`b\"", &[("V", "a`b"), ("NEXT", "next")]),
        ("V=${PLAIN}", &[("V", "${PLAIN}"), ("NEXT", "next")]),
        ("V=\"x${PLAIN}y\"", &[("V", "x${PLAIN}y"), ("NEXT", "next")]),
        ("V='x${PLAIN}y'", &[("V", "x${PLAIN}y"), ("NEXT", "next")]),
        (
            "V=${NOPE:-dflt}",
            &[("V", "${NOPE:-dflt}"), ("NEXT", "next")],
        ),
        ("V=x${NOPE}y", &[("V", "x${NOPE}y"), ("NEXT", "next")]),
        ("V=\"a\"\"b\"", &[("V", "ab"), ("NEXT", "next")]),
        ("V=\"a\" \"b\"", &[("V", "ab"), ("NEXT", "next")]),
        ("V=\"a\"b", &[("V", "ab"), ("NEXT", "next")]),
        ("V=a\\", &[("V", "aNEXT=next")]),
        ("V=x7#k $p %1\\2", &[("V", "x7#k $p %12"), ("NEXT", "next")]),
        ("V=abc\\", &[("V", "abcNEXT=next")]),
        ("V=a\\ b", &[("V", "a b"), ("NEXT", "next")]),
        ("V='a' # c", &[("V", "a# c"), ("NEXT", "next")]),
        ("V=\"a\"# c", &[("V", "a# c"), ("NEXT", "next")]),
        ("export V=yes", &[("NEXT", "next")]),
        ("'V'=q", &[("NEXT", "next")]),
        (
            "A=1\nV=${A}2",
            &[("A", "1"), ("V", "${A}2"), ("NEXT", "next")],
        ),
        ("\u{feff}V=1", &[("NEXT", "next")]),
        ("# comment \\\nV=hidden?", &[("NEXT", "next")]),
        ("V=\"abc", &[("V", "abc\nNEXT=next\n")]),
        ("V='abc", &[("V", "abc\nNEXT=next\n")]),
        ("V=\"a\\\nb\"", &[("V", "ab"), ("NEXT", "next")]),
        ("V=\\\"a\\\"", &[("V", "\"a\""), ("NEXT", "next")]),
        ("V=a#b #c", &[("V", "a#b #c"), ("NEXT", "next")]),
        ("V=a\t#c", &[("V", "a\t#c"), ("NEXT", "next")]),
        ("V=a\\\\", &[("V", "a\\"), ("NEXT", "next")]),
        ("_=x", &[("_", "x"), ("NEXT", "next")]),
        ("IFS=x", &[("IFS", "x"), ("NEXT", "next")]),
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
    fn what_a_line_swallows_is_not_told_again() {
        assert_eq!(differing("A=b\\\nC=d\nE=f # g"), [1, 3]);
        assert_eq!(differing("A=\"b\nC=d\nE=f"), [1]);
    }
}
