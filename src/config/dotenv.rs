//! A parser for dotenv files with the grammar of python-dotenv's `dotenv_values`.

/// A parsed dotenv file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dotenv {
    /// The variables, in the order in which their names first appear.
    pub values: Vec<Variable>,
    /// Lines with syntax errors, 1-based.
    pub skipped: Vec<usize>,
    /// Whether parsing stopped because the expanded values exceed [`MAX_SIZE`].
    pub is_too_large: bool,
}

/// Maximum size of all values after expansion, in bytes. Each line can double the size of those above it.
const MAX_SIZE: usize = 16 << 20;

#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    /// The last value; `None` for a name without `=`.
    pub value: Option<String>,
    /// The line on which the last assignment begins, 1-based.
    pub line: usize,
}

/// Parses a dotenv file. `${NAME}` refers to variables on the lines above, never to the environment.
pub fn parse(text: &str) -> Dotenv {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Python reads text files with universal newlines.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader {
        rest: &text,
        line: 1,
    };
    let mut dotenv = Dotenv::default();
    let mut room = MAX_SIZE;
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
                reader.take_while(|c| c != '\n');
                reader.eat("\n");
                dotenv.skipped.push(line);
            }
        }
    }
    dotenv
}

/// A name, and the value after `=` if there is one.
type Binding = (String, Option<String>);

struct Reader<'a> {
    rest: &'a str,
    /// 1-based.
    line: usize,
}

impl<'a> Reader<'a> {
    /// Parses a binding; `Some(None)` for a comment or the end of the text. Returns `None` on a syntax error, without
    /// going back to where the binding began.
    fn binding(&mut self) -> Option<Option<Binding>> {
        self.take_while(is_space);
        if self.rest.is_empty() {
            return Some(None);
        }
        self.export();
        let name = match self.rest.chars().next() {
            Some('#') => None,
            Some('\'') => Some(self.quoted_name()?),
            _ => Some(self.take_while1(|c| c != '=' && c != '#' && !is_space(c))?),
        };
        self.take_while(is_blank);
        let value = if self.eat("=") {
            Some(self.value()?)
        } else {
            None
        };
        self.end_of_line()?;
        Some(name.map(|name| (name.to_owned(), value)))
    }

    fn value(&mut self) -> Option<String> {
        let has_blank = !self.take_while(is_blank).is_empty();
        match self.rest.chars().next() {
            Some('#') if has_blank => Some(String::new()),
            Some(quote @ ('\'' | '"')) => self.quoted_value(quote),
            _ => Some(without_comment(self.take_while(|c| c != '\n')).to_owned()),
        }
    }

    /// Skips the word `export` if white space follows.
    fn export(&mut self) {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with(is_blank)
        {
            self.rest = rest;
            self.take_while(is_blank);
        }
    }

    fn quoted_name(&mut self) -> Option<&'a str> {
        let length = self.rest[1..].find('\'').filter(|length| *length > 0)?;
        let name = &self.rest[1..=length];
        self.advance(length + 2);
        Some(name)
    }

    /// Parses a quoted value, which may span lines, and decodes its escapes.
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

    /// Parses white space, an optional comment, and the line break.
    fn end_of_line(&mut self) -> Option<()> {
        self.take_while(is_blank);
        if self.rest.starts_with('#') {
            self.take_while(|c| c != '\n');
        }
        (self.eat("\n") || self.rest.is_empty()).then_some(())
    }

    /// Counts the line breaks before the next binding.
    fn blank_lines(&self) -> usize {
        let text = self.rest.trim_start_matches(is_space);
        let blank = &self.rest[..self.rest.len() - text.len()];
        blank.matches('\n').count()
    }

    /// Like `take_while`, but needs at least one character.
    fn take_while1(&mut self, accepts: impl Fn(char) -> bool) -> Option<&'a str> {
        Some(self.take_while(accepts)).filter(|text| !text.is_empty())
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accepts(c)).unwrap_or(self.rest.len());
        self.advance(end)
    }

    /// Consumes `text` if it comes next, and returns whether it did.
    fn eat(&mut self, text: &str) -> bool {
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

/// An unquoted value without its comment, which begins with white space and `#`, and without trailing white space.
fn without_comment(value: &str) -> &str {
    let end = value
        .match_indices('#')
        .map(|(index, _)| index)
        .find(|index| value[..*index].ends_with(is_space))
        .unwrap_or(value.len());
    value[..end].trim_end_matches(is_space)
}

/// Expands `${NAME}` and `${NAME:-default}`. A variable without `=` counts as empty. Stops expanding once the result is
/// larger than `max` bytes.
fn interpolate(value: &str, known: &[Variable], max: usize) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${").filter(|_| result.len() <= max) {
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

/// Parses `NAME}` or `NAME:-default}` into the name, the default, and the length in bytes.
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

/// Whether Python's `\s` matches the character.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// Whether the character is white space other than a line break.
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
    fn the_size_of_expanded_values_is_limited() {
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
