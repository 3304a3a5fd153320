//! The questions of `init`. Each is declared once, in [`QUESTIONS`], and can also be answered by an option.

use crate::config::types::{
    AppDir, Branch, Command, DependencyFile, Host, Named, Package, Python, RemotePath,
    RepositoryUrl, Rule, UnixUser, Validation, VenvDir, ensure, refuse, secret_name, single_line,
    unit_name,
};
use crate::config::{Framework, KnownHost, PackageManager, absolute, is_ssh};
use crate::diagnostics::quoted;
use Kind::{Choice, Confirm, Optional, Required};
use std::path::{Path, PathBuf};

pub struct Question {
    /// Name of the field in [`Answers`]; the option has `-` in place of `_`.
    pub name: &'static str,
    /// Placeholder for the value in the option's help.
    pub value_name: &'static str,
    pub text: &'static str,
    /// Explains `text`; may be empty.
    pub help: &'static str,
    pub kind: Kind,
    /// Describes the default in `--help`; empty if there is none.
    pub default_text: &'static str,
    /// Computes the default from the answers so far; empty if there is none.
    pub default: fn(&Context, &Answers) -> String,
    /// Whether the question is asked, given the answers so far.
    pub applies: fn(&Answers) -> bool,
    /// The field that stores the answer.
    pub answer: fn(&mut Answers) -> &mut String,
}

/// What a valid answer looks like.
pub enum Kind {
    /// Text that passes the rule.
    Required(fn(&str) -> Validation),
    /// Text that passes the rule, or nothing.
    Optional(fn(&str) -> Validation),
    /// One of these names.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Confirm,
}

/// What defaults are derived from, besides earlier answers.
pub struct Context<'a> {
    pub app: &'a str,
    /// `<app>-<environment>`, reduced to characters that need no quoting in paths and units.
    pub name: String,
    /// Directory of the config file.
    pub directory: PathBuf,
    /// A port that no other app of the deploy directory uses.
    pub port: u16,
}

macro_rules! questions {
    ($($name:ident $([if $applies:expr])? $value_name:literal,
       $text:literal, $help:literal, $kind:expr, [$($default:tt)*];)+) => {
        /// The answers from which `deployment.yml` and the units are rendered. Empty means unanswered.
        #[derive(Debug, Default)]
        pub struct Answers {
            $(pub $name: String,)+
        }

        pub static QUESTIONS: &[Question] = &[$(Question {
            name: stringify!($name),
            value_name: $value_name,
            text: $text,
            help: $help,
            kind: $kind,
            default_text: default_text!($($default)*),
            default: default!($($default)*),
            applies: applies!($($applies)?),
            answer: |answers| &mut answers.$name,
        }),+];
    };
}

macro_rules! default_text {
    () => {
        ""
    };
    ($text:literal) => {
        $text
    };
    ($default:expr, shown $text:literal) => {
        $text
    };
}

macro_rules! default {
    () => {
        |_, _| String::new()
    };
    ($text:literal) => {
        |_, _| $text.to_owned()
    };
    ($default:expr, shown $text:literal) => {
        $default
    };
}

macro_rules! applies {
    () => {
        |_| true
    };
    ($applies:expr) => {
        $applies
    };
}

/// Upper bound for numbers of releases and commits.
const MAX_COUNT: i32 = 1_000_000;

