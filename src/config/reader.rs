//! Reads the fields of a server from its own entries and those of `common`.

use super::files::Files;
use super::types::{Context, Value};
use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use crate::yaml::{Entry, Kind, Node};
use std::rc::Rc;

/// The entries of `common` or of a server.
#[derive(Default)]
pub struct Layer<'n> {
    entries: Vec<&'n Entry>,
    /// `config_version`, which the Python tool also accepts here.
    pub version: Option<&'n Entry>,
    /// Fields that unknown keys are probably misspellings of.
    misspelled: Vec<&'static str>,
}

impl<'n> Layer<'n> {
    /// Collects the entries of a mapping. Reports keys that are not in `known`.
    pub fn new(
        node: &'n Node,
        known: impl Iterator<Item = &'static str> + Clone,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut layer = Layer::default();
        let Kind::Map(entries) = &node.kind else {
            return layer;
        };
        for entry in entries {
            let key = entry.key.as_str();
            if key == "config_version" {
                layer.version = Some(entry);
            } else if known.clone().any(|name| name == key) {
                layer.entries.push(entry);
            } else if !key.starts_with("x-") {
                let field = similar(key, known.clone());
                layer.misspelled.extend(field);
                let what = format!("unknown key {}", quoted(key));
                let message = Message::new(what, suggestion(field));
                diagnostics.error(entry.key_position, message);
            }
        }
        layer
    }

    fn entry(&self, field: &str) -> Option<&'n Entry> {
        self.entries
            .iter()
            .find(|entry| entry.key == field)
            .copied()
    }
}

/// The result of reading a field.
pub enum FieldValue<T> {
    Valid(T),
    /// The value has a mistake, which was reported.
    Invalid,
    Unset,
}

/// Reads the fields of one server.
pub struct Reader<'r, 's> {
    /// The position of the server.
    start: Position,
    own: &'r Layer<'r>,
    common: &'r Layer<'r>,
    /// Fields with a reported mistake, including fields whose names are misspelled.
    invalid: Vec<&'static str>,
    /// Required fields that are not set.
    pub missing: Vec<&'static str>,
    files: &'r mut Files,
    pub diagnostics: &'r mut Diagnostics<'s>,
}

impl<'r, 's> Reader<'r, 's> {
    pub fn new(
        start: Position,
        own: &'r Layer<'r>,
        common: &'r Layer<'r>,
        files: &'r mut Files,
        diagnostics: &'r mut Diagnostics<'s>,
    ) -> Self {
        Reader {
            start,
            own,
            common,
            invalid: [&own.misspelled[..], &common.misspelled].concat(),
            missing: Vec::new(),
            files,
            diagnostics,
        }
    }

    fn entry(&self, field: &str) -> Option<&'r Entry> {
        self.own.entry(field).or_else(|| self.common.entry(field))
    }

    /// The position of a field's value, or of the server if the field is not written.
    pub fn position(&self, field: &str) -> Position {
        self.entry(field).map_or(self.start, Entry::position)
    }

    /// Whether a field is written and not unset with a blank value or `false`.
    pub fn is_set(&self, field: &str) -> bool {
        let entry = self.entry(field);
        entry.is_some_and(|entry| !entry.value.is_blank() && !is_false(entry))
    }

    /// Whether a field was read without a mistake, so that its value is meaningful for further checks.
    pub fn is_valid(&self, field: &str) -> bool {
        !self.invalid.contains(&field) && !self.missing.contains(&field)
    }

    /// Whether all of these fields are valid.
    pub fn are_valid(&self, fields: &[&str]) -> bool {
        fields.iter().all(|field| self.is_valid(field))
    }

    /// Reports a mistake in the value of a field.
    pub fn error(&mut self, field: &str, message: Message) {
        self.diagnostics.error(self.position(field), message);
    }

    /// Reports a mistake in an item of a list, at the last item with this text.
    pub fn item_error(&mut self, field: &str, item: &str, message: Message) {
        let position = self.item_position(field, item);
        self.diagnostics.error(position, message);
    }

    /// The position of an item, or of its list if the item does not appear there verbatim.
    fn item_position(&self, field: &str, item: &str) -> Position {
        let Some(node) = self.entry(field).map(|entry| &entry.value) else {
            return self.start;
        };
        match &node.kind {
            Kind::List(items) => {
                let is_item = |node: &&Rc<Node>| match &node.kind {
                    Kind::Text(text) => text.trim() == item,
                    _ => false,
                };
                let found = items.iter().rfind(is_item);
                found.map_or(node.start, |node| node.start)
            }
            _ => self
                .diagnostics
                .source
                .find_item(item, node.start, node.end),
        }
    }

    /// Reports a warning about the value of a field.
    pub fn warn(&mut self, field: &str, message: Message) {
        self.diagnostics.warn(self.position(field), message);
    }

    /// Reads a field. Reports mistakes, and marks the field as invalid if there are any.
    pub fn field<T: Value>(&mut self, field: &'static str) -> FieldValue<T> {
        let is_unset = |entry: &&Entry| entry.value.is_blank() && !T::TAKES_EMPTY;
        let Some(entry) = self.entry(field).filter(|entry| !is_unset(entry)) else {
            return FieldValue::Unset;
        };
        if is_false(entry) && !T::TAKES_FALSE {
            let what = format!("an unquoted no, off or false leaves `{field}` unset");
            let help = "put quotes around it, or leave the value out";
            self.warn(field, Message::new(what, help));
            return FieldValue::Unset;
        }
        match self.read(field, entry) {
            Some(value) => FieldValue::Valid(value),
            None => {
                self.invalid.push(field);
                FieldValue::Invalid
            }
        }
    }

    fn read<T: Value>(&mut self, field: &'static str, entry: &Entry) -> Option<T> {
        let mut context = Context {
            field,
            position: entry.position(),
            files: self.files,
            diagnostics: self.diagnostics,
        };
        T::read(entry, &mut context)
    }

    /// Reads the default of a field from text as it could be written in a config.
    pub fn default<T: Value + Default>(&mut self, field: &'static str, text: &str) -> T {
        let entry = Entry {
            key: field.to_owned(),
            key_position: self.start,
            value: Node::text(text).into(),
        };
        self.read(field, &entry).unwrap_or_default()
    }

    /// Records that a required field is not set, unless its name is misspelled.
    pub fn set_missing(&mut self, field: &'static str) {
        if !self.invalid.contains(&field) {
            self.missing.push(field);
        }
    }
}

fn is_false(entry: &Entry) -> bool {
    matches!(entry.value.kind, Kind::Bool(false))
}

/// The help for an unknown key, given the known key that is most similar to it.
pub fn suggestion(similar: Option<&str>) -> String {
    match similar {
        Some(name) => format!("did you mean {}?", quoted(name)),
        None => "remove it, or start it with `x-` to have it ignored".to_owned(),
    }
}

/// The known name that is most similar to a key, if any is similar enough.
pub fn similar<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    /// Minimum normalized Damerau-Levenshtein similarity.
    const MIN_SIMILARITY: f64 = 0.7;
    let key = key.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&key, name), name))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
