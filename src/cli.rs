//! The command line: clap types and shell completion.

mod complete;
mod init;
pub mod questions;
mod since;

pub use complete::{COMPLETE_VAR, complete_env, directories};
pub use init::{AnswerOptions, Init};
pub use since::Since;

use crate::config::types::{Branch, Revision};
use crate::script::ScriptKind;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub const DEFAULT_DEPLOY_DIR: &str = "./deploy";
pub const DEFAULT_CONFIG_FILE: &str = "deployment.yml";

/// Deploy Django and FastAPI apps to your own servers with two readable shell scripts
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Directory that holds <APP>/<ENVIRONMENT>/
    #[arg(long, global = true, default_value = DEFAULT_DEPLOY_DIR, value_name = "DIR")]
    pub deploy_config_dir: PathBuf,

    /// Name of the config file
    #[arg(
        long,
        global = true,
        default_value = DEFAULT_CONFIG_FILE,
        value_name = "NAME"
    )]
    pub config_file_name: PathBuf,

    /// Show the output of the hosts; with --dry-run, the scripts
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// When to use color; NO_COLOR and CLICOLOR_FORCE decide for `auto`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// Finds `--color` in arguments for which clap returned help or an error instead of a [`Cli`].
pub fn color(args: impl Iterator<Item = OsString>) -> ColorChoice {
    let args: Vec<String> = args
        .map(|arg| arg.to_string_lossy().into_owned())
        .take_while(|arg| arg != "--")
        .collect();
    option_value(&args, "--color")
        .and_then(|value| ColorChoice::from_str(value, false).ok())
        .unwrap_or_default()
}

