//! The types of the fields. Each has its rule, and knows how it may be written.

mod app;
mod form;
mod git;
mod host;
mod known_host;
mod path;
mod python;
mod system;
mod web;

use super::files::Files;
pub use super::unit::unit_name;
use crate::diagnostics::{Diagnostics, Message, Position};
use crate::yaml::{Entry, Kind, Node};
pub use app::{AppDir, DependencySet, Hooks, SharedPath};
pub use form::{Form, Integer, Named, Text, integer};
pub use git::{Branch, Depth, RepositoryUrl, Revision, is_ssh};
pub use host::{Host, Port, UnixUser};
pub use known_host::KnownHost;
pub use path::{DependencyFile, RemotePath, VenvDir, absolute, normal};
pub use python::{Platform, Python};
use serde_json::{Value as Json, json};
pub use system::secret_name;
pub use system::{
    Batch, Command, Delivery, Framework, Package, PackageManager, Releases, VenvMode,
};
pub use web::{HealthUrl, HttpHost, Seconds, Statuses};

/// What a rule finds wrong.
pub type Validation = Result<(), Message>;

/// For rules: what is wrong, and what to do about it.
pub fn refuse<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Message> {
    Err(Message::new(what.into(), help.into()))
}

/// For rules: `refuse`, unless a condition holds.
pub fn ensure(holds: bool, what: impl FnOnce() -> String, help: impl Into<String>) -> Validation {
    if holds { Ok(()) } else { refuse(what(), help) }
}

/// What a value is read with.
pub struct Context<'a, 's> {
    /// The name of the field.
    pub field: &'static str,
    /// Where the value or the item stands.
    pub position: Position,
    pub files: &'a mut Files,
    pub diagnostics: &'a mut Diagnostics<'s>,
}

impl Context<'_, '_> {
    /// Warns of something about the value.
    pub fn warn(&mut self, message: Message) {
        self.diagnostics.warn(self.position, message);
    }
}

/// What a field holds.
pub trait Value: Sized {
    /// Whether an unquoted `false` is a value. Elsewhere it leaves the field unset.
    const TAKES_FALSE: bool = false;
    /// Whether nothing is a value, too.
    const TAKES_EMPTY: bool = false;

    /// Reads the value of a field that is set. `None` after mistakes, which are reported.
    fn read(entry: &Entry, context: &mut Context) -> Option<Self>;

    /// How it may be written, as JSON Schema.
    fn schema() -> Json;
}

/// A value that is written as one scalar.
pub trait Scalar: Sized {
    /// What YAML makes of the scalar.
    type Form: Form;

    /// # Errors
    /// A value that breaks the rule.
    fn parse(form: Self::Form, context: &mut Context) -> Result<Self, Message>;

    fn schema() -> Json {
        Self::Form::schema()
    }
}

impl<T: Scalar> Value for T {
    const TAKES_FALSE: bool = T::Form::TAKES_FALSE;
    const TAKES_EMPTY: bool = T::Form::TAKES_EMPTY;

    fn read(entry: &Entry, context: &mut Context) -> Option<Self> {
        let value =
            form::read(&entry.value, context.field).and_then(|form| T::parse(form, context));
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

/// An item of a list, which may also be written as one text with separators.
pub trait Item: Sized {
    fn split(text: &str) -> Vec<&str> {
        text.split(';').collect()
    }

    /// Adds what an item stands for.
    ///
    /// # Errors
    /// An item that breaks the rule.
    fn add(list: &mut Vec<Self>, item: &str, context: &mut Context) -> Validation;
}

impl<T: Item> Value for Vec<T> {
    /// What can be read, so that all mistakes of the list are reported at once.
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
            match form::read(node, context.field) {
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
            match form::read_item(item, context.field) {
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
    /// Whether it counts as not written.
    pub fn is_blank(&self) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

/// Text that must keep to a rule.
pub trait Rule: Sized {
    /// # Errors
    /// What is wrong with a text.
    fn check(text: &str) -> Validation;

    /// What to warn of, as the value of a field.
    fn warning(_text: &str, _field: &str) -> Option<Message> {
        None
    }

    /// A text that keeps to the rule.
    fn new(text: String) -> Self;
}

impl<T: Rule> Scalar for T {
    type Form = Text;

    fn parse(Text(text): Text, context: &mut Context) -> Result<Self, Message> {
        T::check(&text)?;
        if let Some(message) = T::warning(&text, context.field) {
            context.warn(message);
        }
        Ok(T::new(text))
    }
}

/// Declares text with a rule, and perhaps what to warn of.
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

/// Declares a type for text alone.
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

        /// In one piece, as the templates' escapers need it.
        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}
use text_struct;

/// Declares a number in a range.
macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident($number:ty), $least:literal, $most:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name(pub $number);

        impl $crate::config::types::Scalar for $name {
            type Form = $crate::config::types::Integer;

            fn parse(
                form: Self::Form,
                context: &mut $crate::config::types::Context,
            ) -> Result<Self, $crate::diagnostics::Message> {
                $crate::config::types::in_range(context.field, form.0, $least, $most).map($name)
            }

            fn schema() -> serde_json::Value {
                $crate::config::types::Integer::in_range($least, $most)
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

/// The number, if it lies in a range.
///
/// # Errors
/// Another number.
fn in_range<T: TryFrom<i64>>(
    field: &str,
    number: i64,
    least: i64,
    most: i64,
) -> Result<T, Message> {
    let fits = (least..=most).contains(&number).then_some(number);
    fits.and_then(|number| number.try_into().ok())
        .ok_or_else(|| {
            Message::new(
                format!("`{field}` is {number}"),
                format!("write a number from {least} to {most}"),
            )
        })
}

/// Text on one line: no control characters.
pub fn line(value: &str) -> Validation {
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
