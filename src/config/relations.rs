//! Mistakes that only show when several fields are looked at together.

use super::diagnostic::{Problem, credentials, quoted};
use super::layer::Scope;
use super::resolve::Resolver;
use super::settings::{Depth, Settings};
use super::{Address, Framework, VenvMode, rules};
use std::collections::HashMap;

/// Checks the fields of one server against each other.
pub fn check(resolver: &mut Resolver, scope: &Scope, settings: &Settings, port: Option<u16>) {
    address(resolver, scope, settings, port);
    paths(resolver, scope, settings);
    framework(resolver, scope, settings);
    source_code(resolver, scope, settings);
    users(resolver, scope, settings);
    if settings.health_check_url.is_none() {
        for (field, is_set) in [
            (
                "health_check_timeout",
                settings.health_check_timeout.is_some(),
            ),
            ("health_check_host", settings.health_check_host.is_some()),
            (
                "health_check_statuses",
                settings.health_check_statuses.is_some(),
            ),
        ] {
            if is_set {
                resolver.warn(
                    scope.mark(field),
                    Problem::new(
                        format!("`{field}` has no effect without `health_check_url`"),
                        "add the address to check",
                    ),
                );
            }
        }
    }
}

fn address(resolver: &mut Resolver, scope: &Scope, settings: &Settings, port: Option<u16>) {
    let port = port.filter(|_| !scope.is_refused("port"));
    if let (Some(host), Some(port)) = (&settings.host, port) {
        resolver.addresses.push(Address {
            host: host.as_str().into(),
            port,
            shares_host: false,
            selected: true,
            at: scope.at,
            // A host under `common` is written once: then the entries of the servers are the places.
            mark: scope.mark("host").max(scope.at),
        });
    }
}

/// Reports what is listed twice, and marks the servers that share a host.
pub fn compare(resolver: &mut Resolver) {
    let mut addresses = std::mem::take(&mut resolver.addresses);
    let mut sorted: Vec<&mut Address> = addresses.iter_mut().collect();
    sorted.sort_by(|a, b| a.lower().cmp(b.lower()).then(a.port.cmp(&b.port)));
    for same_host in sorted.chunk_by_mut(|a, b| a.lower().eq(b.lower())) {
        let several = same_host.len() > 1;
        for same in same_host.chunk_by_mut(|a, b| a.port == b.port) {
            for address in &same[1..] {
                resolver.error(
                    address.mark,
                    Problem::new(
                        format!(
                            "the server {}:{} is listed twice",
                            address.host, address.port
                        ),
                        format!("remove it here or on line {}", same[0].at.line),
                    ),
                );
            }
        }
        for address in same_host {
            address.shares_host = several;
        }
    }
    // On a file system that takes `A` for `a`, too.
    let name = |address: &Address| address.text('_').to_lowercase();
    let with_port: HashMap<String, usize> = addresses
        .iter()
        .filter(|address| address.shares_host)
        .map(|address| (name(address), address.at.line))
        .collect();
    for address in addresses.iter().filter(|address| !address.shares_host) {
        if let Some(line) = with_port.get(&name(address)) {
            let what = format!(
                "{} is also what the server on line {line} is called, after its host and port",
                quoted(&address.host)
            );
            let help = "give one of them another host name in your ssh_config";
            resolver.error(address.mark, Problem::new(what, help));
        }
    }
    resolver.addresses = addresses;
}