/// The value of the first `--option value` or `--option=value`, for arguments that clap has not parsed.
fn option_value<'a>(args: &'a [String], option: &str) -> Option<&'a str> {
    args.iter()
        .enumerate()
        .find_map(|(index, arg)| match arg.strip_prefix(option)? {
            "" => args.get(index + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask questions, then write deployment.yml and starter units
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
    Deploy(Deploy),
    /// Restore an earlier release
    #[command(after_help = ROLLBACK_EXAMPLE)]
    Rollback(Rollback),
    /// Show the current release of every server
    #[command(after_help = STATUS_EXAMPLE)]
    Status(Query),
    /// Show the logs of the app's units on every server
    #[command(after_help = LOGS_EXAMPLE)]
    Logs(Logs),
    /// Run a command in the current release, with its env and virtualenv, on one server
    #[command(after_help = RUN_EXAMPLE)]
    Run(Run),
    /// Restart the app on every server and verify it, without a new release
    #[command(after_help = RESTART_EXAMPLE)]
    Restart(Restart),
    /// Show the last runs of every server: who deployed what, when, with which result
    #[command(after_help = HISTORY_EXAMPLE)]
    History(Query),
    /// Print the JSON Schema of a config, for editors
    #[command(after_help = SCHEMA_EXAMPLE)]
    Schema,
    /// Print a script that makes a shell complete commands, environments and apps
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
  pystrano render production shop --output ops    files to carry to the hosts
  pystrano render production shop --output ops --sign ~/.ssh/id_ed25519
  pystrano render production shop --output ops --payload    for hosts without network";
const SETUP_EXAMPLE: &str = "\
Example:
  pystrano setup production shop --host shop.example.com";
const DEPLOY_EXAMPLE: &str = "\
Examples:
  pystrano deploy production shop
  pystrano deploy production shop --revision v1.2.3    this tag or commit, this time
  pystrano deploy production shop --dry-run --verbose
  pystrano deploy production shop --from ops --allowed-signers signers";
const ROLLBACK_EXAMPLE: &str = "\
Examples:
  pystrano rollback production shop                   to the release that ran before
  pystrano rollback production shop 20261123210927    to this one";
const STATUS_EXAMPLE: &str = "\
Example:
  pystrano status production shop --json";
const LOGS_EXAMPLE: &str = "\
Examples:
  pystrano logs production shop --follow
  pystrano logs production shop --since 2h --host shop.example.com";
const RUN_EXAMPLE: &str = "\
Examples:
  pystrano run production shop -- python manage.py shell
  pystrano run production shop -- python manage.py dumpdata >data.json
  pystrano run production shop --host db.example.com -- python manage.py loaddata - <data.json";
const RESTART_EXAMPLE: &str = "\
Example:
  pystrano restart production shop --host shop.example.com";
const HISTORY_EXAMPLE: &str = "\
Example:
  pystrano history production shop --json";
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

/// The app and environment whose config is read.
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
    /// `<app>/<environment>`, under which a host records what belongs to this config.
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
    /// Sign SHA256SUMS with this ssh key; with a public key, the agent signs
    #[arg(long, value_name = "KEY", requires = "output")]
    pub sign: Option<PathBuf>,
    /// Also write the code and wheels of one commit to DIR/payload/, for hosts without network
    #[arg(long, requires = "output")]
    pub payload: bool,
    /// Also add the .deb files that setup.sh installs to the payload, for hosts with this Debian release
    #[arg(long, value_name = "RELEASE", requires = "payload", value_parser = ["bookworm", "trixie"])]
    pub system_packages: Option<String>,
}

/// A config and, with `--host`, a subset of its servers.
#[derive(Debug, Args)]
pub struct Selection {
    #[command(flatten)]
    pub target: Target,
    /// Only this server, as HOST or HOST:PORT (repeatable)
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
}

/// Arguments of the commands that only read from the hosts: `status` and `history`.
#[derive(Debug, Args)]
pub struct Query {
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
    /// Show what would be sent where, with --verbose the scripts; contact nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON event per line to stdout; `pystrano man deploy` lists them
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub selection: Selection,
    /// Deploy this tag, SHA or ref instead of the config's `revision` or `branch`
    #[arg(long, value_name = "REF", conflicts_with = "from")]
    pub revision: Option<Revision>,
    /// Deploy this branch instead of the config's `revision` or `branch`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["revision", "from"])]
    pub branch: Option<Branch>,
    #[command(flatten)]
    pub reviewed: ReviewedOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// Options for sending scripts that were rendered and reviewed beforehand.
#[derive(Debug, Args)]
pub struct ReviewedOptions {
    /// Send the scripts that `render --output DIR` wrote, byte for byte, after verifying their checksums
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Allowed signers file of ssh-keygen; required if SHA256SUMS is signed
    #[arg(long, value_name = "FILE", requires = "from")]
    pub allowed_signers: Option<PathBuf>,
}

/// Options for the deploy lock of a server.
#[derive(Debug, Args)]
pub struct LockOptions {
    /// Wait this long for another run that holds a server's lock [default: 0]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub lock_wait: Option<u32>,
}

impl LockOptions {
    /// The `lock-wait=SECONDS` argument for `deploy.sh`.
    pub fn script_argument(&self) -> Option<String> {
        self.lock_wait.map(|seconds| format!("lock-wait={seconds}"))
    }
}

#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    pub selection: Selection,
    /// Continue with new lines until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// Show the last N lines of each server, at most 10000 [default: 100, or all with --since]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub lines: Option<u32>,
    /// Show lines since `90s`, `15m`, `2h30m` or `1d` ago, or since a time like 2026-11-26T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
    /// Only this unit
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub target: Target,
    /// Run it on this server, as HOST or HOST:PORT [default: the first in the config]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Show what would be called; contact nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

#[derive(Debug, Args)]
pub struct Setup {
    #[command(flatten)]
    pub selection: Selection,
    /// Also remove keys, known hosts and secrets that an earlier setup installed and the config no longer names
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub reviewed: ReviewedOptions,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    pub selection: Selection,
    /// Release to restore [default: the one that ran before]
    pub release: Option<String>,
    #[command(flatten)]
    pub reviewed: ReviewedOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
