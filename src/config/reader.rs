//! From the tree of a config to its servers: `common` under each of them, every value checked.

use super::fields::{FIELDS, Field, Server};
use super::files::Files;
use super::types::{Context, Value, integer};
use super::validate;
use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use crate::yaml::{Entry, Kind, Node};
use std::collections::HashMap;

const VERSION: i64 = 2;
const SERVERS: &str = "servers";
const SECTIONS: [&str; 3] = ["config_version", "common", SERVERS];

/// The servers of a config. Mistakes are reported.
pub fn servers(
    app: &str,
    root: &Node,
    files: &mut Files,
    diagnostics: &mut Diagnostics,
) -> Vec<Server> {
    let Kind::Map(entries) = &root.kind else {
        let what = format!("the file holds {}", root.describe());
        let message = Message::new(what, "write `common:` and `servers:`");
        diagnostics.error(root.start, message);
        return Vec::new();
    };
    sections(entries, diagnostics);
    let common = common(root.entry("common"), diagnostics);
    let version = root.entry("config_version").or(common.version);
    check_version(version, root.start, diagnostics);
    let items = match root.entry(SERVERS) {
        None => {
            let what = "there is no `servers` list";
            let message = Message::new(what, "add `servers:` with `- host:`");
            diagnostics.error(root.start, message);
            &Vec::new()
        }
        Some(list) => match &list.value.kind {
            Kind::List(items) => {
                if items.is_empty() {
                    let help = "add `- host:` for each server";
                    let message = Message::new("`servers` is empty", help);
                    diagnostics.error(list.key_position, message);
                }
                items
            }
            _ => {
                let what = format!("`servers` is {}", list.value.describe());
                let help = "write a list: one `- host:` for each server";
                diagnostics.error(list.key_position, Message::new(what, help));
                &Vec::new()
            }
        },
    };
    let none = Layer::default();
    // What every server overrides is checked as well.
    Server::read(
        app,
        &mut Reader::new(root.start, &none, &common, files, diagnostics),
    );
    let mut missing: HashMap<&str, Vec<Position>> = HashMap::new();
    let mut servers = Vec::with_capacity(items.len());
    let mut addresses = Vec::with_capacity(items.len());
    for item in items {
        if !matches!(item.kind, Kind::Map(_)) {
            let what = format!("a server is {}", item.describe());
            diagnostics.error(item.start, Message::new(what, "write `- host: …`"));
            continue;
        }
        let own = Layer::new(item, diagnostics);
        if own.version.is_some() {
            check_version(own.version, item.start, diagnostics);
        }
        let mut reader = Reader::new(item.start, &own, &common, files, diagnostics);
        let mut server = Server::read(app, &mut reader);
        server.index = servers.len();
        for field in &reader.missing {
            missing.entry(field).or_default().push(item.start);
        }
        server.alone = items.len() == 1;
        validate::server(&mut server, &mut reader);
        if let Some(first) = servers.first() {
            validate::same(first, &server, &mut reader);
        }
        addresses.push(validate::Address {
            is_known: reader.is_valid("host") && reader.is_valid("port"),
            at: item.start,
            // A host under `common` is written once: then the entries of the servers are the places.
            host: reader.position("host").max(item.start),
        });
        servers.push(server);
    }
    report_missing(&missing, items.len(), diagnostics);
    validate::addresses(&mut servers, &addresses, diagnostics);
    servers
}

/// The fields of `common` and of all servers, as they are written.
pub fn fields(root: &Node) -> impl Iterator<Item = &Entry> {
    let section = |name| root.entry(name).map(|entry| &*entry.value);
    let servers = match section(SERVERS).map(|list| &list.kind) {
        Some(Kind::List(items)) => &items[..],
        _ => &[],
    };
    let mappings = section("common")
        .into_iter()
        .chain(servers.iter().map(|server| &**server));
    mappings.flat_map(|node| match &node.kind {
        Kind::Map(entries) => &entries[..],
        _ => &[],
    })
}

/// Where a field of the server at a place of the list is written, or the server itself.
pub fn field_position(root: &Node, server: usize, field: &str) -> Position {
    let section = |name| root.entry(name).map(|entry| &*entry.value);
    let own = match section(SERVERS).map(|list| &list.kind) {
        Some(Kind::List(items)) => items.get(server).map(|item| &**item),
        _ => None,
    };
    let layers = own.into_iter().chain(section("common"));
    let mut entries = layers.filter_map(|layer| layer.entry(field));
    let start = own.map_or(root.start, |own| own.start);
    entries.next().map_or(start, Entry::position)
}

