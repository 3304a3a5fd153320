//! Cross-field validation: mistakes that only show when several fields are looked at together.

mod units;

use super::fields::Server;
use super::reader::Reader;
use super::types::{Delivery, Framework, Hooks, PackageManager, Rule, VenvMode, absolute, is_ssh};
use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use std::collections::HashMap;

/// Checks the fields of one server against each other, and puts them into their final form.
pub fn server(server: &mut Server, reader: &mut Reader) {
    if reader.are_valid(&["project_user", "project_root", "venv_dir"]) {
        let user = &server.project_user;
        server.project_root = Rule::new(absolute(user, &server.project_root));
        server.venv_dir = Rule::new(absolute(user, &server.venv_dir));
        paths(server, reader);
    }
    python(server, reader);
    if let Some(revision) = server.revision.take() {
        server.set_revision(revision);
    }
    if let Err(message) = server.dependency_file.resolve_from(&server.app_dir) {
        reader.error("dependency_file", message);
    }
    dependency_file(server, reader);
    dependency_sets(server, reader);
    commands(server, reader);
    shared_paths(server, reader);
    hooks(server, reader);
    units::units(server, reader);
    env_command(server, reader);
    users(server, reader);
    deploy_key(server, reader);
    delivery(server, reader);
    health_check(server, reader);
}

/// Fields that decide for all servers together must be the same on each.
pub fn same(first: &Server, server: &Server, reader: &mut Reader) {
    let same_batch = server.promote_batch == first.promote_batch;
    let same_pause = server.promote_pause == first.promote_pause;
    let same_hooks = [Hooks::ON_SUCCESS, Hooks::ON_FAILURE]
        .iter()
        .all(|point| server.hooks.at(point) == first.hooks.at(point));
    for (field, subject, is_same) in [
        ("promote_batch", "`promote_batch`", same_batch),
        ("promote_pause", "`promote_pause`", same_pause),
        ("hooks", "what `hooks` runs on the controller", same_hooks),
    ] {
        if !is_same {
            let what = format!("{subject} is another one than the first server's");
            reader.error(field, Message::new(what, "set it once, under `common:`"));
        }
    }
}

fn paths(server: &Server, reader: &mut Reader) {
    let (root, venv) = (&*server.project_root, &*server.venv_dir);
    let follows_release = server.venv_mode == VenvMode::Release;
    let own = [
        "releases",
        "current",
        "shared/media",
        "shared/revisions.log",
        ".pystrano",
        "venvs",
    ]
    .into_iter()
    .filter(|own| *own != "venvs" || follows_release)
    .find(|own| is_inside(venv, &format!("{root}/{own}")))
    .or_else(|| {
        let in_shared = venv.strip_prefix(root)?.strip_prefix("/shared")?;
        (in_shared.is_empty() || in_shared.starts_with("/.env")).then_some("shared")
    });
    if venv == root {
        let what = "`venv_dir` is the same directory as `project_root`";
        let help = "give the virtualenv a directory of its own";
        reader.error("venv_dir", Message::new(what, help));
    } else if let Some(own) = own {
        let what = format!("`venv_dir` lies in the project's `{own}`, which deploys manage");
        reader.error("venv_dir", Message::new(what, "name another directory"));
    }
    if !follows_release {
        return;
    }
    if venv != root && is_inside(root, venv) {
        let what =
            "`project_root` lies inside `venv_dir`, which is a link with `venv_mode: release`";
        let help = "name another directory for the virtualenv";
        reader.error("venv_dir", Message::new(what, help));
    }
    for (field, command) in [
        (
            "dependency_install_command",
            &server.dependency_install_command,
        ),
        ("migration_command", &server.migration_command),
        ("static_files_command", &server.static_files_command),
    ] {
        let names_venv = |command: &str| command.contains(&format!("{venv}/"));
        if command.as_deref().is_some_and(names_venv) {
            let venv = quoted(venv);
            let what = format!("`{field}` names {venv}, which belongs to the current release");
            let help =
                "write the program's name alone: the new release's virtualenv is first in PATH";
            reader.warn(field, Message::new(what, help));
        }
    }
}

/// Whether a path is a directory or lies in it.
fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn commands(server: &Server, reader: &mut Reader) {
    if server.framework == Framework::FastApi {
        if server.collect_static_files && !reader.is_set("static_files_command") {
            let what = "`static_files_command` is missing: FastAPI has no command of its own";
            let help = "add it, or write `collect_static_files: false`";
            reader.error("collect_static_files", Message::new(what, help));
        }
        return;
    }
    for (field, command, own) in [
        ("migration_command", &server.migration_command, "migrate"),
        (
            "static_files_command",
            &server.static_files_command,
            "collectstatic",
        ),
    ] {
        if command.is_some() {
            let what = format!("`{field}` runs in place of `manage.py {own}`");
            let help = format!("leave it out where `manage.py {own}` is meant");
            reader.warn(field, Message::new(what, help));
        }
    }
}

