//! Mistakes and warnings, each at its place in a file.

use saphyr_parser::Marker;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::{fmt, iter};
use unicode_width::UnicodeWidthChar;

/// One mistake or warning, at its place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: PathBuf,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: String,
    /// The line itself; empty when it must not be shown.
    pub source: String,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: what; what to do`, then the line with a caret under the place.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}:{}:{}: {}; {}",
            self.file.display(),
            self.line,
            self.column,
            self.what,
            self.help
        )?;
        if self.source.is_empty() {
            return Ok(());
        }
        let (line, before) = excerpt(&self.source, self.column - 1);
        write!(out, "\n    {line}\n    {:before$}^", "")
    }
}

/// Terminal columns of a source line that are shown at most.
const WIDTH: usize = 110;

/// The part of a line around a character, fit for a terminal, and the columns before that character.
fn excerpt(source: &str, place: usize) -> (String, usize) {
    let cell = |character: char| match (character, character.width()) {
        ('\t', _) => (' ', 1),
        (_, Some(width)) => (character, width),
        (_, None) => (char::REPLACEMENT_CHARACTER, 1),
    };
    // What is further away is never shown, however long the line is.
    let skipped = place.saturating_sub(WIDTH);
    let cells: Vec<(char, usize)> = source
        .chars()
        .skip(skipped)
        .take(2 * WIDTH + 1)
        .map(cell)
        .collect();
    let place = (place - skipped).min(cells.len());
    let mut start = 0;
    if skipped > 0 || columns(&cells) > WIDTH {
        while columns(&cells[start..place]) > WIDTH / 2 {
            start += 1;
        }
    }
    let mut end = cells.len();
    while columns(&cells[start..end]) > WIDTH {
        end -= 1;
    }
    let cut = |cut: bool| if cut { "…" } else { "" };
    let is_cut = skipped + start > 0;
    let shown: String = cells[start..end].iter().map(|(shown, _)| shown).collect();
    (
        format!("{}{shown}{}", cut(is_cut), cut(end < cells.len())),
        usize::from(is_cut) + columns(&cells[start..place]),
    )
}

/// The columns of a terminal that characters take.
fn columns(cells: &[(char, usize)]) -> usize {
    cells.iter().map(|(_, width)| width).sum()
}

/// A place in the config file, both 1-based, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
}

/// What is wrong with a value, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub help: String,
}

impl Problem {
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Problem {
            what: what.into(),
            help: help.into(),
        }
    }
}

/// A value as messages quote it: short, on one line, without control characters.
pub fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = value.chars().take(LONGEST).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!(
        "\"{}\"",
        shown.escape_debug().to_string().replace("\\'", "'")
    )
}

/// The text of a config file, to parse it and to quote its lines.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    /// The text with some lines indented further, if there are any.
    indented: Option<String>,
    /// Those lines.
    further: BTreeSet<usize>,
}

/// Spaces by which lines are indented further: no key begins behind them.
const FURTHER: usize = 256;

impl Source {
    /// Control characters, which no YAML may hold, are replaced.
    pub fn new(path: &Path, text: String) -> Self {
        let text = match text.contains(is_foreign) {
            true => text.replace(is_foreign, "\u{fffd}"),
            false => text,
        };
        Source {
            path: shown_path(path),
            lines: lines(&text),
            text,
            indented: None,
            further: BTreeSet::new(),
        }
    }

    /// What the parser reads; `mark` tells where something of it is in the file.
    pub fn text(&self) -> &str {
        self.indented.as_ref().unwrap_or(&self.text)
    }

    pub fn mark(&self, marker: Marker) -> Mark {
        let further = match self.further.contains(&marker.line()) {
            true => FURTHER,
            false => 0,
        };
        Mark {
            line: marker.line(),
            column: marker.col().saturating_sub(further) + 1,
        }
    }

    /// Indents lines further; `false` when they are already.
    pub fn indent(&mut self, lines: RangeInclusive<usize>) -> bool {
        /// More would take too long, as the parser begins anew each time.
        const MOST: usize = 1000;
        let before = self.further.len();
        self.further.extend(lines);
        let mut text = String::with_capacity(self.text.len() + FURTHER * self.further.len());
        for (index, start) in self.lines.iter().enumerate() {
            if self.further.contains(&(index + 1)) {
                text.extend(iter::repeat_n(' ', FURTHER));
            }
            let end = self.lines.get(index + 1).copied();
            text.push_str(&self.text[*start..end.unwrap_or(self.text.len())]);
        }
        self.indented = Some(text);
        (before + 1..=MOST).contains(&self.further.len())
    }

    /// The line on which the quote ends that begins at a mark.
    pub fn quote_end(&self, start: Mark) -> Option<usize> {
        let line = self.lines.get(start.line - 1)?;
        let mut text = self.text[*line..].chars().skip(start.column - 1).peekable();
        let quote = text.next()?;
        let mut number = start.line;
        while let Some(character) = text.next() {
            match character {
                '\n' => number += 1,
                '\\' if quote == '"' => number += usize::from(text.next()? == '\n'),
                '\'' if quote == character && text.next_if_eq(&quote).is_some() => {}
                _ if character == quote => return Some(number),
                _ => {}
            }
        }
        None
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
    pub fn find_item(&self, item: &str, start: Mark, end: Mark) -> Mark {
        let separates =
            |c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '[' | ',' | ']');
        for number in start.line..=end.line.max(start.line) {
            let Some(line) = self.line(number) else {
                break;
            };
            let skipped = match number == start.line {
                true => start.column - 1,
                false => 0,
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
                return Mark {
                    line: number,
                    column: line[..from + index].chars().count() + 1,
                };
            }
        }
        start
    }

    /// Where the character of a number that begins with 0 is.
    pub fn place(&self, number: usize) -> Mark {
        let nth = self.text.char_indices().nth(number);
        let offset = nth.map_or(self.text.len(), |(offset, _)| offset);
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let before = &self.text[self.lines[line - 1]..offset];
        Mark {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// A diagnostic at a mark, which is moved into the text when it lies behind its end.
    pub fn diagnostic(&self, mark: Mark, problem: Problem) -> Diagnostic {
        let line = mark.line.clamp(1, self.lines.len());
        let source = self.line(line).unwrap_or_default();
        let last = source.chars().count() + 1;
        Diagnostic {
            file: self.path.clone(),
            line,
            column: match line == mark.line {
                true => mark.column.clamp(1, last),
                false => last,
            },
            what: problem.what,
            help: problem.help,
            source: hide_credentials(source),
        }
    }
}

/// A path as messages print it: without a leading `./`.
pub fn shown_path(path: &Path) -> PathBuf {
    path.components()
        .skip_while(|component| *component == Component::CurDir)
        .collect()
}

/// A control character that no YAML may hold.
pub fn is_foreign(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}')
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

/// Where the password or token of a URL begins and ends, in bytes, if it has one.
pub fn credentials(text: &str) -> Option<(usize, usize)> {
    /// A user name as long as this is a token: nobody is called so.
    const TOKEN: usize = 20;
    let start = text.find("://")? + 3;
    let end = text[start..]
        .find(|c: char| c == '/' || c.is_whitespace())
        .map_or(text.len(), |length| start + length);
    let at = start + text[start..end].rfind('@')?;
    match text[start..at].find(':') {
        Some(colon) if start + colon + 1 < at => Some((start + colon + 1, at)),
        None if at - start >= TOKEN => Some((start, at)),
        _ => None,
    }
}

/// The line with the passwords and tokens of its URLs as asterisks, of the same length.
fn hide_credentials(line: &str) -> String {
    let mut shown = line.to_owned();
    let mut from = 0;
    while let Some((start, end)) = credentials(&shown[from..]) {
        let stars = "*".repeat(shown[from + start..from + end].chars().count());
        shown.replace_range(from + start..from + end, &stars);
        from += start + stars.len();
    }
    shown
}

/// Diagnostics in the order of the file, each once.
#[derive(Debug, Default)]
pub struct Findings {
    found: BTreeMap<(PathBuf, usize, usize, String), Diagnostic>,
}

impl Findings {
    pub fn add(&mut self, diagnostic: Diagnostic) {
        let key = (
            diagnostic.file.clone(),
            diagnostic.line,
            diagnostic.column,
            diagnostic.what.clone(),
        );
        self.found.entry(key).or_insert(diagnostic);
    }

    pub fn extend(&mut self, more: Findings) {
        self.found.extend(more.found);
    }

    pub fn retain(&mut self, keep: impl Fn(&Diagnostic) -> bool) {
        self.found.retain(|_, diagnostic| keep(diagnostic));
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.found.into_values().collect()
    }
}
