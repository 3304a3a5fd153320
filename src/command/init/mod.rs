//! `init`: asks questions, then writes `deployment.yml`, starter units and a dotenv file.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the checkout that it describes"
)]

mod app;
mod checkout;
mod drafts;
pub mod escape;
mod files;
mod git;
mod interview;
mod ports;
mod python_source;
mod requirements;

use crate::cli::questions::Context;
use crate::cli::{Cli, DEFAULT_CONFIG_FILE, DEFAULT_DEPLOY_DIR, Init};
use crate::error::Error;
use crate::script::shell_line;
use crate::{fleet, report};
use checkout::Checkout;
use drafts::Drafts;
use interview::{Interview, PromptError, confirm_overwrite};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Asks all questions, then writes the files; nothing is written before the last answer.
pub fn run(cli: &Cli, arguments: &Init) -> Result<ExitCode, Error> {
    match ask_and_write(cli, arguments) {
        Ok(true) => report::note(next_steps(cli, arguments)),
        Ok(false) => report::note("nothing was written"),
        Err(PromptError::Interrupted) => {
            report::note("nothing was written");
            fleet::die_of_signal();
        }
        Err(PromptError::Failed(error)) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns whether files were written; `false` if the user wants to keep the config that exists.
fn ask_and_write(cli: &Cli, arguments: &Init) -> Result<bool, PromptError> {
    let config = super::config_path(cli, &arguments.target)?;
    refuse_links(cli, &config)?;
    let checkout = Checkout::open(arguments.from.as_deref())?;
    let mut interview = Interview::new(arguments);
    if !confirm_overwrite(&config, arguments)? {
        return Ok(false);
    }
    let app = checkout.as_ref().and_then(app::detect);
    match (&app, &arguments.from) {
        (Some(app), _) => report::note(format_args!("found {}", app.sources())),
        (None, Some(directory)) => report::note(format_args!(
            "found neither Django's manage.py nor a FastAPI module in {}",
            directory.display()
        )),
        (None, None) => {}
    }
    let answers = interview.answers(&context(cli, arguments), app.as_ref())?;
    let drafts = Drafts::new(cli, arguments, config, &answers)?;
    let warnings = drafts.review(&arguments.target.identity(), &mut interview)?;
    interview.finish()?;
    drafts.write(arguments)?;
    report::warnings(&warnings);
    for note in app.iter().flat_map(|app| app.notes(&answers)) {
        report::note(note);
    }
    Ok(true)
}

/// Refuses symbolic links among the directories of the config: in a repository they may lead anywhere. Only a deploy
/// directory that is named on the command line may be a link.
fn refuse_links(cli: &Cli, config: &Path) -> Result<(), Error> {
    let top = cli.deploy_config_dir.as_path();
    let is_named = top.as_os_str() != DEFAULT_DEPLOY_DIR;
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

/// Collects what defaults are derived from.
fn context<'a>(cli: &Cli, arguments: &'a Init) -> Context<'a> {
    let target = &arguments.target;
    Context {
        app: &target.app,
        name: format!("{}-{}", slug(&target.app), slug(&target.environment)),
        directory: cli
            .deploy_config_dir
            .join(&target.app)
            .join(&target.environment),
        port: ports::free(&cli.deploy_config_dir),
    }
}

/// Turns a name into part of a path or of a unit's name: only characters that need no quoting, and neither `.` nor
/// `-` at the start.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        match character {
            '_' | '.' | '-' | 'a'..='z' | 'A'..='Z' | '0'..='9' => slug.push(character),
            _ if character.is_ascii() => slug.push('-'),
            // Encode it, so that different names stay different.
            _ => slug += &format!("{:x}", u32::from(character)),
        }
    }
    if slug.starts_with(['.', '-']) {
        format!("app{slug}")
    } else {
        slug
    }
}

fn next_steps(cli: &Cli, arguments: &Init) -> String {
    let target = &arguments.target;
    let mut words = vec![target.environment.clone(), target.app.clone()];
    for (option, value, default) in [
        (
            "--deploy-config-dir",
            &cli.deploy_config_dir,
            DEFAULT_DEPLOY_DIR,
        ),
        (
            "--config-file-name",
            &cli.config_file_name,
            DEFAULT_CONFIG_FILE,
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
