//! The questions, in the order of the Python tool, with their defaults.

use super::interview::{Interview, Question, Stop, each, number};
use super::ports;
use crate::cli::{Cli, Framework, Given, PackageManager, Target};
use crate::config::types::{
    Branch, Command, DependencyFile, Host, Package, RemotePath, RepositoryUrl, Rule, UnixUser,
    VenvDir, line, secret_name, unit_name,
};
use crate::config::{KnownHost, absolute};
use crate::diagnostics::{Message, quoted};
use std::path::Path;

/// Of releases and commits.
const MOST: i32 = 1_000_000;

/// All that `deployment.yml` and the unit are made of.
pub struct Answers {
    pub framework: Framework,
    pub user: String,
    pub venv_dir: String,
    pub package_manager: PackageManager,
    pub dependency_file: String,
    pub app_module: String,
    pub app_port: String,
    pub repo: String,
    pub project_root: String,
    pub keep_releases: String,
    pub dependency_install_command: Option<String>,
    pub system_packages: Vec<String>,
    pub env_file: String,
    pub ssh_known_hosts: Vec<String>,
    pub service_file: String,
    pub branch: String,
    pub clone_depth: String,
    pub secrets: Vec<String>,
    pub run_migrations: bool,
    pub collect_static_files: bool,
    pub migration_command: Option<String>,
    pub static_files_command: Option<String>,
    pub host: String,
    pub port: String,
}

impl Answers {
    /// The absolute path of the project on the host.
    pub fn root(&self) -> String {
        absolute(&self.user, &self.project_root)
    }

    /// The absolute path of a program of the virtualenv on the host.
    pub fn program(&self, name: &str) -> String {
        format!("{}/bin/{name}", absolute(&self.user, &self.venv_dir))
    }
}

