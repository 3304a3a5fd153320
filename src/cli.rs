//! The command line: clap types only.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Deploy Django and FastAPI apps to your own servers with two readable shell scripts
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Directory that holds <APP>/<ENVIRONMENT>/
    #[arg(long, global = true, default_value = "./deploy", value_name = "DIR")]
    pub deploy_config_dir: PathBuf,

    /// Name of the config file
    #[arg(
        long,
        global = true,
        default_value = "deployment.yml",
        value_name = "NAME"
    )]
    pub config_file_name: PathBuf,

    /// Show what the hosts print
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// When to use color; NO_COLOR and CLICOLOR_FORCE decide for `auto`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validate the config; contact nothing
    Check(Selection),
    /// Write the scripts; contact nothing
    Render(Render),
    /// Prepare the servers as root: user, packages, virtualenv, service, secrets
    Setup(Contact),
    /// Build a release on every server, then promote it
    Deploy(Contact),
    /// Put an earlier release back
    Rollback(Rollback),
    /// Show what runs on every server
    Status(Contact),
}

/// Which config to read.
#[derive(Debug, Args)]
pub struct Target {
    /// Environment, such as `production`
    pub environment: String,
    /// App, the name of its directory
    pub app: String,
}

#[derive(Debug, Args)]
pub struct Render {
    #[command(flatten)]
    pub selection: Selection,
    /// Only this script
    pub script: Option<ScriptKind>,
    /// Write runnable files to DIR/<HOST>/, with SHA256SUMS
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Leave secrets out; the scripts then refuse to run (the default on stdout)
    #[arg(long, conflicts_with = "reveal")]
    pub redact: bool,
    /// Put secrets in (the default with --output)
    #[arg(long)]
    pub reveal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScriptKind {
    Setup,
    Deploy,
}

/// Which servers of which config.
#[derive(Debug, Args)]
pub struct Selection {
    #[command(flatten)]
    pub target: Target,
    /// Only this server, as HOST or HOST:PORT (repeatable)
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
}

/// What every command that contacts hosts takes.
#[derive(Debug, Args)]
pub struct Contact {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub fleet: Fleet,
}

#[derive(Debug, Args)]
pub struct Fleet {
    /// Connections being opened at a time
    #[arg(long, value_name = "N", default_value = "8")]
    pub jobs: NonZeroUsize,
    /// Show what would be sent and to whom; contact nothing
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON event per line on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    pub selection: Selection,
    /// Release to go back to [default: the one that ran before]
    pub release: Option<String>,
    #[command(flatten)]
    pub fleet: Fleet,
}

impl ScriptKind {
    pub fn file_name(self) -> &'static str {
        match self {
            ScriptKind::Setup => "setup.sh",
            ScriptKind::Deploy => "deploy.sh",
        }
    }
}
