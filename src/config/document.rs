//! From the tree of a config to its servers: `common` under each of them, every value checked.

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
    check_list(root, diagnostics);
    let items = written_servers(root);
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
            validate::same(first, &server, &mut reader);
        }
        addresses.push(validate::Address {
            is_known: reader.are_valid(&["host", "port"]),
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
    let servers = written_servers(root).iter().map(|server| &**server);
    let common = root.entry("common").map(|common| &*common.value);
    common
        .into_iter()
        .chain(servers)
        .flat_map(|node| match &node.kind {
            Kind::Map(entries) => &entries[..],
            _ => &[],
        })
}

/// Where a field of the server at a place of the list is written, or the server itself.
pub fn field_position(root: &Node, server: usize, field: &str) -> Position {
    let own = written_servers(root).get(server);
    let common = root.entry("common").map(|common| &common.value);
    let layers = own.into_iter().chain(common);
    let mut entries = layers.filter_map(|layer| layer.entry(field));
    let start = own.map_or(root.start, |own| own.start);
    entries.next().map_or(start, Entry::position)
}

/// The items of the list of servers.
fn written_servers(root: &Node) -> &[Rc<Node>] {
    match root.entry(SERVERS).map(|list| &list.value.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
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

/// Reports a list of servers that is missing, empty or no list.
fn check_list(root: &Node, diagnostics: &mut Diagnostics) {
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

fn common<'n>(entry: Option<&'n Entry>, diagnostics: &mut Diagnostics) -> Layer<'n> {
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
