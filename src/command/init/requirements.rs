//! Looks for a package in dependency files.

use super::checkout::{Checkout, file_name};
use crate::config::types::normalize_lexically;
use std::path::Path;

/// Whether a dependency file lists a package; `None` if that cannot be told from the files of the checkout.
pub fn lists_package(checkout: &Checkout, file: &Path, package: &str) -> Option<bool> {
    let text = checkout.read(file)?;
    match file_name(file).as_str() {
        "uv.lock" | "poetry.lock" | "pdm.lock" => {
            let line = format!("name = \"{package}\"");
            Some(text.lines().any(|found| found == line))
        }
        "pyproject.toml" => Some(
            text.split(['"', '\''])
                .any(|text| is_requirement(text, package)),
        ),
        _ => requirements_list(checkout, file, package, 0),
    }
}

/// Like [`lists_package`], for requirements files: follows `-r`, and cannot tell what URLs and local paths bring.
fn requirements_list(
    checkout: &Checkout,
    file: &Path,
    package: &str,
    depth: usize,
) -> Option<bool> {
    const MAX_DEPTH: usize = 5;
    let text = checkout.read(file).filter(|_| depth < MAX_DEPTH)?;
    let mut is_conclusive = true;
    for line in text.lines().map(str::trim) {
        if is_requirement(line, package) {
            return Some(true);
        }
        let included = line
            .strip_prefix("-r")
            .or_else(|| line.strip_prefix("--requirement"));
        if let Some(included) = included {
            let included = included.trim_start_matches(['=', ' ']).trim();
            let included = normalize_lexically(&file.with_file_name(included));
            match requirements_list(checkout, &included, package, depth + 1) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => is_conclusive = false,
            }
        } else if line.starts_with(['.', '/']) || line.starts_with("-e") || line.contains("://") {
            is_conclusive = false;
        }
    }
    is_conclusive.then_some(false)
}

/// Whether a requirement is for `package`, or, in the case of `fastapi[...]` and uvicorn, brings it.
fn is_requirement(requirement: &str, package: &str) -> bool {
    let is_in_name = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = requirement.trim().chars().take_while(is_in_name).collect();
    let name = name.to_lowercase().replace(['_', '.'], "-");
    name == package || package == "uvicorn" && requirement.trim().starts_with("fastapi[")
}
