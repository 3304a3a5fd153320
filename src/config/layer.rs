//! `common` under a server: which field counts, and where it is written.

use super::diagnostic::{Mark, Problem, quoted};
use super::resolve::Resolver;
use super::settings::Settings;
use super::yaml::{Entry, Kind, Node};
use serde_yaml::{Mapping, Value};

/// Fields for which `false` is a value. For all others it means "not set".
const FLAGS: [&str; 5] = [
    "run_migrations",
    "submodules",
    "collect_static_files",
    "forward_agent",
    "clone_depth",
];

/// Fields that hold a list.
const LISTS: [&str; 3] = ["system_packages", "ssh_known_hosts", "secrets"];

/// The fields of `common` or of a server.
#[derive(Default)]
pub struct Layer<'a> {
    entries: Vec<&'a Entry>,
    values: Mapping,
    /// Fields that are written, but with a mistake that was reported.
    refused: Vec<&'static str>,
    /// `config_version`, which the Python tool also reads here.
    pub version: Option<&'a Entry>,
}

/// Where the fields of one server are written.
pub struct Scope<'a> {
    /// The server itself.
    pub at: Mark,
    own: &'a Layer<'a>,
    common: &'a Layer<'a>,
}

impl<'a> Scope<'a> {
    pub fn new(at: Mark, own: &'a Layer, common: &'a Layer) -> Self {
        Scope { at, own, common }
    }

    /// Whether the field is written with a mistake that was reported already.
    pub fn is_refused(&self, field: &str) -> bool {
        [self.own, self.common]
            .iter()
            .any(|layer| layer.refused.contains(&field))
    }

    pub fn entry(&self, field: &str) -> Option<&'a Entry> {
        let named = |entry: &&&Entry| entry.key == field;
        [self.own, self.common]
            .iter()
            .find_map(|layer| layer.entries.iter().find(named))
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
            } else if field_name(key).is_some() {
                layer.entries.push(entry);
                layer.values.insert(key.into(), value(&entry.value));
                self.warn_unset(entry);
            } else if !key.starts_with("x-") {
                let meant = similar(key, Settings::fields());
                layer.refused.extend(meant);
                let what = format!("unknown key {}", quoted(key));
                self.error(entry.key_mark, Problem::new(what, suggestion(meant)));
            }
        }
        layer
    }

    /// The layer without values and items of the wrong type, which are reported.
    pub fn typed<'a>(&mut self, mut layer: Layer<'a>) -> Layer<'a> {
        for entry in &layer.entries {
            let Some(field) = layer.values.get_mut(entry.key.as_str()) else {
                continue;
            };
            let mistake = |value: &Value| {
                let one = Mapping::from_iter([(entry.key.as_str().into(), value.clone())]);
                let error = serde_yaml::from_value::<Settings>(one.into()).err()?;
                let text = error.to_string();
                let (what, help) = text.split_once("; ").unwrap_or((&text, "correct it"));
                Some(Problem::new(format!("`{}`: {what}", entry.key), help))
            };
            if let (Value::Sequence(values), Kind::List(nodes)) = (&mut *field, &entry.value.kind) {
                let mut nodes = nodes.iter();
                values.retain(|value| {
                    let mark = nodes.next().map_or(entry.key_mark, |node| node.start);
                    let mistake = mistake(&Value::Sequence(vec![value.clone()]));
                    // A list in place of one value is a mistake of the field.
                    match mistake.filter(|_| LISTS.contains(&entry.key.as_str())) {
                        None => true,
                        Some(problem) => {
                            self.error(mark, problem);
                            false
                        }
                    }
                });
            }
            if let Some(problem) = mistake(field) {
                self.error(value_mark(entry), problem);
                layer.values.remove(entry.key.as_str());
                layer.refused.extend(field_name(&entry.key));
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
        self.source.find_item(item, node.start, node.end)
    }
}

/// The name of a field, of the program itself.
fn field_name(key: &str) -> Option<&'static str> {
    let fields = Settings::fields().iter();
    fields.copied().find(|name| *name == key)
}

/// A node for serde, as deep as a field can be: lists inside lists keep nothing.
fn value(node: &Node) -> Value {
    let flat = |node: &Node| match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Text(text) => match text.parse::<i64>() {
            // Told apart from its quoted form, which is no boolean.
            Ok(number) if node.plain && number.to_string() == *text => number.into(),
            _ => Value::String(text.clone()),
        },
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

/// "did you mean", or what to do with a key that is like no other.
pub fn suggestion(meant: Option<&str>) -> String {
    match meant {
        Some(name) => format!("did you mean {}?", quoted(name)),
        None => "remove it, or start it with `x-` to have it ignored".to_owned(),
    }
}

/// The known name of which a key is a slip.
pub fn similar(key: &str, known: &[&'static str]) -> Option<&'static str> {
    /// Below this, two names are not a slip of each other.
    const SIMILAR: f64 = 0.7;
    let plain = key.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&plain, name), *name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
