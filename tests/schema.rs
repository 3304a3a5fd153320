//! The JSON Schema agrees with `check`: it accepts valid configs, and whatever it refuses is invalid.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn schema() -> jsonschema::Validator {
    let output = Command::cargo_bin("pystrano")
        .unwrap()
        .arg("schema")
        .output()
        .unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::draft7::new(&schema).unwrap()
}

/// Parses a YAML file as JSON with merge keys applied; `None` if it is not valid YAML.
fn load(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).ok()?;
    value.apply_merge().ok()?;
    serde_json::to_value(value).ok()
}

/// All files with this name below a directory.
fn find(directory: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => find(&path, name),
            false if path.ends_with(name) => vec![path],
            false => Vec::new(),
        })
        .collect()
}

#[test]
fn every_golden_config_is_accepted() {
    let schema = schema();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let configs = find(&golden, "deployment.yml");
    assert!(configs.len() >= 7, "{configs:?}");
    for path in &configs {
        let errors: Vec<String> = schema
            .iter_errors(&load(path).unwrap())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
    println!("{} configs accepted", configs.len());
}

/// A valid config with these fields added.
fn config(common: Value, server: Value) -> Value {
    let merged = |mut base: Value, more: Value| {
        base.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        base
    };
    let base = json!({
        "source_code_url": "u", "project_root": "r", "project_user": "p", "venv_dir": "v",
    });
    json!({
        "config_version": 2,
        "common": merged(base, common),
        "servers": [merged(json!({"host": "h"}), server)],
    })
}

#[test]
fn the_forms_that_the_python_tool_takes_are_accepted() {
    let schema = schema();
    for common in [
        json!({}),
        json!({"framework": "Fast_API", "package_manager": "UV", "venv_mode": "Release"}),
        json!({"run_migrations": "True", "collect_static_files": false, "forward_agent": "no"}),
        json!({"keep_releases": "0", "clone_depth": "-1", "port": "22"}),
        json!({"secrets": "a;b", "ssh_known_hosts": ["a", "b"], "system_packages": "aa\nbb\n"}),
        json!({"branch": 2026, "revision": null, "env_file": "", "x-note": {"any": "thing"}}),
        json!({"config_version": "2"}),
    ] {
        let config = config(common, json!({}));
        assert!(
            schema.is_valid(&config),
            "{config:#}: {:?}",
            schema.validate(&config)
        );
    }
}

#[test]
fn mistakes_are_refused() {
    let schema = schema();
    let mut wrong: Vec<Value> = [
        json!({"fraemwork": "django"}),
        json!({"framework": "flask"}),
        json!({"package_manager": "poetry"}),
        json!({"venv_mode": "both"}),
        json!({"run_migrations": "maybe"}),
        json!({"run_migrations": 7}),
        json!({"keep_releases": "five"}),
        json!({"keep_releases": true}),
        json!({"port": [22]}),
        json!({"branch": ["main"]}),
        json!({"branch": {"name": "main"}}),
        json!({"project_user": true}),
        json!({"secrets": {"a": "b"}}),
        json!({"secrets": [["a"]]}),
        json!({"system_packages": [true]}),
    ]
    .into_iter()
    .flat_map(|fields| [config(fields.clone(), json!({})), config(json!({}), fields)])
    .collect();
    for (section, value) in [
        ("config_version", json!(3)),
        ("config_version", json!("two")),
        ("common", json!(["host"])),
        ("servers", json!([])),
        ("servers", json!({"host": "h"})),
        ("servers", json!(["h"])),
        ("server", json!([])),
    ] {
        let mut config = config(json!({}), json!({}));
        config[section] = value;
        wrong.push(config);
    }
    for field in [
        "source_code_url",
        "project_root",
        "project_user",
        "venv_dir",
    ] {
        let mut config = config(json!({}), json!({}));
        config["common"].as_object_mut().unwrap().remove(field);
        wrong.push(config);
    }
    wrong.push(json!({"common": {}}));
    wrong.push(json!([]));
    for config in &wrong {
        assert!(!schema.is_valid(config), "{config:#}");
    }
    println!("{} configs refused", wrong.len());
}

/// The configs of `wrong/` with errors that a schema can detect: names, types and numbers of fields.
const REFUSED: [&str; 53] = [
    "common-list",
    "deep",
    "empty",
    "field-at-top",
    "field-slip-at-top",
    "flag",
    "flag-quoted-one",
    "framework",
    "hooks-point",
    "hooks-text",
    "host-missing",
    "items",
    "keep",
    "key-in-capitals",
    "list",
    "list-for-text",
    "many",
    "mapping-for-text",
    "nested-list",
    "number",
    "number-boolean",
    "only-comments",
    "package-manager",
    "payload",
    "port-big",
    "port-negative",
    "port-twice",
    "port-zero",
    "promote-batch",
    "root-empty",
    "server-null",
    "server-text",
    "servers-empty",
    "servers-mapping",
    "servers-missing",
    "source-missing",
    "tag",
    "text",
    "timeout",
    "unknown-key",
    "unknown-key-far",
    "unknown-key-hyphen",
    "unknown-key-server",
    "unknown-section",
    "url-passwords",
    "user-null",
    "venv-missing",
    "venv-missing-everywhere",
    "venv-mode",
    "version-in-server",
    "version-newer",
    "version-text",
    "warned-too",
];

#[test]
fn wrong_configs_are_refused_as_far_as_a_schema_can() {
    let schema = schema();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let configs = |directory: &str| {
        let entries = fs::read_dir(tests.join(directory)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|kind| kind == "yml"));
        paths
    };
    for path in configs("odd") {
        assert!(schema.is_valid(&load(&path).unwrap()), "{}", path.display());
    }
    let mut refused: Vec<String> = configs("wrong")
        .iter()
        // Files that are not valid YAML are never validated.
        .filter(|path| load(path).is_some_and(|config| !schema.is_valid(&config)))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    refused.sort();
    assert_eq!(refused, REFUSED);
}
