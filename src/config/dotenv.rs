//! The grammar of python-dotenv, as its `dotenv_values` reads a file.

/// The content of a dotenv text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dotenv {
    /// In the order in which names first appear.
    pub values: Vec<Variable>,
    /// Lines, 1-based, that are not understood. They are skipped.
    pub skipped: Vec<usize>,
    /// References make more of it than any program can be given; the rest was not read.
    pub is_too_large: bool,
}

/// Of all values, in bytes: each line can double what is above it.
const LARGEST: usize = 16 << 20;

#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    /// The last one; `None` for a name without `=`.
    pub value: Option<String>,
    /// Where the last one begins, 1-based.
    pub line: usize,
}

/// Reads a dotenv text. `${NAME}` sees the lines before it only, never the environment.
pub fn parse(text: &str) -> Dotenv {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Python reads text files with universal newlines.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader {
        rest: &text,
        line: 1,
    };
    let mut dotenv = Dotenv::default();
    let mut room = LARGEST;
    while !reader.rest.is_empty() {
        let line = reader.line + reader.blank_lines();
        match reader.binding() {
            Some(Some((name, value))) => {
                let value = value.map(|value| interpolate(&value, &dotenv.values, room));
                let size = value.as_ref().map_or(0, String::len);
                if size > room {
                    dotenv.is_too_large = true;
                    break;
                }
                room -= size;
                let variable = Variable { name, value, line };
                match find(&dotenv.values, &variable.name) {
                    Some(index) => dotenv.values[index] = variable,
                    None => dotenv.values.push(variable),
                }
            }
            Some(None) => {}
            None => {
                reader.skip(|c| c != '\n');
                reader.take("\n");
                dotenv.skipped.push(line);
            }
        }
    }
    dotenv
}

/// A name, and its value if it has a `=`.
type Binding = (String, Option<String>);

struct Reader<'a> {
    rest: &'a str,
    /// 1-based.
    line: usize,
}

impl<'a> Reader<'a> {
    /// One binding, or `Some(None)` for a comment or the end. `None` when it is not understood; what
    /// was read until then stays read.
    fn binding(&mut self) -> Option<Option<Binding>> {
        self.skip(is_space);
        if self.rest.is_empty() {
            return Some(None);
        }
        self.export();
        let name = match self.rest.chars().next() {
            Some('#') => None,
            Some('\'') => Some(self.quoted_name()?),
            _ => Some(self.non_empty(|c| c != '=' && c != '#' && !is_space(c))?),
        };
        self.skip(is_blank);
        let value = if self.take("=") {
            Some(self.value()?)
        } else {
            None
        };
        self.end_of_line()?;
        Some(name.map(|name| (name.to_owned(), value)))
    }

    fn value(&mut self) -> Option<String> {
        let blank = !self.skip(is_blank).is_empty();
        match self.rest.chars().next() {
            Some('#') if blank => Some(String::new()),
            Some(quote @ ('\'' | '"')) => self.quoted_value(quote),
            _ => Some(without_comment(self.skip(|c| c != '\n')).to_owned()),
        }
    }

    /// The word `export`, when white space and a name follow.
    fn export(&mut self) {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with(is_blank)
        {
            self.rest = rest;
            self.skip(is_blank);
        }
    }

    fn quoted_name(&mut self) -> Option<&'a str> {
        let length = self.rest[1..].find('\'').filter(|length| *length > 0)?;
        let name = &self.rest[1..=length];
        self.advance(length + 2);
        Some(name)
    }

    /// A value in quotes, over any number of lines, with its escapes decoded.
    fn quoted_value(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            if character == quote {
                self.advance(index + 1);
                return Some(value);
            }
            if character != '\\' {
                value.push(character);
                continue;
            }
            let (_, escaped) = characters.next()?;
            match unescape(escaped, quote) {
                Some(decoded) => value.push(decoded),
                None => value.extend(['\\', escaped]),
            }
        }
        None
    }

    /// White space, a comment, the line break.
    fn end_of_line(&mut self) -> Option<()> {
        self.skip(is_blank);
        if self.rest.starts_with('#') {
            self.skip(|c| c != '\n');
        }
        (self.take("\n") || self.rest.is_empty()).then_some(())
    }

    /// The line breaks before the next binding.
    fn blank_lines(&self) -> usize {
        let text = self.rest.trim_start_matches(is_space);
        let blank = &self.rest[..self.rest.len() - text.len()];
        blank.matches('\n').count()
    }

    fn non_empty(&mut self, belongs: impl Fn(char) -> bool) -> Option<&'a str> {
        Some(self.skip(belongs)).filter(|text| !text.is_empty())
    }

    fn skip(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        self.advance(end)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.advance(text.len());
        }
        found
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let (read, rest) = self.rest.split_at(bytes);
        self.line += read.matches('\n').count();
        self.rest = rest;
        read
    }
}

