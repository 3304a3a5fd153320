//! `check`: validates the config; contacts nothing.

use crate::cli::{Cli, Selection};
use crate::error::Error;
use crate::report;
use std::process::ExitCode;

/// Prints one line for each server, then `ok`.
pub fn run(cli: &Cli, selection: &Selection) -> Result<ExitCode, Error> {
    let config = super::load(cli, selection)?;
    for server in &config.servers {
        let port = server
            .port
            .map_or_else(String::new, |port| format!(":{port}"));
        report::result(format_args!(
            "{}@{}{port} {}",
            server.project_user, server.host, server.project_root
        ));
    }
    let servers = match config.servers.len() {
        1 => "1 server".to_owned(),
        count => format!("{count} servers"),
    };
    report::result(format_args!("ok: {servers}"));
    Ok(ExitCode::SUCCESS)
}
