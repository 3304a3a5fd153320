//! The text of the files that `init` writes.

use super::answers::Answers;
use crate::cli::{Framework, Target};
use crate::error::Error;
use askama::Template;

#[derive(Template)]
#[template(path = "deployment.yml", config = "templates/askama.toml")]
struct Deployment<'a> {
    schema: &'a str,
    answers: &'a Answers,
    framework: String,
    package_manager: String,
}

#[derive(Template)]
#[template(path = "gunicorn.service", config = "templates/askama.toml")]
struct Gunicorn<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: String,
    program: String,
}

#[derive(Template)]
#[template(path = "uvicorn.service", config = "templates/askama.toml")]
struct Uvicorn<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: String,
    program: String,
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
    let text = Deployment {
        schema,
        answers,
        framework: answers.framework.to_string(),
        package_manager: answers.package_manager.to_string(),
    };
    line_ended(text)
}

/// The starter unit.
pub fn unit(target: &Target, answers: &Answers) -> Result<String, Error> {
    let root = answers.root();
    match answers.framework {
        Framework::Django => line_ended(Gunicorn {
            target,
            answers,
            root,
            program: answers.program("gunicorn"),
        }),
        Framework::Fastapi => line_ended(Uvicorn {
            target,
            answers,
            root,
            program: answers.program("uvicorn"),
        }),
    }
}

/// A dotenv file to begin with: examples in comments.
pub fn env(answers: &Answers) -> Result<String, Error> {
    line_ended(Env {
        django: answers.framework == Framework::Django,
        root: answers.root(),
    })
}

/// Askama drops the last newline of a template.
fn line_ended(template: impl Template) -> Result<String, Error> {
    Ok(template.render()? + "\n")
}
