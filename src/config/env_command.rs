//! `env_command`: a local command whose stdout is used as the env file of a server.

use super::Server;
use super::files::{EnvFile, check_file_size, env_file};
use crate::diagnostics::{Diagnostic, Diagnostics, Message, Source, quoted};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

/// The name of the output in messages, in place of a path.
const OUTPUT: &str = "output of env_command";

const HELP: &str = "run it by hand, in this directory, to see why";

/// Why an `env_command` gives no env file.
#[derive(Debug, thiserror::Error)]
pub enum EnvCommandError {
    #[error(
        "env_command: {} could not be run: {source}; {}",
        quoted(command),
        HELP
    )]
    NotStarted { command: String, source: io::Error },
    #[error("env_command: {} failed with {status}; {}", quoted(command), HELP)]
    Failed { command: String, status: ExitStatus },
    #[error("env_command: {} printed nothing; {}", quoted(command), HELP)]
    NoOutput { command: String },
    /// The output cannot be used as a dotenv file.
    #[error("{}: {mistake}", quoted(command))]
    Invalid { command: String, mistake: Message },
}

/// Sets the `env_file` of each server with an `env_command`. The commands run one after another, identical ones once.
/// They have the terminal for prompts and messages; their stdout is neither shown nor stored. Returns warnings about
/// the output.
///
/// # Errors
/// A command fails, or its output cannot be used as a dotenv file. The commands after it do not run.
pub fn fetch(servers: &mut [Server]) -> Result<Vec<Diagnostic>, EnvCommandError> {
    let mut fetched: HashMap<String, Arc<EnvFile>> = HashMap::new();
    let mut warnings = Vec::new();
    for server in servers {
        let Some(command) = server.env_command.as_deref() else {
            continue;
        };
        if let Some(file) = fetched.get(command) {
            server.env_file = Some(Arc::clone(file));
            continue;
        }
        // An empty source, since lines of the output must not be quoted.
        let source = Source::new(Path::new(OUTPUT), String::new());
        let mut diagnostics = Diagnostics::new(&source);
        let text = run(command)?;
        let file = check_file_size(&quoted(OUTPUT), text.len() as u64)
            .and_then(|()| env_file(OUTPUT, text, &mut diagnostics))
            .map_err(|mistake| EnvCommandError::Invalid {
                command: command.to_owned(),
                mistake,
            })?;
        warnings.extend(diagnostics.into_parts().1);
        let file = Arc::new(file);
        fetched.insert(command.to_owned(), Arc::clone(&file));
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
        Err(source) => Err(EnvCommandError::NotStarted { command, source }),
        Ok(Output { status, .. }) if !status.success() => {
            Err(EnvCommandError::Failed { command, status })
        }
        Ok(Output { stdout, .. }) if stdout.trim_ascii().is_empty() => {
            Err(EnvCommandError::NoOutput { command })
        }
        Ok(Output { stdout, .. }) => Ok(stdout),
    }
}
