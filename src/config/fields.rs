//! Declares all fields of a config.

use super::files::{EnvFile, PrivateKey, Secret};
use super::reader::{FieldValue, Reader};
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

/// A field that may be set under `common` and under a server.
pub struct Field {
    pub name: &'static str,
    /// What the field means, for the documentation and editors.
    pub description: &'static str,
    /// The default, in words.
    pub default: Option<&'static str>,
    /// The help of the error about a missing field; `None` for an optional field.
    pub required: Option<&'static str>,
    /// The JSON Schema of its values.
    pub schema: fn() -> Json,
}

/// Declares the fields, in the order of the documentation: a description, `name: Type`, and one of these defaults.
///
/// - none: `Default::default()`, undocumented
/// - `= "text"`: parsed as if the config had this text
/// - `= [doc "words"]`: `Default::default()`, documented with these words
/// - `= [expression, doc "words"]`: the expression, which may use the fields above
/// - `= [required "help"]`: none; leaving the field out is an error with this help
macro_rules! fields {
    ($($(#[doc = $description:literal])+ $name:ident: $type:ty $(= $default:tt)?;)+) => {
        /// A validated server: the fields of its entry, of `common`, and defaults.
        #[derive(Debug, Clone)]
        pub struct Server {
            /// The host, or `<host>_<port>` where two servers of the config share a host.
            pub name: String,
            /// Whether this is the only server of the config, so that it never waits for others.
            pub alone: bool,
            /// The app and environment that the config deploys, as `<app>/<environment>`.
            pub app: String,
            /// The index in the config's list of servers.
            pub index: usize,
            /// The payload to deploy, once it has been built; then the server needs neither git nor a package index.
            pub payload: Option<Arc<Payload>>,
            $($(#[doc = $description])+ pub $name: $type,)+
        }

        impl Server {
            /// Reads a server. Mistakes are reported; fields that have any get their type's default.
            pub fn read(app: &str, reader: &mut Reader) -> Self {
                $(let $name: $type = match reader.field(stringify!($name)) {
                    FieldValue::Valid(value) => value,
                    FieldValue::Invalid => Default::default(),
                    FieldValue::Unset => default_value!(reader, $name $($default)?),
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
            default: default_text!($($default)?),
            required: required_help!($($default)?),
            schema: <$type as Value>::schema,
        }),+];
    };
}

macro_rules! default_value {
    ($reader:ident, $name:ident) => {
        Default::default()
    };
    ($reader:ident, $name:ident $text:literal) => {
        $reader.default(stringify!($name), $text)
    };
    ($reader:ident, $name:ident [required $help:literal]) => {{
        $reader.set_missing(stringify!($name));
        Default::default()
    }};
    ($reader:ident, $name:ident [doc $text:literal]) => {
        Default::default()
    };
    ($reader:ident, $name:ident [$value:expr, doc $text:literal]) => {
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
    ([doc $text:literal]) => {
        Some($text)
    };
    ([$value:expr, doc $text:literal]) => {
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
    /// User on the host that owns and deploys the app
    project_user: UnixUser = [required "add the user that owns the app on the host, such as `deploy`"];
    /// Path of the project, relative to the home of `project_user` or absolute
    project_root: RemotePath = [required "add the path under the user's home, such as `apps/shop`"];
    /// Path of the virtualenv, relative to the home of `project_user` or absolute
    venv_dir: VenvDir = [required "add the path of the virtualenv under the user's home, such as `.venv`"];
    /// Host name, address or alias from ssh_config
    host: Host = [required "add `host:` with the name ssh knows"];
    /// Port of sshd
    port: Option<Port> = [doc "that of ssh_config, or 22"];
    /// `django` or `fastapi`
    framework: Framework = "django";
    /// Directory of the app in the repository: commands run there, and `dependency_file`, `media`, secrets and shared paths are relative to it
    app_dir: AppDir = [doc "the top of the repository"];
    /// `pip` or `uv`
    package_manager: PackageManager = "pip";
    /// File that lists the dependencies, relative to `app_dir`
    dependency_file: DependencyFile = [
        DependencyFile::default_for(package_manager),
        doc "`requirements.txt`, `uv.lock` with uv"
    ];
    /// Extras to install, if `dependency_file` is a `pyproject.toml` or `uv.lock`; separated by `;` or a list
    dependency_extras: Vec<DependencySet>;
    /// Dependency groups to install, like `dependency_extras`
    dependency_groups: Vec<DependencySet>;
    /// Command that replaces the built-in installation; runs without the env
    dependency_install_command: Option<Command>;
    /// `shared`: all releases use one virtualenv; `release`: dependencies belong to the release and are rolled back with it
    venv_mode: VenvMode = "shared";
    /// Python of the virtualenv: `3.13`, `python3.13` or a path; uv downloads it if it is missing
    python: Option<Python> = [doc "`python3` of the host; with uv, what the project requires"];
    /// Platform of a payload's wheels, the architecture and glibc of the hosts, such as `x86_64-manylinux_2_36`
    platform: Option<Platform> = [doc "that of the machine that makes the payload"];
    /// `pull`: each host clones the repository and installs from the package index; `push`: deploy sends a payload of code and wheels, and hosts need neither git nor an index
    delivery: Delivery = "pull";
    /// Git branch to clone
    branch: Option<Branch> = [doc "default branch of the repository"];
    /// Tag, SHA or ref to check out after a full clone
    revision: Option<Revision>;
    /// Number of commits to clone; 0 or less for all
    clone_depth: Depth = "1";
    /// Whether to clone the repository's submodules
    submodules: bool = "true";
    /// Local dotenv file, copied into each release
    env_file: Option<Arc<EnvFile>>;
    /// Local command that prints the dotenv file, instead of `env_file`, such as `sops -d prod.env`; its output is neither shown nor stored locally
    env_command: Option<Command>;
    /// Local files that `setup` copies to the host and each release links to; separated by `;` or a list
    secrets: Vec<Arc<Secret>>;
    /// Directories that are kept in `shared/` and linked into every release; files that the first release has there are copied once
    shared_dirs: Vec<SharedPath>;
    /// Files that are kept in `shared/`, like `shared_dirs`; one that exists neither there nor in the release stops the deploy
    shared_files: Vec<SharedPath>;
    /// Local systemd units: services, which a deploy restarts in this order, and their sockets, timers, paths and targets; separated by `;` or a list
    service_file: Vec<Arc<Unit>> = [doc "nothing is restarted"];
    /// Whether this server runs the database migrations
    run_migrations: bool = "false";
    /// Whether this server collects or builds static files
    collect_static_files: bool = "false";
    /// Command that runs the migrations
    migration_command: Option<Command> = [doc "`manage.py migrate`; with FastAPI `alembic upgrade head`"];
    /// Command that collects or builds static files; no default with FastAPI
    static_files_command: Option<Command> = [doc "`manage.py collectstatic`"];
    /// Commands to run at points of a deploy: `after_dependencies`, `before_static`, `after_static`, `before_migrate`, `before_promote`, `after_promote`; on the controller `on_success`, `on_failure`
    hooks: Hooks;
    /// Releases to keep; 0 or less for all
    keep_releases: Releases = "5";
    /// Debian packages to install; separated by white space or a list
    system_packages: Vec<Package>;
    /// Hosts whose keys `setup` fetches with ssh-keyscan, as `host` or `[host]:port`, or complete `host keytype key` lines; separated by `;` or a list
    ssh_known_hosts: Vec<KnownHost>;
    /// User that `setup` logs in as; any other than root uses `sudo -n`
    setup_user: UnixUser = "root";
    /// Local private key without passphrase that git on the host uses to read the repository
    deploy_key: Option<Arc<PrivateKey>>;
    /// Whether git on the host can use your ssh agent during a deploy
    forward_agent: bool = [
        is_ssh(&source_code_url) && deploy_key.is_none() && delivery == Delivery::Pull,
        doc "`true` for an ssh `source_code_url` without `deploy_key` and `delivery: push`"
    ];
    /// URL that must answer on the host after a deploy, `http://…` or `unix:/run/shop.sock:/path`
    health_check_url: Option<HealthUrl>;
    /// Seconds within which `health_check_url` must answer
    health_check_timeout: Seconds = "30";
    /// Host header of the health check
    health_check_host: Option<HttpHost> = [doc "that of the URL"];
    /// HTTP statuses that pass the health check, such as `200,301-302`
    health_check_statuses: Statuses = "200-399";
    /// Number or percentage (`25%`) of servers that promote at a time; if one fails, all revert
    promote_batch: Option<Batch> = [doc "all at once"];
    /// Seconds between two batches
    promote_pause: Option<Seconds> = [doc "none"];
}
