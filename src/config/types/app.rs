//! The app's place in its repository, shared paths, dependency sets and hooks.

use super::path::{collapse, no_parent};
use super::raw::{self, Text};
use super::system::{Command, secret_name};
use super::{
    Context, Item, Rule, Scalar, Validation, Value, ensure, refuse, single_line, text_struct,
    text_type,
};
use crate::config::reader::similar;
use crate::diagnostics::{Message, quoted};
use crate::yaml::{Entry, Kind};
use serde_json::{Value as Json, json};

text_struct! {
    /// The app's directory in the repository; empty for the top.
    AppDir
}

impl AppDir {
    pub fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    /// The components of the path.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }
}

impl Rule for AppDir {
    fn check(text: &str) -> Validation {
        relative(text)
    }

    fn new(text: String) -> Self {
        AppDir(collapse(&text))
    }
}

text_struct! {
    /// A path in `shared/`, to which a link in every release points.
    SharedPath
}

impl Item for SharedPath {
    fn add(list: &mut Vec<Self>, item: &str, _: &mut Context) -> Validation {
        relative(item)?;
        let path = collapse(item);
        let first = path.split('/').next().unwrap_or_default();
        if first.is_empty() {
            return refuse(
                format!("{} is the whole directory of the app", quoted(item)),
                "name what is shared in it",
            );
        }
        secret_name(first).map_err(|_| {
            let what = format!("{} is taken on the host", quoted(first));
            let help = match first {
                "media" => "leave it out: `media` is shared in any case",
                _ => "choose another path",
            };
            Message::new(what, help)
        })?;
        list.push(SharedPath(path));
        Ok(())
    }
}

/// Checks that a path is relative, stays inside its directory, and does not lead into `.git` or `.pystrano`.
fn relative(text: &str) -> Validation {
    single_line(text)?;
    no_parent(text)?;
    if text.starts_with(['/', '~']) {
        return refuse(
            format!("{} is not in the app's repository", quoted(text)),
            "write a path in it, like backend",
        );
    }
    let reserved = text
        .split('/')
        .find(|part| matches!(*part, ".git" | ".pystrano"));
    match reserved {
        Some(part) => refuse(
            format!(
                "{} is in {}, which is not the app's",
                quoted(text),
                quoted(part)
            ),
            "choose another path",
        ),
        None => Ok(()),
    }
}

text_type! {
    /// The name of an extra or of a dependency group.
    DependencySet, dependency_set
}

impl Item for DependencySet {
    fn add(list: &mut Vec<Self>, item: &str, _: &mut Context) -> Validation {
        dependency_set(item)?;
        list.push(DependencySet(item.to_owned()));
        Ok(())
    }
}

fn dependency_set(value: &str) -> Validation {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ensure(
        value.starts_with(|c: char| c.is_ascii_alphanumeric()) && value.chars().all(fits),
        || format!("{} is not the name of a group or an extra", quoted(value)),
        "write it as pyproject.toml has it, like prod",
    )
}

/// The app's own commands, by the point of a deploy at which they run.
#[derive(Debug, Clone, Default)]
pub struct Hooks(Vec<(&'static str, Vec<Command>)>);

/// The points of a deploy, in order. Commands of the last two run on the controller.
const POINTS: [&str; 8] = [
    "after_dependencies",
    "before_static",
    "after_static",
    "before_migrate",
    "before_promote",
    "after_promote",
    Hooks::ON_SUCCESS,
    Hooks::ON_FAILURE,
];

impl Hooks {
    /// After a deploy or rollback succeeded on all servers.
    pub const ON_SUCCESS: &str = "on_success";
    /// After a deploy or rollback did not succeed on all servers.
    pub const ON_FAILURE: &str = "on_failure";

    /// The commands of a point, in the order of the config.
    pub fn at(&self, point: &str) -> &[Command] {
        let hooks = self.0.iter().find(|(name, _)| *name == point);
        hooks.map_or(&[], |(_, commands)| commands)
    }

    /// The commands of all points.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.0.iter().flat_map(|(_, commands)| commands)
    }

    /// The commands of the points for which `wanted` is true.
    pub fn commands_mut(
        &mut self,
        wanted: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = &mut Command> {
        let hooks = self.0.iter_mut();
        let hooks = hooks.filter(move |(point, _)| wanted(point));
        hooks.flat_map(|(_, commands)| commands)
    }

    /// Whether no command runs on the host.
    pub fn is_empty(&self) -> bool {
        let on_controller = [Hooks::ON_SUCCESS, Hooks::ON_FAILURE];
        self.0
            .iter()
            .all(|(point, _)| on_controller.contains(point))
    }
}

impl Value for Hooks {
    /// Skips commands with mistakes, so that all mistakes are reported at once.
    fn read(entry: &Entry, context: &mut Context) -> Option<Self> {
        let Kind::Map(entries) = &entry.value.kind else {
            let what = format!("`hooks` is {}", entry.value.describe());
            let help = format!(
                "write points with their commands under it: {}",
                POINTS.join(", ")
            );
            context
                .diagnostics
                .error(entry.position(), Message::new(what, help));
            return None;
        };
        let mut hooks = Hooks::default();
        for entry in entries {
            let key = entry.key.as_str();
            let Some(point) = POINTS.into_iter().find(|point| *point == key) else {
                if !key.starts_with("x-") {
                    let what = format!("{} is not a point of a deploy", quoted(key));
                    let help = match similar(key, POINTS) {
                        Some(point) => format!("did you mean {}?", quoted(point)),
                        None => format!("the points are {}", POINTS.join(", ")),
                    };
                    let message = Message::new(what, help);
                    context.diagnostics.error(entry.key_position, message);
                }
                continue;
            };
            let mut commands = Vec::new();
            let items = match &entry.value.kind {
                Kind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&entry.value),
            };
            for item in items.iter().filter(|item| !item.is_blank()) {
                context.position = item.start;
                let command = raw::read_item(item, context.field)
                    .and_then(|text: Text| Command::parse(text, context));
                match command {
                    Ok(command) => commands.push(command),
                    Err(message) => context.diagnostics.error(item.start, message),
                }
            }
            if !commands.is_empty() {
                hooks.0.push((point, commands));
            }
        }
        Some(hooks)
    }

    fn schema() -> Json {
        let commands = json!({"anyOf": [
            {"type": ["string", "null"]},
            {"type": "array", "items": {"type": ["string", "null"]}},
        ]});
        let points: serde_json::Map<String, Json> = POINTS
            .into_iter()
            .map(|point| (point.to_owned(), commands.clone()))
            .collect();
        json!({
            "type": ["object", "null"],
            "properties": points,
            "patternProperties": {"^x-": true},
            "additionalProperties": false,
        })
    }
}
