//! What ends the reading of a YAML file, in words for the person who wrote it.

use super::diagnostic::{Mark, Problem, Source};
use saphyr_parser::ScanError;
use std::ops::RangeInclusive;

/// A mistake after which nothing can be read.
pub struct Stop {
    pub mark: Mark,
    pub problem: Problem,
    /// Lines that could be read if they were indented further. YAML wants it of the lines of a quote
    /// and of a list in brackets; PyYAML, with which the Python tool read, does not.
    pub shallow: Option<RangeInclusive<usize>>,
}

impl Stop {
    pub fn new(mark: Mark, problem: Problem) -> Self {
        Stop {
            mark,
            problem,
            shallow: None,
        }
    }
}

/// The parser's words, or plainer ones for the slips that people make most.
pub fn explain(source: &Source, error: &ScanError) -> Stop {
    let info = error.info();
    let marker = *error.marker();
    let mut mark = source.mark(marker);
    let mut shallow = None;
    let unclosed = ("this quote is not closed", "add the closing quote");
    let (what, help) = if info.contains("mapping values are not allowed") {
        let line = source.line(mark.line).unwrap_or_default();
        let before: String = line.chars().take(mark.column - 1).collect();
        match before.contains(": ") {
            true => (
                "a second `: ` in one value",
                "put quotes around the value, or the key on a line of its own",
            ),
            false => (
                "this line is indented further than the one above, whose value it continues",
                "begin it where the keys above begin",
            ),
        }
    } else if info.contains("unknown anchor") {
        (
            "no anchor of this name stands above",
            "correct the name after `*`",
        )
    } else if info.contains("tab") {
        // The parser may be at the value before the tab.
        let tab = |line: usize| {
            let text = source.line(line)?;
            let column = 1 + text.find('\t')?;
            let is_first = text[..column].trim().is_empty();
            is_first.then_some(Mark { line, column })
        };
        mark = tab(mark.line)
            .or_else(|| tab(mark.line + 1))
            .unwrap_or(mark);
        ("a tab indents this line", "indent with spaces")
    } else if info == "simple key expect ':'" || info == "simple key expected" {
        // The parser is behind the line.
        let slip = |line: usize| {
            let whole = source.line(line)?;
            let text = whole.trim();
            let is_slip = !(text.is_empty()
                || text.starts_with(['#', '-'])
                || text.ends_with(':')
                || text.contains(": "));
            let column = 1 + whole.len() - whole.trim_start().len();
            is_slip.then_some(Mark { line, column })
        };
        mark = (1..=mark.line).rev().find_map(slip).unwrap_or(mark);
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
            "double quotes do not know an escape in this value",
            "put single quotes around it, in which a backslash is itself",
        )
    } else if info == "invalid indentation in quoted scalar" {
        shallow = source.quote_end(mark).map(|end| mark.line + 1..=end);
        match shallow {
            Some(_) => (
                "the lines of this quote are not indented",
                "indent them further than the key",
            ),
            None => unclosed,
        }
    } else if info.ends_with("found unexpected end of stream") {
        unclosed
    } else {
        if info.starts_with("invalid indentation") {
            shallow = Some(mark.line..=mark.line);
        }
        let problem = Problem::new(
            format!("this is not YAML: {info}"),
            "look at the indentation, quotes and brackets here and on the line before",
        );
        return Stop {
            mark,
            problem,
            shallow,
        };
    };
    Stop {
        mark,
        problem: Problem::new(what, help),
        shallow,
    }
}
