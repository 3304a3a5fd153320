//! Errors and warnings about the config and the files it names, each with its position.

mod source;
mod text;

pub use source::{Position, Source};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
pub use text::{is_disallowed_control, join_names, quoted, sanitize, shown_path};

/// The text of an error or warning: what is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message(String);

impl Message {
    /// Formats `what; help`.
    pub fn new(what: impl fmt::Display, help: impl fmt::Display) -> Self {
        Message::from_text(format_args!("{what}; {help}"))
    }

    /// A message whose text already includes the help.
    pub fn from_text(text: impl fmt::Display) -> Self {
        Message(sanitize(&text.to_string()))
    }

    /// Prefixes the message with its subject.
    pub fn about(&self, subject: &str) -> Self {
        Message(format!("{subject}: {self}"))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An error or a warning at a position in a file. Ordered by file and position.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    pub file: PathBuf,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    pub message: Message,
    /// The source line; empty if it may hold a secret.
    pub excerpt: String,
}

impl fmt::Display for Diagnostic {
    /// Writes `file:line:column: what; help`, then the source line with a caret under the column.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { line, column, .. } = self;
        write!(
            out,
            "{}:{line}:{column}: {}",
            self.file.display(),
            self.message
        )?;
        if self.excerpt.is_empty() {
            return Ok(());
        }
        let (line, before) = text::excerpt(&self.excerpt, column - 1);
        write!(out, "\n    {line}\n    {:before$}^", "")
    }
}

/// Collects the errors and warnings about one config, deduplicated and sorted by position.
#[derive(Debug)]
pub struct Diagnostics<'a> {
    pub source: &'a Source,
    errors: BTreeSet<Diagnostic>,
    warnings: BTreeSet<Diagnostic>,
}

impl<'a> Diagnostics<'a> {
    pub fn new(source: &'a Source) -> Self {
        Diagnostics {
            source,
            errors: BTreeSet::new(),
            warnings: BTreeSet::new(),
        }
    }

    pub fn error(&mut self, position: Position, message: Message) {
        self.errors
            .insert(self.source.diagnostic(position, message));
    }

    pub fn warn(&mut self, position: Position, message: Message) {
        self.warnings
            .insert(self.source.diagnostic(position, message));
    }

    /// Reports a warning about another file. Its line may hold a secret, so there is no excerpt.
    pub fn warn_in_file(&mut self, file: &Path, line: usize, message: Message) {
        self.warnings.insert(Diagnostic {
            file: shown_path(file),
            line,
            column: 1,
            message,
            excerpt: String::new(),
        });
    }

    /// Drops the errors reported so far on these lines of the config.
    pub fn discard_errors_on(&mut self, lines: &[usize]) {
        self.errors.retain(|error| !lines.contains(&error.line));
    }

    /// The errors and the warnings, each sorted by position.
    pub fn into_parts(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (
            self.errors.into_iter().collect(),
            self.warnings.into_iter().collect(),
        )
    }
}
