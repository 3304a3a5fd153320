//! The fields of a config: each is declared here, once.

use super::files::{EnvFile, PrivateKey, Secret};
use super::reader::{Found, Reader};
use super::types::{
    AppDir, Batch, Branch, Command, Delivery, DependencyFile, DependencySet, Depth, Framework,
    HealthUrl, Hooks, Host, HttpHost, KnownHost, Package, PackageManager, Platform, Port, Python,
    Releases, RemotePath, RepositoryUrl, Revision, Seconds, SharedPath, Statuses, UnixUser, Value,
    VenvDir, VenvMode, is_ssh,
};
use super::unit::Unit;
use crate::payload::Payload;
use serde_json::Value as Json;
use std::sync::Arc;

/// A field of `common` and of a server.
pub struct Field {
    pub name: &'static str,
    /// What it means, for people.
    pub description: &'static str,
    /// What an unset field stands for, in words.
    pub default: Option<&'static str>,
    /// What to do where it is missing, if every server needs it.
    pub required: Option<&'static str>,
    /// How it may be written.
    pub schema: fn() -> Json,
}

/// Declares the fields, in the order of the documentation: what each means, its name, its type, and what it is
/// where it is not set: the type's default, a text as the config would have it, or, with `shown` for people,
/// what the fields above it make of it.
macro_rules! fields {
    ($($(#[doc = $description:literal])+ $name:ident: $type:ty $(= $unset:tt)?;)+) => {
        /// One server with all its settings: `common` under `servers[i]`, defaults filled in, checked.
        #[derive(Debug, Clone)]
        pub struct Server {
            /// The host, or `<host>_<port>` where two servers of the config share a host.
            pub name: String,
            /// The only server of the config: nobody has to be waited for.
            pub alone: bool,
            /// What the config deploys, as `<app>/<environment>`.
            pub app: String,
            /// Its place in the config's list of servers.
            pub index: usize,
            /// What a deploy takes in place of a clone and of a package index, once that was made.
            pub payload: Option<Arc<Payload>>,
            $($(#[doc = $description])+ pub $name: $type,)+
        }

        impl Server {
            /// Reads a server. Mistakes are reported, and leave the type's default.
            pub fn read(app: &str, reader: &mut Reader) -> Self {
                $(let $name: $type = match reader.field(stringify!($name)) {
                    Found::Value(value) => value,
                    Found::Refused => Default::default(),
                    Found::Unset => unset!(reader, $name $($unset)?),
                };)+
                let mut server = Server {
                    name: String::new(),
                    alone: false,
                    app: app.to_owned(),
                    index: 0,
                    payload: None,
                    $($name,)+
                };
                server.name = server.host.to_string();
                server
            }
        }

        pub static FIELDS: &[Field] = &[$(Field {
            name: stringify!($name),
            description: concat!($($description),+).trim_ascii_start(),
            default: default_text!($($unset)?),
            required: required_help!($($unset)?),
            schema: <$type as Value>::schema,
        }),+];
    };
}

macro_rules! unset {
    ($reader:ident, $name:ident) => {
        Default::default()
    };
    ($reader:ident, $name:ident $text:literal) => {
        $reader.default(stringify!($name), $text)
    };
    ($reader:ident, $name:ident [required $help:literal]) => {{
        $reader.missing(stringify!($name));
        Default::default()
    }};
    ($reader:ident, $name:ident [shown $text:literal]) => {
        Default::default()
    };
    ($reader:ident, $name:ident [$value:expr, shown $text:literal]) => {
        $value
    };
}

macro_rules! default_text {
    () => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
    ([required $help:literal]) => {
        None
    };
    ([shown $text:literal]) => {
        Some($text)
    };
    ([$value:expr, shown $text:literal]) => {
        Some($text)
    };
}

macro_rules! required_help {
    ([required $help:literal]) => {
        Some($help)
    };
    ($($other:tt)?) => {
        None
    };
}

fields! {
    /// Git repository that is cloned on deploy
    source_code_url: RepositoryUrl = [required "add the git repository, under `common:` for all servers"];
    /// User of the host that owns and deploys the app
    project_user: UnixUser = [required "add the user that owns the app on the host, such as `deploy`"];
    /// Path of the project under the home of `project_user`, or an absolute one
    project_root: RemotePath = [required "add the path under the user's home, such as `apps/shop`"];
    /// Path of the virtualenv under the home of `project_user`, or an absolute one
    venv_dir: VenvDir = [required "add the path of the virtualenv under the user's home, such as `.venv`"];
    /// Host name or address for ssh, as ssh_config knows it
    host: Host = [required "add `host:` with the name ssh knows"];
    /// Port of sshd
    port: Option<Port> = [shown "that of ssh_config, or 22"];
    /// `django` or `fastapi`
    framework: Framework = "django";
    /// Directory of the repository that the app lives in: commands, `dependency_file`, `media`, secrets and shared paths start from it
    app_dir: AppDir = [shown "its top"];
    /// `pip` or `uv`
    package_manager: PackageManager = "pip";
    /// What to install, inside the release
    dependency_file: DependencyFile = [
        DependencyFile::default_of(package_manager),
        shown "`requirements.txt`, `uv.lock` with uv"
    ];
    /// Extras of the project to install, where it is a `pyproject.toml` or `uv.lock`; `;` or a list
    dependency_extras: Vec<DependencySet>;
    /// Dependency groups to install, likewise
    dependency_groups: Vec<DependencySet>;
    /// Command that replaces the built-in installation; runs without the env
    dependency_install_command: Option<Command>;
    /// `shared` by all releases, or `release`: dependencies follow the release
    venv_mode: VenvMode = "shared";
    /// Python of the virtualenv: `3.13`, `python3.13` or a path; uv fetches one that is missing
    python: Option<Python> = [shown "`python3` of the host; with uv, what the project asks for"];
    /// What a payload's wheels run on, such as `x86_64-manylinux_2_36`: machine and glibc of the hosts
    platform: Option<Platform> = [shown "that of the machine that makes the payload"];
    /// `pull`: each host clones and asks the package index; `push`: deploy sends a payload of code and wheels, and hosts need neither git nor an index
    delivery: Delivery = "pull";
    /// Git branch to clone
    branch: Option<Branch> = [shown "that of the repository"];
    /// Tag, SHA or ref to check out after a full clone
    revision: Option<Revision>;
    /// Commits of history to clone; 0 or less for all
    clone_depth: Depth = "1";
    /// Whether the repository's submodules are cloned, too
    submodules: bool = "true";
    /// Local dotenv file; goes with the release
    env_file: Option<Arc<EnvFile>>;
    /// Local command that prints the dotenv file, in place of `env_file`: `sops -d prod.env`, say; what it prints is neither shown nor kept here
    env_command: Option<Command>;
    /// Local files, copied by `setup` and linked into every release; `;` or a list
    secrets: Vec<Arc<Secret>>;
    /// Directories that live in `shared/` and are linked into every release; what the first release has there is copied once
    shared_dirs: Vec<SharedPath>;
    /// Files likewise; one that is nowhere stops the deploy
    shared_files: Vec<SharedPath>;
    /// Local systemd units: services, which a deploy restarts in this order, and their sockets, timers, paths and targets; `;` or a list
    service_file: Vec<Arc<Unit>> = [shown "nothing is restarted"];
    /// Whether this server migrates the database
    run_migrations: bool = "false";
    /// Whether this server collects or builds static files
    collect_static_files: bool = "false";
    /// What migrates
    migration_command: Option<Command> = [shown "`manage.py migrate`; with FastAPI `alembic upgrade head`"];
    /// What collects or builds static files; FastAPI has no default
    static_files_command: Option<Command> = [shown "`manage.py collectstatic`"];
    /// Commands, by the point of a deploy at which they run: `after_dependencies`, `before_static`, `after_static`, `before_migrate`, `before_promote`, `after_promote`; `on_success`, `on_failure` on the controller
    hooks: Hooks;
    /// Releases to keep; 0 or less for all
    keep_releases: Releases = "5";
    /// Debian packages to install, separated by white space or as a list
    system_packages: Vec<Package>;
    /// Hosts whose keys are asked with ssh-keyscan, as `host` or `[host]:port`, or whole `host keytype key` lines; `;` or a list
    ssh_known_hosts: Vec<KnownHost>;
    /// Who `setup` logs in as; anyone but root goes through `sudo -n`
    setup_user: UnixUser = "root";
    /// Local private key without passphrase, with which git on the host reads the repository
    deploy_key: Option<Arc<PrivateKey>>;
    /// Whether deploy lets git on the host use your ssh agent
    forward_agent: bool = [
        is_ssh(&source_code_url) && deploy_key.is_none() && delivery == Delivery::Pull,
        shown "`true` for an ssh `source_code_url` without `deploy_key` and `delivery: push`"
    ];
    /// URL that must answer on the host after a deploy, `http://…` or `unix:/run/shop.sock:/path`
    health_check_url: Option<HealthUrl>;
    /// Seconds until `health_check_url` must answer
    health_check_timeout: Seconds = "30";
    /// Host header of the health check
    health_check_host: Option<HttpHost> = [shown "that of the URL"];
    /// Statuses that count as an answer, such as `200,301-302`
    health_check_statuses: Statuses = "200-399";
    /// How many servers promote at a time, as a number or `25%`; all wait for the verdict, and one that fails takes all back
    promote_batch: Option<Batch> = [shown "all at once"];
    /// Seconds between one batch and the next
    promote_pause: Option<Seconds> = [shown "none"];
}
