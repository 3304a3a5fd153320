//! Errors of building a payload.

use std::io;
use std::path::{Path, PathBuf};

pub type Result<T, E = PackError> = std::result::Result<T, E>;

/// Each message is `what is wrong; what to do about it`, or continues at the field that [`PackError::field`] names.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// An I/O error on the controller.
    #[error("cannot {action} {}: {source}; check free space and permissions", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("there is no directory for the parts of payloads; set HOME or XDG_CACHE_HOME")]
    NoCache,
    #[error("{} belongs to another user; name a directory of your own in XDG_CACHE_HOME", path.display())]
    ForeignCache { path: PathBuf },
    /// Refused because uv is run from the cache.
    #[error("others can write to {path}; if you trust what is in it, run `chmod go-w {path}`", path = path.display())]
    WritableCache { path: PathBuf },
    #[error("a part of the payload cannot be read: {source}; try again: it is made again")]
    DamagedPart { source: io::Error },

    #[error("cannot run {program}: {source}; check that it is installed and runs")]
    Spawn { program: String, source: io::Error },
    #[error("{program} cannot be run: {reason}; install {program}, which payloads are made with")]
    ProgramUnavailable { program: String, reason: String },
    #[error("{program} failed: {reason}; fix what it reports")]
    ProgramFailed { program: String, reason: String },
    #[error("uv is missing, and could not be installed for this program: {0}")]
    InstallUv(Box<PackError>),
    #[error("python3 prints {output:?} instead of its version; install one that runs")]
    PythonOutput { output: String },
    #[error("what uv printed cannot be read: {reason}; install a newer uv")]
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

    #[error("its version is unknown, and a payload has wheels for one version; write it like 3.13")]
    UnknownPython,
    #[error(
        "hosts cannot have the platform of this machine; \
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
        "{package} is for {marker}, which is unknown for the hosts; remove that condition from the project's dependencies"
    )]
    UnknownMarker { package: String, marker: String },
    #[error(
        "the package index wants a login: {reason}; give it in the URL of pip's index-url, or in ~/.netrc, on this machine"
    )]
    IndexLogin { reason: String },
    #[error(
        "{file} cannot be resolved for {target}: {reason}; correct it, or check that this machine can reach the package index"
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
        "packages cannot be fetched: {}; try again, or check that this machine can reach the package index",
        reasons.join("; ")
    )]
    Download { reasons: Vec<String> },
    #[error(
        "{file} has the SHA-256 {sha256}, not the one that was locked or announced; \
         do not deploy it; check the package index"
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
        "{project} of the repository {reason}; make it a pure Python project, or deploy with `delivery: pull`"
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
        "there is no {file} here, and without it packages cannot be verified; install debian-archive-keyring"
    )]
    NoKeyring { file: &'static str },
    #[error(
        "apt-get cannot resolve packages for {release}: {reason}; check that this machine can reach a mirror of Debian"
    )]
    Apt { release: String, reason: String },
    #[error("{name} in the cache differs from Debian's package; try again: it is downloaded again")]
    DamagedPackage { name: String },
    #[error("Debian {release} has no {}; name packages of that release", names.join(", "))]
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
