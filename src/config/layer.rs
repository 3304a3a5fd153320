//! `common` under a server: which field counts, and where it is written.

use super::diagnostic::{Mark, Problem, quoted};
use super::resolve::Resolver;
use super::settings::Settings;
use super::yaml::{Entry, Kind, Node};
use serde_yaml::{Mapping, Value};

/// Fields for which `false` is a value. For all others it means "not set".
const FLAGS: [&str; 4] = [
    "run_migrations",
    "collect_static_files",
    "forward_agent",
    "clone_depth",
];

/// The fields of `common` or of a server.
#[derive(Default)]
pub struct Layer<'a> {
    entries: Vec<&'a Entry>,
    values: Mapping,
    /// `config_version`, which the Python tool also reads here.
    pub version: Option<&'a Entry>,
}

/// Where the fields of one server are written.
pub struct Scope<'a> {
    /// The server itself.
    pub at: Mark,
    own: &'a [&'a Entry],
    common: &'a [&'a Entry],
}

impl<'a> Scope<'a> {
    pub fn new(at: Mark, own: &'a Layer, common: &'a Layer) -> Self {
        Scope {
            at,
            own: &own.entries,
            common: &common.entries,
        }
    }

    pub fn entry(&self, field: &str) -> Option<&'a Entry> {
        let named = |entry: &&&Entry| entry.key == field;
        self.own
            .iter()
            .find(named)
            .or_else(|| self.common.iter().find(named))
            .copied()
    }

    /// Where the value of a field stands; the server's place for a field that is not written.
    pub fn mark(&self, field: &str) -> Mark {
        self.entry(field).map_or(self.at, value_mark)
    }
}

impl Resolver<'_> {
    /// The fields of a mapping. Unknown keys are reported.
    pub fn layer<'a>(&mut self, node: &'a Node) -> Layer<'a> {
        let mut layer = Layer::default();
        let Kind::Map(entries) = &node.kind else {
            return layer;
        };
        for entry in entries {
            let key = entry.key.as_str();
            if key == "config_version" {
                layer.version = Some(entry);
            } else if Settings::fields().contains(&key) {
                layer.entries.push(entry);
                layer.values.insert(key.into(), value(&entry.value));
                self.warn_unset(entry);
            } else if !key.starts_with("x-") {
                let what = format!("unknown key {}", quoted(key));
                let help = suggestion(key, Settings::fields());
                self.error(entry.key_mark, Problem::new(what, help));
            }
        }
        layer
    }

    /// The layer without values of the wrong type, which are reported.
    pub fn typed<'a>(&mut self, mut layer: Layer<'a>) -> Layer<'a> {
        for entry in &layer.entries {
            let key = Value::from(entry.key.as_str());
            let Some(value) = layer.values.get(&key) else {
                continue;
            };
            let one = Mapping::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = serde_yaml::from_value::<Settings>(one.into()) {
                let text = error.to_string();
                let (what, help) = text.split_once("; ").unwrap_or((&text, "correct it"));
                let what = format!("`{}`: {what}", entry.key);
                self.error(wrong_mark(entry), Problem::new(what, help));
                layer.values.remove(&key);
            }
        }
        layer
    }

    /// A server's fields over those of `common`, and what they say together.
    pub fn settings<'a>(&mut self, own: Layer<'a>, common: &Layer) -> (Layer<'a>, Settings) {
        let over = |own: &Layer| {
            let mut values = common.values.clone();
            values.extend(own.values.clone());
            serde_yaml::from_value(values.into())
        };
        match over(&own) {
            Ok(settings) => (own, settings),
            Err(_) => {
                let own = self.typed(own);
                let settings = over(&own).unwrap_or_default();
                (own, settings)
            }
        }
    }

    fn warn_unset(&mut self, entry: &Entry) {
        let is_false = matches!(entry.value.kind, Kind::Bool(false));
        if is_false && !FLAGS.contains(&entry.key.as_str()) {
            let what = format!("an unquoted no, off or false leaves `{}` unset", entry.key);
            let help = "put quotes around it, or leave the value out";
            self.warn(value_mark(entry), Problem::new(what, help));
        }
    }

    /// Where an item of a list field stands.
    pub fn item_mark(&self, scope: &Scope, field: &str, item: &str) -> Mark {
        let Some(entry) = scope.entry(field) else {
            return scope.at;
        };
        let node = &entry.value;
        if let Kind::List(items) = &node.kind {
            for of_list in items {
                if matches!(&of_list.kind, Kind::Text(text) if text.trim() == item) {
                    return of_list.start;
                }
            }
        }
        self.source.find(item, node.start, node.end)
    }
}

/// A node for serde, as deep as a field can be: lists inside lists keep nothing.
fn value(node: &Node) -> Value {
    let flat = |node: &Node| match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::List(_) => Value::Sequence(Vec::new()),
        Kind::Map(_) => Value::Mapping(Mapping::new()),
    };
    match &node.kind {
        Kind::List(items) => items.iter().map(|item| flat(item)).collect(),
        _ => flat(node),
    }
}

/// Where a value stands; its key for an empty one.
pub fn value_mark(entry: &Entry) -> Mark {
    match entry.value.kind {
        Kind::Null => entry.key_mark,
        _ => entry.value.start,
    }
}

/// Where a value of the wrong type stands: in a list, the item that is not text.
fn wrong_mark(entry: &Entry) -> Mark {
    let Kind::List(items) = &entry.value.kind else {
        return value_mark(entry);
    };
    items
        .iter()
        .find(|item| !matches!(item.kind, Kind::Null | Kind::Text(_)))
        .map_or(value_mark(entry), |item| item.start)
}

/// "did you mean", or what to do with a key that is like no other.
pub fn suggestion(key: &str, known: &[&str]) -> String {
    /// Below this, two names are not a slip of each other.
    const SIMILAR: f64 = 0.7;
    let plain = key.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&plain, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or_else(
            || "remove it, or start it with `x-` to have it ignored".to_owned(),
            |(_, name)| format!("did you mean {}?", quoted(name)),
        )
}
