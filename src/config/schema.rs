//! The JSON Schema of a config, for editors. It says what can be said of the fields one by one;
//! `check` finds more.

use super::settings::{Settings, names_of};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

/// Fields that every server needs, of its own or from `common`.
const REQUIRED: [&str; 5] = [
    "host",
    "source_code_url",
    "project_root",
    "project_user",
    "venv_dir",
];

/// Draft-07, generated from [`Settings`].
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut settings = Value::from(generator.into_root_schema_for::<Settings>());
    if let Some(settings) = settings.as_object_mut() {
        settings.remove("$schema");
        settings.insert("additionalProperties".to_owned(), false.into());
        settings.insert("patternProperties".to_owned(), json!({"^x-": true}));
        for (name, field) in settings["properties"].as_object_mut().into_iter().flatten() {
            let Some(field) = field.as_object_mut() else {
                continue;
            };
            // That an absent field is null is nothing to show.
            field.remove("default");
            // These speak of values of their own type only, so they add to what the field allows.
            if let Some(pattern) = pattern(name) {
                field.insert("pattern".to_owned(), format!(r"^(?:\s*|{pattern})$").into());
            }
            if name.ends_with("_user") {
                field.insert("not".to_owned(), json!({"type": "number"}));
            }
            if let Some((least, most)) = range(name) {
                field.insert("minimum".to_owned(), least.into());
                field.insert("maximum".to_owned(), most.into());
            }
        }
    }
    let mut common = settings.clone();
    common["properties"]["config_version"] = version();
    let required = REQUIRED.map(|field| {
        let there = json!({
            "type": "object",
            "required": [field],
            "properties": {field: {"not": {"enum": [null, "", false]}}},
        });
        json!({"anyOf": [
            {"properties": {"common": there}, "required": ["common"]},
            {"properties": {"servers": {"items": there}}},
        ]})
    });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "deployment.yml",
        "description": "How pystrano deploys one app to one environment",
        "type": "object",
        "properties": {
            "config_version": version(),
            "common": {"description": "What all servers share", "anyOf": [common, {"type": "null"}]},
            "servers": {
                "description": "The servers; each may override the fields of common",
                "type": "array",
                "minItems": 1,
                "items": settings,
            },
        },
        "patternProperties": {"^x-": true},
        "additionalProperties": false,
        "required": ["servers"],
        "allOf": required,
    })
}

/// Control characters, inside a class.
macro_rules! control {
    () => {
        r"\x00-\x1f\x7f-\x9f"
    };
}
/// No part of a path is `..`.
macro_rules! no_parent {
    () => {
        r"(?!(?:.*/)?\.\.(?:/|$))"
    };
}
/// A Debian package, as `rules::package` takes it.
const PACKAGE: &str = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?(?:[=/][A-Za-z0-9+.:~_-]+)?";

/// What the text of a field must look like, after `rules`.
fn pattern(field: &str) -> Option<&'static str> {
    Some(match field {
        "host" => concat!(
            r"(?!-)(?!\.+$)(?![^:]*:[^:]*$)[^",
            control!(),
            r#"\s'`"$\\;&<>|(){}/@\[\]]*"#
        ),
        "setup_user" | "project_user" => r"(?![-.])(?![0-9]+$)[A-Za-z0-9_.-]{1,32}",
        "project_root" => concat!(r"(?!/+$)", no_parent!(), "[^", control!(), "]*"),
        "venv_dir" => concat!(r"(?!/+$)", no_parent!(), "[^", control!(), ":]*"),
        "dependency_file" => concat!("(?![-/])", no_parent!(), "[^", control!(), "]*"),
        "source_code_url" => concat!("(?!-)[^", control!(), "]*"),
        "branch" => concat!(
            r"(?!-)(?!(?:HEAD|@)$)(?!.*\.\.)(?!.*@\{)(?!/)(?!.*//)(?!.*[/.]$)(?!(?:.*/)?\.)(?!.*\.lock(?:/|$))[^",
            control!(),
            r" ~^:?*\[\\]*"
        ),
        "revision" => concat!("(?!-)[^", control!(), r"\s]*"),
        "dependency_install_command" | "migration_command" | "static_files_command" => {
            r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*"
        }
        "health_check_url" => {
            concat!(
                r"unix:(?:/[^:/\s",
                control!(),
                r"]+)+:/[^\s",
                control!(),
                r"]*|[hH][tT][tT][pP][sS]?://(?:[^/?#\s@:]+|\[[^/?#\s@]*\])(?::[0-9]+)?(?:[/?#][^\s",
                control!(),
                "]*)?"
            )
        }
        "health_check_host" => r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]+)?",
        "health_check_statuses" => {
            r"\s*[1-5][0-9]{2}(?:\s*-\s*[1-5][0-9]{2})?(?:\s*,\s*[1-5][0-9]{2}(?:\s*-\s*[1-5][0-9]{2})?)*\s*"
        }
        "env_file" | "deploy_key" => concat!("[^", control!(), "]*"),
        "service_file" => concat!(
            "(?:[^",
            control!(),
            r"]*/)?(?![-.])[A-Za-z0-9:_.@\\-]*[A-Za-z0-9:_.\\-]\.(?:service|socket|target|timer|path|mount|automount|slice)"
        ),
        _ => return None,
    })
}

