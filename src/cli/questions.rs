//! The questions of `init`: each is declared here once, and is an option, too.

use crate::config::types::{
    AppDir, Branch, Command, DependencyFile, Host, Named, Package, Python, RemotePath,
    RepositoryUrl, Rule, UnixUser, Validation, VenvDir, ensure, line, refuse, secret_name,
    unit_name,
};
use crate::config::{Framework, KnownHost, PackageManager, absolute, is_ssh};
use crate::diagnostics::quoted;
use Kind::{Choice, Confirm, Optional, Required};
use std::path::{Path, PathBuf};

pub struct Question {
    /// As in [`Answers`]; the option is `--` and this with `-` in place of `_`.
    pub name: &'static str,
    /// What stands for the value in the option's help.
    pub value: &'static str,
    pub text: &'static str,
    /// What the text leaves open; may be empty.
    pub help: &'static str,
    pub kind: Kind,
    /// The default for people; empty where there is none.
    pub default_text: &'static str,
    /// Empty where there is none.
    pub default: fn(&Basis, &Answers) -> String,
    /// Whether it comes up, after the answers before it.
    pub applies: fn(&Answers) -> bool,
    /// Where its answer goes.
    pub answer: fn(&mut Answers) -> &mut String,
}

/// How a question is answered.
pub enum Kind {
    /// By a text, which must keep to a rule.
    Required(fn(&str) -> Validation),
    /// By such a text or by nothing.
    Optional(fn(&str) -> Validation),
    /// By one of these.
    Choice(&'static [&'static str]),
    /// By `true` or `false`.
    Confirm,
}

/// What defaults follow from.
pub struct Basis<'a> {
    pub app: &'a str,
    /// `<app>-<environment>`, of characters that paths and units take unquoted.
    pub name: String,
    /// Where the config is.
    pub directory: PathBuf,
    /// A port that no other app has.
    pub port: u16,
}

