//! Renders `logs.sh`.

use super::{LOG_LINES, log_arguments, render_text};
use crate::config::Server;
use crate::config::unit::UnitKind;
use crate::error::Error;
use askama::Template;

#[derive(Template)]
#[template(path = "logs.sh", config = "templates/askama.toml")]
struct Logs<'a> {
    server: &'a Server,
    /// Names, separated by spaces.
    units: String,
    max_lines: usize,
    /// Arguments of journalctl, as shell words.
    show: String,
    follow: String,
}

pub(super) fn render(server: &Server) -> Result<String, Error> {
    let arguments = |follow| log_arguments("\"$unit\"", follow).join(" ");
    render_text(Logs {
        server,
        units: logged_units(server).join(" "),
        max_lines: LOG_LINES,
        show: arguments(false),
        follow: arguments(true),
    })
}

/// Names of the server's services, whose logs the app user may read with sudo.
pub fn logged_units(server: &Server) -> Vec<&str> {
    let units = server.service_file.iter();
    let services = units.filter(|unit| unit.kind == UnitKind::Service);
    services.map(|service| service.name.as_str()).collect()
}
