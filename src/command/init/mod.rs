//! `init`: asks, then writes `deployment.yml` and a starter unit.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the checkout that it describes"
)]

mod app;
mod checkout;
pub mod escape;
mod files;
mod git;
mod interview;
mod ports;
mod python_source;
mod requirements;

use super::atomic;
use crate::cli::questions::Basis;
use crate::cli::{Cli, Init};
use crate::config::{self, ConfigError};
use crate::diagnostics::Diagnostic;
use crate::error::Error;
use crate::script::shell_line;
use crate::{fleet, report};
use checkout::Checkout;
use interview::{Interview, PromptError};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// The file of the schema, in the deploy directory.
const SCHEMA: &str = "deployment.schema.json";

/// Nothing is written before the last answer.
pub fn run(cli: &Cli, arguments: &Init) -> Result<ExitCode, Error> {
    match written(cli, arguments) {
        Ok(true) => report::note(next_steps(cli, arguments)),
        Ok(false) => report::note("nothing was written"),
        Err(PromptError::Interrupted) => {
            report::note("nothing was written");
            fleet::die();
        }
        Err(PromptError::Failed(error)) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether files were written, or the one that matters was to be kept.
fn written(cli: &Cli, arguments: &Init) -> Result<bool, PromptError> {
    let target = &arguments.target;
    let config = super::config_path(cli, target)?;
    refuse_links(cli, &config)?;
    let checkout = Checkout::open(arguments.from.as_deref())?;
    let mut interview = Interview::new(arguments);
    let may_replace = |path: &Path| {
        if path.exists() && !arguments.force {
            interview::overwrite(&path.to_string_lossy(), arguments.yes)
        } else {
            Ok(true)
        }
    };
    if !may_replace(&config)? {
        return Ok(false);
    }
    let app = checkout.as_ref().and_then(app::find);
    match (&app, &arguments.from) {
        (Some(app), _) => report::note(format_args!("found {}", app.sources())),
        (None, Some(directory)) => report::note(format_args!(
            "found neither Django's manage.py nor a FastAPI module in {}",
            directory.display()
        )),
        (None, None) => {}
    }
    let answers = interview.answers(&basis(cli, arguments), app.as_ref())?;
    let units = files::units(target, &answers)?;
    let draft = |(path, text): (String, String)| Draft::new(path, text, 0o666);
    let units: Vec<Draft> = units.into_iter().map(draft).collect();
    let env = Draft::new(&answers.env_file, files::env(&answers)?, 0o600);
    // It holds somebody's secrets.
    let keeps_env = env.path.exists();
    let text = files::deployment(&answers, &schema_path(cli)?)?;
    let mut files: HashMap<&str, &str> = units
        .iter()
        .filter_map(|unit| Some((unit.path.to_str()?, unit.text.as_str())))
        .collect();
    if !keeps_env {
        files.insert(&answers.env_file, &env.text);
    }
    let warnings = match config::review(&config, &target.identity(), &text, files) {
        Ok(config) => config.warnings,
        Err(ConfigError::Unreadable(source)) => {
            return Err(Error::file("read", &config)(source).into());
        }
        Err(ConfigError::Mistakes { mistakes, warnings }) => {
            for Diagnostic { line, message, .. } in mistakes {
                let field = config::field_at(&config, &text, line).unwrap_or_default();
                interview.refuse(question_of(&field), &message);
            }
            warnings
        }
    };
    interview.finish()?;

    let mut drafts = Vec::new();
    for unit in units {
        if unit.is_written() || may_replace(&unit.path)? {
            drafts.push(unit)
        } else {
            report::result(format_args!("kept {}", unit.path.display()))
        }
    }
    if !keeps_env {
        drafts.push(env);
    }
    let schema = Draft::new(
        cli.deploy_config_dir.join(SCHEMA),
        super::schema::text(),
        0o666,
    );
    // It belongs to this version of the program.
    if !schema.is_written() {
        drafts.push(schema);
    }
    drafts.push(Draft::new(config, text, 0o666));
    for draft in drafts {
        draft.write()?;
        report::result(format_args!("wrote {}", draft.path.display()));
    }
    report::warnings(&warnings);
    for note in app.iter().flat_map(|app| app.notes(&answers)) {
        report::note(note);
    }
    Ok(true)
}

/// Refuses a link among the directories of the config: one in a repository may lead anywhere. The
/// deploy directory may be one where the command line names it.
fn refuse_links(cli: &Cli, config: &Path) -> Result<(), Error> {
    let top = cli.deploy_config_dir.as_path();
    let is_named = top.as_os_str() != "./deploy";
    let directories = config
        .ancestors()
        .skip(1)
        .take_while(|directory| directory.starts_with(top))
        .filter(|directory| !(is_named && *directory == top));
    for directory in directories {
        if let Ok(target) = fs::read_link(directory) {
            let link = directory.to_owned();
            return Err(Error::DirectoryIsLink { link, target });
        }
    }
    Ok(())
}

/// What defaults follow from.
fn basis<'a>(cli: &Cli, arguments: &'a Init) -> Basis<'a> {
    let target = &arguments.target;
    Basis {
        app: &target.app,
        name: format!("{}-{}", slug(&target.app), slug(&target.environment)),
        directory: cli
            .deploy_config_dir
            .join(&target.app)
            .join(&target.environment),
        port: ports::free(&cli.deploy_config_dir),
    }
}

/// A name as a part of other names: only what paths and units take unquoted, and not a sign at first.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        match character {
            '_' | '.' | '-' => slug.push(character),
            _ if character.is_ascii_alphanumeric() => slug.push(character),
            _ if character.is_ascii() => slug.push('-'),
            // So that two names stay two.
            _ => slug += &format!("{:x}", u32::from(character)),
        }
    }
    if slug.starts_with(['.', '-']) {
        format!("app{slug}")
    } else {
        slug
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

fn next_steps(cli: &Cli, arguments: &Init) -> String {
    let target = &arguments.target;
    let mut words = vec![target.environment.clone(), target.app.clone()];
    for (option, value, default) in [
        ("--deploy-config-dir", &cli.deploy_config_dir, "./deploy"),
        (
            "--config-file-name",
            &cli.config_file_name,
            "deployment.yml",
        ),
    ] {
        if value.as_os_str() != default {
            words.extend([option.to_owned(), value.to_string_lossy().into_owned()]);
        }
    }
    let words = shell_line(words);
    format!(
        "\nNow write the app's environment into its dotenv file, and keep that out of git. Then:\n  \
         pystrano check {words}\n  pystrano setup {words}\n  pystrano deploy {words}"
    )
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