fn sections(entries: &[Entry], diagnostics: &mut Diagnostics) {
    for entry in entries {
        let key = entry.key.as_str();
        if SECTIONS.contains(&key) || key.starts_with("x-") {
            continue;
        }
        let section = similar(key, SECTIONS);
        let help = match similar(key, field_names()).filter(|_| section.is_none()) {
            Some(field) if field == key => "move it under `common:` or under a server".to_owned(),
            Some(field) => format!("did you mean `{field}`, under `common:` or a server?"),
            None => suggestion(section),
        };
        let what = format!("unknown key {}", quoted(key));
        diagnostics.error(entry.key_position, Message::new(what, help));
    }
}

fn check_version(entry: Option<&Entry>, start: Position, diagnostics: &mut Diagnostics) {
    let help = "review the fields against the documentation, then write `config_version: 2`";
    let Some(entry) = entry.filter(|entry| !entry.value.is_blank()) else {
        return diagnostics.warn(start, Message::new("`config_version` is missing", help));
    };
    let number = match &entry.value.kind {
        Kind::Text(text) => integer(text).unwrap_or_default(),
        _ => None,
    };
    let position = entry.position();
    match number {
        None => {
            let what = "`config_version` is not a number";
            diagnostics.error(position, Message::new(what, "write `config_version: 2`"));
        }
        Some(version) if version < VERSION => {
            let what = format!("this config is written for version {version}");
            diagnostics.warn(position, Message::new(what, help));
        }
        Some(VERSION) => {}
        Some(version) => {
            let what = format!("`config_version` {version} is newer than this program");
            let help = "install a newer pystrano, or write a version 2 config";
            diagnostics.error(position, Message::new(what, help));
        }
    }
}

fn common<'n>(entry: Option<&'n Entry>, diagnostics: &mut Diagnostics) -> Layer<'n> {
    let Some(entry) = entry.filter(|entry| !matches!(entry.value.kind, Kind::Null)) else {
        return Layer::default();
    };
    if !matches!(entry.value.kind, Kind::Map(_)) {
        let what = format!("`common` is {}", entry.value.describe());
        let help = "write its fields under it, indented";
        diagnostics.error(entry.key_position, Message::new(what, help));
    }
    Layer::new(&entry.value, diagnostics)
}

fn report_missing(
    missing: &HashMap<&str, Vec<Position>>,
    servers: usize,
    diagnostics: &mut Diagnostics,
) {
    for field in FIELDS {
        let positions = missing.get(field.name).map_or(&[][..], Vec::as_slice);
        let everywhere = servers > 1 && positions.len() == servers && field.name != "host";
        if everywhere {
            let what = format!("`{}` is missing for every server", field.name);
            diagnostics.error(positions[0], Message::new(what, "add it under `common:`"));
            continue;
        }
        let help = field.required.unwrap_or_default();
        let message = Message::new(format!("`{}` is missing", field.name), help);
        for position in positions {
            diagnostics.error(*position, message.clone());
        }
    }
}

/// The fields of `common` or of a server.
#[derive(Default)]
pub struct Layer<'n> {
    entries: Vec<&'n Entry>,
    /// `config_version`, which the Python tool also reads here.
    version: Option<&'n Entry>,
    /// Fields that unknown keys probably mean.
    meant: Vec<&'static str>,
}

impl<'n> Layer<'n> {
    /// The fields of a mapping. Unknown keys are reported.
    fn new(node: &'n Node, diagnostics: &mut Diagnostics) -> Self {
        let mut layer = Layer::default();
        let Kind::Map(entries) = &node.kind else {
            return layer;
        };
        for entry in entries {
            let key = entry.key.as_str();
            if key == "config_version" {
                layer.version = Some(entry);
            } else if field_names().any(|name| name == key) {
                layer.entries.push(entry);
            } else if !key.starts_with("x-") {
                let meant = similar(key, field_names());
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
    missing: Vec<&'static str>,
    files: &'r mut Files,
    pub diagnostics: &'r mut Diagnostics<'s>,
}

impl<'r, 's> Reader<'r, 's> {
    fn new(
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

    /// Reports a mistake in the value of a field.
    pub fn error(&mut self, field: &str, message: Message) {
        self.diagnostics.error(self.position(field), message);
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

fn field_names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|Field { name, .. }| *name)
}

/// "did you mean", or what to do with a key that is like no other.
fn suggestion(meant: Option<&str>) -> String {
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
