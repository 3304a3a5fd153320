//! Renders `setup.sh`.

use super::{
    RECORDS, REDACTED, Secrets, base64_lines, deploy_key_name, log_arguments, logged_units,
    record_name, render_text,
};
use crate::config::types::Python;
use crate::config::unit::{self, Section, Unit};
use crate::config::{KnownHost, PackageManager, Server, VenvMode, is_ssh};
use crate::credentials;
use crate::error::Error;
use crate::payload::{Packages, Payload, SYSTEM};
use askama::Template;
use std::fmt::Write;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "setup.sh", config = "templates/askama.toml")]
struct Setup<'a> {
    server: &'a Server,
    /// The path of the app's record below `records`.
    app: String,
    records: &'static str,
    /// Secrets were left out, so the script must refuse to run.
    redacted: bool,
    release_venv: bool,
    /// Always false, for `parts/run.sh`, which `deploy.sh` includes too.
    migrates: bool,
    uv: bool,
    /// The Python that creates virtualenvs, as a shell word.
    python: &'static str,
    /// The interpreter in the config, and whether it is a name that a Debian package may have, not a path.
    interpreter: Option<String>,
    python_is_named: bool,
    /// Packages that setup and deploys need, separated by spaces.
    base_packages: String,
    /// The other `system_packages` of the config.
    system_packages: String,
    known_hosts: &'a [KnownHost],
    /// Keys of some known hosts are fetched with ssh-keyscan.
    scans: bool,
    /// Complete lines for known_hosts.
    pinned: String,
    /// Only a payload with Debian packages.
    payload: Option<&'a Payload>,
    /// The key's file name on the host.
    deploy_key_name: String,
    /// Base64.
    deploy_key: Option<String>,
    units: &'a [Arc<Unit>],
    /// Pairs of a unit's name and an alias.
    aliases: Vec<(&'a str, String)>,
    /// The services that deploys restart, and the sockets, timers and paths that trigger them, which setup starts.
    services: Vec<&'a Unit>,
    triggers: Vec<&'a Unit>,
    /// Names of the units, services and triggers, separated by spaces.
    unit_list: String,
    service_list: String,
    trigger_list: String,
    /// The path of the sudoers file; empty without services.
    sudo_file: String,
    /// The user and the services, escaped for sudoers.
    sudo_user: String,
    sudo_units: String,
    /// For each service the arguments of journalctl to show and to follow its log, escaped for sudoers.
    sudo_logs: Vec<String>,
    secrets: Vec<SecretText<'a>>,
}

struct SecretText<'a> {
    name: &'a str,
    /// Base64.
    text: String,
}

/// A copy of the server in which passwords of URLs in units are redacted, or `None` if there are no such passwords.
fn without_passwords(server: &Server) -> Option<Server> {
    let has_some = |unit: &Unit| !credentials::find(&unit.text).is_empty();
    if !server.service_file.iter().any(|unit| has_some(unit)) {
        return None;
    }
    let mut clean = server.clone();
    for unit in &mut clean.service_file {
        let unit = Arc::make_mut(unit);
        unit.text = credentials::replace(&unit.text, |_| REDACTED.to_owned());
    }
    Some(clean)
}

pub(super) fn render(server: &Server, secrets: Secrets) -> Result<String, Error> {
    let redact = secrets == Secrets::Redact;
    let clean = redact.then(|| without_passwords(server)).flatten();
    let server = clean.as_ref().unwrap_or(server);
    // With a payload, hosts contact neither the repository nor a package index.
    let fetches = server.fetches();
    let known_hosts = if fetches {
        &server.ssh_known_hosts[..]
    } else {
        &[]
    };
    let is_scan = |host: &KnownHost| matches!(host, KnownHost::Scan { .. });
    let pinned: Vec<&str> = known_hosts
        .iter()
        .filter_map(|host| match host {
            KnownHost::Pinned(line) => Some(line.as_str()),
            KnownHost::Scan { .. } => None,
        })
        .collect();
    let base_packages = base_packages(server);
    let python = pip_python(server);
    let services = unit::services(&server.service_file);
    let triggers = unit::triggers(&server.service_file);
    render_text(Setup {
        server,
        app: record_name(&server.app),
        records: RECORDS,
        redacted: redact
            && (!server.secrets.is_empty()
                || fetches && server.deploy_key.is_some()
                || clean.is_some()),
        release_venv: server.venv_mode == VenvMode::Release,
        migrates: false,
        uv: fetches && server.package_manager == PackageManager::Uv,
        python: match python {
            Some(_) => "\"$python\"",
            None => "python3",
        },
        interpreter: python.map(Python::interpreter),
        python_is_named: python.is_some_and(Python::is_named),
        system_packages: system_packages(server, &base_packages).join(" "),
        base_packages: base_packages.join(" "),
        payload: server
            .payload
            .as_deref()
            .filter(|payload| payload.part(SYSTEM).is_some()),
        known_hosts,
        scans: known_hosts.iter().any(is_scan),
        pinned: pinned.join("\n"),
        deploy_key_name: deploy_key_name(&server.app),
        deploy_key: server
            .deploy_key
            .as_deref()
            .filter(|_| fetches)
            .map(|key| base64_lines(&key.bytes, secrets)),
        units: &server.service_file,
        aliases: server
            .service_file
            .iter()
            .flat_map(|unit| aliases(unit))
            .collect(),
        unit_list: unit::names(&server.service_file),
        service_list: unit::names(&services),
        trigger_list: unit::names(&triggers),
        sudo_file: services.first().map_or_else(String::new, |first| {
            sudo_file(&server.project_user, &first.name)
        }),
        sudo_user: sudoers_user(&server.project_user),
        sudo_units: services
            .iter()
            .map(|service| sudoers_argument(&service.name))
            .collect::<Vec<_>>()
            .join(" "),
        sudo_logs: sudo_logs(server),
        services,
        triggers,
        secrets: server
            .secrets
            .iter()
            .map(|secret| SecretText {
                name: &secret.name,
                text: base64_lines(&secret.bytes, secrets),
            })
            .collect(),
    })
}

