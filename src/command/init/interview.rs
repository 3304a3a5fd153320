//! Where an answer comes from: the command line, the default, or a question on the terminal.

use crate::diagnostics::{Message, quoted};
use crate::error::Error;
use crate::report;
use clap::ValueEnum;
use inquire::ui::RenderConfig;
use inquire::validator::{ErrorMessage, Validation};
use inquire::{Confirm, InquireError, Select, Text};
use std::fmt::Display;
use std::io::IsTerminal;

/// What a text must be.
pub type Rule = fn(&str) -> Result<(), Message>;

/// One thing to know.
pub struct Question<'a> {
    /// The option that answers it.
    pub flag: &'static str,
    pub text: &'static str,
    /// Shown under the prompt.
    pub help: &'static str,
    /// Without one it must be answered.
    pub default: Option<&'a str>,
    pub rule: Rule,
}

/// Why there are no answers.
pub enum Stop {
    /// Ctrl-C or Escape.
    Interrupted,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl From<InquireError> for Stop {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationInterrupted | InquireError::OperationCanceled => {
                Stop::Interrupted
            }
            other => Stop::Failed(Error::Usage {
                what: format!("cannot ask on this terminal: {other}"),
                help: "give the answers as options".to_owned(),
            }),
        }
    }
}

/// Collects answers. One that cannot be had or is wrong is noted, so that all of them are told at
/// once, and has a stand-in that lets the others be looked at.
pub struct Interview {
    /// A person is there to be asked.
    terminal: bool,
    /// Defaults are taken without asking.
    defaults: bool,
    /// Nobody is asked yet: only the options that were given are looked at.
    rehearsal: bool,
    /// Options whose defaults were taken.
    assumed: Vec<&'static str>,
    missing: Vec<&'static str>,
    wrong: Vec<Message>,
}

/// Passes all rules of texts that have no default.
const STAND_IN: &str = "missing";

impl Interview {
    pub fn new(defaults: bool) -> Self {
        // Both would look at the environment themselves.
        let colored = report::talk_is_colored();
        crossterm::style::force_color_output(colored);
        inquire::set_global_render_config(match colored {
            true => RenderConfig::default_colored(),
            false => RenderConfig::empty(),
        });
        Interview {
            terminal: is_terminal(),
            defaults,
            rehearsal: false,
            assumed: Vec::new(),
            missing: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// The one before the first question: a person need not answer all to hear that an option is
    /// wrong. `None` where nobody is asked.
    pub fn rehearsal(&self) -> Option<Self> {
        (self.terminal && !self.defaults).then(|| Interview {
            terminal: false,
            rehearsal: true,
            ..Interview::new(true)
        })
    }

    /// Fails if an answer is missing or wrong.
    pub fn finish(mut self) -> Result<(), Error> {
        if !self.missing.is_empty() && !self.rehearsal {
            let what = format!(
                "there is no terminal to ask on, and no {}",
                self.missing.join(", ")
            );
            let help = match self.defaults {
                true => "give them as options",
                false => "give them as options, or take the defaults with --yes",
            };
            self.wrong.push(Message::new(what, help));
        }
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::Options(self.wrong)),
        }
    }

    /// Notes what is wrong with the answer to an option.
    pub fn refuse(&mut self, flag: &str, message: &Message) {
        let of = match self.assumed.contains(&flag) {
            true => "the default of ",
            false => "",
        };
        self.wrong.push(message.about(&format!("{of}{flag}")));
    }

    /// Refuses an answer to a question that does not come up.
    pub fn unused(&mut self, flag: &str, given: Option<&String>) {
        // In a rehearsal the answers may still make it come up.
        if given.is_some() && !self.rehearsal {
            self.wrong.push(Message::new(
                format!("{flag} has no effect here"),
                "it is for FastAPI with that step switched on; leave it out",
            ));
        }
    }

    /// A text that is not empty.
    pub fn text(&mut self, question: &Question, given: Option<&String>) -> Result<String, Stop> {
        let rule = question.rule;
        let stand_in = question.default.unwrap_or(STAND_IN);
        let answer = match (given, question.default) {
            (Some(given), _) => given.trim(),
            (None, Some(default)) if self.defaults => {
                self.assumed.push(question.flag);
                default
            }
            (None, default) if self.terminal => {
                let mut prompt = Text::new(question.text).with_validator(move |text: &str| {
                    Ok(match required(text).and_then(|()| rule(text.trim())) {
                        Ok(()) => Validation::Valid,
                        Err(message) => {
                            Validation::Invalid(ErrorMessage::Custom(message.to_string()))
                        }
                    })
                });
                prompt.default = default;
                prompt.help_message = help(question.help);
                return Ok(prompt.prompt()?.trim().to_owned());
            }
            (None, _) => {
                self.missing.push(question.flag);
                stand_in
            }
        };
        match required(answer).and_then(|()| rule(answer)) {
            Ok(()) => Ok(answer.to_owned()),
            Err(message) => {
                self.refuse(question.flag, &message);
                Ok(stand_in.to_owned())
            }
        }
    }