/// Asks what the command line does not say.
pub fn ask(
    interview: &mut Interview,
    cli: &Cli,
    target: &Target,
    given: &Given,
) -> Result<Answers, Stop> {
    let name = format!("{}-{}", slug(&target.app), slug(&target.environment));
    let here = cli
        .deploy_config_dir
        .join(&target.app)
        .join(&target.environment);
    let beside = |file: &str| here.join(file).to_string_lossy().into_owned();

    let framework = interview.choice("--framework", "Framework", given.framework)?;
    let fastapi = framework == Framework::Fastapi;
    let user = interview.text(
        &Question {
            flag: "--user",
            text: "Project user",
            help: "owns and deploys the app on the host; setup creates it",
            default: Some("deploy"),
            rule: UnixUser::check,
        },
        given.user.as_ref(),
    )?;
    let venv_dir = interview.text(
        &Question {
            flag: "--venv-dir",
            text: "Virtualenv directory",
            help: "on the host, under the user's home",
            default: Some(&format!(".venv-{name}")),
            rule: |path| VenvDir::check(path).and_then(|()| plain(path)),
        },
        given.venv_dir.as_ref(),
    )?;
    let package_manager = interview.choice(
        "--package-manager",
        "Package manager",
        given.package_manager,
    )?;
    let dependency_file = interview.text(
        &Question {
            flag: "--dependency-file",
            text: "Dependency file",
            help: "from the top of the repository",
            default: Some(match package_manager {
                PackageManager::Pip => "requirements.txt",
                PackageManager::Uv => "uv.lock",
            }),
            rule: DependencyFile::check,
        },
        given.dependency_file.as_ref(),
    )?;
    let app_module = interview.text(
        &Question {
            flag: "--app-module",
            text: "Application import path",
            help: "module:name, as the server imports it",
            default: Some(&match framework {
                Framework::Django => format!("{}.wsgi:application", identifier(&target.app)),
                Framework::Fastapi => "main:app".to_owned(),
            }),
            rule: module,
        },
        given.app_module.as_ref(),
    )?;
    let app_port = interview.text(
        &Question {
            flag: "--app-port",
            text: "Service port",
            help: "of 127.0.0.1, for the web server in front; each app of a host needs its own",
            default: Some(&ports::free(&cli.deploy_config_dir).to_string()),
            rule: |text| number(text, 1, 65535),
        },
        given.app_port.as_ref(),
    )?;
    let repo = interview.text(
        &Question {
            flag: "--repo",
            text: "Git repository URL",
            help: "as the host clones it, like git@github.com:you/app.git",
            default: None,
            rule: RepositoryUrl::check,
        },
        given.repo.as_ref(),
    )?;
    let project_root = interview.text(
        &Question {
            flag: "--project-root",
            text: "Remote project root",
            help: "on the host, under the user's home",
            default: Some(&format!("apps/{name}")),
            rule: |path| RemotePath::check(path).and_then(|()| plain(path)),
        },
        given.project_root.as_ref(),
    )?;
    let keep_releases = interview.text(
        &Question {
            flag: "--keep-releases",
            text: "Releases to keep",
            help: "0 or less keeps all",
            default: Some("5"),
            rule: |text| number(text, -MOST, MOST),
        },
        given.keep_releases.as_ref(),
    )?;
    let dependency_install_command = interview.optional(
        &Question {
            flag: "--dependency-install-command",
            text: "Custom dependency install command (optional)",
            help: "instead of the built-in one",
            default: None,
            rule: Command::check,
        },
        given.dependency_install_command.as_ref(),
    )?;
    let system_packages = interview.optional(
        &Question {
            flag: "--system-packages",
            text: "System packages",
            help: "of Debian, with spaces between",
            default: Some("libpq-dev python3-dev build-essential"),
            rule: |text| each(packages(text), Package::check),
        },
        given.system_packages.as_ref(),
    )?;
    let env_file = interview.text(
        &Question {
            flag: "--env-file",
            text: "Local dotenv file",
            help: "its variables are the app's environment",
            default: Some(&beside(".env")),
            rule: file,
        },
        given.env_file.as_ref(),
    )?;
    let ssh_known_hosts = interview.optional(
        &Question {
            flag: "--ssh-known-hosts",
            text: "SSH known hosts",
            help: "whose keys the host learns, with `;` between; none for a repository over https",
            default: repository_host(&repo).as_deref(),
            rule: |text| each(text.split(';'), |entry| KnownHost::parse(entry).map(drop)),
        },
        given.ssh_known_hosts.as_ref(),
    )?;
    let service_file = interview.text(
        &Question {
            flag: "--service-file",
            text: "Local systemd service file",
            help: "a starter unit is written there; its file name is the unit's",
            default: Some(&beside(&format!("{name}.service"))),
            rule: unit,
        },
        given.service_file.as_ref(),
    )?;
    let branch = interview.text(
        &Question {
            flag: "--branch",
            text: "Git branch",
            help: "",
            default: Some("main"),
            rule: Branch::check,
        },
        given.branch.as_ref(),
    )?;
    let clone_depth = interview.text(
        &Question {
            flag: "--clone-depth",
            text: "Git clone depth",
            help: "0 or less clones the whole history",
            default: Some("1"),
            rule: |text| number(text, -MOST, MOST),
        },
        given.clone_depth.as_ref(),
    )?;
    let secrets = interview.optional(
        &Question {
            flag: "--secrets",
            text: "Secret files (optional)",
            help: "local files that are linked into every release, with `;` between",
            default: None,
            rule: |text| each(text.split(';'), secret),
        },
        given.secrets.as_ref(),
    )?;
    let run_migrations = interview.confirm(
        "--run-migrations",
        "Run migrations during deploy?",
        given.run_migrations,
        true,
    )?;
    let collect_static_files = interview.confirm(
        "--collect-static-files",
        "Collect/build static files during deploy?",
        given.collect_static_files,
        !fastapi,
    )?;
    let migrates = fastapi && run_migrations;
    let migration_command = match migrates {
        true => Some(interview.text(
            &Question {
                flag: "--migration-command",
                text: "FastAPI migration command",
                help: "runs in the release, its virtualenv first in PATH",
                default: Some("alembic upgrade head"),
                rule: Command::check,
            },
            given.migration_command.as_ref(),
        )?),
        false => {
            interview.unused("--migration-command", given.migration_command.as_ref());
            None
        }
    };
    let builds = fastapi && collect_static_files;
    let static_files_command = match builds {
        true => Some(interview.text(
            &Question {
                flag: "--static-files-command",
                text: "FastAPI static files command",
                help: "runs in the release, its virtualenv first in PATH",
                default: None,
                rule: Command::check,
            },
            given.static_files_command.as_ref(),
        )?),
        false => {
            let given = given.static_files_command.as_ref();
            interview.unused("--static-files-command", given);
            None
        }
    };
    let host = interview.text(
        &Question {
            flag: "--host",
            text: "Server host",
            help: "as ssh knows it",
            default: None,
            rule: Host::check,
        },
        given.host.as_ref(),
    )?;
    let port = interview.text(
        &Question {
            flag: "--port",
            text: "SSH port",
            help: "",
            default: Some("22"),
            rule: |text| number(text, 1, 65535),
        },
        given.port.as_ref(),
    )?;
    let items = |text: Option<String>| -> Vec<String> {
        let text = text.unwrap_or_default();
        let items = text.split(';').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    };
    Ok(Answers {
        framework,
        user,
        venv_dir,
        package_manager,
        dependency_file,
        app_module,
        app_port,
        repo,
        project_root,
        keep_releases,
        dependency_install_command,
        system_packages: packages(&system_packages.unwrap_or_default())
            .map(str::to_owned)
            .collect(),
        env_file,
        ssh_known_hosts: items(ssh_known_hosts),
        service_file,
        branch,
        clone_depth,
        secrets: items(secrets),
        run_migrations,
        collect_static_files,
        migration_command,
        static_files_command,
        host,
        port,
    })
}

