//! Renders the files that `init` writes.

use super::checkout::file_name;
use crate::cli::Target;
use crate::cli::questions::Answers;
use crate::error::Error;
use crate::script::render_text;
use askama::Template;
use std::path::Path;

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
    root: &'a str,
    socket: &'a str,
}

#[derive(Template)]
#[template(path = "uvicorn.service", config = "templates/askama.toml")]
struct Uvicorn<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: &'a str,
    socket: &'a str,
}

#[derive(Template)]
#[template(path = "app.socket", config = "templates/askama.toml")]
struct Socket<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: &'a str,
    service: &'a str,
}

#[derive(Template)]
#[template(path = "worker.service", config = "templates/askama.toml")]
struct Worker<'a> {
    target: &'a Target,
    answers: &'a Answers,
    root: &'a str,
    part: &'a str,
    command: &'a str,
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

/// Renders `deployment.yml`; `schema` is the path of its JSON Schema.
pub fn deployment(answers: &Answers, schema: &str) -> Result<String, Error> {
    render_text(Deployment { schema, answers })
}

/// Renders the starter units, as pairs of path and text.
pub fn units(target: &Target, answers: &Answers) -> Result<Vec<(String, String)>, Error> {
    let root = &answers.root();
    let files = answers.unit_files();
    let [service, socket, workers @ ..] = &files[..] else {
        unreachable!("a service and its socket are always written");
    };
    let [service_name, socket_name] = [service, socket].map(|path| file_name(Path::new(path)));
    let web = if answers.is_fastapi() {
        render_text(Uvicorn {
            target,
            answers,
            root,
            socket: &socket_name,
        })?
    } else {
        render_text(Gunicorn {
            target,
            answers,
            root,
            socket: &socket_name,
        })?
    };
    let text = render_text(Socket {
        target,
        answers,
        root,
        service: &service_name,
    })?;
    let mut units = vec![(service.clone(), web), (socket.clone(), text)];
    for (path, (part, command)) in workers.iter().zip(answers.workers()) {
        let text = render_text(Worker {
            target,
            answers,
            root,
            part,
            command: &command,
        })?;
        units.push((path.clone(), text));
    }
    Ok(units)
}

/// Renders the starter dotenv file, whose examples are commented out.
pub fn env(answers: &Answers) -> Result<String, Error> {
    render_text(Env {
        django: !answers.is_fastapi(),
        root: answers.root(),
    })
}
