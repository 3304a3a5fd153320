//! Cross-field validation.

mod units;

use super::fields::Server;
use super::reader::Reader;
use super::types::{Delivery, Framework, Hooks, PackageManager, Rule, VenvMode, absolute, is_ssh};
use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use std::collections::HashMap;

/// Validates the fields of a server against each other, and resolves its paths.
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
    setup_user(server, reader);
    deploy_key(server, reader);
    delivery(server, reader);
    health_check(server, reader);
}

/// Fields that apply to the whole run must have the same value for each server.
pub fn uniform_fields(first: &Server, server: &Server, reader: &mut Reader) {
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
            let what = format!("{subject} differs from that of the first server");
            reader.error(field, Message::new(what, "set it once, under `common:`"));
        }
    }
}

/// Checks that `venv_dir` does not collide with directories that deploys manage.
fn paths(server: &Server, reader: &mut Reader) {
    let (root, venv) = (&*server.project_root, &*server.venv_dir);
    let is_release_venv = server.venv_mode == VenvMode::Release;
    let managed = [
        "releases",
        "current",
        "shared/media",
        "shared/revisions.log",
        ".pystrano",
        "venvs",
    ]
    .into_iter()
    .filter(|managed| *managed != "venvs" || is_release_venv)
    .find(|managed| is_inside(venv, &format!("{root}/{managed}")))
    .or_else(|| {
        let in_shared = venv.strip_prefix(root)?.strip_prefix("/shared")?;
        (in_shared.is_empty() || in_shared.starts_with("/.env")).then_some("shared")
    });
    if venv == root {
        let what = "`venv_dir` is the same directory as `project_root`";
        let help = "give the virtualenv a directory of its own";
        reader.error("venv_dir", Message::new(what, help));
    } else if let Some(managed) = managed {
        let what = format!("`venv_dir` lies in the project's `{managed}`, which deploys manage");
        reader.error("venv_dir", Message::new(what, "name another directory"));
    }
    if !is_release_venv {
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

/// Whether a path is `directory` itself or inside it.
fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// FastAPI has no default for `static_files_command`; for Django, a command replaces that of `manage.py`.
fn commands(server: &Server, reader: &mut Reader) {
    if server.framework == Framework::FastApi {
        if server.collect_static_files && !reader.is_set("static_files_command") {
            let what = "`static_files_command` is missing: FastAPI has no command of its own";
            let help = "add it, or write `collect_static_files: false`";
            reader.error("collect_static_files", Message::new(what, help));
        }
        return;
    }
    for (field, command, default) in [
        ("migration_command", &server.migration_command, "migrate"),
        (
            "static_files_command",
            &server.static_files_command,
            "collectstatic",
        ),
    ] {
        if command.is_some() {
            let what = format!("`{field}` runs in place of `manage.py {default}`");
            let help = format!("leave it out if you want `manage.py {default}`");
            reader.warn(field, Message::new(what, help));
        }
    }
}

/// Shared paths and secrets must not overlap.
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
        let overlaps = |other: &str| is_inside(path, other) || is_inside(other, path);
        if let Some((other_field, other)) = others.iter().find(|(_, other)| overlaps(other)) {
            let what = if path == other {
                format!(
                    "{} is named twice, in `{other_field}` and here",
                    quoted(path)
                )
            } else {
                format!(
                    "{} and {} of `{other_field}` overlap",
                    quoted(path),
                    quoted(other)
                )
            };
            reader.item_error(field, path, Message::new(what, "leave one of them out"));
        }
    }
}

/// Warns of hooks around the static files step if the server has no such step.
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

/// `uv pip` keeps the Python of an existing virtualenv. Only `uv sync`, which needs a `uv.lock`, recreates it for
/// another Python.
fn python(server: &Server, reader: &mut Reader) {
    let keeps_python = server.package_manager == PackageManager::Uv
        && server.venv_mode == VenvMode::Shared
        && server.dependency_file.uv_lock_directory().is_none();
    if server.python.is_some() && keeps_python && reader.is_valid("venv_mode") {
        let what =
            "`python` has no effect on the virtualenv that releases share, which has one already";
        reader.error("python", Message::new(what, "write `venv_mode: release`"));
    }
}

