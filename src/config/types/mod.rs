//! The types of config fields. Each type validates its values and has a JSON Schema.

mod app;
mod git;
mod host;
mod known_host;
mod path;
mod python;
mod raw;
mod system;
mod web;

use super::files::Files;
pub use super::unit::unit_name;
use crate::diagnostics::{Diagnostics, Message, Position};
use crate::yaml::{Entry, Kind, Node};
pub use app::{AppDir, DependencySet, Hooks, SharedPath};
pub use git::{Branch, Depth, RepositoryUrl, Revision, is_ssh};
pub use host::{Host, Port, UnixUser};
pub use known_host::KnownHost;
pub use path::{DependencyFile, RemotePath, VenvDir, absolute, normalize_lexically};
pub use python::{Platform, Python};
pub use raw::{Integer, Named, RawScalar, Text, integer};
use serde_json::{Value as Json, json};
pub use system::secret_name;
pub use system::{
    Batch, Command, Delivery, Framework, Package, PackageManager, Releases, VenvMode,
};
pub use web::{HealthUrl, HttpHost, Seconds, Statuses};

/// The result of checking a value against a rule.
pub type Validation = Result<(), Message>;

/// Fails a rule with what is wrong and what to do about it.
pub fn refuse<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Message> {
    Err(Message::new(what.into(), help.into()))
}

/// Fails a rule like [`refuse`] unless `holds`.
pub fn ensure(holds: bool, what: impl FnOnce() -> String, help: impl Into<String>) -> Validation {
    if holds { Ok(()) } else { refuse(what(), help) }
}

/// The surroundings of a value that is being read.
pub struct Context<'a, 's> {
    /// The name of the field.
    pub field: &'static str,
    /// The position of the value, or of the list item that is being read.
    pub position: Position,
    pub files: &'a mut Files,
    pub diagnostics: &'a mut Diagnostics<'s>,
}

impl Context<'_, '_> {
    /// Reports a warning at the position of the value.
    pub fn warn(&mut self, message: Message) {
        self.diagnostics.warn(self.position, message);
    }
}

/// The type of a field.
pub trait Value: Sized {
    /// Whether an unquoted `false` is a value. For other types it unsets the field.
    const TAKES_FALSE: bool = false;
    /// Whether an empty value is passed to `read`. For other types it unsets the field.
    const TAKES_EMPTY: bool = false;

    /// Reads the value of a field that is set. Reports mistakes and then returns `None`.
    fn read(entry: &Entry, context: &mut Context) -> Option<Self>;

    /// The JSON Schema of all accepted spellings.
    fn schema() -> Json;
}

/// A value that is written as one scalar.
pub trait Scalar: Sized {
    /// The type that the YAML scalar is read as before the value is validated.
    type Raw: RawScalar;

    /// # Errors
    /// The value breaks the type's rule.
    fn parse(raw: Self::Raw, context: &mut Context) -> Result<Self, Message>;

    fn schema() -> Json {
        Self::Raw::schema()
    }
}

impl<T: Scalar> Value for T {
    const TAKES_FALSE: bool = T::Raw::TAKES_FALSE;
    const TAKES_EMPTY: bool = T::Raw::TAKES_EMPTY;

    fn read(entry: &Entry, context: &mut Context) -> Option<Self> {
        let value = raw::read(&entry.value, context.field).and_then(|raw| T::parse(raw, context));
        value
            .map_err(|message| context.diagnostics.error(entry.position(), message))
            .ok()
    }

    fn schema() -> Json {
        <T as Scalar>::schema()
    }
}

impl<T: Value> Value for Option<T> {
    const TAKES_FALSE: bool = T::TAKES_FALSE;
    const TAKES_EMPTY: bool = T::TAKES_EMPTY;

    fn read(entry: &Entry, context: &mut Context) -> Option<Self> {
        T::read(entry, context).map(Some)
    }

    fn schema() -> Json {
        T::schema()
    }
}

/// The type of the items of a list field.
pub trait Item: Sized {
    /// Splits a list that is written as one scalar.
    fn split(text: &str) -> Vec<&str> {
        text.split(';').collect()
    }

    /// Parses an item and appends what it stands for: usually one value, but it may be several or a known one.
    ///
    /// # Errors
    /// The item breaks the type's rule.
    fn add(list: &mut Vec<Self>, item: &str, context: &mut Context) -> Validation;
}

