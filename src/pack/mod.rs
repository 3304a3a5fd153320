//! Builds payloads (see `payload`) on the controller.

mod archive;
mod cache;
mod dependencies;
mod error;
mod git;
mod indexes;
mod input;
mod links;
mod marker;
mod program;
mod resolve;
pub mod system;
mod target;
mod tools;
mod wheels;

use crate::config::Server;
use crate::payload::{DEPENDENCIES, Part, Payload, SOURCE, SYSTEM, hex};
use cache::{Cache, Fingerprint, PartRef, WorkDir};
use dependencies::Resolver;
pub use error::PackError;
use error::Result;
use git::{Commit, Repository};
use links::EscapingLinks;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use target::{Target, pinned_python};

/// The constant of the part called `name`, if there is one.
fn part_name(name: &str) -> Option<&'static str> {
    let names = [SOURCE, DEPENDENCIES, SYSTEM];
    names.into_iter().find(|known| *known == name)
}

/// Opens a payload that [`write`] made: its parts, size and SHA-256. Commit and target are not in the file; they are empty.
///
/// # Errors
/// I/O errors, or the file is not a payload.
pub fn open(path: &Path) -> io::Result<Payload> {
    let (sha256, size) = archive::hash_file(path)?;
    Ok(Payload {
        sha256,
        size,
        parts: archive::find_parts(path)?,
        ..Payload::default()
    })
}

/// Writes the tar of a payload.
///
/// # Errors
/// I/O errors, or a part whose cached file was changed.
pub fn write(payload: &Payload, out: impl Write) -> io::Result<()> {
    archive::pack_parts(&payload.parts, out)
}

/// An error about the payload of one server, given by its index.
#[derive(Debug)]
pub struct ServerError {
    pub server: usize,
    pub error: PackError,
}

/// Prints a progress message of one line.
pub type Notify<'a> = &'a dyn Fn(&str);

/// Builds payloads, and shares commits, clones and payloads between servers with the same settings.
struct PayloadBuilder<'a> {
    notify: Notify<'a>,
    cache: Cache,
    /// By source key, as `clones` are.
    commits: HashMap<String, Commit>,
    clones: HashMap<String, WorkDir>,
    /// By request key.
    payloads: HashMap<String, Arc<Payload>>,
    /// Keys of the sources about whose `.pystrano` a warning was printed.
    warned_sources: HashSet<String>,
    /// The message that the target is this machine's was printed.
    announced_target: bool,
}

/// A payload to build.
struct Request<'a> {
    server: &'a Server,
    repository: Repository<'a>,
    commit: Commit,
    /// Hash of the settings that select the code.
    source_key: &'a str,
    /// Hash of all settings that the payload depends on.
    key: &'a str,
}

/// What the cache remembers about a build, next to its parts.
#[derive(Serialize, Deserialize)]
struct BuildInfo {
    target: Target,
    fingerprints: Vec<Fingerprint>,
    /// The repository has a `.pystrano` of its own, which the release does not get.
    omits_state_dir: bool,
}

/// Builds the payloads of the servers that `wanted` selects. Servers with the same settings share one, and what the cache
/// has from earlier runs is reused.
///
/// # Errors
/// The first server whose payload cannot be built.
pub fn make(
    servers: &mut [Server],
    wanted: impl Fn(&Server) -> bool,
    notify: Notify,
) -> Result<(), ServerError> {
    let mut builder = None;
    let indexed = servers.iter_mut().enumerate();
    for (index, server) in indexed.filter(|(_, server)| wanted(server)) {
        let failed = |error| ServerError {
            server: index,
            error,
        };
        let builder = match &mut builder {
            Some(builder) => builder,
            none => none.insert(PayloadBuilder::new(notify).map_err(failed)?),
        };
        server.payload = Some(builder.payload(server).map_err(failed)?);
    }
    Ok(())
}

impl<'a> PayloadBuilder<'a> {
    fn new(notify: Notify<'a>) -> Result<Self> {
        Ok(PayloadBuilder {
            notify,
            cache: Cache::open(notify)?,
            commits: HashMap::new(),
            clones: HashMap::new(),
            payloads: HashMap::new(),
            warned_sources: HashSet::new(),
            announced_target: false,
        })
    }

    fn payload(&mut self, server: &Server) -> Result<Arc<Payload>> {
        let source_key = cache_key((
            &*server.source_code_url,
            (&server.branch, &server.revision),
            (&server.clone_depth, server.submodules),
        ));
        let key = cache_key((
            &source_key,
            (&server.package_manager, &server.python, &server.platform),
            (&server.venv_mode, &server.dependency_install_command),
            (&server.dependency_extras, &server.dependency_groups),
            (&server.app_dir, &server.dependency_file),
        ));
        if let Some(payload) = self.payloads.get(&key) {
            return Ok(Arc::clone(payload));
        }
        let repository = Repository::of(server)?;
        let request = Request {
            server,
            commit: self.commit(&source_key, &repository)?,
            repository,
            source_key: &source_key,
            key: &key,
        };
        let (mut target, mut parts) = self.parts(&request)?;
        let (sha256, size) = match payload_digest(&parts) {
            // Cached files were changed, and have been removed: build them again.
            Err(_) => {
                (target, parts) = self.parts(&request)?;
                payload_digest(&parts)?
            }
            Ok(digest) => digest,
        };
        let payload = Arc::new(Payload {
            commit: request.commit.sha,
            commit_label: request.commit.label,
            python: target.version(),
            platform: target.platform(),
            sha256,
            size,
            parts,
        });
        self.payloads.insert(key, Arc::clone(&payload));
        Ok(payload)
    }

