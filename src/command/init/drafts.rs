//! The files that `init` writes, before they are written.

use super::files;
use super::interview::{Interview, PromptError, may_replace};
use crate::cli::questions::Answers;
use crate::cli::{Cli, Init};
use crate::command::{atomic, schema};
use crate::config::{self, ConfigError};
use crate::diagnostics::Diagnostic;
use crate::error::Error;
use crate::report;
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

/// The file of the schema, in the deploy directory.
const SCHEMA: &str = "deployment.schema.json";

pub struct Drafts {
    units: Vec<Draft>,
    /// `None` where the file exists: it holds somebody's secrets.
    env: Option<Draft>,
    schema: Draft,
    config: Draft,
}

impl Drafts {
    /// Those that the answers make; `config` is the path of `deployment.yml`.
    pub fn new(
        cli: &Cli,
        arguments: &Init,
        config: PathBuf,
        answers: &Answers,
    ) -> Result<Self, Error> {
        let units = files::units(&arguments.target, answers)?.into_iter();
        let env = Draft::new(&answers.env_file, files::env(answers)?, 0o600);
        let schema = cli.deploy_config_dir.join(SCHEMA);
        let text = files::deployment(answers, &schema_path(cli)?)?;
        Ok(Drafts {
            units: units
                .map(|(path, text)| Draft::new(path, text, 0o666))
                .collect(),
            env: Some(env).filter(|env| !env.path.exists()),
            schema: Draft::new(schema, schema::text(), 0o666),
            config: Draft::new(config, text, 0o666),
        })
    }

    /// Checks the config of an app, with the files that are written beside it. Its mistakes are those of answers.
    ///
    /// # Errors
    /// A file that it names cannot be read.
    pub fn review(&self, app: &str, interview: &mut Interview) -> Result<Vec<Diagnostic>, Error> {
        let Draft { path, text, .. } = &self.config;
        let files = self.units.iter().chain(&self.env);
        let files = files.filter_map(|draft| Some((draft.path.to_str()?, draft.text.as_str())));
        match config::review(path, app, text, files.collect()) {
            Ok(config) => Ok(config.warnings),
            Err(ConfigError::Unreadable(source)) => Err(Error::file("read", path)(source)),
            Err(ConfigError::Mistakes { mistakes, warnings }) => {
                for Diagnostic { line, message, .. } in mistakes {
                    let field = config::field_at(path, text, line).unwrap_or_default();
                    interview.refuse(question_of(&field), &message);
                }
                Ok(warnings)
            }
        }
    }

    /// Writes them, the config last. Before the first, it asks about the units that exist.
    pub fn write(self, arguments: &Init) -> Result<(), PromptError> {
        let mut drafts = Vec::new();
        for unit in self.units {
            if unit.is_written() || may_replace(&unit.path, arguments)? {
                drafts.push(unit)
            } else {
                report::result(format_args!("kept {}", unit.path.display()))
            }
        }
        drafts.extend(self.env);
        // It belongs to this version of the program.
        drafts.extend(Some(self.schema).filter(|schema| !schema.is_written()));
        drafts.push(self.config);
        for draft in drafts {
            draft.write()?;
            report::result(format_args!("wrote {}", draft.path.display()));
        }
        Ok(())
    }
}

/// The question whose answer is the value of a field.
fn question_of(field: &str) -> &str {
    match field {
        "source_code_url" => "repo",
        "project_user" => "user",
        same => same,
    }
}

/// The path of the schema from the config: in the same tree where its name leads nowhere else.
fn schema_path(cli: &Cli) -> Result<String, Error> {
    let parts: Vec<Component> = cli
        .config_file_name
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if parts
        .iter()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Ok("../".repeat(parts.len() + 1) + SCHEMA);
    }
    let path = cli.deploy_config_dir.join(SCHEMA);
    let path = std::path::absolute(&path).map_err(Error::file("find", &path))?;
    Ok(path.to_string_lossy().into_owned())
}

/// A file to be written.
struct Draft {
    path: PathBuf,
    text: String,
    /// Before the umask.
    mode: u32,
}

impl Draft {
    fn new(path: impl Into<PathBuf>, text: String, mode: u32) -> Self {
        Draft {
            path: path.into(),
            text,
            mode,
        }
    }

    /// Whether the file holds this text already.
    fn is_written(&self) -> bool {
        fs::read(&self.path).is_ok_and(|bytes| bytes == self.text.as_bytes())
    }

    /// Writes the file; its directories are made.
    fn write(&self) -> Result<(), Error> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
        atomic::write(&self.path, directory, self.mode, |file| {
            file.write_all(self.text.as_bytes())
        })
    }
}