/// The character that an escape stands for.
fn unescape(escaped: char, quote: char) -> Option<char> {
    match (escaped, quote) {
        ('\\' | '\'', _) => Some(escaped),
        ('"', '"') => Some('"'),
        ('a', '"') => Some('\x07'),
        ('b', '"') => Some('\x08'),
        ('f', '"') => Some('\x0c'),
        ('n', '"') => Some('\n'),
        ('r', '"') => Some('\r'),
        ('t', '"') => Some('\t'),
        ('v', '"') => Some('\x0b'),
        _ => None,
    }
}

/// An unquoted value up to white space and `#`, without white space at its end.
fn without_comment(value: &str) -> &str {
    let end = value
        .match_indices('#')
        .map(|(index, _)| index)
        .find(|index| value[..*index].ends_with(is_space))
        .unwrap_or(value.len());
    value[..end].trim_end_matches(is_space)
}

/// Replaces `${NAME}` and `${NAME:-default}`, until the result is larger than `most`. A name that is set without `=`
/// counts as empty.
fn interpolate(value: &str, known: &[Variable], most: usize) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${").filter(|_| result.len() <= most) {
        let Some((name, default, length)) = reference(&rest[start + 2..]) else {
            result.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            continue;
        };
        result.push_str(&rest[..start]);
        match find(known, name) {
            Some(index) => result.push_str(known[index].value.as_deref().unwrap_or_default()),
            None => result.push_str(default),
        }
        rest = &rest[start + 2 + length..];
    }
    result + rest
}

fn find(known: &[Variable], name: &str) -> Option<usize> {
    known.iter().position(|variable| variable.name == name)
}

/// `NAME}` or `NAME:-default}`: the name, the default, and the length in bytes.
fn reference(text: &str) -> Option<(&str, &str, usize)> {
    let name = &text[..text.find(['}', ':'])?];
    let rest = &text[name.len()..];
    if rest.starts_with('}') {
        return Some((name, "", name.len() + 1));
    }
    let rest = rest.strip_prefix(":-")?;
    let default = &rest[..rest.find('}')?];
    Some((name, default, name.len() + 2 + default.len() + 1))
}

/// White space as Python's `\s` knows it.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// White space within a line.
fn is_blank(character: char) -> bool {
    is_space(character) && character != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::FileFailurePersistence;
    use serde_json::Value;

    #[test]
    fn vectors_of_python_dotenv() {
        let file = include_str!("../../tests/dotenv/vectors.json");
        let file: Value = serde_json::from_str(file).expect("vectors.json is JSON");
        let vectors = file["vectors"].as_array().expect("a list");
        assert!(vectors.len() > 200);
        for vector in vectors {
            let text = vector["text"].as_str().expect("a text");
            let read = parse(text);
            let values: Vec<_> = read
                .values
                .iter()
                .map(|variable| serde_json::json!([variable.name, variable.value]))
                .collect();
            assert_eq!(Value::from(values), vector["values"], "values of {text:?}");
            assert_eq!(
                Value::from(read.skipped),
                vector["skipped"],
                "skipped lines of {text:?}"
            );
        }
    }

    #[test]
    fn lines_that_double_each_other_are_kept_in_bounds() {
        let doubled = format!("A=0123456789\n{}", "A=${A}${A}\n".repeat(60));
        assert!(parse(&doubled).is_too_large);
        let many = format!(
            "A={}\nB={}\n",
            "x".repeat(100_000),
            "${A}".repeat(1_000_000)
        );
        assert!(parse(&many).is_too_large);
        assert!(!parse("A=1\nB=${A}").is_too_large);
    }

    proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/proptest/dotenv.txt"))),
        ..ProptestConfig::default()
    })]

        #[test]
        fn any_text_is_read(text in r#"([AB=#'"\\\n\r $\{\}:-]|export |\PC)*"#) {
            let lines = text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count() + 1;
            let read = parse(&text);
            prop_assert!(read.skipped.iter().all(|line| (1..=lines).contains(line)));
            prop_assert!(read.values.iter().all(|variable| variable.line <= lines));
        }
    }
}