macro_rules! questions {
    ($($name:ident $([if $applies:expr])? $value:literal,
       $text:literal, $help:literal, $kind:expr, [$($default:tt)*];)+) => {
        /// All that `deployment.yml` and the unit are made of; empty where nothing is answered.
        #[derive(Debug, Default)]
        pub struct Answers {
            $(pub $name: String,)+
        }

        pub static QUESTIONS: &[Question] = &[$(Question {
            name: stringify!($name),
            value: $value,
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

/// Of releases and commits.
const MOST: i32 = 1_000_000;

questions! {
    framework "FRAMEWORK",
        "Framework", "",
        Choice(Framework::NAMES), ["django"];
    app_dir "PATH",
        "App directory (optional)", "in the repository, where not its top; commands and the dependency file start from it",
        Optional(|path| AppDir::check(path).and_then(|()| plain(path))), [];
    user "NAME",
        "Project user", "owns and deploys the app on the host; setup creates it",
        Required(UnixUser::check), ["deploy"];
    venv_dir "PATH",
        "Virtualenv directory", "on the host, under the user's home",
        Required(|path| VenvDir::check(path).and_then(|()| plain(path))),
        [|basis, _| format!(".venv-{}", basis.name), shown ".venv-<APP>-<ENVIRONMENT>"];
    package_manager "PACKAGE_MANAGER",
        "Package manager", "",
        Choice(PackageManager::NAMES), ["pip"];
    dependency_file "FILE",
        "Dependency file", "from the app's directory",
        Required(DependencyFile::check),
        [|_, answers| answers.usual_dependency_file(), shown "requirements.txt or uv.lock"];
    python "VERSION",
        "Python version (optional)", "like 3.13, where not that of the host or, with uv, of the project",
        Optional(Python::check), [];
    app_module "MODULE:NAME",
        "Application import path", "module:name, as the server imports it",
        Required(module),
        [|basis, answers| answers.usual_module(basis.app), shown "<APP>.wsgi:application or main:app"];
    app_port "PORT",
        "Service port", "of 127.0.0.1, for the web server in front; each app of a host needs its own",
        Required(|text| number(text, 1, 65535)),
        [|basis, _| basis.port.to_string(), shown "8000, or the next that no unit here has"];
    repo "URL",
        "Git repository URL", "as the host clones it, like git@github.com:you/app.git",
        Required(RepositoryUrl::check), [];
    project_root "PATH",
        "Remote project root", "on the host, under the user's home",
        Required(|path| RemotePath::check(path).and_then(|()| plain(path))),
        [|basis, _| format!("apps/{}", basis.name), shown "apps/<APP>-<ENVIRONMENT>"];
    keep_releases "N",
        "Releases to keep", "0 or less keeps all",
        Required(|text| number(text, -MOST, MOST)), ["5"];
    dependency_install_command "COMMAND",
        "Custom dependency install command (optional)", "instead of the built-in one",
        Optional(Command::check),
        [|_, answers| answers.lock_command().unwrap_or_default(), shown "what reads the dependency file, where that is a poetry.lock or pdm.lock"];
    system_packages "NAMES",
        "System packages", "of Debian, with spaces between",
        Optional(|text| packages(text).try_for_each(Package::check)),
        ["libpq-dev python3-dev build-essential"];
    env_file "FILE",
        "Local dotenv file", "its variables are the app's environment",
        Required(file),
        [|basis, _| basis.beside(".env"), shown ".env beside deployment.yml"];
    ssh_known_hosts "HOSTS",
        "SSH known hosts", "whose keys the host learns, with `;` between; none for a repository over https",
        Optional(|text| items(text).try_for_each(|entry| KnownHost::parse(entry).map(drop))),
        [|_, answers| repository_host(&answers.repo).unwrap_or_default(), shown "that of the repository"];
    service_file "FILE",
        "Local systemd service file", "starter units are written there; their names follow this file's",
        Required(unit),
        [|basis, _| basis.beside(&format!("{}.service", basis.name)),
         shown "<APP>-<ENVIRONMENT>.service beside deployment.yml"];
    celery_app "MODULE:NAME",
        "Celery application (optional)", "module:name; units of a worker and of beat are written for it",
        Optional(module), [];
    worker_command "COMMAND",
        "Worker command (optional)", "runs beside the web process, like python manage.py rqworker; a unit is written for it",
        Optional(words), [];
    branch "NAME",
        "Git branch", "",
        Required(Branch::check), ["main"];
    clone_depth "N",
        "Git clone depth", "0 or less clones the whole history",
        Required(|text| number(text, -MOST, MOST)), ["1"];
    secrets "FILES",
        "Secret files (optional)", "local files that are linked into every release, with `;` between",
        Optional(|text| items(text).try_for_each(secret)), [];
    run_migrations "BOOL",
        "Run migrations during deploy?", "",
        Confirm, ["true"];
    collect_static_files "BOOL",
        "Collect/build static files during deploy?", "",
        Confirm, [|_, answers| (!answers.is_fastapi()).to_string(), shown "true with Django"];
    migration_command [if |answers| answers.is_fastapi() && answers.run_migrations == "true"] "COMMAND",
        "FastAPI migration command", "runs in the release, its virtualenv first in PATH",
        Required(Command::check), ["alembic upgrade head"];
    static_files_command [if |answers| answers.is_fastapi() && answers.collect_static_files == "true"] "COMMAND",
        "FastAPI static files command", "runs in the release, its virtualenv first in PATH",
        Required(Command::check), [];
    host "HOST",
        "Server host", "as ssh knows it",
        Required(Host::check), [];
    port "PORT",
        "SSH port (optional)", "that of your ssh_config, or 22",
        Optional(|text| number(text, 1, 65535)), [];
}

impl Question {
    /// # Errors
    /// What is wrong with an answer.
    pub fn check(&self, answer: &str) -> Validation {
        match (&self.kind, answer.trim()) {
            (Required(_), "") => refuse("nothing is written", "it needs an answer"),
            (Required(rule), text) => rule(text),
            (Optional(_), "") | (Choice(_) | Confirm, _) => Ok(()),
            (Optional(rule), text) => rule(text),
        }
    }
}

impl Basis<'_> {
    /// The path of a file beside the config.
    fn beside(&self, file: &str) -> String {
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

    /// The directory of the app in the release that runs.
    pub fn working_directory(&self) -> String {
        let current = format!("{}/current", self.root());
        match self.app_dir.as_str() {
            "" => current,
            directory => format!("{current}/{directory}"),
        }
    }

    /// The absolute path of the project on the host.
    pub fn root(&self) -> String {
        absolute(&self.user, &self.project_root)
    }

    pub fn packages(&self) -> impl Iterator<Item = &str> {
        packages(&self.system_packages)
    }

    pub fn known_hosts(&self) -> impl Iterator<Item = &str> {
        items(&self.ssh_known_hosts)
    }

    /// What runs beside the web process: the name of each and its command.
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

    /// The files of the starter units: the service, its socket, and the workers.
    pub fn unit_files(&self) -> Vec<String> {
        let service = &self.service_file;
        let stem = service.strip_suffix(".service").unwrap_or(service);
        let workers = self.workers().into_iter();
        let workers = workers.map(|(part, _)| format!("{stem}-{part}.service"));
        [service.clone(), format!("{stem}.socket")]
            .into_iter()
            .chain(workers)
            .collect()
    }

    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        items(&self.secrets)
    }

    /// What installs from the lock of another package manager, which writes it out for uv.
    fn lock_command(&self) -> Option<String> {
        let (directory, name) = self
            .dependency_file
            .rsplit_once('/')
            .unwrap_or((".", &self.dependency_file));
        let place = match directory {
            "." => String::new(),
            directory => format!(" --project {}", shell_escape::escape(directory.into())),
        };
        let export = match name {
            "poetry.lock" => {
                format!("--from poetry --with poetry-plugin-export poetry export{place}")
            }
            // Its later versions are not what pdm imports.
            "pdm.lock" => format!("--with 'hishel<2' pdm export --prod{place}"),
            _ => return None,
        };
        (self.package_manager == "uv").then(|| {
            format!(
                "uv tool run {export} --output \"$PWD/.requirements.txt\" && \
                 uv pip install --compile-bytecode --requirement .requirements.txt"
            )
        })
    }

    fn usual_dependency_file(&self) -> String {
        let manager = match self.package_manager.as_str() {
            "uv" => PackageManager::Uv,
            _ => PackageManager::Pip,
        };
        DependencyFile::default_of(manager).to_string()
    }

    fn usual_module(&self, app: &str) -> String {
        if self.is_fastapi() {
            "main:app".to_owned()
        } else {
            format!("{}.wsgi:application", identifier(app))
        }
    }
}

/// Packages with white space, `,` or `;` between.
fn packages(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|name| !name.is_empty())
}

/// Items with `;` between.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(';')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// A name as Python takes it for a module.
fn identifier(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || c == '_';
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        name
    } else {
        format!("_{name}")
    }
}

/// The entry of known_hosts that cloning a repository over ssh needs.
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

/// A path that a unit can name as it is.
fn plain(path: &str) -> Validation {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._+@-".contains(c);
    match path.chars().find(|c| !fits(*c)) {
        None => Ok(()),
        Some(character) => refuse(
            format!("the path {} has the character {character:?}", quoted(path)),
            "use letters, digits and `/._+@-`",
        ),
    }
}

/// What gunicorn and uvicorn import.
fn module(text: &str) -> Validation {
    let part = |part: &str| {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | ')');
        part.starts_with(|c: char| c.is_alphabetic() || c == '_') && part.chars().all(fits)
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [module, name] if part(module) && part(name) => Ok(()),
        _ => refuse(
            format!("{} is not an import path", quoted(text)),
            "write it like shop.wsgi:application or main:app",
        ),
    }
}

/// A command that a unit can name as it is: systemd runs no shell.
fn words(command: &str) -> Validation {
    let fits = |c: char| c.is_ascii_alphanumeric() || " /._+@:,=%-".contains(c);
    match command.chars().find(|c| !fits(*c)) {
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

/// A local file that need not exist yet.
fn file(path: &str) -> Validation {
    line(path)?;
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

fn unit(path: &str) -> Validation {
    file(path)?;
    let name = file_name(path);
    unit_name(&name)?;
    ensure(
        name.ends_with(".service"),
        || format!("{} is not a service", quoted(&name)),
        "name the file like gunicorn.service",
    )
}

/// A local file that must exist.
fn secret(path: &str) -> Validation {
    file(path)?;
    secret_name(&file_name(path))?;
    ensure(
        Path::new(path).is_file(),
        || format!("the local file {} does not exist", quoted(path)),
        "create it, or leave it out for now",
    )
}

/// A whole number between two others, both included, written as YAML reads it.
fn number(text: &str, least: i32, most: i32) -> Validation {
    match text.parse::<i32>() {
        Ok(number) if (least..=most).contains(&number) && number.to_string() == text => Ok(()),
        _ => refuse(
            format!("{} is not a number from {least} to {most}", quoted(text)),
            "write digits only, without a zero before them",
        ),
    }
}
