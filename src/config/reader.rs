//! The fields of one server: its own, then those of `common`.

use super::files::Files;
use super::types::{Context, Value};
use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use crate::yaml::{Entry, Kind, Node};
use std::rc::Rc;

/// The fields of `common` or of a server.
#[derive(Default)]
pub struct Layer<'n> {
    entries: Vec<&'n Entry>,
    /// `config_version`, which the Python tool also reads here.
    pub version: Option<&'n Entry>,
    /// Fields that unknown keys probably mean.
    meant: Vec<&'static str>,
}

impl<'n> Layer<'n> {
    /// The fields of a mapping. Keys that are not `known` are reported.
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
                let meant = similar(key, known.clone());
                layer.meant.extend(meant);
                let what = format!("unknown key {}", quoted(key));
                let message = Message::new(what, suggestion(meant));
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

/// What is read for a field.
pub enum Found<T> {
    Value(T),
    /// It has a mistake, which was reported.
    Refused,
    Unset,
}

/// Reads the fields of one server.
pub struct Reader<'r, 's> {
    /// Where the server stands.
    at: Position,
    own: &'r Layer<'r>,
    common: &'r Layer<'r>,
    /// Fields with a mistake that was reported.
    refused: Vec<&'static str>,
    /// Required fields that are not set.
    pub missing: Vec<&'static str>,
    files: &'r mut Files,
    pub diagnostics: &'r mut Diagnostics<'s>,
}

impl<'r, 's> Reader<'r, 's> {
    pub fn new(
        at: Position,
        own: &'r Layer<'r>,
        common: &'r Layer<'r>,
        files: &'r mut Files,
        diagnostics: &'r mut Diagnostics<'s>,
    ) -> Self {
        Reader {
            at,
            own,
            common,
            refused: [&own.meant[..], &common.meant].concat(),
            missing: Vec::new(),
            files,
            diagnostics,
        }
    }

    fn entry(&self, field: &str) -> Option<&'r Entry> {
        self.own.entry(field).or_else(|| self.common.entry(field))
    }

    /// Where the value of a field stands; the server's position for a field that is not written.
    pub fn position(&self, field: &str) -> Position {
        self.entry(field).map_or(self.at, Entry::position)
    }

    /// Whether a field is set.
    pub fn is_set(&self, field: &str) -> bool {
        let entry = self.entry(field);
        entry.is_some_and(|entry| !entry.value.is_blank() && !is_false(entry))
    }

    /// Whether the value of a field is the one that the config says, or its default.
    pub fn is_valid(&self, field: &str) -> bool {
        !self.refused.contains(&field) && !self.missing.contains(&field)
    }

    /// The same for several fields.
    pub fn are_valid(&self, fields: &[&str]) -> bool {
        fields.iter().all(|field| self.is_valid(field))
    }

    /// Reports a mistake in the value of a field.
    pub fn error(&mut self, field: &str, message: Message) {
        self.diagnostics.error(self.position(field), message);
    }

    /// Reports a mistake in an item of a list, at the last one that is written so.
    pub fn item_error(&mut self, field: &str, item: &str, message: Message) {
        let position = self.item_position(field, item);
        self.diagnostics.error(position, message);
    }

    /// Where an item stands; the position of its list where it is not written in one piece.
    fn item_position(&self, field: &str, item: &str) -> Position {
        let Some(node) = self.entry(field).map(|entry| &entry.value) else {
            return self.at;
        };
        match &node.kind {
            Kind::List(items) => {
                let is_written_so = |node: &&Rc<Node>| match &node.kind {
                    Kind::Text(text) => text.trim() == item,
                    _ => false,
                };
                let found = items.iter().rfind(is_written_so);
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

    pub fn field<T: Value>(&mut self, field: &'static str) -> Found<T> {
        let is_unset = |entry: &&Entry| entry.value.is_blank() && !T::TAKES_EMPTY;
        let Some(entry) = self.entry(field).filter(|entry| !is_unset(entry)) else {
            return Found::Unset;
        };
        if is_false(entry) && !T::TAKES_FALSE {
            let what = format!("an unquoted no, off or false leaves `{field}` unset");
            let help = "put quotes around it, or leave the value out";
            self.warn(field, Message::new(what, help));
            return Found::Unset;
        }
        match self.read(field, entry) {
            Some(value) => Found::Value(value),
            None => {
                self.refused.push(field);
                Found::Refused
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

    /// A default, written as in a config.
    pub fn default<T: Value + Default>(&mut self, field: &'static str, text: &str) -> T {
        let entry = Entry {
            key: field.to_owned(),
            key_position: self.at,
            value: Node::text(text).into(),
        };
        self.read(field, &entry).unwrap_or_default()
    }

    /// Notes that a required field is not set.
    pub fn missing(&mut self, field: &'static str) {
        if !self.refused.contains(&field) {
            self.missing.push(field);
        }
    }
}

fn is_false(entry: &Entry) -> bool {
    matches!(entry.value.kind, Kind::Bool(false))
}

/// "did you mean", or what to do with a key that is like no other.
pub fn suggestion(meant: Option<&str>) -> String {
    match meant {
        Some(name) => format!("did you mean {}?", quoted(name)),
        None => "remove it, or start it with `x-` to have it ignored".to_owned(),
    }
}

/// The known name that is most like a key, if one is like it.
pub fn similar<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    /// Below this, two names have nothing to do with each other.
    const SIMILAR: f64 = 0.7;
    let plain = key.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&plain, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
