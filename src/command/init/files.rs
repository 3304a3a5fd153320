//! The text of the files that `init` writes.

use crate::cli::Target;
use crate::cli::questions::Answers;
use crate::error::Error;
use askama::Template;

#[derive(Template)]
#[template(path = "deployment.yml", config = "templates/askama.toml")]
struct Deployment<'a> {
    schema: &'a str,
    answers: &'a Answers,
}

#[derive(Template)]
#[template(path = "gunicorn.service", config = "templates/askama.toml")]
struct Gunicorn<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: String,
}

#[derive(Template)]
#[template(path = "uvicorn.service", config = "templates/askama.toml")]
struct Uvicorn<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: String,
}

#[derive(Template)]
#[template(
    path = "starter.env",
    config = "templates/askama.toml",
    escape = "none"
)]
struct Env {
    django: bool,
    root: String,
}

/// `deployment.yml`; `schema` is the path of its schema from there.
pub fn deployment(answers: &Answers, schema: &str) -> Result<String, Error> {
    line_ended(Deployment { schema, answers })
}

/// The starter unit.
pub fn unit(target: &Target, answers: &Answers) -> Result<String, Error> {
    let root = answers.root();
    match answers.is_fastapi() {
        false => line_ended(Gunicorn {
            target,
            answers,
            root,
        }),
        true => line_ended(Uvicorn {
            target,
            answers,
            root,
        }),
    }
}

/// A dotenv file to begin with: examples in comments.
pub fn env(answers: &Answers) -> Result<String, Error> {
    line_ended(Env {
        django: !answers.is_fastapi(),
        root: answers.root(),
    })
}

/// Askama drops the last newline of a template.
fn line_ended(template: impl Template) -> Result<String, Error> {
    Ok(template.render()? + "\n")
}
