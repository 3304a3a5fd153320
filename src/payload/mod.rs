//! Code and dependencies of one commit, made on the controller: one file that a deploy takes in place of a clone and
//! of a package index.

use std::path::PathBuf;

/// A payload that was made: an uncompressed tar of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What is deployed, as git names it.
    pub commit: String,
    /// What it is of, for people: `branch main`, say.
    pub pulled: String,
    /// The SHA-256 of the tar in hexadecimal, which names the file, and its size in bytes.
    pub sha256: String,
    pub size: u64,
    /// In the order of the tar.
    pub parts: Vec<Part>,
    /// Where the tar lies on the controller.
    pub path: PathBuf,
}

/// A member of the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One of [`SOURCE`], [`DEPENDENCIES`] and [`SYSTEM`].
    pub name: &'static str,
    pub sha256: String,
    pub size: u64,
    /// Where its bytes begin in the tar.
    pub offset: u64,
}

/// The tree of a release, from its directory on.
pub const SOURCE: &str = "source.tar.gz";
/// `requirements.txt`, `wheels/`, and the wheel of uv where that installs them.
pub const DEPENDENCIES: &str = "dependencies.tar";
/// The .deb files that `setup.sh` installs.
pub const SYSTEM: &str = "system.tar";

impl Payload {
    /// The part of a name, if the payload has it.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}
