//! Finds assignments in Python source line by line, without parsing or running it.

use std::path::Path;

/// The first name to which a line assigns an expression that starts with `value`.
pub fn assigned_name(text: &str, value: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, _) = line.split_once(|c: char| !c.is_alphanumeric() && c != '_')?;
        (!name.is_empty() && has_assignment(line, name, value)).then(|| name.to_owned())
    })
}

/// Whether a line assigns to `name` an expression that starts with `value`, which the line may qualify with the module
/// `fastapi` or `celery`.
pub fn has_assignment(text: &str, name: &str, value: &str) -> bool {
    text.lines().any(|line| {
        let Some((target, expression)) = line.split_once('=') else {
            return false;
        };
        // Drop a type annotation.
        let target = target.split(':').next().unwrap_or_default();
        let expression = expression.trim_start();
        let expression = ["fastapi.", "celery."]
            .iter()
            .find_map(|module| expression.strip_prefix(module))
            .unwrap_or(expression);
        target.trim_end() == name && expression.starts_with(value)
    })
}

/// The content of the first string literal in a text, without handling escapes.
pub fn first_string(text: &str) -> Option<&str> {
    let start = text.find(['"', '\''])?;
    let quote = text[start..].chars().next()?;
    text[start + 1..]
        .split_once(quote)
        .map(|(string, _)| string)
}

/// `module:object` for a Python file, as imported from `directory`.
pub fn module_name(file: &Path, directory: &Path, object: &str) -> String {
    let path = file
        .strip_prefix(directory)
        .unwrap_or(file)
        .with_extension("");
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let parts = match parts.split_last() {
        Some((last, package)) if last == "__init__" => package,
        _ => &parts,
    };
    format!("{}:{object}", parts.join("."))
}