/// Two paths that are shared must not lie in each other, nor where a secret goes.
fn shared_paths(server: &Server, reader: &mut Reader) {
    let secrets = server.secrets.iter();
    let mut paths: Vec<(&str, &str)> = secrets.map(|secret| ("secrets", &*secret.name)).collect();
    for (field, shared) in [
        ("shared_dirs", &server.shared_dirs),
        ("shared_files", &server.shared_files),
    ] {
        paths.extend(shared.iter().map(|path| (field, &**path)));
    }
    for (index, (field, path)) in paths.iter().enumerate() {
        let others = &paths[..index];
        let meets = |other: &str| is_inside(path, other) || is_inside(other, path);
        if let Some((of, other)) = others.iter().find(|(_, other)| meets(other)) {
            let what = if path == other {
                format!("{} is named twice, in `{of}` and here", quoted(path))
            } else {
                format!(
                    "{} and {} of `{of}` lie in each other",
                    quoted(path),
                    quoted(other)
                )
            };
            reader.item_error(field, path, Message::new(what, "leave one of them out"));
        }
    }
}

/// Hooks around a step that this server does not take.
fn hooks(server: &Server, reader: &mut Reader) {
    if server.collect_static_files || reader.is_set("collect_static_files") {
        return;
    }
    for point in ["before_static", "after_static"] {
        if !server.hooks.at(point).is_empty() {
            let what = format!("the hook `{point}` runs with the static files only");
            let help = "write `collect_static_files: true`";
            reader.warn("hooks", Message::new(what, help));
        }
    }
}

/// uv makes a shared virtualenv anew for another Python only where it installs a lock.
fn python(server: &Server, reader: &mut Reader) {
    let makes_none = server.package_manager == PackageManager::Uv
        && server.venv_mode == VenvMode::Shared
        && server.dependency_file.uv_lock_directory().is_none();
    if server.python.is_some() && makes_none && reader.is_valid("venv_mode") {
        let what =
            "`python` has no effect on the virtualenv that releases share, which has one already";
        reader.error("python", Message::new(what, "write `venv_mode: release`"));
    }
}

/// A project that pip installs is code, too.
fn project(server: &Server, reader: &mut Reader) {
    if server.venv_mode != VenvMode::Release && reader.is_valid("venv_mode") {
        let what = "pip installs the project itself, which the virtualenv that releases share must not hold";
        let help = "write `venv_mode: release`, or name a requirements.txt";
        reader.error("dependency_file", Message::new(what, help));
    }
}

/// Extras and groups are those of a project.
fn dependency_sets(server: &Server, reader: &mut Reader) {
    let file = &server.dependency_file;
    let is_project = server.dependency_install_command.is_none()
        && (file.project_directory().is_some()
            || server.package_manager == PackageManager::Uv && file.uv_lock_directory().is_some());
    for (field, names) in [
        ("dependency_extras", &server.dependency_extras),
        ("dependency_groups", &server.dependency_groups),
    ] {
        if !names.is_empty() && !is_project && reader.is_valid("dependency_file") {
            let what = format!("`{field}` has no effect: {} is no project", quoted(file));
            let help = "write `dependency_file: pyproject.toml`, or leave it out";
            reader.warn(field, Message::new(what, help));
        }
    }
}

/// Refuses files that the package manager would take for lists of requirements.
fn dependency_file(server: &Server, reader: &mut Reader) {
    let is_known = reader.are_valid(&[
        "package_manager",
        "dependency_file",
        "dependency_install_command",
    ]);
    if !is_known || server.dependency_install_command.is_some() {
        return;
    }
    let file = &*server.dependency_file;
    let name = file.rsplit('/').next().unwrap_or_default();
    let uses_pip = server.package_manager == PackageManager::Pip;
    let name_another =
        "name its pyproject.toml or a requirements.txt, or write a `dependency_install_command`";
    let (what, help) = match name {
        "" | "." => ("is a directory", name_another),
        "poetry.lock" | "pdm.lock" => (
            "is for another package manager",
            "export it to a requirements.txt, or write a `dependency_install_command`",
        ),
        "Pipfile" | "Pipfile.lock" => (
            "is for another package manager",
            "write it out with `pipenv requirements >requirements.txt`, or write a `dependency_install_command`",
        ),
        "pyproject.toml" if uses_pip => return project(server, reader),
        "setup.py" | "setup.cfg" if uses_pip => ("is not a list of requirements", name_another),
        "uv.lock" if uses_pip => ("is for uv", "write `package_manager: uv`"),
        _ => return,
    };
    let what = format!(
        "{} {what}, which the built-in installation does not read",
        quoted(file)
    );
    reader.error("dependency_file", Message::new(what, help));
}

