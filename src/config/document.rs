//! Turns the YAML tree of a config into servers: merges `common` into each of them and validates every value.

use super::fields::{FIELDS, Server};
use super::files::Files;
use super::reader::{Layer, Reader, similar, suggestion};
use super::types::integer;
use super::validate;
use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use crate::yaml::{Entry, Kind, Node};
use std::collections::HashMap;
use std::rc::Rc;

const VERSION: i64 = 2;
const SERVERS: &str = "servers";
const SECTIONS: [&str; 3] = ["config_version", "common", SERVERS];

/// Reads the servers of a config. Mistakes are reported to `diagnostics`.
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
    check_sections(entries, diagnostics);
    let common = common_layer(root.entry("common"), diagnostics);
    let version = root.entry("config_version").or(common.version);
    check_version(version, root.start, diagnostics);
    check_server_list(root, diagnostics);
    let items = server_nodes(root);
    // Validates `common` alone, as every server may override a value that has a mistake.
    let empty = Layer::default();
    let mut reader = Reader::new(root.start, &empty, &common, files, diagnostics);
    Server::read(app, &mut reader);
    let mut missing: HashMap<&str, Vec<Position>> = HashMap::new();
    let mut servers = Vec::with_capacity(items.len());
    let mut addresses = Vec::with_capacity(items.len());
    for item in items {
        if !matches!(item.kind, Kind::Map(_)) {
            let what = format!("a server is {}", item.describe());
            diagnostics.error(item.start, Message::new(what, "write `- host: …`"));
            continue;
        }
        let own = Layer::new(item, field_names(), diagnostics);
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
            validate::uniform_fields(first, &server, &mut reader);
        }
        addresses.push(validate::Address {
            is_valid: reader.are_valid(&["host", "port"]),
            server: item.start,
            // A host inherited from `common` is written before the server: then the server is the position.
            host: reader.position("host").max(item.start),
        });
        servers.push(server);
    }
    report_missing(&missing, items.len(), diagnostics);
    validate::addresses(&mut servers, &addresses, diagnostics);
    servers
}

/// All entries under `common` and under servers.
pub fn fields(root: &Node) -> impl Iterator<Item = &Entry> {
    let servers = server_nodes(root).iter().map(|server| &**server);
    let common = root.entry("common").map(|common| &*common.value);
    common
        .into_iter()
        .chain(servers)
        .flat_map(|node| match &node.kind {
            Kind::Map(entries) => &entries[..],
            _ => &[],
        })
}

/// The position of a field for the server with this index: its own entry, that of `common`, or else the server.
pub fn field_position(root: &Node, server: usize, field: &str) -> Position {
    let own = server_nodes(root).get(server);
    let common = root.entry("common").map(|common| &common.value);
    let layers = own.into_iter().chain(common);
    let mut entries = layers.filter_map(|layer| layer.entry(field));
    let start = own.map_or(root.start, |own| own.start);
    entries.next().map_or(start, Entry::position)
}

/// The items of the list under `servers`.
fn server_nodes(root: &Node) -> &[Rc<Node>] {
    match root.entry(SERVERS).map(|list| &list.value.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

/// Reports unknown keys at the top level.
fn check_sections(entries: &[Entry], diagnostics: &mut Diagnostics) {
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

/// Reports if `servers` is missing, empty or not a list.
fn check_server_list(root: &Node, diagnostics: &mut Diagnostics) {
    let Some(list) = root.entry(SERVERS) else {
        let help = "add `servers:` with `- host:`";
        let message = Message::new("there is no `servers` list", help);
        return diagnostics.error(root.start, message);
    };
    let message = match &list.value.kind {
        Kind::List(items) if !items.is_empty() => return,
        Kind::List(_) => Message::new("`servers` is empty", "add `- host:` for each server"),
        _ => {
            let what = format!("`servers` is {}", list.value.describe());
            Message::new(what, "write a list: one `- host:` for each server")
        }
    };
    diagnostics.error(list.key_position, message);
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

fn common_layer<'n>(entry: Option<&'n Entry>, diagnostics: &mut Diagnostics) -> Layer<'n> {
    let Some(entry) = entry.filter(|entry| !matches!(entry.value.kind, Kind::Null)) else {
        return Layer::default();
    };
    if !matches!(entry.value.kind, Kind::Map(_)) {
        let what = format!("`common` is {}", entry.value.describe());
        let help = "write its fields under it, indented";
        diagnostics.error(entry.key_position, Message::new(what, help));
    }
    Layer::new(&entry.value, field_names(), diagnostics)
}

/// Reports required fields that are not set. `missing` holds the positions of the servers that lack each field. A field
/// that no server has is reported once.
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

fn field_names() -> impl Iterator<Item = &'static str> + Clone {
    FIELDS.iter().map(|field| field.name)
}
