//! Mistakes and warnings, each at its position in a file.

mod source;
mod text;

pub use source::{Position, Source};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
pub use text::{is_disallowed_control, listed, plain, quoted, shown_path};

/// What is wrong with a value, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message(String);

impl Message {
    /// `what; help`, as plain text
    pub fn new(what: impl fmt::Display, help: impl fmt::Display) -> Self {
        Message::whole(format_args!("{what}; {help}"))
    }

    /// A text that has its help already.
    pub fn whole(text: impl fmt::Display) -> Self {
        Message(plain(&text.to_string()))
    }

    /// About the value of a field; `text` has its help already.
    pub fn of_field(field: &str, text: impl fmt::Display) -> Self {
        Message::whole(format_args!("`{field}`: {text}"))
    }

    /// The message with what it is about before it.
    pub fn about(&self, subject: &str) -> Self {
        Message(format!("{subject}: {self}"))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One mistake or warning, at its position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: PathBuf,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    pub message: Message,
    /// The line itself; empty when it must not be shown.
    pub excerpt: String,
}

impl Diagnostic {
    /// About a line of a file that is not shown, as it may hold a secret.
    pub fn unshown(file: &Path, line: usize, message: Message) -> Self {
        Diagnostic {
            file: shown_path(file),
            line,
            column: 1,
            message,
            excerpt: String::new(),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: what; what to do`, then the line with a caret under the position.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic {
            file,
            line,
            column,
            message,
            ..
        } = self;
        write!(out, "{}:{line}:{column}: {message}", file.display())?;
        if self.excerpt.is_empty() {
            return Ok(());
        }
        let (line, before) = text::excerpt(&self.excerpt, column - 1);
        write!(out, "\n    {line}\n    {:before$}^", "")
    }
}

/// The mistakes and warnings of one config, each once, in the order of the file.
#[derive(Debug)]
pub struct Diagnostics<'a> {
    pub source: &'a Source,
    errors: Found,
    warnings: Found,
}

type Found = BTreeMap<(PathBuf, usize, usize, Message), Diagnostic>;

fn insert(found: &mut Found, diagnostic: Diagnostic) {
    let Diagnostic {
        file,
        line,
        column,
        message,
        ..
    } = &diagnostic;
    let key = (file.clone(), *line, *column, message.clone());
    found.entry(key).or_insert(diagnostic);
}

impl<'a> Diagnostics<'a> {
    pub fn new(source: &'a Source) -> Self {
        Diagnostics {
            source,
            errors: Found::new(),
            warnings: Found::new(),
        }
    }

    pub fn error(&mut self, position: Position, message: Message) {
        insert(&mut self.errors, self.source.diagnostic(position, message));
    }

    pub fn warn(&mut self, position: Position, message: Message) {
        insert(
            &mut self.warnings,
            self.source.diagnostic(position, message),
        );
    }

    /// A warning about another file.
    pub fn add_warning(&mut self, diagnostic: Diagnostic) {
        insert(&mut self.warnings, diagnostic);
    }

    /// Drops the mistakes found on these lines so far.
    pub fn forget_lines(&mut self, lines: &[usize]) {
        self.errors.retain(|(_, line, ..), _| !lines.contains(line));
    }

    /// The mistakes, and the warnings.
    pub fn into_parts(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (
            self.errors.into_values().collect(),
            self.warnings.into_values().collect(),
        )
    }
}
