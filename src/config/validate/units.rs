//! Checks the systemd units against each other and against other fields.

use super::is_inside;
use crate::config::fields::Server;
use crate::config::reader::Reader;
use crate::config::types::{absolute, normalize_lexically};
use crate::config::unit::{Unit, UnitKind};
use crate::diagnostics::{Message, quoted};
use std::path::Path;

pub fn units(server: &Server, reader: &mut Reader) {
    if reader.is_valid("service_file") {
        triggered_units(server, reader);
    }
    if !reader.are_valid(&["project_user", "project_root"]) {
        return;
    }
    for unit in &server.service_file {
        if unit.kind == UnitKind::Service {
            service(unit, server, reader);
        }
        files_opened_as_root(unit, server, reader);
        commands_run_as_root(unit, server, reader);
    }
}

/// The unit that a socket, timer or path triggers must be listed as well.
fn triggered_units(server: &Server, reader: &mut Reader) {
    for unit in &server.service_file {
        let Some(triggered) = unit.triggered_unit() else {
            continue;
        };
        if server
            .service_file
            .iter()
            .any(|other| other.name == triggered)
        {
            continue;
        }
        let what = format!(
            "{} starts {}, which `service_file` does not name",
            quoted(&unit.name),
            quoted(&triggered)
        );
        let help = if triggered.ends_with("@.service") {
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
    let mut warn = |line, message| {
        reader
            .diagnostics
            .warn_in_file(&service.path, line, message);
    };
    let section = &service.section;
    match section.value("User") {
        None if user == "root" => {}
        None => {
            let what = "the unit names no user, so systemd runs the app as root";
            let help = format!("write `User={user}` in its [Service] section");
            warn(section.line, Message::new(what, help));
        }
        // Only systemd can expand a specifier such as `%i`.
        Some((other, _)) if other == user || other.contains('%') => {}
        Some((other, line)) => {
            let other = quoted(other);
            let what = format!("the unit runs the app as {other}, not as the project_user");
            let message = Message::new(what, format!("write `User={user}`"));
            warn(line, message);
        }
    }
    let timeout = section.value("TimeoutStartSec");
    if let Some(("infinity" | "0", line)) = timeout.or_else(|| section.value("TimeoutSec"))
        && !service.is_oneshot()
    {
        let what = "a deploy waits for this unit's start, however long it takes";
        let message = Message::new(what, "write a time, such as `TimeoutStartSec=90`");
        warn(line, message);
    }
    differing_lines(service, server, reader);
}

/// Help that recommends the launcher, which starts the app with the release's env.
fn launcher(server: &Server) -> String {
    let root = &*server.project_root;
    format!("`ExecStart={root}/current/.pystrano/run` before the app's command")
}

/// Warns of files that systemd opens as root, although the app's user can replace them with a symlink or a FIFO.
fn files_opened_as_root(unit: &Unit, server: &Server, reader: &mut Reader) {
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
            // The path may follow a `-`, a mode such as `append:`, or the name of a credential.
            let path = value.find('/').map_or("", |start| &value[start..]);
            let path = normalize_lexically(Path::new(path));
            let path = &path.to_string_lossy();
            if is_inside(path, &server.project_root) || is_inside(path, &home) {
                let what = "systemd opens this file as root, although the app can replace it";
                let message = Message::new(what, help);
                reader.diagnostics.warn_in_file(&unit.path, line, message);
            }
        }
    }
}

/// Warns of commands that systemd runs as root although the app runs as `project_user`.
fn commands_run_as_root(unit: &Unit, server: &Server, reader: &mut Reader) {
    let user = &*server.project_user;
    let is_root_socket =
        unit.kind == UnitKind::Socket && unit.section.value("User").is_none() && user != "root";
    for setting in [
        "ExecCondition",
        "ExecStartPre",
        "ExecStart",
        "ExecStartPost",
        "ExecReload",
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
            } else if is_root_socket {
                let what = "systemd runs this command as root: the socket names no user";
                Message::new(what, format!("write `User={user}` in its [Socket] section"))
            } else {
                continue;
            };
            reader.diagnostics.warn_in_file(&unit.path, line, message);
        }
    }
}

/// Warns of lines of the env file that systemd parses differently from the deploy's commands.
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
            let what = "systemd, which reads this file for the unit, reads this line differently from the deploy's commands";
            let help = format!(
                "in the unit, write {} in place of `EnvironmentFile=`",
                launcher(server)
            );
            let message = Message::new(what, help);
            reader
                .diagnostics
                .warn_in_file(&env_file.path, *line, message);
        }
    }
}
