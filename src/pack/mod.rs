//! Makes payloads, on the controller: see `payload`.

mod archive;
mod cache;
mod dependencies;
mod git;
mod marker;
mod outward;
mod program;
mod resolve;
pub mod system;
mod target;
mod tools;
mod wheels;

use crate::config::Server;
use crate::diagnostics::Message;
use crate::payload::{DEPENDENCIES, Part, Payload, SOURCE, SYSTEM, sum};
use cache::{Cache, Work};
use dependencies::Resolver;
use git::{Commit, Repository};
use outward::Outward;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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
        commit: String::new(),
        pulled: String::new(),
        python: String::new(),
        platform: String::new(),
        sha256,
        size,
        parts: archive::find_parts(path)?,
    })
}

/// Writes the tar of a payload.
///
/// # Errors
/// It cannot be written, or a part is not as it was made.
pub fn write(payload: &Payload, out: impl Write) -> io::Result<()> {
    archive::pack_parts(&payload.parts, out)
}

/// Why a payload cannot be made.
#[derive(Debug)]
pub enum Fault {
    /// The value of a field leads to it.
    Field {
        name: &'static str,
        message: Message,
    },
    Other(Message),
    /// Of one package, without what to do about it.
    Misfit(String),
}

impl Fault {
    fn new(what: impl std::fmt::Display, help: impl std::fmt::Display) -> Self {
        Fault::Other(Message::new(what, help))
    }

    fn of_field(
        name: &'static str,
        what: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) -> Self {
        Fault::Field {
            name,
            message: Message::new(what, help),
        }
    }

    /// For `map_err`: the error of doing `action` to a file.
    fn file(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let what = format!("cannot {action} {}", path.display());
        move |error| {
            Fault::new(
                format!("{what}: {error}"),
                "see that there is room and that you may",
            )
        }
    }
}

/// The fault, and the server whose payload has it.
#[derive(Debug)]
pub struct Failure {
    pub server: usize,
    pub fault: Fault,
}

/// A part in the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    name: String,
    sha256: String,
    size: u64,
}

impl Made {
    fn is_there(&self, cache: &Cache) -> bool {
        let path = cache.find("parts", &self.sha256);
        path.is_some_and(|path| std::fs::metadata(path).is_ok_and(|file| file.len() == self.size))
    }

    fn part(&self, cache: &Cache) -> Option<Part> {
        Some(Part {
            name: known_name(&self.name)?,
            sha256: self.sha256.clone(),
            size: self.size,
            file: cache.path("parts", &self.sha256),
            offset: 0,
        })
    }
}

/// Is given what people should know meanwhile, a line at a time.
pub type Note<'a> = &'a dyn Fn(&str);

/// What a run has made so far, for servers that want the same.
struct Maker<'a> {
    note: Note<'a>,
    cache: Cache,
    /// By what they were asked for.
    commits: Vec<(String, Commit)>,
    trees: Vec<(String, Work)>,
    payloads: Vec<(String, Arc<Payload>)>,
    /// What is this machine's own was said.
    is_told: bool,
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
        if wanted(server) {
            let payload = match &mut maker {
                Some(maker) => Ok(maker),
                none => Maker::new(note).map(|made| none.insert(made)),
            }
            .and_then(|maker| maker.payload(server));
            server.payload = Some(payload.map_err(|fault| Failure {
                server: index,
                fault,
            })?);
        }
    }
    Ok(())
}

impl<'a> Maker<'a> {
    fn new(note: Note<'a>) -> Result<Self, Fault> {
        Ok(Maker {
            note,
            cache: Cache::open(note)?,
            commits: Vec::new(),
            trees: Vec::new(),
            payloads: Vec::new(),
            is_told: false,
        })
    }

    fn payload(&mut self, server: &Server) -> Result<Arc<Payload>, Fault> {
        let source = key(&[
            &server.source_code_url,
            &format!(
                "{:?} {:?} {:?}",
                server.branch, server.revision, server.clone_depth
            ),
            if server.submodules { "submodules" } else { "" },
        ]);
        let wanted = key(&[
            &source,
            &format!(
                "{:?} {:?} {:?}",
                server.package_manager, server.python, server.platform
            ),
            &format!(
                "{:?} {:?}",
                server.venv_mode, server.dependency_install_command
            ),
            &format!(
                "{:?} {:?}",
                server.dependency_extras, server.dependency_groups
            ),
            &server.app_dir.to_string(),
            &server.dependency_file,
        ]);
        if let Some((_, payload)) = self.payloads.iter().find(|(key, _)| *key == wanted) {
            return Ok(Arc::clone(payload));
        }
        let repository = Repository::of(server)?;
        let commit = self.commit(&source, &repository)?;
        let (mut target, mut parts) = self.parts(&source, &wanted, server, &repository, &commit)?;
        let whole = match sum_whole(&parts) {
            // They had been changed in the cache, and are gone from it.
            Err(_) => {
                (target, parts) = self.parts(&source, &wanted, server, &repository, &commit)?;
                sum_whole(&parts)?
            }
            whole => whole?,
        };
        let (sha256, size) = whole;
        let payload = Arc::new(Payload {
            commit: commit.sha,
            pulled: commit.pulled,
            python: target.version(),
            platform: target.platform(),
            sha256,
            size,
            parts,
        });
        self.payloads.push((wanted, Arc::clone(&payload)));
        Ok(payload)
    }

