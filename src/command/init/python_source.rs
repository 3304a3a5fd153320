//! What lines of Python source say, without running them.

use std::path::Path;

/// The name to which a line assigns what begins with a text.
pub fn assigned(text: &str, value: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, _) = line.split_once(|c: char| !c.is_alphanumeric() && c != '_')?;
        (!name.is_empty() && assigns(line, name, value)).then(|| name.to_owned())
    })
}

/// Whether a line assigns to a name what begins with a text, perhaps in a module.
pub fn assigns(text: &str, name: &str, value: &str) -> bool {
    text.lines().any(|line| {
        let Some((target, assigned)) = line.split_once('=') else {
            return false;
        };
        let target = target.split(':').next().unwrap_or_default();
        let call = assigned.trim_start();
        let call = ["fastapi.", "celery."]
            .iter()
            .find_map(|module| call.strip_prefix(module))
            .unwrap_or(call);
        target.trim_end() == name && call.starts_with(value)
    })
}

/// The first quoted string of a text.
pub fn string_in(text: &str) -> Option<&str> {
    let start = text.find(['"', '\''])?;
    let quote = text[start..].chars().next()?;
    text[start + 1..]
        .split_once(quote)
        .map(|(string, _)| string)
}

/// `module:object` of a Python file, imported from a directory.
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
