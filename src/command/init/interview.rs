//! Gets each answer from the command line, from its default or from a prompt on the terminal.

use super::app::DetectedApp;
use crate::cli::questions::{Answers, Context, Kind, QUESTIONS, Question};
use crate::cli::{AnswerOptions, Init};
use crate::diagnostics::Message;
use crate::error::Error;
use crate::report;
use inquire::ui::RenderConfig;
use inquire::validator::{ErrorMessage, Validation};
use inquire::{Confirm, InquireError, Select, Text};
use std::io::IsTerminal;
use std::path::Path;

/// Why there is no answer.
pub enum PromptError {
    /// The user pressed Ctrl-C or Escape.
    Interrupted,
    Failed(Error),
}

impl From<Error> for PromptError {
    fn from(error: Error) -> Self {
        PromptError::Failed(error)
    }
}

impl From<InquireError> for PromptError {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationInterrupted | InquireError::OperationCanceled => {
                PromptError::Interrupted
            }
            source => PromptError::Failed(Error::Prompt { source }),
        }
    }
}

/// Collects answers. A missing or invalid one is recorded and replaced by a placeholder, so that all mistakes are
/// reported at once.
pub struct Interview<'a> {
    options: &'a AnswerOptions,
    /// `--yes`
    takes_defaults: bool,
    has_terminal: bool,
    /// Names of the questions whose defaults were taken.
    defaulted: Vec<&'static str>,
    missing: Vec<&'static str>,
    mistakes: Vec<Message>,
}

/// Passes the rules of all questions that have no default.
const PLACEHOLDER: &str = "missing";

impl<'a> Interview<'a> {
    pub fn new(arguments: &'a Init) -> Self {
        // inquire and crossterm would otherwise read NO_COLOR on their own.
        let colored = report::stderr_is_colored();
        crossterm::style::force_color_output(colored);
        inquire::set_global_render_config(if colored {
            RenderConfig::default_colored()
        } else {
            RenderConfig::empty()
        });
        Interview {
            options: &arguments.answers,
            takes_defaults: arguments.yes,
            has_terminal: is_terminal(),
            defaulted: Vec::new(),
            missing: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Asks the questions that no option answers. Defaults come from the app, where it was detected.
    ///
    /// # Errors
    /// If a prompt fails, or if an option is invalid and questions would be asked. Without prompts, mistakes are
    /// collected for [`Self::finish`].
    pub fn answers(
        &mut self,
        context: &Context,
        app: Option<&DetectedApp>,
    ) -> Result<Answers, PromptError> {
        // Nobody should have to answer every question to learn that an option was wrong.
        if self.has_terminal && !self.takes_defaults {
            self.check_options()?;
        }
        let mut answers = Answers::default();
        for question in QUESTIONS {
            if (question.applies)(&answers) {
                let found = app
                    .and_then(|app| app.default_of(question.name, &answers))
                    .filter(|text| !text.is_empty() && question.check(text).is_ok());
                let default = found.unwrap_or_else(|| (question.default)(context, &answers));
                *(question.answer)(&mut answers) = self.answer(question, default)?;
            } else if self.options.get(question).is_some() {
                self.mistakes.push(Message::new(
                    format!("{} has no effect here", option(question.name)),
                    "it is for FastAPI with that step switched on; leave it out",
                ));
            }
        }
        Ok(answers)
    }

    /// Fails if options are invalid, with all of them.
    fn check_options(&self) -> Result<(), Error> {
        let mistakes = QUESTIONS.iter().filter_map(|question| {
            let message = question.check(self.options.get(question)?).err()?;
            Some(message.about(&option(question.name)))
        });
        fail_if_any(mistakes.collect())
    }

    fn answer(
        &mut self,
        question: &'static Question,
        default: String,
    ) -> Result<String, PromptError> {
        let is_optional = matches!(question.kind, Kind::Optional(_));
        let placeholder = if default.is_empty() && !is_optional {
            PLACEHOLDER.to_owned()
        } else {
            default.clone()
        };
        let answer = match self.options.get(question) {
            Some(given) => given.trim().to_owned(),
            None if self.takes_defaults && (is_optional || !default.is_empty()) => {
                self.defaulted.push(question.name);
                default
            }
            None if self.has_terminal => return prompt(question, &default),
            None => {
                if !is_optional || !default.is_empty() {
                    self.missing.push(question.name);
                }
                placeholder.clone()
            }
        };
        match question.check(&answer) {
            Ok(()) => Ok(answer),
            Err(message) => {
                self.refuse(question.name, &message);
                Ok(placeholder)
            }
        }
    }

    /// Records a mistake in the answer to a question.
    pub fn refuse(&mut self, name: &str, message: &Message) {
        let prefix = if self.defaulted.contains(&name) {
            "the default of "
        } else {
            ""
        };
        let about = format!("{prefix}{}", option(name));
        self.mistakes.push(message.about(&about));
    }

    /// Fails if answers are missing or invalid, with all of them.
    pub fn finish(mut self) -> Result<(), Error> {
        if !self.missing.is_empty() {
            let options: Vec<_> = self.missing.iter().map(|name| option(name)).collect();
            let text = format!(
                "there is no terminal to ask on, and no {}",
                options.join(", ")
            );
            let help = if self.takes_defaults {
                "give them as options"
            } else {
                "give them as options, or take the defaults with --yes"
            };
            self.mistakes.push(Message::new(text, help));
        }
        fail_if_any(self.mistakes)
    }
}

fn fail_if_any(mistakes: Vec<Message>) -> Result<(), Error> {
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(Error::Options(mistakes))
    }
}

/// The option that answers a question.
fn option(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// Asks on the terminal. An optional text starts out as its default, to be edited or deleted.
fn prompt(question: &'static Question, default: &str) -> Result<String, PromptError> {
    let mut prompt = Text::new(question.text);
    match question.kind {
        Kind::Choice(names) => {
            let default = names.iter().position(|name| *name == default);
            let select = Select::new(question.text, names.to_vec())
                .with_starting_cursor(default.unwrap_or_default());
            return Ok(select.prompt()?.to_owned());
        }
        Kind::Confirm => {
            let confirm = Confirm::new(question.text).with_default(default == "true");
            return Ok(confirm.prompt()?.to_string());
        }
        Kind::Required(_) => prompt.default = Some(default).filter(|text| !text.is_empty()),
        Kind::Optional(_) => prompt.initial_value = Some(default),
    }
    prompt.help_message = Some(question.help).filter(|text| !text.is_empty());
    let answer = prompt.with_validator(|text: &str| {
        Ok(match question.check(text) {
            Ok(()) => Validation::Valid,
            Err(message) => Validation::Invalid(ErrorMessage::Custom(message.to_string())),
        })
    });
    Ok(answer.prompt()?.trim().to_owned())
}

/// Whether a file may be written: it does not exist, `--force` is given, or the user agrees to overwrite it.
///
/// # Errors
/// If the file exists and nobody can be asked, because of `--yes` or without a terminal.
pub fn confirm_overwrite(path: &Path, arguments: &Init) -> Result<bool, PromptError> {
    if arguments.force || !path.exists() {
        return Ok(true);
    }
    let path = path.to_string_lossy().into_owned();
    if arguments.yes || !is_terminal() {
        return Err(PromptError::Failed(Error::Exists { path }));
    }
    let text = format!("Overwrite {path}?");
    Ok(Confirm::new(&text).with_default(false).prompt()?)
}

/// Whether questions can be asked: on stderr, to be answered on stdin.
fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