    /// The commit of all servers that name the same.
    fn commit(&mut self, source: &str, repository: &Repository) -> Result<Commit, Fault> {
        if let Some((_, commit)) = self.commits.iter().find(|(key, _)| key == source) {
            return Ok(commit.clone());
        }
        let commit = match repository.ask()? {
            Some(commit) => commit,
            None => self.clone(source, repository, None)?,
        };
        self.commits.push((source.to_owned(), commit.clone()));
        Ok(commit)
    }

    fn clone(
        &mut self,
        source: &str,
        repository: &Repository,
        asked: Option<&Commit>,
    ) -> Result<Commit, Fault> {
        let work = self.cache.work()?;
        let commit = repository.check_out(&work.path().join(TREE), asked)?;
        (self.note)(&format!("Cloned {} at {:.12}", commit.pulled, commit.sha));
        self.trees.push((source.to_owned(), work));
        Ok(commit)
    }

    /// The parts of a payload, from an earlier run where it made the same.
    fn parts(
        &mut self,
        source: &str,
        wanted: &str,
        server: &Server,
        repository: &Repository,
        commit: &Commit,
    ) -> Result<(Target, Vec<Part>), Fault> {
        let own = match (&server.python, &server.platform) {
            (Some(_), Some(_)) => None,
            _ => Some(Target::of(None, None, None)),
        };
        let own = own.map(|own| own.map_or_else(|_| String::new(), |(own, _)| own.to_string()));
        let note = key(&[
            "payload 1",
            wanted,
            &commit.sha,
            &own.unwrap_or_default(),
            tools::UV,
        ]);
        if let Some((target, made)) = self.cache.noted::<(Target, Vec<Made>)>(&note)
            && made.iter().all(|made| made.is_there(&self.cache))
        {
            return Ok((target, parts_of(&made, &self.cache)));
        }
        if !self.trees.iter().any(|(key, _)| key == source) {
            self.clone(source, repository, Some(commit))?;
        }
        let tree = self.trees.iter().find(|(key, _)| key == source);
        let tree = tree
            .map(|(_, work)| work.path().join(TREE))
            .unwrap_or_default();
        let outward = Outward::take(&tree).map_err(Fault::file("read", &tree))?;
        if !tree.join(server.app_dir.to_string()).is_dir() {
            return Err(Fault::of_field(
                "app_dir",
                format!("the repository has no directory {}", server.app_dir),
                "correct it",
            ));
        }
        let asked = wanted_python(server, &tree);
        let (target, is_own) = Target::of(server.python.as_ref(), server.platform.as_ref(), asked)?;
        if is_own && !self.is_told {
            self.is_told = true;
            (self.note)(&format!(
                "The payload is for {target}, as this machine is; set python and platform where the hosts differ"
            ));
        }
        let work = self.cache.work()?;
        let dependencies = Resolver {
            server,
            target: &target,
            tree: &tree,
            commit: &commit.sha,
            cache: &self.cache,
            work: &work,
            note: self.note,
        }
        .make()?;
        outward.put_back().map_err(Fault::file("write in", &tree))?;
        let (sha256, size, _) = self.cache.add("parts", |out| {
            archive::pack_source(&tree, &dependencies.own, out)
        })?;
        let source = Made {
            name: SOURCE.to_owned(),
            sha256,
            size,
        };
        let made: Vec<Made> = std::iter::once(source).chain(dependencies.part).collect();
        self.cache.note(&note, &(&target, &made));
        Ok((target, parts_of(&made, &self.cache)))
    }
}

/// Where parts are that were made.
fn parts_of(made: &[Made], cache: &Cache) -> Vec<Part> {
    made.iter().filter_map(|made| made.part(cache)).collect()
}

/// The sum and the size of the payload that parts make. What is damaged goes away.
fn sum_whole(parts: &[Part]) -> Result<(String, u64), Fault> {
    let mut summing = archive::Summing::new(io::sink());
    archive::pack_parts(parts, &mut summing).map_err(|error| {
        for part in parts {
            let _ = std::fs::remove_file(&part.file);
        }
        Fault::new(
            format!("a part of the payload cannot be read: {error}"),
            "try again: it is made anew",
        )
    })?;
    let size = summing.size;
    Ok((summing.sum(), size))
}

/// The checkout's name in the directory where it is worked on.
const TREE: &str = "tree";

/// A name for what follows from these texts.
fn key(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    sum(digest)
}

/// A package, for people.
fn named(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    }
}
