//! `env_command`: a local command whose stdout is the env file of a server.

use super::Server;
use super::files::{EnvFile, check_length, env_file};
use crate::diagnostics::{Diagnostic, Diagnostics, Message, Source, quoted};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

/// What messages call the text.
const OUTPUT: &str = "output of env_command";

const HELP: &str = "run it by hand, in this directory, to see why";

/// What is wrong with an `env_command`.
#[derive(Debug, thiserror::Error)]
pub enum EnvCommandError {
    #[error(
        "env_command: {} could not be run: {source}; {}",
        quoted(command),
        HELP
    )]
    NotRun { command: String, source: io::Error },
    #[error("env_command: {} failed with {status}; {}", quoted(command), HELP)]
    Failed { command: String, status: ExitStatus },
    #[error("env_command: {} printed nothing; {}", quoted(command), HELP)]
    Silent { command: String },
    /// It printed what is no dotenv text.
    #[error("{}: {mistake}", quoted(command))]
    Invalid { command: String, mistake: Message },
}

/// Gives each server what its command prints. The commands run one after another, each once, with the terminal for
/// prompts and messages; nothing that they print on stdout is shown or kept.
///
/// # Errors
/// The first command that fails, or prints what is no dotenv text.
pub fn fetch(servers: &mut [Server]) -> Result<Vec<Diagnostic>, EnvCommandError> {
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
            .map_err(|mistake| EnvCommandError::Invalid {
                command: command.to_owned(),
                mistake,
            })?;
        warnings.extend(diagnostics.into_parts().1);
        let file = Arc::new(file);
        known.insert(command.to_owned(), Arc::clone(&file));
        server.env_file = Some(file);
    }
    Ok(warnings)
}

fn run(command: &str) -> Result<Vec<u8>, EnvCommandError> {
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output();
    let command = command.to_owned();
    match output {
        Err(source) => Err(EnvCommandError::NotRun { command, source }),
        Ok(Output { status, .. }) if !status.success() => {
            Err(EnvCommandError::Failed { command, status })
        }
        Ok(Output { stdout, .. }) if stdout.trim_ascii().is_empty() => {
            Err(EnvCommandError::Silent { command })
        }
        Ok(Output { stdout, .. }) => Ok(stdout),
    }
}
