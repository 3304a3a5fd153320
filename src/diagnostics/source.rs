//! The text of a config file, and positions in it.

use super::text::{is_disallowed_control, shown_path};
use super::{Diagnostic, Message};
use crate::credentials;
use std::iter;
use std::path::{Path, PathBuf};

/// A position in the config file. Line and column are 1-based, and columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The text of a config file with an index of its lines, for the parser and for excerpts.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Byte offset of the start of each line.
    line_starts: Vec<usize>,
}

impl Source {
    /// Replaces control characters that YAML forbids with U+FFFD, so that the rest can still be parsed.
    pub fn new(path: &Path, text: String) -> Self {
        let text = if text.contains(is_disallowed_control) {
            text.replace(is_disallowed_control, "\u{fffd}")
        } else {
            text
        };
        Source {
            path: shown_path(path),
            line_starts: line_starts(&text),
            text,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line with this 1-based number, without its line break.
    pub fn line(&self, number: usize) -> Option<&str> {
        let start = *self.line_starts.get(number - 1)?;
        let end = self
            .line_starts
            .get(number)
            .copied()
            .unwrap_or(self.text.len());
        let line = &self.text[start..end];
        let line = line.strip_suffix('\n').unwrap_or(line);
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// Finds an item of a list that is written as one scalar from `start` to the line of `end`. Returns `start` if
    /// the item does not appear verbatim, for example because it has escapes.
    pub fn find_item(&self, item: &str, start: Position, end: Position) -> Position {
        let separates =
            |c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '[' | ',' | ']');
        for number in start.line..=end.line.max(start.line) {
            let Some(line) = self.line(number) else {
                break;
            };
            let skipped = if number == start.line {
                start.column - 1
            } else {
                0
            };
            let from = line
                .char_indices()
                .nth(skipped)
                .map_or(line.len(), |(index, _)| index);
            let found = line[from..].match_indices(item).find(|(index, _)| {
                let (before, after) = (&line[..from + index], &line[from + index + item.len()..]);
                before.chars().next_back().is_none_or(separates)
                    && after.chars().next().is_none_or(separates)
            });
            if let Some((index, _)) = found {
                return Position {
                    line: number,
                    column: line[..from + index].chars().count() + 1,
                };
            }
        }
        start
    }

    /// The position of the character with this 0-based index.
    pub fn position_of(&self, index: usize) -> Position {
        let nth = self.text.char_indices().nth(index);
        let offset = nth.map_or(self.text.len(), |(offset, _)| offset);
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let before = &self.text[self.line_starts[line - 1]..offset];
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// A diagnostic at a position. A position past the end of the text or of its line is clamped to that end.
    pub fn diagnostic(&self, position: Position, message: Message) -> Diagnostic {
        let line = position.line.clamp(1, self.line_starts.len());
        let source = self.line(line).unwrap_or_default();
        let last = source.chars().count() + 1;
        Diagnostic {
            file: self.path.clone(),
            line,
            column: if line == position.line {
                position.column.clamp(1, last)
            } else {
                last
            },
            message,
            excerpt: credentials::mask(source),
        }
    }
}

/// Byte offsets at which lines start. Like the YAML parser, takes LF, CR and CRLF for line breaks.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends_line = |index: usize| match bytes[index] {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    let starts = (0..bytes.len())
        .filter(|index| ends_line(*index))
        .map(|index| index + 1);
    iter::once(0)
        .chain(starts.filter(|start| *start < bytes.len()))
        .collect()
}