    /// A text that may be left empty. On a terminal the default stands there to be edited.
    pub fn optional(
        &mut self,
        question: &Question,
        given: Option<&String>,
    ) -> Result<Option<String>, Stop> {
        let rule = question.rule;
        let default = question.default.unwrap_or_default();
        let answer = match given {
            Some(given) => given.clone(),
            None if self.terminal && !self.defaults => {
                let mut prompt = Text::new(question.text)
                    .with_initial_value(default)
                    .with_validator(move |text: &str| {
                        Ok(match optional(text, rule) {
                            Ok(()) => Validation::Valid,
                            Err(message) => {
                                Validation::Invalid(ErrorMessage::Custom(message.to_string()))
                            }
                        })
                    });
                prompt.help_message = help(question.help);
                prompt.prompt()?
            }
            None => {
                match self.defaults {
                    true => self.assumed.push(question.flag),
                    false if default.is_empty() => {}
                    false => self.missing.push(question.flag),
                }
                default.to_owned()
            }
        };
        if let Err(message) = optional(&answer, rule) {
            self.refuse(question.flag, &message);
            return Ok(None);
        }
        let answer = answer.trim();
        Ok((!answer.is_empty()).then(|| answer.to_owned()))
    }

    /// One of the values of an enum; the first is the default.
    pub fn choice<T: ValueEnum + Display + Copy>(
        &mut self,
        flag: &'static str,
        text: &str,
        given: Option<T>,
    ) -> Result<T, Stop> {
        let default = T::value_variants()[0];
        match given {
            Some(given) => Ok(given),
            None if self.defaults => Ok(default),
            None if self.terminal => Ok(Select::new(text, T::value_variants().to_vec()).prompt()?),
            None => {
                self.missing.push(flag);
                Ok(default)
            }
        }
    }

    /// Yes or no.
    pub fn confirm(
        &mut self,
        flag: &'static str,
        text: &str,
        given: Option<bool>,
        default: bool,
    ) -> Result<bool, Stop> {
        match given {
            Some(given) => Ok(given),
            None if self.defaults => Ok(default),
            None if self.terminal => Ok(Confirm::new(text).with_default(default).prompt()?),
            None => {
                self.missing.push(flag);
                Ok(default)
            }
        }
    }
}

/// Whether a file that exists may be overwritten.
///
/// # Errors
/// Nobody can be asked, or the defaults are taken: nothing is overwritten by default.
pub fn overwrite(path: &str, defaults: bool) -> Result<bool, Stop> {
    if defaults || !is_terminal() {
        return Err(Stop::Failed(Error::Usage {
            what: format!("{path} exists"),
            help: "overwrite it with --force, or remove it".to_owned(),
        }));
    }
    let text = format!("Overwrite {path}?");
    Ok(Confirm::new(&text).with_default(false).prompt()?)
}

/// Whether a person is there to be asked.
fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn required(text: &str) -> Result<(), Message> {
    match text.trim() {
        "" => Err(Message::new("nothing is written", "it needs an answer")),
        _ => Ok(()),
    }
}

fn optional(text: &str, rule: Rule) -> Result<(), Message> {
    match text.trim() {
        "" => Ok(()),
        text => rule(text),
    }
}

fn help(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// For rules that look at one word after another.
pub fn each(
    words: impl Iterator<Item = impl AsRef<str>>,
    rule: impl Fn(&str) -> Result<(), Message>,
) -> Result<(), Message> {
    words
        .map(|word| word.as_ref().trim().to_owned())
        .filter(|word| !word.is_empty())
        .try_for_each(|word| rule(&word))
}

/// A whole number between two others, both included, written as YAML reads it.
pub fn number(text: &str, least: i32, most: i32) -> Result<(), Message> {
    match text.parse::<i32>() {
        Ok(number) if (least..=most).contains(&number) && number.to_string() == text => Ok(()),
        _ => Err(Message::new(
            format!("{} is not a number from {least} to {most}", quoted(text)),
            "write digits only, without a zero before them",
        )),
    }
}