/// Pairs of the unit's name and each `Alias=` in its `[Install]` section.
fn aliases(unit: &Unit) -> Vec<(&str, String)> {
    let install = Section::parse(&unit.text, "Install").unwrap_or_default();
    let names = install
        .values("Alias")
        .into_iter()
        .flat_map(|(names, _)| names.split_whitespace());
    names
        .map(|name| (unit.name.as_str(), name.to_owned()))
        .collect()
}

/// The Debian packages that `setup.sh` installs on a fresh host.
pub fn host_packages(server: &Server) -> Packages {
    let base = base_packages(server);
    let recommending = system_packages(server, &base);
    let mut packages = Packages {
        base: base.iter().map(|name| (*name).to_owned()).collect(),
        recommending: recommending.into_iter().map(str::to_owned).collect(),
    };
    if let Some(python) = pip_python(server).filter(|python| python.is_named()) {
        let interpreter = python.interpreter();
        let venv = format!("{interpreter}-venv");
        packages.base.extend([interpreter, venv]);
    }
    packages
}

/// The config's `python`, unless the host uses uv, which finds or downloads a Python itself.
fn pip_python(server: &Server) -> Option<&Python> {
    let python = server.python.as_ref();
    python.filter(|_| server.package_manager == PackageManager::Pip)
}

/// Debian packages that setup and deploys need.
fn base_packages(server: &Server) -> Vec<&'static str> {
    let mut packages = vec!["python3", "python3-venv"];
    let fetches = server.fetches();
    if fetches {
        packages.extend(["python3-pip", "git"]);
    }
    if server.health_check_url.is_some() {
        packages.extend(["curl", "ca-certificates"]);
    }
    if !unit::services(&server.service_file).is_empty() {
        packages.push("sudo");
    }
    let uses_ssh = !server.ssh_known_hosts.is_empty()
        || server.deploy_key.is_some()
        || is_ssh(&server.source_code_url);
    if fetches && uses_ssh {
        packages.push("openssh-client");
    }
    packages
}

/// The `system_packages` that are not among the base packages, without duplicates.
fn system_packages<'a>(server: &'a Server, base: &[&str]) -> Vec<&'a str> {
    let mut packages: Vec<&str> = Vec::new();
    for package in &server.system_packages {
        if !base.contains(&&**package) && !packages.contains(&&**package) {
            packages.push(package);
        }
    }
    packages
}

/// The path of a user's sudoers file, unique for the user and the first service. sudo ignores files with a dot in their name,
/// so a dot becomes `+`; visudo ends a path at a colon, so that and other special bytes become `%XX`.
fn sudo_file(user: &str, unit: &str) -> String {
    let mut path = "/etc/sudoers.d/pystrano-".to_owned();
    for (part, separator) in [(user, ","), (unit, "")] {
        for byte in part.bytes() {
            match byte {
                b'.' => path.push('+'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' => {
                    path.push(byte.into());
                }
                _ => write!(path, "%{byte:02X}").expect("writing to a String does not fail"),
            }
        }
        path.push_str(separator);
    }
    path
}

/// For each service the arguments of journalctl to show and to follow its log, escaped for sudoers.
fn sudo_logs(server: &Server) -> Vec<String> {
    let rule = |name: &str, follow| {
        let arguments = log_arguments(name, follow);
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| sudoers_argument(argument))
            .collect();
        arguments.join(" ")
    };
    logged_units(server)
        .into_iter()
        .flat_map(|service| [false, true].map(|follow| rule(service, follow)))
        .collect()
}

/// Escapes a user name for sudoers, where an unescaped word in capitals is an alias or `ALL`.
fn sudoers_user(user: &str) -> String {
    if user.starts_with(|first: char| first.is_ascii_uppercase()) {
        format!("\\{user}")
    } else {
        user.to_owned()
    }
}