questions! {
    framework "FRAMEWORK",
        "Framework", "",
        Choice(Framework::NAMES), ["django"];
    app_dir "PATH",
        "App directory (optional)", "in the repository, if not its top; commands run there, and the dependency file is relative to it",
        Optional(|path| AppDir::check(path).and_then(|()| unquoted_path(path))), [];
    user "NAME",
        "Project user", "owns and deploys the app on the host; setup creates it",
        Required(UnixUser::check), ["deploy"];
    venv_dir "PATH",
        "Virtualenv directory", "on the host, under the user's home",
        Required(|path| VenvDir::check(path).and_then(|()| unquoted_path(path))),
        [|context, _| format!(".venv-{}", context.name), shown ".venv-<APP>-<ENVIRONMENT>"];
    package_manager "PACKAGE_MANAGER",
        "Package manager", "",
        Choice(PackageManager::NAMES), ["pip"];
    dependency_file "FILE",
        "Dependency file", "relative to the app's directory",
        Required(DependencyFile::check),
        [|_, answers| answers.default_dependency_file(), shown "requirements.txt or uv.lock"];
    python "VERSION",
        "Python version (optional)", "like 3.13; default is that of the host or, with uv, of the project",
        Optional(Python::check), [];
    app_module "MODULE:NAME",
        "Application import path", "module:name, as the server imports it",
        Required(module),
        [|context, answers| answers.default_module(context.app), shown "<APP>.wsgi:application or main:app"];
    app_port "PORT",
        "Service port", "on 127.0.0.1, for the web server in front; unique on the host",
        Required(|text| number(text, 1, 65535)),
        [|context, _| context.port.to_string(), shown "8000, or the next port that no unit here uses"];
    repo "URL",
        "Git repository URL", "as the host clones it, like git@github.com:you/app.git",
        Required(RepositoryUrl::check), [];
    project_root "PATH",
        "Remote project root", "on the host, under the user's home",
        Required(|path| RemotePath::check(path).and_then(|()| unquoted_path(path))),
        [|context, _| format!("apps/{}", context.name), shown "apps/<APP>-<ENVIRONMENT>"];
    keep_releases "N",
        "Releases to keep", "0 or less keeps all",
        Required(|text| number(text, -MAX_COUNT, MAX_COUNT)), ["5"];
    dependency_install_command "COMMAND",
        "Custom dependency install command (optional)", "instead of the built-in one",
        Optional(Command::check),
        [|_, answers| answers.lock_command().unwrap_or_default(), shown "one for poetry.lock or pdm.lock"];
    system_packages "NAMES",
        "System packages", "Debian packages, separated by spaces",
        Optional(|text| packages(text).try_for_each(Package::check)),
        ["libpq-dev python3-dev build-essential"];
    env_file "FILE",
        "Local dotenv file", "its variables are the app's environment",
        Required(file_path),
        [|context, _| context.beside_config(".env"), shown ".env beside deployment.yml"];
    ssh_known_hosts "HOSTS",
        "SSH known hosts", "servers whose keys setup fetches, separated by `;`; none for a repository over https",
        Optional(|text| items(text).try_for_each(|entry| KnownHost::parse(entry).map(drop))),
        [|_, answers| repository_host(&answers.repo).unwrap_or_default(), shown "that of the repository"];
    service_file "FILE",
        "Local systemd service file", "starter units are written there and named after this file",
        Required(service_path),
        [|context, _| context.beside_config(&format!("{}.service", context.name)),
         shown "<APP>-<ENVIRONMENT>.service beside deployment.yml"];
    celery_app "MODULE:NAME",
        "Celery application (optional)", "module:name; init writes units for a worker and beat",
        Optional(module), [];
    worker_command "COMMAND",
        "Worker command (optional)", "runs beside the web process, like python manage.py rqworker; init writes a unit for it",
        Optional(unquoted_command), [];
    branch "NAME",
        "Git branch", "",
        Required(Branch::check), ["main"];
    clone_depth "N",
        "Git clone depth", "0 or less clones the whole history",
        Required(|text| number(text, -MAX_COUNT, MAX_COUNT)), ["1"];
    secrets "FILES",
        "Secret files (optional)", "local files that each release links to, separated by `;`",
        Optional(|text| items(text).try_for_each(existing_secret)), [];
    run_migrations "BOOL",
        "Run migrations during deploy?", "",
        Confirm, ["true"];
    collect_static_files "BOOL",
        "Collect/build static files during deploy?", "",
        Confirm, [|_, answers| (!answers.is_fastapi()).to_string(), shown "true with Django"];
    migration_command [if |answers| answers.is_fastapi() && answers.run_migrations == "true"] "COMMAND",
        "FastAPI migration command", "runs in the release, with its virtualenv first in PATH",
        Required(Command::check), ["alembic upgrade head"];
    static_files_command [if |answers| answers.is_fastapi() && answers.collect_static_files == "true"] "COMMAND",
        "FastAPI static files command", "runs in the release, with its virtualenv first in PATH",
        Required(Command::check), [];
    host "HOST",
        "Server host", "name, address or alias from ssh_config",
        Required(Host::check), [];
    port "PORT",
        "SSH port (optional)", "that of your ssh_config, or 22",
        Optional(|text| number(text, 1, 65535)), [];
}

