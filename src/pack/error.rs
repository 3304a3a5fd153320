//! Errors of building a payload.

use std::io;
use std::path::{Path, PathBuf};

pub type Result<T, E = PackError> = std::result::Result<T, E>;

/// Each message is `what is wrong; what to do about it`, or continues at the field that [`PackError::field`] names.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// An I/O error on the controller.
    #[error("cannot {action} {}: {source}; see that there is room and that you may", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("there is no place for a payload's parts; set HOME or XDG_CACHE_HOME")]
    NoCache,
    #[error("{} belongs to another user; name a directory of your own in XDG_CACHE_HOME", path.display())]
    ForeignCache { path: PathBuf },
    /// Refused because uv is run from the cache.
    #[error("others may write into {path}; `chmod go-w {path}`, if nobody has", path = path.display())]
    WritableCache { path: PathBuf },
    #[error("a part of the payload cannot be read: {source}; try again: it is made anew")]
    DamagedPart { source: io::Error },

    #[error("cannot run {program}: {source}; see that it is there and runs")]
    Spawn { program: String, source: io::Error },
    #[error("{program} cannot be run: {reason}; install {program}, which makes a payload")]
    ProgramUnavailable { program: String, reason: String },
    #[error("{program} failed: {reason}; see what it says")]
    ProgramFailed { program: String, reason: String },
    #[error("uv is missing, and could not be installed for this program: {0}")]
    InstallUv(Box<PackError>),
    #[error("python3 does not say its version, but {output:?}; make it one that runs")]
    PythonOutput { output: String },
    #[error("what uv printed cannot be read: {reason}; install a uv of this year")]
    UvOutput { reason: String },

    #[error("git failed: {reason}; {help}")]
    Git {
        field: &'static str,
        reason: String,
        help: &'static str,
    },
    #[error(
        "the repository is empty, or its HEAD names a branch that is not there; push the app to it, or set `branch`"
    )]
    EmptyRepository,
    #[error(
        "a submodule could not be cloned: {reason}; correct it, or leave submodules out with `submodules: false`"
    )]
    Submodule { reason: String },
    #[error("the repository has no directory {directory}; correct it")]
    NoAppDirectory { directory: String },
    #[error("the repository has no {files}; correct it")]
    NoDependencyFile { files: String },
    #[error("{} lies outside of the repository; take it into the repository", path.display())]
    OutsideRepository { path: PathBuf },
    #[error(
        "{file} includes {included}; write the path of a file in the repository, without variables, quotes and backslashes"
    )]
    UnclearInclude { file: String, included: String },

    #[error("it does not say its version, which a payload's wheels are for; write it like 3.13")]
    UnknownPython,
    #[error(
        "this machine is none that the hosts could be like; \
         write `platform: x86_64-manylinux_2_36`, for machine and glibc of the hosts"
    )]
    UnknownPlatform,

    #[error("uv cannot read the lock: {reason}; run `uv lock`, and commit it")]
    Lock { reason: String },
    #[error(
        "uv installs nothing for this project, on which no member of the workspace depends; \
         name a member's directory and uv.lock, as in services/api/uv.lock"
    )]
    EmptyProject,
    #[error(
        "{package} is for {marker}, which is not known of the hosts; take that condition out of the project's dependencies"
    )]
    UnknownMarker { package: String, marker: String },
    #[error(
        "the package index wants a login: {reason}; give it in the URL of pip's index-url, or in ~/.netrc, on this machine"
    )]
    IndexLogin { reason: String },
    #[error(
        "{file} cannot be resolved for {target}: {reason}; correct it, or see that this machine reaches the package index"
    )]
    Unresolved {
        file: String,
        target: String,
        reason: String,
    },
    #[error(
        "{file} has no hash of {package}; write its hashes anew, with `uv pip compile --generate-hashes` say"
    )]
    MissingHash { file: String, package: String },
    #[error(
        "packages cannot be fetched: {}; try again, or see that this machine reaches the package index",
        reasons.join("; ")
    )]
    Download { reasons: Vec<String> },
    #[error(
        "{file} has the SHA-256 {sha256}, not the one that was locked or announced; \
         do not deploy it; see who serves the package index"
    )]
    HashMismatch { file: String, sha256: String },
    /// All packages without a usable wheel, each with its reason.
    #[error(
        "{} of the packages of {file} cannot go into a payload for {target}:\n    {}\n  ; \
         take versions that have wheels for it, correct `python` and `platform`, or build wheels on such a machine \
         with `pip wheel` and name their directory in PIP_FIND_LINKS",
        packages.len(), packages.join("\n    ")
    )]
    UnsupportedPackages {
        file: String,
        target: String,
        packages: Vec<String>,
    },
    #[error(
        "{project} of the repository {reason}; make it a project of Python alone, or deploy with `delivery: pull`"
    )]
    ProjectBuild { project: String, reason: String },
    #[error(
        "the virtualenv that releases share must not hold code of one of them, and {file} installs from the repository: {project}; \
         write `venv_mode: release`"
    )]
    ProjectInSharedVenv { file: String, project: String },

    #[error(
        "there is no apt-get here, which resolves and fetches Debian packages; \
         render on a Debian or Ubuntu machine, or leave --system-packages out"
    )]
    NoApt,
    #[error(
        "there is no {file} here, which tells that packages are Debian's; install debian-archive-keyring"
    )]
    NoKeyring { file: &'static str },
    #[error(
        "apt-get cannot resolve packages for {release}: {reason}; see that this machine reaches a mirror of Debian"
    )]
    Apt { release: String, reason: String },
    #[error("{name} in the cache is not as Debian has it; try again: it is fetched anew")]
    DamagedPackage { name: String },
    #[error("Debian {release} has no {}; name what that release has", names.join(", "))]
    UnknownPackages { release: String, names: Vec<String> },
}

impl PackError {
    /// For `map_err`: `cannot {action} {path}`.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| PackError::File {
            action,
            path,
            source,
        }
    }

    /// The config field to blame, if any.
    pub fn field(&self) -> Option<&'static str> {
        Some(match self {
            PackError::Git { field, .. } => field,
            PackError::EmptyRepository | PackError::Submodule { .. } => "source_code_url",
            PackError::NoAppDirectory { .. } => "app_dir",
            PackError::UnknownPython => "python",
            PackError::UnknownPlatform => "platform",
            PackError::NoDependencyFile { .. }
            | PackError::OutsideRepository { .. }
            | PackError::UnclearInclude { .. }
            | PackError::Lock { .. }
            | PackError::EmptyProject
            | PackError::IndexLogin { .. }
            | PackError::Unresolved { .. }
            | PackError::MissingHash { .. }
            | PackError::UnsupportedPackages { .. }
            | PackError::ProjectBuild { .. }
            | PackError::ProjectInSharedVenv { .. } => "dependency_file",
            PackError::UnknownPackages { names, .. } => {
                if names.iter().all(|name| name.starts_with("python3.")) {
                    "python"
                } else {
                    "system_packages"
                }
            }
            _ => return None,
        })
    }
}
