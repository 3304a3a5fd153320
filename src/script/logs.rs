//! `logs.sh`.

use super::{LOG_LINES, log_arguments, render_text};
use crate::config::Server;
use crate::config::unit::UnitKind;
use crate::error::Error;
use askama::Template;

#[derive(Template)]
#[template(path = "logs.sh", config = "templates/askama.toml")]
struct Logs<'a> {
    server: &'a Server,
    /// Separated by spaces.
    units: String,
    longest: usize,
    /// The arguments of journalctl, as words of the shell.
    show: String,
    follow: String,
}

pub(super) fn render(server: &Server) -> Result<String, Error> {
    let arguments = |follow| log_arguments("\"$unit\"", follow).join(" ");
    render_text(Logs {
        server,
        units: units(server).join(" "),
        longest: LOG_LINES,
        show: arguments(false),
        follow: arguments(true),
    })
}

/// The units of a server whose logs the app user may read.
pub fn units(server: &Server) -> Vec<&str> {
    let units = server.service_file.iter();
    let services = units.filter(|unit| unit.kind == UnitKind::Service);
    services.map(|service| service.name.as_str()).collect()
}
