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
        for field in settings["properties"].as_object_mut().into_iter().flatten() {
            // That an absent field is null is nothing to show.
            field.1.as_object_mut().map(|field| field.remove("default"));
        }
    }
    let mut common = settings.clone();
    common["properties"]["config_version"] = version();
    let required = REQUIRED.map(|field| {
        json!({"anyOf": [
            {"properties": {"common": {"type": "object", "required": [field]}}, "required": ["common"]},
            {"properties": {"servers": {"items": {"required": [field]}}}},
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
        "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF]|0|1|";
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
    json_schema!({"type": ["integer", "number", "string", "boolean", "null"]})
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
    items()
}

/// Items with white space between, or a list.
pub fn words(_: &mut SchemaGenerator) -> Schema {
    items()
}

fn items() -> Schema {
    json_schema!({"anyOf": [
        {"type": ["string", "number", "null"]},
        {"const": false},
        {"type": "array", "items": {"type": ["string", "number", "null"]}},
    ]})
}
