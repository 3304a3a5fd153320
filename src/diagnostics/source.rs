//! The text of a file, and positions in it.

use super::text::{is_disallowed_control, shown_path};
use super::{Diagnostic, Message};
use crate::credentials;
use std::iter;
use std::path::{Path, PathBuf};

/// A place in the config file, both 1-based, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The text of a config file, to parse it and to quote its lines.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl Source {
    /// Control characters, which no YAML may hold, are replaced.
    pub fn new(path: &Path, text: String) -> Self {
        let text = if text.contains(is_disallowed_control) {
            text.replace(is_disallowed_control, "\u{fffd}")
        } else {
            text
        };
        Source {
            path: shown_path(path),
            lines: lines(&text),
            text,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line of a number that begins with 1, without its line break.
    pub fn line(&self, number: usize) -> Option<&str> {
        let start = *self.lines.get(number - 1)?;
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        let line = &self.text[start..end];
        let line = line.strip_suffix('\n').unwrap_or(line);
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// Where an item of a list is written from `start` up to the line of `end`; `start` when it is
    /// not there in one piece.
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

    /// Where the character of a number that begins with 0 is.
    pub fn position_of(&self, number: usize) -> Position {
        let nth = self.text.char_indices().nth(number);
        let offset = nth.map_or(self.text.len(), |(offset, _)| offset);
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let before = &self.text[self.lines[line - 1]..offset];
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// A diagnostic at a position, which is moved into the text when it lies behind its end.
    pub fn diagnostic(&self, position: Position, message: Message) -> Diagnostic {
        let line = position.line.clamp(1, self.lines.len());
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

/// Where the lines of a text begin, with the line breaks that the YAML parser counts.
fn lines(text: &str) -> Vec<usize> {
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
