//! The command line: clap types only.

mod complete;
mod init;
pub mod questions;

pub use complete::{COMPLETE, answer as answer_shell};
pub use init::{Given, Init};

use crate::report::Color;
use crate::script::ScriptKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use std::ffi::OsString;
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

    /// Show what the hosts print; with --dry-run, the scripts
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// When to use color; NO_COLOR and CLICOLOR_FORCE decide for `auto`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// What `--color` says in words that clap does not take, or that ask it for help.
pub fn color(words: impl Iterator<Item = OsString>) -> Color {
    let mut words = words
        .map(|word| word.to_string_lossy().into_owned())
        .take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(value) = value {
            return Color::from_str(&value, false).unwrap_or(Color::Auto);
        }
    }
    Color::Auto
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask, then write deployment.yml and a starter unit
    #[command(visible_alias = "configure", after_help = INIT_EXAMPLE)]
    Init(Box<Init>),
    /// Validate the config; contact nothing
    #[command(after_help = CHECK_EXAMPLE)]
    Check(Selection),
    /// Write the scripts; contact nothing
    #[command(after_help = RENDER_EXAMPLE)]
    Render(Render),
    /// Prepare the servers as root: user, packages, virtualenv, service, secrets
    #[command(after_help = SETUP_EXAMPLE)]
    Setup(Setup),
    /// Build a release on every server, then promote it
    #[command(after_help = DEPLOY_EXAMPLE)]
    Deploy(Servers),
    /// Put an earlier release back
    #[command(after_help = ROLLBACK_EXAMPLE)]
    Rollback(Rollback),
    /// Show what runs on every server
    #[command(after_help = STATUS_EXAMPLE)]
    Status(Servers),
    /// Print the JSON Schema of a config, for editors
    #[command(after_help = SCHEMA_EXAMPLE)]
    Schema,
    /// Print what a shell needs to complete commands, environments and apps
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions {
        /// Shell to print it for
        shell: Shell,
    },
    /// Print a page of the manual
    #[command(after_help = MAN_EXAMPLE)]
    Man {
        /// A command, or `fields`, `faq` ... [default: the program]
        #[arg(add = ArgValueCompleter::new(complete::pages))]
        page: Option<String>,
        /// Print the file names of all pages
        #[arg(long, conflicts_with = "page")]
        list: bool,
    },
}

const INIT_EXAMPLE: &str = "\
Examples:
  pystrano init production shop
  pystrano init production shop --yes --repo git@github.com:you/shop.git --host shop.example.com";
const CHECK_EXAMPLE: &str = "\
Example:
  pystrano check production shop";
const RENDER_EXAMPLE: &str = "\
Examples:
  pystrano render production shop deploy          read what a deploy runs
  pystrano render production shop --output ops    files to carry to the hosts";
const SETUP_EXAMPLE: &str = "\
Example:
  pystrano setup production shop --host shop.example.com";
const DEPLOY_EXAMPLE: &str = "\
Examples:
  pystrano deploy production shop
  pystrano deploy production shop --dry-run --verbose";
const ROLLBACK_EXAMPLE: &str = "\
Examples:
  pystrano rollback production shop                   to the release that ran before
  pystrano rollback production shop 20261123210927    to this one";
const STATUS_EXAMPLE: &str = "\
Example:
  pystrano status production shop --json";
const SCHEMA_EXAMPLE: &str = "\
Example:
  pystrano schema >deploy/deployment.schema.json";
const COMPLETIONS_EXAMPLE: &str = "\
Examples:
  source <(pystrano completions bash)        in ~/.bashrc
  source <(pystrano completions zsh)         in ~/.zshrc, after compinit
  pystrano completions fish | source         in ~/.config/fish/config.fish";
const MAN_EXAMPLE: &str = "\
Examples:
  pystrano man deploy | man -l -
  pystrano man fields | man -l -";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Which config to read.
#[derive(Debug, Args)]
pub struct Target {
    /// Environment, such as `production`
    #[arg(add = ArgValueCompleter::new(complete::environments))]
    pub environment: String,
    /// App, the name of its directory
    #[arg(add = ArgValueCompleter::new(complete::apps))]
    pub app: String,
}

impl Target {
    /// What is deployed, as `<app>/<environment>`.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.app, self.environment)
    }
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
pub struct Servers {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

#[derive(Debug, Args)]
pub struct FleetOptions {
    /// Connections being opened at a time
    #[arg(long, value_name = "N", default_value = "8")]
    pub jobs: NonZeroUsize,
    /// Show what would be sent and to whom, with --verbose the scripts; contact nothing
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON event per line on stdout; `pystrano man deploy` lists them
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Setup {
    #[command(flatten)]
    pub selection: Selection,
    /// Also remove the keys, known hosts and secrets that an earlier setup brought and that are no longer wanted
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    pub selection: Selection,
    /// Release to go back to [default: the one that ran before]
    pub release: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