/// Packages with white space, `,` or `;` between.
fn packages(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|name| !name.is_empty())
}

/// A name as a part of other names: only what paths and units take unquoted, and not a sign at first.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        match character {
            '_' | '.' | '-' => slug.push(character),
            _ if character.is_ascii_alphanumeric() => slug.push(character),
            _ if character.is_ascii() => slug.push('-'),
            // So that two names stay two.
            _ => slug += &format!("{:x}", u32::from(character)),
        }
    }
    match slug.starts_with(['.', '-']) {
        true => format!("app{slug}"),
        false => slug,
    }
}

/// A name as Python takes it for a module.
fn identifier(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || c == '_';
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    match name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        true => name,
        false => format!("_{name}"),
    }
}

/// The entry of known_hosts that cloning a repository over ssh needs.
fn repository_host(url: &str) -> Option<String> {
    let address = match url.split_once("://") {
        Some(("ssh" | "git+ssh", rest)) => rest.split('/').next()?,
        Some(_) => return None,
        // An IPv6 address has colons of its own.
        None => match url.split_once("]:") {
            Some((address, _)) => &url[..=address.len()],
            None => url.split_once(':').map(|(address, _)| address)?,
        },
    };
    let host = address
        .rsplit('@')
        .next()
        .filter(|host| !host.contains('/'))?;
    let entry = match host.rsplit_once(':') {
        Some((name, port)) if !name.starts_with('[') => format!("[{name}]:{port}"),
        _ => host.to_owned(),
    };
    KnownHost::parse(&entry).is_ok().then_some(entry)
}

/// A path that a unit can name as it is.
fn plain(path: &str) -> Result<(), Message> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._+@-".contains(c);
    match path.chars().find(|c| !fits(*c)) {
        None => Ok(()),
        Some(character) => Err(Message::new(
            format!("the path {} has the character {character:?}", quoted(path)),
            "use letters, digits and `/._+@-`",
        )),
    }
}

/// What gunicorn and uvicorn import.
fn module(text: &str) -> Result<(), Message> {
    let part = |part: &str| {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | ')');
        part.starts_with(|c: char| c.is_alphabetic() || c == '_') && part.chars().all(fits)
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [module, name] if part(module) && part(name) => Ok(()),
        _ => Err(Message::new(
            format!("{} is not an import path", quoted(text)),
            "write it like shop.wsgi:application or main:app",
        )),
    }
}

/// A local file that need not exist yet.
fn file(path: &str) -> Result<(), Message> {
    line(path)?;
    match path.ends_with('/') || Path::new(path).file_name().is_none() {
        true => Err(Message::new(
            format!("{} is a directory", quoted(path)),
            "name a file in it",
        )),
        false => Ok(()),
    }
}

fn unit(path: &str) -> Result<(), Message> {
    file(path)?;
    let name = Path::new(path).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    unit_name(&name)?;
    match name.ends_with(".service") {
        true => Ok(()),
        false => Err(Message::new(
            format!("{} is not a service", quoted(&name)),
            "name the file like gunicorn.service",
        )),
    }
}

/// A local file that must exist.
fn secret(path: &str) -> Result<(), Message> {
    file(path)?;
    let name = Path::new(path).file_name().unwrap_or_default();
    secret_name(&name.to_string_lossy())?;
    match Path::new(path).is_file() {
        true => Ok(()),
        false => Err(Message::new(
            format!("the local file {} does not exist", quoted(path)),
            "create it, or leave it out for now",
        )),
    }
}