impl<T: Item> Value for Vec<T> {
    /// Skips items with mistakes, so that all mistakes of a list are reported at once.
    fn read(entry: &Entry, context: &mut Context) -> Option<Self> {
        let mut list = Vec::new();
        let mut add = |text: &str, position, context: &mut Context| {
            context.position = position;
            if let Err(message) = T::add(&mut list, text, context) {
                context.diagnostics.error(position, message);
            }
        };
        let node = &entry.value;
        let Kind::List(items) = &node.kind else {
            match raw::read(node, context.field) {
                Ok(Text(text)) => {
                    for item in T::split(&text).into_iter().map(str::trim) {
                        if !item.is_empty() {
                            let source = context.diagnostics.source;
                            let position = source.find_item(item, node.start, node.end);
                            add(item, position, context);
                        }
                    }
                }
                Err(message) => context.diagnostics.error(entry.position(), message),
            }
            return Some(list);
        };
        for item in items.iter().filter(|item| !item.is_blank()) {
            match raw::read_item(item, context.field) {
                Ok(Text(text)) => add(text.trim(), item.start, context),
                Err(message) => context.diagnostics.error(item.start, message),
            }
        }
        Some(list)
    }

    fn schema() -> Json {
        json!({"anyOf": [
            {"type": ["string", "number", "null"]},
            {"const": false},
            {"type": "array", "items": {"type": ["string", "number", "null"]}},
        ]})
    }
}

impl Node {
    /// Whether the value is null or only white space, and thus leaves a field unset.
    pub fn is_blank(&self) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

/// Text that must satisfy a rule.
pub trait Rule: Sized {
    /// # Errors
    /// The text breaks the rule.
    fn check(text: &str) -> Validation;

    /// A warning about valid text as the value of `field`.
    fn warning(_text: &str, _field: &str) -> Option<Message> {
        None
    }

    /// Wraps text that satisfies the rule; does not check it.
    fn new(text: String) -> Self;
}

impl<T: Rule> Scalar for T {
    type Raw = Text;

    fn parse(Text(text): Text, context: &mut Context) -> Result<Self, Message> {
        T::check(&text)?;
        if let Some(message) = T::warning(&text, context.field) {
            context.warn(message);
        }
        Ok(T::new(text))
    }
}

/// Declares a text type: its name, the function that checks the text, and optionally one that returns a warning.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $rule:path $(, $warning:path)?) => {
        $crate::config::types::text_struct! { $(#[$doc])* $name }

        impl $crate::config::types::Rule for $name {
            fn check(text: &str) -> $crate::config::types::Validation {
                $rule(text)
            }

            $(
                fn warning(text: &str, field: &str) -> Option<$crate::diagnostics::Message> {
                    $warning(text, field)
                }
            )?

            fn new(text: String) -> Self {
                $name(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                $rule(text).map_err(|message| message.to_string())?;
                Ok($name(text.to_owned()))
            }
        }
    };
}
use text_type;

/// Declares a newtype for text without a rule.
macro_rules! text_struct {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name(String);

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        /// Writes the text with a single call, as the templates' escapers require.
        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}
use text_struct;

/// Declares a type for integers in a range.
macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident($number:ty), $min:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name(pub $number);

        impl $crate::config::types::Scalar for $name {
            type Raw = $crate::config::types::Integer;

            fn parse(
                raw: Self::Raw,
                context: &mut $crate::config::types::Context,
            ) -> Result<Self, $crate::diagnostics::Message> {
                $crate::config::types::in_range(context.field, raw.0, $min, $max).map($name)
            }

            fn schema() -> serde_json::Value {
                $crate::config::types::Integer::schema_in_range($min, $max)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}
use number_type;

/// Converts a number that is the value of `field`.
///
/// # Errors
/// The number is not in the range from `min` to `max`.
fn in_range<T: TryFrom<i64>>(field: &str, number: i64, min: i64, max: i64) -> Result<T, Message> {
    let fits = (min..=max).contains(&number).then_some(number);
    fits.and_then(|number| number.try_into().ok())
        .ok_or_else(|| {
            Message::new(
                format!("`{field}` is {number}"),
                format!("write a number from {min} to {max}"),
            )
        })
}

/// Checks that the text has no line breaks or other control characters.
pub fn single_line(value: &str) -> Validation {
    match value.chars().find(|character| character.is_control()) {
        None => Ok(()),
        Some('\n' | '\r') => refuse("the value has a line break", "write it on one line"),
        Some('\t') => refuse("the value has a tab", "write a space, or leave it out"),
        Some(control) => refuse(
            format!("the value has {}", control_name(control)),
            "leave it out",
        ),
    }
}

fn control_name(control: char) -> String {
    match control {
        '\0' => "a NUL character".to_owned(),
        _ => format!("the control character U+{:04X}", u32::from(control)),
    }
}