/// Escapes an argument of a command for sudoers. sudo removes one level of backslashes and matches the rest as a glob
/// pattern, so a literal backslash needs four.
fn sudoers_argument(text: &str) -> String {
    let mut argument = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => argument.push_str(r"\\\"),
            ',' | ':' | '=' | '#' | ' ' | '*' | '?' | '[' | ']' | '!' | '^' => argument.push('\\'),
            _ => {}
        }
        argument.push(character);
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::config::unit::{Unit, UnitKind};
    use crate::script::test_server;

    fn with(fields: &str) -> Server {
        let fields = format!(
            "  run_migrations: true\n  collect_static_files: true\n  system_packages: libpq-dev git\n{fields}"
        );
        test_server("git@github.com:example/example.git", &fields)
    }

    fn server() -> Server {
        with("")
    }

    fn unit(name: &str, text: &str) -> Unit {
        let kind = UnitKind::from_name(name).expect("a unit");
        Unit::new(name.into(), name.to_owned(), kind, text.to_owned()).expect("a unit")
    }

    fn full_server() -> Server {
        Server {
            service_file: vec![Arc::new(unit(
                "gunicorn.service",
                "[Service]\nExecStart=/bin/echo 'it''s' $HOME\n",
            ))],
            secrets: vec![Arc::new(Secret {
                name: "key.txt".to_owned(),
                bytes: b"canary".to_vec(),
            })],
            ..with(
                "  package_manager: uv\n  ssh_known_hosts:\n    - git.example.com\n    \
                 - h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEWzp1lEQ4tLvUo0xuWEgJ9Nd2tdCzPbjEUzW0rLSQJd\n  \
                 health_check_url: http://127.0.0.1:8000/\n",
            )
        }
    }

    fn revealed(server: &Server) -> String {
        render(server, Secrets::Reveal).expect("a script")
    }

    #[track_caller]
    fn has(script: &str, line: &str) {
        assert!(
            script
                .lines()
                .any(|each| each.trim_start_matches('\t') == line),
            "{line}\n{script}"
        );
    }

    #[test]
    fn packages_are_named_once_and_follow_the_config() {
        has(
            &revealed(&server()),
            "base_packages='python3 python3-venv python3-pip git openssh-client'",
        );
        has(&revealed(&server()), "system_packages=libpq-dev");
        has(
            &revealed(&full_server()),
            "base_packages='python3 python3-venv python3-pip git curl ca-certificates sudo openssh-client'",
        );
    }

    #[test]
    fn two_rules_never_share_a_file_and_sudo_reads_each() {
        let names = [
            ("deploy", "gunicorn.service"),
            ("deploy", "gunicorn+service"),
            ("deploy,gunicorn", "service"),
            ("deploy.gunicorn", "service"),
            ("deploy", "gunicorn_service"),
            ("deploy", "app@1.service"),
            ("deploy", "a%2Bb.service"),
            ("deploy", "a+b.service"),
            ("deploy", "a:b.service"),
        ]
        .map(|(user, unit)| sudo_file(user, unit));
        assert_eq!(names[0], "/etc/sudoers.d/pystrano-deploy,gunicorn+service");
        for (index, name) in names.iter().enumerate() {
            assert!(
                !name["/etc/sudoers.d/".len()..].contains(['.', '~', '/', ':']),
                "{name}"
            );
            assert!(!names[index + 1..].contains(name), "{name}");
        }
    }

    /// `sudo -l` accepted each escaped argument for the name on the left, and for no other name.
    #[test]
    fn a_sudo_rule_means_the_name_and_nothing_else() {
        assert_eq!(sudoers_user("deploy"), "deploy");
        assert_eq!(sudoers_user("ALL"), r"\ALL");
        for (unit, argument) in [
            ("gunicorn.service", "gunicorn.service"),
            ("app@1.service", "app@1.service"),
            ("a:b.service", r"a\:b.service"),
            (r"a\x2db.service", r"a\\\\x2db.service"),
            ("a*.service", r"a\*.service"),
        ] {
            assert_eq!(sudoers_argument(unit), argument);
        }
    }

    #[test]
    fn a_script_has_no_step_that_the_config_does_not_ask_for() {
        let script = revealed(&server());
        for word in [
            "systemctl enable",
            "visudo",
            "ssh-keyscan",
            "base64",
            "bin/uv",
            "refuse()",
        ] {
            assert!(!script.contains(word), "{word}");
        }
    }

    #[test]
    fn what_is_left_out_makes_the_script_refuse() {
        let script = render(&full_server(), Secrets::Redact).expect("a script");
        assert!(
            !script.contains(&base64_lines(b"canary", Secrets::Reveal)),
            "{script}"
        );
        has(&script, "[redacted]");
        has(&script, "refuse");
        // Without secrets there is nothing to leave out.
        assert_eq!(
            render(&server(), Secrets::Redact).expect("a script"),
            revealed(&server())
        );
    }
}
