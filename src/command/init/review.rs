//! What `check` says of the config before it is written.

use super::interview::Interview;
use crate::config::{self, ConfigError};
use crate::diagnostics::Diagnostic;
use crate::error::Error;
use std::collections::HashMap;
use std::path::Path;

/// Notes each mistake with the option that it comes from. Gives the warnings.
pub fn review(
    interview: &mut Interview,
    path: &Path,
    app: &str,
    text: &str,
    drafts: HashMap<&str, &str>,
) -> Result<Vec<Diagnostic>, Error> {
    let (mistakes, warnings) = match config::review(path, app, text, drafts) {
        Ok(config) => (Vec::new(), config.warnings),
        Err(ConfigError::Mistakes { mistakes, warnings }) => (mistakes, warnings),
        Err(ConfigError::Unreadable(source)) => return Err(Error::file("read", path)(source)),
    };
    for mistake in mistakes {
        let option = option(text, mistake.line);
        interview.refuse(&option, &mistake.message);
    }
    Ok(warnings)
}

/// The option whose answer stands on a line of the config, which the template writes: a field on
/// each line, or an item of the field above it.
fn option(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let field = lines.iter().rev().find_map(|line| {
        let (field, _) = line.trim_start_matches([' ', '-']).split_once(':')?;
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        field.chars().all(is_name).then_some(field)
    });
    match field.unwrap_or_default() {
        "source_code_url" => "--repo".to_owned(),
        "project_user" => "--user".to_owned(),
        field => format!("--{}", field.replace('_', "-")),
    }
}
