//! Generates the JSON Schema of a config, for completion and checks in editors. Covers names, types and ranges;
//! `pystrano check` also validates everything else.

use super::fields::FIELDS;
use super::types::Integer;
use serde_json::{Map, Value, json};

/// The schema of a config, in draft 07 of JSON Schema.
pub fn schema() -> Value {
    let mut properties: Map<String, Value> = FIELDS
        .iter()
        .map(|field| {
            let mut schema = (field.schema)();
            schema["description"] = match field.default {
                Some(default) => format!("{} [default: {default}]", field.description),
                None => field.description.to_owned(),
            }
            .into();
            (field.name.to_owned(), schema)
        })
        .collect();
    let section = |properties: &Map<String, Value>| {
        json!({
            "type": "object",
            "properties": properties,
            "patternProperties": {"^x-": true},
            "additionalProperties": false,
        })
    };
    let server = section(&properties);
    properties.insert("config_version".to_owned(), version());
    let common = section(&properties);
    let required = FIELDS.iter().filter(|field| field.required.is_some());
    let required: Vec<Value> = required
        .map(|field| {
            let is_set = json!({
                "type": "object",
                "required": [field.name],
                "properties": {field.name: {"not": {"enum": [null, "", false]}}},
            });
            json!({"anyOf": [
                {"properties": {"common": is_set}, "required": ["common"]},
                {"properties": {"servers": {"items": is_set}}},
            ]})
        })
        .collect();
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
                "items": server,
            },
        },
        "patternProperties": {"^x-": true},
        "additionalProperties": false,
        "required": ["servers"],
        "allOf": required,
    })
}

fn version() -> Value {
    let mut schema = Integer::schema_in_range(0, 2);
    schema["description"] = "Version of the format: 2".into();
    schema
}
