//! Arguments of `init`, among them one option for each question.

use super::Target;
use super::questions::{Kind, QUESTIONS, Question};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub target: Target,

    /// Take the defaults; ask only what has none
    #[arg(short, long)]
    pub yes: bool,
    /// Overwrite the config and the unit if they exist, without asking; a dotenv file is kept
    #[arg(long)]
    pub force: bool,
    /// Checkout of the app, whose files give defaults [default: the current directory, if it is one]
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,

    #[command(flatten)]
    pub answers: AnswerOptions,
}

/// The answers given as options, by the names of their questions.
#[derive(Debug, Default)]
pub struct AnswerOptions(HashMap<&'static str, String>);

impl AnswerOptions {
    pub fn get(&self, question: &Question) -> Option<&str> {
        self.0.get(question.name).map(String::as_str)
    }
}

impl Args for AnswerOptions {
    fn augment_args(command: Command) -> Command {
        command
            .next_help_heading("Answers")
            .args(QUESTIONS.iter().map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AnswerOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let answers = QUESTIONS.iter().filter_map(|question| {
            let answer = matches.get_one::<String>(question.name)?;
            Some((question.name, answer.clone()))
        });
        Ok(AnswerOptions(answers.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

/// The option that answers a question.
fn option(question: &Question) -> Arg {
    let text = question.text.trim_end_matches('?');
    let mut help = match question.help {
        "" => text.to_owned(),
        more => format!("{text}: {more}"),
    };
    if !question.default_text.is_empty() {
        help += &format!(" [default: {}]", question.default_text);
    }
    Arg::new(question.name)
        .long(question.name.replace('_', "-"))
        .value_name(question.value_name)
        .help(help)
        .ignore_case(true)
        .allow_negative_numbers(true)
        .value_parser(match question.kind {
            Kind::Choice(names) => choice(names),
            Kind::Confirm => choice(&["true", "false"]),
            Kind::Required(_) | Kind::Optional(_) => ValueParser::string(),
        })
}

/// Parses one of the names as a config does: ignoring case, `-` and `_`.
fn choice(names: &[&'static str]) -> ValueParser {
    let value = |name: &&'static str| match *name {
        "fastapi" => PossibleValue::new(name).aliases(["fast-api", "fast_api"]),
        _ => PossibleValue::new(name),
    };
    PossibleValuesParser::new(names.iter().map(value))
        .map(|name| name.to_lowercase().replace(['-', '_'], ""))
        .into()
}
