//! `env_command`: a local command whose stdout is the env file of a server.

use super::Server;
use super::files::{EnvFile, check_length, env_file};
use crate::diagnostics::{Diagnostic, Diagnostics, Message, Source, quoted};
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// What messages call the text.
const OUTPUT: &str = "output of env_command";

/// Gives each server what its command prints. The commands run one after another, each once, with the terminal for
/// prompts and messages; nothing that they print on stdout is shown or kept.
///
/// # Errors
/// The first command that fails, or prints what is no dotenv text.
pub fn fetch(servers: &mut [Server]) -> Result<Vec<Diagnostic>, Message> {
    let mut known: HashMap<String, Arc<EnvFile>> = HashMap::new();
    let mut warnings = Vec::new();
    for server in servers {
        let Some(command) = server.env_command.as_deref() else {
            continue;
        };
        if let Some(file) = known.get(command) {
            server.env_file = Some(Arc::clone(file));
            continue;
        }
        // Its lines are not shown.
        let source = Source::new(Path::new(OUTPUT), String::new());
        let mut diagnostics = Diagnostics::new(&source);
        let text = run(command)?;
        let file = check_length(&quoted(OUTPUT), text.len() as u64)
            .and_then(|()| env_file(OUTPUT, text, &mut diagnostics))
            .map_err(|message| message.about(&quoted(command)))?;
        warnings.extend(diagnostics.into_parts().1);
        let file = Arc::new(file);
        known.insert(command.to_owned(), Arc::clone(&file));
        server.env_file = Some(file);
    }
    Ok(warnings)
}

fn run(command: &str) -> Result<Vec<u8>, Message> {
    let failed =
        |what: String| Message::new(format!("env_command: {} {what}", quoted(command)), HELP);
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("could not be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed with {}", output.status)));
    }
    if output.stdout.trim_ascii().is_empty() {
        return Err(failed("printed nothing".to_owned()));
    }
    Ok(output.stdout)
}

const HELP: &str = "run it by hand, in this directory, to see why";
