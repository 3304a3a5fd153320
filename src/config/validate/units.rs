//! Checks of the units against each other and against other fields.

use super::is_inside;
use crate::config::fields::Server;
use crate::config::reader::Reader;
use crate::config::types::{absolute, normalize_lexically};
use crate::config::unit::{Unit, UnitKind};
use crate::diagnostics::{Diagnostic, Message, quoted};
use std::path::Path;

pub fn units(server: &Server, reader: &mut Reader) {
    if reader.is_valid("service_file") {
        started_units(server, reader);
    }
    if !reader.are_valid(&["project_user", "project_root"]) {
        return;
    }
    for unit in &server.service_file {
        if unit.kind == UnitKind::Service {
            service(unit, server, reader);
        }
        opened_as_root(unit, server, reader);
        run_as_root(unit, server, reader);
    }
}

/// What a socket, timer or path starts must be there, too.
fn started_units(server: &Server, reader: &mut Reader) {
    for unit in &server.service_file {
        let Some(started) = unit.starts() else {
            continue;
        };
        if server
            .service_file
            .iter()
            .any(|other| other.name == started)
        {
            continue;
        }
        let what = format!(
            "{} starts {}, which `service_file` does not name",
            quoted(&unit.name),
            quoted(&started)
        );
        let help = if started.ends_with("@.service") {
            "write `Accept=no`: the app takes the connections itself".to_owned()
        } else {
            "add its file to the list".to_owned()
        };
        let file = unit.path.to_string_lossy();
        reader.item_error("service_file", &file, Message::new(what, help));
    }
}

/// Checks the settings of a service against other fields.
fn service(service: &Unit, server: &Server, reader: &mut Reader) {
    let user = &*server.project_user;
    let mut warn = |file: &Path, line, message| {
        let warning = Diagnostic::without_excerpt(file, line, message);
        reader.diagnostics.add_warning(warning);
    };
    let section = &service.section;
    match section.value("User") {
        None if user == "root" => {}
        None => {
            let what = "the unit names no user, so systemd runs the app as root";
            let help = format!("write `User={user}` in its [Service] section");
            warn(&service.path, section.line, Message::new(what, help));
        }
        // A specifier, which only systemd knows.
        Some((named, _)) if named == user || named.contains('%') => {}
        Some((named, line)) => {
            let named = quoted(named);
            let what = format!("the unit runs the app as {named}, not as the project_user");
            let message = Message::new(what, format!("write `User={user}`"));
            warn(&service.path, line, message);
        }
    }
    let timeout = section.value("TimeoutStartSec");
    if let Some(("infinity" | "0", line)) = timeout.or_else(|| section.value("TimeoutSec"))
        && !service.is_oneshot()
    {
        let what = "a deploy waits for this unit's start, however long it takes";
        let message = Message::new(what, "write a time, such as `TimeoutStartSec=90`");
        warn(&service.path, line, message);
    }
    differing_lines(service, server, reader);
}

/// What starts the app with the release's env.
fn launcher(server: &Server) -> String {
    let root = &*server.project_root;
    format!("`ExecStart={root}/current/.pystrano/run` before the app's command")
}

/// Files that systemd opens as root for a unit, although the app's user could put a link or a FIFO in their place.
fn opened_as_root(unit: &Unit, server: &Server, reader: &mut Reader) {
    let home = absolute(&server.project_user, "");
    let launcher = format!(
        "leave the line out and write {}, which sets the release's env",
        launcher(server)
    );
    let elsewhere = "name a file that only root can change, such as one below /etc";
    let listen = "name a path below /run";
    for (setting, help) in [
        ("EnvironmentFile", &*launcher),
        (
            "StandardOutput",
            "write `StandardOutput=journal`, which `pystrano logs` shows",
        ),
        (
            "StandardError",
            "write `StandardError=journal`, which `pystrano logs` shows",
        ),
        ("StandardInput", elsewhere),
        ("LoadCredential", elsewhere),
        ("LoadCredentialEncrypted", elsewhere),
        (
            "PIDFile",
            "leave the line out and write `Type=exec`, with an app that stays in the foreground",
        ),
        ("ListenStream", listen),
        ("ListenDatagram", listen),
        ("ListenSequentialPacket", listen),
        ("ListenFIFO", listen),
        ("ListenSpecial", listen),
    ] {
        for (value, line) in unit.section.values(setting) {
            // Before it stand a `-`, a way to open it such as `append:`, or a credential's name.
            let path = value.find('/').map_or("", |start| &value[start..]);
            let path = normalize_lexically(Path::new(path));
            let path = &path.to_string_lossy();
            if is_inside(path, &server.project_root) || is_inside(path, &home) {
                let what = "systemd opens this file as root, although the app can replace it";
                reader.diagnostics.add_warning(Diagnostic::without_excerpt(
                    &unit.path,
                    line,
                    Message::new(what, help),
                ));
            }
        }
    }
}

/// Commands that run as root beside an app that does not.
fn run_as_root(unit: &Unit, server: &Server, reader: &mut Reader) {
    let user = &*server.project_user;
    let socket_of_root =
        unit.kind == UnitKind::Socket && unit.section.value("User").is_none() && user != "root";
    for setting in [
        "ExecCondition",
        "ExecStartPre",
        "ExecStart",
        "ExecStartPost",
        "ExecReload",
        "ExecStopPre",
        "ExecStop",
        "ExecStopPost",
    ] {
        for (command, line) in unit.section.values(setting) {
            let program = command.trim_start_matches(['@', '-', ':', '+', '!', '|']);
            let prefix = &command[..command.len() - program.len()];
            let message = if prefix.contains('+') || prefix.matches('!').count() == 1 {
                let what = "systemd runs this command as root, whatever `User=` says";
                let prefix = prefix.replace(['+', '!'], "");
                Message::new(what, format!("write `{setting}={prefix}{program}`"))
            } else if socket_of_root {
                let what = "systemd runs this command as root: the socket names no user";
                Message::new(what, format!("write `User={user}` in its [Socket] section"))
            } else {
                continue;
            };
            let warning = Diagnostic::without_excerpt(&unit.path, line, message);
            reader.diagnostics.add_warning(warning);
        }
    }
}

/// Lines of the env that a service gets otherwise than the deploy's commands.
fn differing_lines(service: &Unit, server: &Server, reader: &mut Reader) {
    let Some(env_file) = &server.env_file else {
        return;
    };
    for (path, _) in service.section.values("EnvironmentFile") {
        let path = path.trim_start_matches('-');
        if path.strip_prefix(&*server.project_root) != Some("/shared/.env") {
            continue;
        }
        for line in &env_file.differing_lines {
            let what = "systemd, which reads this file for the unit, takes this line otherwise than the deploy's commands";
            let help = format!(
                "in the unit, write {} in place of `EnvironmentFile=`",
                launcher(server)
            );
            let warning =
                Diagnostic::without_excerpt(&env_file.path, *line, Message::new(what, help));
            reader.diagnostics.add_warning(warning);
        }
    }
}
