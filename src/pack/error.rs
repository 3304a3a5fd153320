//! Why a payload cannot be made.

use std::io;
use std::path::{Path, PathBuf};

/// Each is shown as `what is wrong; what to do about it`.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A file of this machine could not be read or written.
    #[error("cannot {action} {}: {source}; see that there is room and that you may", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("there is no place for a payload's parts; set HOME or XDG_CACHE_HOME")]
    NoCache,
    #[error("{} belongs to another user; name a directory of your own in XDG_CACHE_HOME", path.display())]
    CacheOfAnother { path: PathBuf },
    /// Programs in it are run.
    #[error("others may write into {path}; `chmod go-w {path}`, if nobody has", path = path.display())]
    OpenCache { path: PathBuf },
    #[error("a part of the payload cannot be read: {source}; try again: it is made anew")]
    Part { source: io::Error },

    #[error("cannot run {program}: {source}; see that it is there and runs")]
    Start { program: String, source: io::Error },
    #[error("{program} cannot be run: {reason}; install {program}, which makes a payload")]
    NoProgram { program: String, reason: String },
    #[error("{program} failed: {reason}; see what it says")]
    Program { program: String, reason: String },
    #[error("uv is missing, and could not be installed for this program: {0}")]
    NoUv(Box<Fault>),
    #[error("python3 does not say its version, but {answer:?}; make it one that runs")]
    PythonAnswer { answer: String },
    #[error("what uv printed cannot be read: {reason}; install a uv of this year")]
    UvAnswer { reason: String },

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
    Outside { path: PathBuf },

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
    Marker { package: String, marker: String },
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
    NoHash { file: String, package: String },
    #[error(
        "packages cannot be fetched: {}; try again, or see that this machine reaches the package index",
        reasons.join("; ")
    )]
    Fetch { reasons: Vec<String> },
    #[error(
        "{file} has the SHA-256 {sha256}, not the one that was locked or announced; \
         do not deploy it; see who serves the package index"
    )]
    OtherFile { file: String, sha256: String },
    /// All packages that cannot come along, each with the reason.
    #[error(
        "{} of the packages of {file} cannot go into a payload for {target}:\n    {}\n  ; \
         take versions that have wheels for it, correct `python` and `platform`, or build wheels on such a machine \
         with `pip wheel` and name their directory in PIP_FIND_LINKS",
        packages.len(), packages.join("\n    ")
    )]
    Misfits {
        file: String,
        target: String,
        packages: Vec<String>,
    },
    #[error(
        "{project} of the repository {reason}; make it a project of Python alone, or deploy with `delivery: pull`"
    )]
    Project { project: String, reason: String },
    #[error(
        "the virtualenv that releases share must not hold code of one of them, and {file} installs from the repository: {project}; \
         write `venv_mode: release`"
    )]
    SharedCode { file: String, project: String },

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

impl Fault {
    /// For `map_err`: the error of doing `action` to a file.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Fault::File {
            action,
            path,
            source,
        }
    }

    /// The field whose value leads to it.
    pub fn field(&self) -> Option<&'static str> {
        Some(match self {
            Fault::Git { field, .. } => field,
            Fault::EmptyRepository | Fault::Submodule { .. } => "source_code_url",
            Fault::NoAppDirectory { .. } => "app_dir",
            Fault::UnknownPython => "python",
            Fault::UnknownPlatform => "platform",
            Fault::NoDependencyFile { .. }
            | Fault::Outside { .. }
            | Fault::Lock { .. }
            | Fault::EmptyProject
            | Fault::IndexLogin { .. }
            | Fault::Unresolved { .. }
            | Fault::NoHash { .. }
            | Fault::Misfits { .. }
            | Fault::Project { .. }
            | Fault::SharedCode { .. } => "dependency_file",
            Fault::UnknownPackages { names, .. } => {
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
