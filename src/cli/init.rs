//! What `init` takes: an option for every answer.

use super::Target;
use clap::{Args, ValueEnum};
use std::fmt;

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub target: Target,

    /// Take the defaults; ask only what has none
    #[arg(short, long)]
    pub yes: bool,
    /// Overwrite the config and the unit if they exist, without asking; a dotenv file is kept
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub answers: Given,
}

/// The answers given on the command line.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answers")]
pub struct Given {
    /// Framework [default: django]
    #[arg(long, ignore_case = true)]
    pub framework: Option<Framework>,
    /// User of the host that owns and deploys the app [default: deploy]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Virtualenv on the host, under the user's home [default: .venv-<APP>-<ENVIRONMENT>]
    #[arg(long, value_name = "PATH")]
    pub venv_dir: Option<String>,
    /// What installs the dependencies [default: pip]
    #[arg(long, ignore_case = true)]
    pub package_manager: Option<PackageManager>,
    /// File of the repository that lists the dependencies [default: requirements.txt or uv.lock]
    #[arg(long, value_name = "FILE")]
    pub dependency_file: Option<String>,
    /// Python path of the application [default: <APP>.wsgi:application or main:app]
    #[arg(long, value_name = "MODULE:NAME")]
    pub app_module: Option<String>,
    /// Port of 127.0.0.1 on which the app listens [default: 8000, or the next that no unit here has]
    #[arg(long, value_name = "PORT")]
    pub app_port: Option<String>,
    /// Git repository
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// Directory of the project on the host, under the user's home [default: apps/<APP>-<ENVIRONMENT>]
    #[arg(long, value_name = "PATH")]
    pub project_root: Option<String>,
    /// Releases to keep on the host; 0 or less for all [default: 5]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub keep_releases: Option<String>,
    /// Command that installs the dependencies instead of pip or uv
    #[arg(long, value_name = "COMMAND")]
    pub dependency_install_command: Option<String>,
    /// Debian packages that the app needs [default: libpq-dev python3-dev build-essential]
    #[arg(long, value_name = "NAMES")]
    pub system_packages: Option<String>,
    /// Local dotenv file [default: .env beside deployment.yml]
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<String>,
    /// Hosts whose ssh keys the host learns, with `;` between [default: that of the repository]
    #[arg(long, value_name = "HOSTS")]
    pub ssh_known_hosts: Option<String>,
    /// Local systemd unit [default: <APP>-<ENVIRONMENT>.service beside deployment.yml]
    #[arg(long, value_name = "FILE")]
    pub service_file: Option<String>,
    /// Git branch [default: main]
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Commits of history to clone; 0 or less for all [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub clone_depth: Option<String>,
    /// Local files to link into every release, with `;` between
    #[arg(long, value_name = "FILES")]
    pub secrets: Option<String>,
    /// Whether a deploy migrates the database [default: true]
    #[arg(long, value_name = "BOOL")]
    pub run_migrations: Option<bool>,
    /// Whether a deploy collects static files [default: true with Django]
    #[arg(long, value_name = "BOOL")]
    pub collect_static_files: Option<bool>,
    /// FastAPI's migration [default: alembic upgrade head]
    #[arg(long, value_name = "COMMAND")]
    pub migration_command: Option<String>,
    /// FastAPI's static files; needed with --collect-static-files true
    #[arg(long, value_name = "COMMAND")]
    pub static_files_command: Option<String>,
    /// Server, by the name that ssh knows
    #[arg(long)]
    pub host: Option<String>,
    /// Port of its sshd [default: 22]
    #[arg(long)]
    pub port: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Framework {
    Django,
    #[value(aliases = ["fast-api", "fast_api"])]
    Fastapi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PackageManager {
    Pip,
    Uv,
}

impl fmt::Display for Framework {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Framework::Django => "django",
            Framework::Fastapi => "fastapi",
        })
    }
}

impl fmt::Display for PackageManager {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            PackageManager::Pip => "pip",
            PackageManager::Uv => "uv",
        })
    }
}
