//! `check`: validates the config; contacts nothing.

use crate::cli::{Cli, Selection};
use crate::config::Server;
use crate::config::unit::{self, Unit, UnitKind};
use crate::error::Error;
use crate::report;
use std::process::ExitCode;

/// Prints user, address and project root of each server, then `ok`.
pub fn run(cli: &Cli, selection: &Selection) -> Result<ExitCode, Error> {
    let config = super::load(cli, &selection.target, &selection.hosts)?;
    for server in &config.servers {
        let port = server
            .port
            .map_or_else(String::new, |port| format!(":{port}"));
        report::result(format_args!(
            "{}@{}{port} {}",
            server.project_user, server.host, server.project_root
        ));
    }
    if let Some(unit) = config.servers.iter().find_map(without_socket) {
        report::note(format_args!(
            "note: requests are refused while {} restarts; with a socket unit beside it they wait, as in what `pystrano init` writes",
            unit.name
        ));
    }
    let servers = report::counted(config.servers.len(), "server");
    report::result(format_args!("ok: {servers}"));
    Ok(ExitCode::SUCCESS)
}

/// A service that runs a web server, where no socket unit keeps the port open during its restarts.
fn without_socket(server: &Server) -> Option<&Unit> {
    const WEB_SERVERS: [&str; 5] = ["gunicorn", "uvicorn", "hypercorn", "daphne", "granian"];
    let units = &server.service_file;
    if units.iter().any(|unit| unit.kind == UnitKind::Socket) {
        return None;
    }
    unit::services(units).into_iter().find(|unit| {
        let mut words = unit
            .section
            .values("ExecStart")
            .into_iter()
            .flat_map(|(command, _)| command.split_whitespace());
        words.any(|word| WEB_SERVERS.contains(&word.rsplit('/').next().unwrap_or(word)))
    })
}
