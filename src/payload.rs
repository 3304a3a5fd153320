//! Code and dependencies of one commit: one file that a deploy takes in place of a clone and of a package index. `pack`
//! makes it.

#![expect(clippy::disallowed_methods, reason = "it opens the parts")]

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

/// A SHA-256 in hexadecimal, as `sha256sum` prints it.
pub fn sum(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A payload that was made: an uncompressed tar of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// What is deployed, as git names it.
    pub commit: String,
    /// What it is of, for people: `branch main`, say.
    pub pulled: String,
    /// The Python that its wheels are for, as `3.13`, and their platform, as `x86_64-manylinux_2_36`.
    pub python: String,
    pub platform: String,
    /// The SHA-256 of the tar in hexadecimal, which names the file, and its size in bytes.
    pub sha256: String,
    pub size: u64,
    /// In the order of the tar.
    pub parts: Vec<Part>,
}

/// A member of the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One of [`SOURCE`], [`DEPENDENCIES`] and [`SYSTEM`].
    pub name: &'static str,
    pub sha256: String,
    pub size: u64,
    /// Where its bytes are on this machine, and where in that file they begin.
    pub file: PathBuf,
    pub offset: u64,
}

/// The tree of a release, from its directory on.
pub const SOURCE: &str = "source.tar.gz";
/// `requirements.txt`, `wheels/`, and the wheel of uv where that installs them.
pub const DEPENDENCIES: &str = "dependencies.tar";
/// The .deb files that `setup.sh` installs.
pub const SYSTEM: &str = "system.tar";

impl Payload {
    /// What its wheels are for, for people.
    pub fn target(&self) -> String {
        format!("Python {} on {}", self.python, self.platform)
    }

    /// The part of a name, if the payload has it.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

impl Part {
    /// Its bytes, from the first on; what follows them in the file is none of it.
    pub fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(io::Read::take(file, self.size))
    }
}

/// The Debian packages that a host's `setup.sh` installs, by what else comes with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// Without what they recommend.
    pub base: BTreeSet<String>,
    pub recommending: BTreeSet<String>,
}