    /// Resolves the branch or revision once per source, so that all servers deploy the same commit.
    fn commit(&mut self, source_key: &str, repository: &Repository) -> Result<Commit> {
        if let Some(commit) = self.commits.get(source_key) {
            return Ok(commit.clone());
        }
        let commit = match repository.resolve_remote()? {
            Some(commit) => commit,
            None => self.clone(source_key, repository, None)?,
        };
        self.commits.insert(source_key.to_owned(), commit.clone());
        Ok(commit)
    }

    fn clone(
        &mut self,
        source_key: &str,
        repository: &Repository,
        commit: Option<&Commit>,
    ) -> Result<Commit> {
        let work_dir = self.cache.work_dir()?;
        let commit = repository.check_out(&work_dir.path().join(TREE), commit)?;
        (self.notify)(&format!("Cloned {} at {:.12}", commit.label, commit.sha));
        self.clones.insert(source_key.to_owned(), work_dir);
        Ok(commit)
    }

    /// The target and the parts of a payload, from the cache if possible.
    fn parts(&mut self, request: &Request) -> Result<(Target, Vec<Part>)> {
        let local_target = if request.server.python.is_some() && request.server.platform.is_some() {
            None
        } else {
            Target::of(None, None, None).ok().map(|(target, _)| target)
        };
        let indexes = tools::index_variables();
        let key = cache_key((
            ("payload", request.key, &request.commit.sha),
            (local_target, tools::UV_VERSION, indexes),
        ));
        let cached = self.cache.load::<(BuildInfo, Vec<PartRef>)>(&key);
        if let Some((info, refs)) = cached
            && info.fingerprints.iter().all(Fingerprint::is_unchanged)
            && let Some(parts) = refs.iter().map(|part| self.cache.part(part)).collect()
        {
            self.warn_omitted(request, &info);
            return Ok((info.target, parts));
        }
        let (info, parts) = self.build_parts(request)?;
        self.warn_omitted(request, &info);
        let refs: Vec<PartRef> = parts.iter().map(PartRef::new).collect();
        self.cache.store(&key, &(&info, refs));
        Ok((info.target, parts))
    }

    /// The same warning as that of a host that clones: see `templates/deploy/code.sh`.
    fn warn_omitted(&mut self, request: &Request, info: &BuildInfo) {
        if info.omits_state_dir && self.warned_sources.insert(request.source_key.to_owned()) {
            (self.notify)(
                "warning: .pystrano of the repository is replaced by that of the release; rename it",
            );
        }
    }

    fn build_parts(&mut self, request: &Request) -> Result<(BuildInfo, Vec<Part>)> {
        let server = request.server;
        if !self.clones.contains_key(request.source_key) {
            self.clone(
                request.source_key,
                &request.repository,
                Some(&request.commit),
            )?;
        }
        let tree = self.clones[request.source_key].path().join(TREE);
        let omits_state_dir = tree.join(archive::RELEASE_STATE).symlink_metadata().is_ok();
        let links = EscapingLinks::remove(&tree).map_err(PackError::file("read", &tree))?;
        let directory = server.app_dir.to_string();
        if !tree.join(&directory).is_dir() {
            return Err(PackError::NoAppDirectory { directory });
        }
        let pinned = pinned_python(server, &tree);
        let (target, is_local) =
            Target::of(server.python.as_ref(), server.platform.as_ref(), pinned)?;
        if is_local && !self.announced_target {
            self.announced_target = true;
            (self.notify)(&format!(
                "The payload is for {target}, as this machine is; set python and platform where the hosts differ"
            ));
        }
        let work_dir = self.cache.work_dir()?;
        let dependencies = Resolver {
            server,
            target: &target,
            tree: &tree,
            commit: &request.commit.sha,
            cache: &self.cache,
            work_dir: &work_dir,
            notify: self.notify,
        }
        .build()?;
        links
            .restore()
            .map_err(PackError::file("write in", &tree))?;
        let source = self.cache.add_part(SOURCE, |out| {
            archive::pack_source(&tree, &dependencies.local_wheels, out)
        })?;
        let parts = std::iter::once(source).chain(dependencies.part).collect();
        let info = BuildInfo {
            target,
            fingerprints: dependencies.fingerprints,
            omits_state_dir,
        };
        Ok((info, parts))
    }
}

/// The SHA-256 and the size of the tar that [`write`] makes of `parts`.
///
/// # Errors
/// A part cannot be read, or is damaged. All parts are then removed from the cache.
fn payload_digest(parts: &[Part]) -> Result<(String, u64)> {
    let mut hashing = archive::Hashing::new(io::sink());
    archive::pack_parts(parts, &mut hashing).map_err(|source| {
        for part in parts {
            let _ = std::fs::remove_file(&part.file);
        }
        PackError::DamagedPart { source }
    })?;
    Ok(hashing.finish())
}

/// The name of the checkout in its [`WorkDir`].
const TREE: &str = "tree";

/// A cache key for what this version of the program makes of `values`.
fn cache_key(values: impl Debug) -> String {
    let text = format!("{} {values:?}", env!("CARGO_PKG_VERSION"));
    hex(Sha256::new_with_prefix(text))
}

/// `directory` and its parents, up to `tree`.
fn ancestors_within<'p>(directory: &'p Path, tree: &Path) -> impl Iterator<Item = &'p Path> {
    let directories = directory.ancestors();
    directories.take_while(move |path| path.starts_with(tree))
}