fn paths(resolver: &mut Resolver, scope: &Scope, settings: &Settings) {
    for (field, path) in [
        ("project_root", &settings.project_root),
        ("venv_dir", &settings.venv_dir),
    ] {
        if path.as_ref().is_some_and(|path| path.starts_with("~")) {
            resolver.warn(
                scope.mark(field),
                Problem::new(
                    format!("`~` is not expanded in `{field}`"),
                    "leave it out: the path starts from the user's home",
                ),
            );
        }
    }
    let (Some(user), Some(root), Some(venv)) = (
        &settings.project_user,
        &settings.project_root,
        &settings.venv_dir,
    ) else {
        return;
    };
    let root = absolute(user, root);
    let venv = absolute(user, venv);
    let mark = scope.mark("venv_dir");
    let own = [
        "releases",
        "current",
        "shared/media",
        "shared/revisions.log",
        ".pystrano",
        "venvs",
    ]
    .into_iter()
    .filter(|own| *own != "venvs" || settings.venv_mode == Some(VenvMode::Release))
    .find(|own| is_inside(&venv, &format!("{root}/{own}")))
    .or_else(|| {
        let in_shared = venv.strip_prefix(&root)?.strip_prefix("/shared")?;
        (in_shared.is_empty() || in_shared.starts_with("/.env")).then_some("shared")
    });
    if venv == root {
        resolver.error(
            mark,
            Problem::new(
                "`venv_dir` is the same directory as `project_root`",
                "give the virtualenv a directory of its own",
            ),
        );
    } else if let Some(own) = own {
        resolver.error(
            mark,
            Problem::new(
                format!("`venv_dir` lies in the project's `{own}`, which deploys manage"),
                "name another directory",
            ),
        );
    }
    if settings.venv_mode != Some(VenvMode::Release) {
        return;
    }
    if venv != root && is_inside(&root, &venv) {
        resolver.error(
            mark,
            Problem::new(
                "`project_root` lies inside `venv_dir`, which is a link with `venv_mode: release`",
                "name another directory for the virtualenv",
            ),
        );
    }
    for (field, command) in [
        (
            "dependency_install_command",
            &settings.dependency_install_command,
        ),
        ("migration_command", &settings.migration_command),
        ("static_files_command", &settings.static_files_command),
    ] {
        if command
            .as_ref()
            .is_some_and(|command| command.contains(&format!("{venv}/")))
        {
            resolver.warn(
                scope.mark(field),
                Problem::new(
                    format!(
                        "`{field}` names {}, which belongs to the current release",
                        quoted(&venv)
                    ),
                    "write the program's name alone: the new release's virtualenv is first in PATH",
                ),
            );
        }
    }
}

/// A path of a config on the host: under the user's home unless it is absolute; no empty or `.` parts.
pub fn absolute(user: &str, path: &str) -> String {
    let whole = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/home/{user}/{path}"),
    };
    let parts = whole.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| path + "/" + part)
}

/// Whether a path is a directory or lies in it.
fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn framework(resolver: &mut Resolver, scope: &Scope, settings: &Settings) {
    if settings.framework == Some(Framework::FastApi) {
        if settings.collect_static_files == Some(true) && settings.static_files_command.is_none() {
            resolver.error(
                scope.mark("collect_static_files"),
                Problem::new(
                    "`static_files_command` is missing: FastAPI has no command of its own",
                    "add it, or write `collect_static_files: false`",
                ),
            );
        }
        return;
    }
    for (field, command) in [
        ("migration_command", &settings.migration_command),
        ("static_files_command", &settings.static_files_command),
    ] {
        if command.is_some() {
            resolver.warn(
                scope.mark(field),
                Problem::new(
                    format!("`{field}` has no effect with Django"),
                    "remove it, or write `framework: fastapi`",
                ),
            );
        }
    }
}

fn users(resolver: &mut Resolver, scope: &Scope, settings: &Settings) {
    if settings.setup_user.is_some() && settings.setup_user == settings.project_user {
        resolver.warn(
            scope.mark("setup_user"),
            Problem::new(
                "`setup_user` is the `project_user`, from whom setup takes all sudo but that of restarting the unit",
                "name another user that may use sudo, or root",
            ),
        );
    }
}

fn source_code(resolver: &mut Resolver, scope: &Scope, settings: &Settings) {
    if settings
        .source_code_url
        .as_deref()
        .is_some_and(|url| credentials(url).is_some())
    {
        resolver.warn(
            scope.mark("source_code_url"),
            Problem::new(
                "the password in `source_code_url` can be seen in the host's list of processes",
                "use an ssh address with a deploy key or a forwarded agent",
            ),
        );
    }
    if settings.deploy_key.is_some()
        && settings
            .source_code_url
            .as_deref()
            .is_some_and(|url| !rules::is_ssh(url))
    {
        resolver.warn(
            scope.mark("deploy_key"),
            Problem::new(
                "`deploy_key` has no effect: `source_code_url` is no ssh address",
                "write the address like git@github.com:you/app.git, or remove the key",
            ),
        );
    }
    if settings.clone_depth == Some(Depth::Unclear) {
        resolver.warn(
            scope.mark("clone_depth"),
            Problem::new(
                "`clone_depth` is not a number: the whole history is cloned",
                "write 0 if that is meant",
            ),
        );
    }
}