fn env_command(server: &Server, reader: &mut Reader) {
    if server.env_command.is_some() && reader.is_set("env_file") {
        let what = "`env_command` and `env_file` are both set";
        let help = "remove one of them, or unset it for this server with `false`";
        reader.error("env_command", Message::new(what, help));
    }
}

fn users(server: &Server, reader: &mut Reader) {
    if reader.is_set("setup_user") && server.setup_user == server.project_user {
        let what = "`setup_user` is the `project_user`, from whom setup takes all sudo but that of restarting the unit";
        let help = "name another user that may use sudo, or root";
        reader.warn("setup_user", Message::new(what, help));
    }
}

fn deploy_key(server: &Server, reader: &mut Reader) {
    let is_used = !reader.is_valid("source_code_url") || is_ssh(&server.source_code_url);
    if server.deploy_key.is_some() && !is_used {
        let what = "`deploy_key` has no effect: `source_code_url` is no ssh address";
        let help = "write the address like git@github.com:you/app.git, or remove the key";
        reader.warn("deploy_key", Message::new(what, help));
    }
}

/// What has no effect where a deploy sends the code, or is for that alone.
fn delivery(server: &Server, reader: &mut Reader) {
    if server.delivery == Delivery::Pull {
        return;
    }
    for (field, is_set) in [
        ("deploy_key", server.deploy_key.is_some()),
        ("forward_agent", server.forward_agent),
    ] {
        if is_set {
            let what = format!(
                "`{field}` has no effect with `delivery: push`: git runs on this machine, with your access"
            );
            reader.warn(field, Message::new(what, "leave it out"));
        }
    }
    if server.dependency_install_command.is_some() {
        let what = "`dependency_install_command` runs on the host with `delivery: push`, too, which brings no wheels for it";
        let help = "leave it out, or see that it finds what it installs there";
        reader.warn("dependency_install_command", Message::new(what, help));
    }
    if let Some(python) = server
        .python
        .as_ref()
        .filter(|python| python.version().is_none())
    {
        let what = format!(
            "{} does not say its version, which a payload's wheels are for",
            quoted(python)
        );
        let help = "write it like 3.13, or name the file that ends with the version, like /opt/python/bin/python3.13";
        reader.error("python", Message::new(what, help));
    }
}

fn health_check(server: &Server, reader: &mut Reader) {
    if server.health_check_url.is_some() || !reader.is_valid("health_check_url") {
        return;
    }
    for field in [
        "health_check_timeout",
        "health_check_host",
        "health_check_statuses",
    ] {
        if reader.is_set(field) {
            let what = format!("`{field}` has no effect without `health_check_url`");
            reader.warn(field, Message::new(what, "add the address to check"));
        }
    }
}

/// Where a server's address is written.
pub struct Address {
    /// Host and port were read.
    pub is_known: bool,
    /// The server in the config file.
    pub at: Position,
    pub host: Position,
}

/// Reports what is listed twice, and names the servers that share a host.
pub fn addresses(servers: &mut [Server], addresses: &[Address], diagnostics: &mut Diagnostics) {
    let lower = |server: &Server| server.host.to_lowercase();
    let known = servers.iter_mut().zip(addresses);
    let mut sorted: Vec<_> = known.filter(|(_, address)| address.is_known).collect();
    sorted
        .sort_by_cached_key(|(server, address)| (lower(server), server.port_number(), address.at));
    for same_host in sorted.chunk_by_mut(|(a, _), (b, _)| lower(a) == lower(b)) {
        for same in same_host.chunk_by(|(a, _), (b, _)| a.port_number() == b.port_number()) {
            let help = format!("remove it here or on line {}", same[0].1.at.line);
            for (server, address) in &same[1..] {
                let what = format!(
                    "the server {}:{} is listed twice",
                    server.host,
                    server.port_number()
                );
                diagnostics.error(address.host, Message::new(what, &help));
            }
        }
        if same_host.len() > 1 {
            for (server, _) in same_host {
                server.name = format!("{}_{}", server.host, server.port_number());
            }
        }
    }
    // On a file system that takes `A` for `a`, too.
    let with_port: HashMap<String, usize> = sorted
        .iter()
        .filter(|(server, _)| server.name != *server.host)
        .map(|(server, address)| (server.name.to_lowercase(), address.at.line))
        .collect();
    for (server, address) in sorted
        .iter()
        .filter(|(server, _)| server.name == *server.host)
    {
        if let Some(line) = with_port.get(&lower(server)) {
            let what = format!(
                "{} is also what the server on line {line} is called, after its host and port",
                quoted(&server.host)
            );
            let help = "give one of them another host name in your ssh_config";
            diagnostics.error(address.host, Message::new(what, help));
        }
    }
}