impl Question {
    /// Validates an answer, ignoring white space around it.
    pub fn check(&self, answer: &str) -> Validation {
        match (&self.kind, answer.trim()) {
            (Required(_), "") => refuse("nothing is written", "it needs an answer"),
            (Required(rule), text) => rule(text),
            (Optional(_), "") | (Choice(_) | Confirm, _) => Ok(()),
            (Optional(rule), text) => rule(text),
        }
    }
}

impl Context<'_> {
    /// The path of a file in the directory of the config.
    fn beside_config(&self, file: &str) -> String {
        self.directory.join(file).to_string_lossy().into_owned()
    }
}

impl Answers {
    pub fn is_fastapi(&self) -> bool {
        self.framework == "fastapi"
    }

    pub fn is_ssh_repo(&self) -> bool {
        is_ssh(&self.repo)
    }

    /// The app's directory in the current release.
    pub fn working_directory(&self) -> String {
        let current = format!("{}/current", self.root());
        match self.app_dir.as_str() {
            "" => current,
            directory => format!("{current}/{directory}"),
        }
    }

    /// The absolute path of the project root on the host.
    pub fn root(&self) -> String {
        absolute(&self.user, &self.project_root)
    }

    pub fn packages(&self) -> impl Iterator<Item = &str> {
        packages(&self.system_packages)
    }

    pub fn known_hosts(&self) -> impl Iterator<Item = &str> {
        items(&self.ssh_known_hosts)
    }

    /// Processes that run beside the web process: the suffix of the unit's name, and the command.
    pub fn workers(&self) -> Vec<(&'static str, String)> {
        let mut workers = Vec::new();
        if !self.celery_app.is_empty() {
            let (app, root) = (&self.celery_app, self.root());
            workers.extend([
                (
                    "worker",
                    format!("celery --app {app} worker --loglevel INFO"),
                ),
                (
                    "beat",
                    format!(
                        "celery --app {app} beat --loglevel INFO --pidfile= \
                         --schedule {root}/shared/celerybeat-schedule"
                    ),
                ),
            ]);
        }
        if !self.worker_command.is_empty() {
            workers.push(("tasks", self.worker_command.clone()));
        }
        workers
    }

    /// Paths of the starter units: the service, its socket, then the workers.
    pub fn unit_files(&self) -> Vec<String> {
        let service = &self.service_file;
        let stem = service.strip_suffix(".service").unwrap_or(service);
        let workers = self.workers().into_iter();
        let workers = workers.map(|(suffix, _)| format!("{stem}-{suffix}.service"));
        [service.clone(), format!("{stem}.socket")]
            .into_iter()
            .chain(workers)
            .collect()
    }

    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        items(&self.secrets)
    }

    /// A command that exports `poetry.lock` or `pdm.lock` to requirements and installs these with uv. `None` for other
    /// dependency files, and without uv.
    fn lock_command(&self) -> Option<String> {
        let (directory, name) = self
            .dependency_file
            .rsplit_once('/')
            .unwrap_or((".", &self.dependency_file));
        let project = match directory {
            "." => String::new(),
            directory => format!(" --project {}", shell_escape::escape(directory.into())),
        };
        let export = match name {
            "poetry.lock" => {
                format!("--from poetry --with poetry-plugin-export poetry export{project}")
            }
            // pdm cannot import hishel 2.
            "pdm.lock" => format!("--with 'hishel<2' pdm export --prod{project}"),
            _ => return None,
        };
        (self.package_manager == "uv").then(|| {
            format!(
                "uv tool run {export} --output \"$PWD/.requirements.txt\" && \
                 uv pip install --compile-bytecode --requirement .requirements.txt"
            )
        })
    }

    fn default_dependency_file(&self) -> String {
        let manager = match self.package_manager.as_str() {
            "uv" => PackageManager::Uv,
            _ => PackageManager::Pip,
        };
        DependencyFile::default_for(manager).to_string()
    }

    fn default_module(&self, app: &str) -> String {
        if self.is_fastapi() {
            "main:app".to_owned()
        } else {
            format!("{}.wsgi:application", identifier(app))
        }
    }
}

