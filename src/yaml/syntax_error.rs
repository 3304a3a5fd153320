//! Translates saphyr's scan errors into messages for whoever wrote the file.

use crate::diagnostics::{Message, Position, Source};
use saphyr_parser::ScanError;

/// An error after which the rest of the file cannot be parsed.
pub struct SyntaxError {
    pub position: Position,
    pub message: Message,
}

impl SyntaxError {
    pub fn new(position: Position, message: Message) -> Self {
        SyntaxError { position, message }
    }
}

/// Explains the mistakes that people make most in plain words; passes on the parser's text for all others.
pub fn explain(source: &Source, error: &ScanError) -> SyntaxError {
    let info = error.info();
    let mut at = super::position(*error.marker());
    let unclosed = ("this quote is not closed", "add the closing quote");
    let (what, help) = if info.contains("mapping values are not allowed") {
        let line = source.line(at.line).unwrap_or_default();
        let before: String = line.chars().take(at.column - 1).collect();
        if before.contains(": ") {
            (
                "a second `: ` in one value",
                "put quotes around the value, or the key on a line of its own",
            )
        } else {
            (
                "this line is indented further than the one above, whose value it continues",
                "begin it where the keys above begin",
            )
        }
    } else if info.contains("unknown anchor") {
        (
            "there is no anchor of this name above",
            "correct the name after `*`",
        )
    } else if info.contains("tab") {
        // The parser may report the line before the one with the tab.
        let tab = |line: usize| {
            let text = source.line(line)?;
            let column = 1 + text.find('\t')?;
            let is_indentation = text[..column].trim().is_empty();
            is_indentation.then_some(Position { line, column })
        };
        at = tab(at.line).or_else(|| tab(at.line + 1)).unwrap_or(at);
        ("a tab indents this line", "indent with spaces")
    } else if info == "simple key expect ':'" || info == "simple key expected" {
        // The parser reports a position after the line that lacks the colon.
        let without_colon = |line: usize| {
            let whole = source.line(line)?;
            let text = whole.trim();
            let is_wrong = !(text.is_empty()
                || text.starts_with(['#', '-'])
                || text.ends_with(':')
                || text.contains(": "));
            let column = 1 + whole.len() - whole.trim_start().len();
            is_wrong.then_some(Position { line, column })
        };
        at = (1..=at.line).rev().find_map(without_colon).unwrap_or(at);
        (
            "this line has no `: ` between a key and its value",
            "write `key: value`",
        )
    } else if info.contains("trailing content after") {
        (
            "text follows the closing quote",
            "write a quote inside of single quotes twice, or put double quotes around all of it",
        )
    } else if info.contains("escape") {
        (
            "this value in double quotes has an unknown escape",
            "put single quotes around it, where a backslash is literal",
        )
    } else if info == "invalid indentation in quoted scalar" {
        (
            "this quote is not closed, or its lines are not indented",
            "add the closing quote, or indent the lines further than the key",
        )
    } else if info.ends_with("found unexpected end of stream") {
        unclosed
    } else if info.starts_with("invalid indentation") {
        (
            "this line belongs to the brackets above and is not indented",
            "indent it further than the key, or close the brackets before it",
        )
    } else {
        let what = format!("this is not YAML: {info}");
        let help = "look at the indentation, quotes and brackets here and on the line before";
        return SyntaxError::new(at, Message::new(what, help));
    };
    SyntaxError::new(at, Message::new(what, help))
}