/// pip installs a `pyproject.toml` with the project itself. That is code of one release, which a shared virtualenv must
/// not hold.
fn pip_project(server: &Server, reader: &mut Reader) {
    if server.venv_mode != VenvMode::Release && reader.is_valid("venv_mode") {
        let what = "pip installs the project itself, which the virtualenv that releases share must not hold";
        let help = "write `venv_mode: release`, or name a requirements.txt";
        reader.error("dependency_file", Message::new(what, help));
    }
}

/// Extras and dependency groups need a `pyproject.toml` or `uv.lock`.
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
            let what = format!("`{field}` has no effect: {} is not a project", quoted(file));
            let help = "write `dependency_file: pyproject.toml`, or leave it out";
            reader.warn(field, Message::new(what, help));
        }
    }
}

/// Rejects dependency files that the package manager cannot install from.
fn dependency_file(server: &Server, reader: &mut Reader) {
    let is_valid = reader.are_valid(&[
        "package_manager",
        "dependency_file",
        "dependency_install_command",
    ]);
    if !is_valid || server.dependency_install_command.is_some() {
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
        "pyproject.toml" if uses_pip => return pip_project(server, reader),
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

fn setup_user(server: &Server, reader: &mut Reader) {
    if reader.is_set("setup_user") && server.setup_user == server.project_user {
        let what = "`setup_user` is the `project_user`, whose sudo rights setup limits to restarting the unit";
        let help = "name another user that may use sudo, or root";
        reader.warn("setup_user", Message::new(what, help));
    }
}

fn deploy_key(server: &Server, reader: &mut Reader) {
    let is_used = !reader.is_valid("source_code_url") || is_ssh(&server.source_code_url);
    if server.deploy_key.is_some() && !is_used {
        let what = "`deploy_key` has no effect: `source_code_url` is not an ssh address";
        let help = "write the address like git@github.com:you/app.git, or remove the key";
        reader.warn("deploy_key", Message::new(what, help));
    }
}

/// Checks fields that have no effect, or another one, with `delivery: push`.
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
        let help = "leave it out, or make sure that what it installs is available there";
        reader.warn("dependency_install_command", Message::new(what, help));
    }
    if let Some(python) = server
        .python
        .as_ref()
        .filter(|python| python.version().is_none())
    {
        let what = format!(
            "{} does not contain its version, and a payload has wheels for one version",
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

/// Positions of a server's address in the config.
pub struct Address {
    /// Whether host and port are valid.
    pub is_valid: bool,
    /// The position of the server.
    pub server: Position,
    /// The position of its host.
    pub host: Position,
}

/// Reports servers with the same host and port, and gives servers that share a host a name with the port.
pub fn addresses(servers: &mut [Server], addresses: &[Address], diagnostics: &mut Diagnostics) {
    let lower = |server: &Server| server.host.to_lowercase();
    let pairs = servers.iter_mut().zip(addresses);
    let mut sorted: Vec<_> = pairs.filter(|(_, address)| address.is_valid).collect();
    sorted.sort_by_cached_key(|(server, address)| {
        (lower(server), server.port_number(), address.server)
    });
    for same_host in sorted.chunk_by_mut(|(a, _), (b, _)| lower(a) == lower(b)) {
        for same in same_host.chunk_by(|(a, _), (b, _)| a.port_number() == b.port_number()) {
            let help = format!("remove it here or on line {}", same[0].1.server.line);
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
    // `render` names directories after servers, and file systems may ignore case.
    let with_port: HashMap<String, usize> = sorted
        .iter()
        .filter(|(server, _)| server.name != *server.host)
        .map(|(server, address)| (server.name.to_lowercase(), address.server.line))
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