/// Splits names of packages at white space, `,` and `;`.
fn packages(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|name| !name.is_empty())
}

/// Splits at `;`, trims the items and drops empty ones.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(';')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Turns a name into a valid Python identifier.
fn identifier(name: &str) -> String {
    let name = name.replace(|c: char| !c.is_alphanumeric() && c != '_', "_");
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        name
    } else {
        format!("_{name}")
    }
}

/// The repository's host as known_hosts names it, `host` or `[host]:port`; `None` unless it is cloned over ssh.
fn repository_host(url: &str) -> Option<String> {
    if !is_ssh(url) {
        return None;
    }
    let address = match (url.split_once("://"), url.split_once("]:")) {
        (Some((_, rest)), _) => rest.split('/').next()?,
        // An IPv6 address has colons of its own.
        (None, Some((address, _))) => &url[..=address.len()],
        (None, None) => url.split(':').next()?,
    };
    let host = address.rsplit('@').next()?;
    let entry = match host.rsplit_once(':') {
        Some((name, port)) if !name.starts_with('[') => format!("[{name}]:{port}"),
        _ => host.to_owned(),
    };
    KnownHost::parse(&entry).is_ok().then_some(entry)
}

/// A path that needs no quoting in a unit.
fn unquoted_path(path: &str) -> Validation {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/._+@-".contains(c);
    match path.chars().find(|c| !is_allowed(*c)) {
        None => Ok(()),
        Some(character) => refuse(
            format!("the path {} has the character {character:?}", quoted(path)),
            "use letters, digits and `/._+@-`",
        ),
    }
}

/// `module:name`, as gunicorn, uvicorn and celery import it; a factory may be called, as in `main:create()`.
fn module(text: &str) -> Validation {
    let is_valid = |part: &str| {
        let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | ')');
        part.starts_with(|c: char| c.is_alphabetic() || c == '_') && part.chars().all(is_allowed)
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [module, name] if is_valid(module) && is_valid(name) => Ok(()),
        _ => refuse(
            format!("{} is not an import path", quoted(text)),
            "write it like shop.wsgi:application or main:app",
        ),
    }
}

/// A command that needs no quoting in a unit, which systemd starts without a shell.
fn unquoted_command(command: &str) -> Validation {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || " /._+@:,=%-".contains(c);
    match command.chars().find(|c| !is_allowed(*c)) {
        None => Ok(()),
        Some(character) => refuse(
            format!(
                "the command {} has the character {character:?}, and no shell runs it",
                quoted(command)
            ),
            "write a program and its words alone, or put the rest into a script of the repository",
        ),
    }
}

/// The path of a local file, which need not exist yet.
fn file_path(path: &str) -> Validation {
    single_line(path)?;
    ensure(
        !(path.ends_with('/') || Path::new(path).file_name().is_none()),
        || format!("{} is a directory", quoted(path)),
        "name a file in it",
    )
}

fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The path of a local `.service` file, which need not exist yet.
fn service_path(path: &str) -> Validation {
    file_path(path)?;
    let name = file_name(path);
    unit_name(&name)?;
    ensure(
        name.ends_with(".service"),
        || format!("{} is not a service", quoted(&name)),
        "name the file like gunicorn.service",
    )
}

/// The path of an existing local file.
fn existing_secret(path: &str) -> Validation {
    file_path(path)?;
    secret_name(&file_name(path))?;
    ensure(
        Path::new(path).is_file(),
        || format!("the local file {} does not exist", quoted(path)),
        "create it, or leave it out for now",
    )
}

/// An integer from `min` to `max`. Other spellings, such as `+5` and `010`, are refused: YAML reads some of them differently.
fn number(text: &str, min: i32, max: i32) -> Validation {
    match text.parse::<i32>() {
        Ok(number) if (min..=max).contains(&number) && number.to_string() == text => Ok(()),
        _ => refuse(
            format!("{} is not a number from {min} to {max}", quoted(text)),
            "write digits only, without a zero before them",
        ),
    }
}
