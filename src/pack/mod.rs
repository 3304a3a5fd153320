//! Makes payloads, on the controller: see `payload`.

mod archive;
mod cache;
mod dependencies;
mod fault;
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
use cache::{Cache, Noted, Seen, Work};
use dependencies::Resolver;
pub use fault::Fault;
use git::{Commit, Repository};
use links::OutwardLinks;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use target::{Target, wanted_python};

fn known_name(name: &str) -> Option<&'static str> {
    let names = [SOURCE, DEPENDENCIES, SYSTEM];
    names.into_iter().find(|known| *known == name)
}

/// A payload that was written before: its parts and what it is itself. The rest of it is known to the scripts alone.
///
/// # Errors
/// It cannot be read, or is no payload.
pub fn open(path: &Path) -> io::Result<Payload> {
    let (sha256, size) = archive::sum_file(path)?;
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
/// It cannot be written, or a part is not as it was made.
pub fn write(payload: &Payload, out: impl Write) -> io::Result<()> {
    archive::pack_parts(&payload.parts, out)
}

/// The fault, and the server whose payload has it.
#[derive(Debug)]
pub struct Failure {
    pub server: usize,
    pub fault: Fault,
}

/// Is given what people should know meanwhile, a line at a time.
pub type Note<'a> = &'a dyn Fn(&str);

/// What a run has made so far, for servers that want the same.
struct Maker<'a> {
    note: Note<'a>,
    cache: Cache,
    /// By what they were asked for.
    commits: HashMap<String, Commit>,
    trees: HashMap<String, Work>,
    payloads: HashMap<String, Arc<Payload>>,
    /// The sources of which it was noted that something of them is left out.
    noted_sources: HashSet<String>,
    /// It was noted that the target is this machine's.
    noted_target: bool,
}

/// What a payload is made of. The keys name what it follows from.
struct Order<'a> {
    server: &'a Server,
    repository: Repository<'a>,
    commit: Commit,
    source_key: &'a str,
    key: &'a str,
}

/// What is kept of the making of parts.
#[derive(Serialize, Deserialize)]
struct Made {
    target: Target,
    seen: Vec<Seen>,
    /// The repository has something of its own where a release has what belongs to it.
    leaves_out_own: bool,
}

/// Gives each of the servers that are `wanted` its payload: one for all that deploy the same for the same target. What is
/// known from earlier runs is not made again.
///
/// # Errors
/// The first server whose payload cannot be made.
pub fn make(
    servers: &mut [Server],
    wanted: impl Fn(&Server) -> bool,
    note: Note,
) -> Result<(), Failure> {
    let mut maker = None;
    for (index, server) in servers.iter_mut().enumerate() {
        if !wanted(server) {
            continue;
        }
        let failed = |fault| Failure {
            server: index,
            fault,
        };
        let maker = match &mut maker {
            Some(maker) => maker,
            none => none.insert(Maker::new(note).map_err(failed)?),
        };
        server.payload = Some(maker.payload(server).map_err(failed)?);
    }
    Ok(())
}

impl<'a> Maker<'a> {
    fn new(note: Note<'a>) -> Result<Self, Fault> {
        Ok(Maker {
            note,
            cache: Cache::open(note)?,
            commits: HashMap::new(),
            trees: HashMap::new(),
            payloads: HashMap::new(),
            noted_sources: HashSet::new(),
            noted_target: false,
        })
    }