/// The numbers that a field takes.
fn range(field: &str) -> Option<(i64, i64)> {
    match field {
        "port" => Some((1, 65_535)),
        "health_check_timeout" => Some((1, 86_400)),
        "keep_releases" => Some((i64::from(i32::MIN), 1_000_000)),
        _ => None,
    }
}

fn version() -> Value {
    json!({
        "description": "Version of the format: 2",
        "anyOf": [
            {"const": 2},
            {"type": "integer", "maximum": 2},
            {"type": "string", "pattern": r"^\s*[+-]?[0-2]?\s*$"},
            {"type": "null"},
        ],
    })
}

/// Text. Numbers are taken as they are written, `false` for nothing.
pub fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": ["string", "number", "null"]}, {"const": false}]})
}

/// A boolean, native or as text. YAML 1.2, which most editors speak, has no unquoted yes and on.
pub fn flag(_: &mut SchemaGenerator) -> Schema {
    let words =
        "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF]|0|";
    json_schema!({"anyOf": [
        {"type": ["boolean", "null"]},
        {"enum": [0, 1]},
        {"type": "string", "pattern": format!(r"^\s*({words})\s*$")},
    ]})
}

/// A whole number, quoted or not.
pub fn number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": ["integer", "null"]},
        {"type": "string", "pattern": r"^\s*([+-]?(0|[1-9][0-9]*)(\.0)?)?\s*$"},
    ]})
}

/// A number; anything else is a full clone.
pub fn depth(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": ["integer", "number", "boolean", "null"]},
        {"type": "string", "not": {"pattern": r"^\s*[+-]?0[0-9]+\s*$"}},
    ]})
}

/// One of the names of an enum, in any case; `-` and `_` do not count.
pub fn name<T: for<'de> Deserialize<'de>>(_: &mut SchemaGenerator) -> Schema {
    let names = names_of::<T>();
    let letter = |c: char| format!("[{}{}][-_]*", c, c.to_ascii_uppercase());
    let patterns = names
        .iter()
        .map(|name| name.chars().map(letter).collect::<String>());
    let pattern = format!(
        r"^\s*[-_]*({}|)\s*$",
        patterns.collect::<Vec<_>>().join("|")
    );
    json_schema!({"anyOf": [
        {"enum": names},
        {"type": "string", "pattern": pattern},
        {"enum": [null, false]},
    ]})
}

/// Items with `;` between, or a list.
pub fn list(_: &mut SchemaGenerator) -> Schema {
    items(".*")
}

/// Packages with white space between, or a list.
pub fn words(_: &mut SchemaGenerator) -> Schema {
    let mut schema = items(&format!(r"^\s*(?:{PACKAGE}\s*)?$"));
    schema.insert(
        "pattern".to_owned(),
        format!(r"^\s*(?:{PACKAGE}(?:\s+{PACKAGE})*\s*)?$").into(),
    );
    schema
}

/// One text, or a list of texts that match a pattern.
fn items(pattern: &str) -> Schema {
    json_schema!({"anyOf": [
        {"type": ["string", "number", "null"]},
        {"const": false},
        {"type": "array", "items": {"type": ["string", "number", "null"], "pattern": pattern}},
    ]})
}