    fn payload(&mut self, server: &Server) -> Result<Arc<Payload>, Fault> {
        let source_key = key((
            &*server.source_code_url,
            (&server.branch, &server.revision),
            (&server.clone_depth, server.submodules),
        ));
        let key = key((
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
        let order = Order {
            server,
            commit: self.commit(&source_key, &repository)?,
            repository,
            source_key: &source_key,
            key: &key,
        };
        let (mut target, mut parts) = self.parts(&order)?;
        let (sha256, size) = match sum_whole(&parts) {
            // They had been changed in the cache, and are gone from it.
            Err(_) => {
                (target, parts) = self.parts(&order)?;
                sum_whole(&parts)?
            }
            Ok(whole) => whole,
        };
        let payload = Arc::new(Payload {
            commit: order.commit.sha,
            pulled: order.commit.pulled,
            python: target.version(),
            platform: target.platform(),
            sha256,
            size,
            parts,
        });
        self.payloads.insert(key, Arc::clone(&payload));
        Ok(payload)
    }

    /// The commit of all servers that name the same.
    fn commit(&mut self, source_key: &str, repository: &Repository) -> Result<Commit, Fault> {
        if let Some(commit) = self.commits.get(source_key) {
            return Ok(commit.clone());
        }
        let commit = match repository.ask()? {
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
        asked: Option<&Commit>,
    ) -> Result<Commit, Fault> {
        let work = self.cache.work()?;
        let commit = repository.check_out(&work.path().join(TREE), asked)?;
        (self.note)(&format!("Cloned {} at {:.12}", commit.pulled, commit.sha));
        self.trees.insert(source_key.to_owned(), work);
        Ok(commit)
    }

    /// The parts of a payload, from an earlier run where it made the same.
    fn parts(&mut self, order: &Order) -> Result<(Target, Vec<Part>), Fault> {
        let own = if order.server.python.is_some() && order.server.platform.is_some() {
            None
        } else {
            Target::of(None, None, None).ok().map(|(own, _)| own)
        };
        let indexes = tools::indexes_of_variables();
        let key = key((
            ("payload", order.key, &order.commit.sha),
            (own, tools::UV, indexes),
        ));
        let noted = self.cache.noted::<(Made, Vec<Noted>)>(&key);
        if let Some((made, noted)) = noted
            && made.seen.iter().all(Seen::is_unchanged)
            && let Some(parts) = noted.iter().map(|noted| self.cache.part(noted)).collect()
        {
            self.note_left_out(order, &made);
            return Ok((made.target, parts));
        }
        let (made, parts) = self.make_parts(order)?;
        self.note_left_out(order, &made);
        let noted: Vec<Noted> = parts.iter().map(Noted::of).collect();
        self.cache.note(&key, &(&made, noted));
        Ok((made.target, parts))
    }

    /// As a host warns that clones: see `templates/deploy/code.sh`.
    fn note_left_out(&mut self, order: &Order, made: &Made) {
        if made.leaves_out_own && self.noted_sources.insert(order.source_key.to_owned()) {
            (self.note)(
                "warning: .pystrano of the repository gives way to what belongs to the release there; rename it",
            );
        }
    }

    fn make_parts(&mut self, order: &Order) -> Result<(Made, Vec<Part>), Fault> {
        let server = order.server;
        if !self.trees.contains_key(order.source_key) {
            self.clone(order.source_key, &order.repository, Some(&order.commit))?;
        }
        let tree = self.trees[order.source_key].path().join(TREE);
        let leaves_out_own = tree.join(archive::RELEASE_STATE).symlink_metadata().is_ok();
        let links = OutwardLinks::take(&tree).map_err(Fault::file("read", &tree))?;
        let directory = server.app_dir.to_string();
        if !tree.join(&directory).is_dir() {
            return Err(Fault::NoAppDirectory { directory });
        }
        let asked = wanted_python(server, &tree);
        let (target, is_own) = Target::of(server.python.as_ref(), server.platform.as_ref(), asked)?;
        if is_own && !self.noted_target {
            self.noted_target = true;
            (self.note)(&format!(
                "The payload is for {target}, as this machine is; set python and platform where the hosts differ"
            ));
        }
        let work = self.cache.work()?;
        let dependencies = Resolver {
            server,
            target: &target,
            tree: &tree,
            commit: &order.commit.sha,
            cache: &self.cache,
            work: &work,
            note: self.note,
        }
        .make()?;
        links.put_back().map_err(Fault::file("write in", &tree))?;
        let source = self.cache.add_part(SOURCE, |out| {
            archive::pack_source(&tree, &dependencies.own, out)
        })?;
        let parts = std::iter::once(source).chain(dependencies.part).collect();
        let made = Made {
            target,
            seen: dependencies.seen,
            leaves_out_own,
        };
        Ok((made, parts))
    }
}

/// The sum and the size of the payload that parts make. What is damaged goes away.
fn sum_whole(parts: &[Part]) -> Result<(String, u64), Fault> {
    let mut summing = archive::Summing::new(io::sink());
    archive::pack_parts(parts, &mut summing).map_err(|source| {
        for part in parts {
            let _ = std::fs::remove_file(&part.file);
        }
        Fault::Part { source }
    })?;
    let size = summing.size;
    Ok((summing.sum(), size))
}

/// The checkout's name in the directory where it is worked on.
const TREE: &str = "tree";

/// A name for what this version of the program makes of these values.
fn key(values: impl Debug) -> String {
    let text = format!("{} {values:?}", env!("CARGO_PKG_VERSION"));
    hex(Sha256::new_with_prefix(text))
}

/// A package, for people.
fn named(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    }
}

/// A directory of the repository and those above it, up to its top.
fn up_from<'p>(directory: &'p Path, tree: &Path) -> impl Iterator<Item = &'p Path> {
    let directories = directory.ancestors();
    directories.take_while(move |path| path.starts_with(tree))
}
