//! A payload: code and dependencies of one commit in one file, which a deploy uses instead of `git clone` and a package
//! index. `pack` builds it.

#![expect(clippy::disallowed_methods, reason = "it opens the parts of a payload")]

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

/// Formats a SHA-256 in hexadecimal, as `sha256sum` prints it.
pub fn hex(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A built payload: an uncompressed tar of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// The full SHA of the commit.
    pub commit: String,
    /// Where the commit was taken from, for messages, such as `branch main`.
    pub commit_label: String,
    /// The version of Python that its wheels are built for, such as `3.13`.
    pub python: String,
    /// The platform of its wheels, such as `x86_64-manylinux_2_36`.
    pub platform: String,
    /// The SHA-256 of the tar in hexadecimal; part of the file's name.
    pub sha256: String,
    /// The size of the tar in bytes.
    pub size: u64,
    /// The members of the tar, in order.
    pub parts: Vec<Part>,
}

/// A member of the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One of [`SOURCE`], [`DEPENDENCIES`] and [`SYSTEM`].
    pub name: &'static str,
    pub sha256: String,
    pub size: u64,
    /// The local file that contains the part.
    pub file: PathBuf,
    /// The byte in `file` at which the part begins.
    pub offset: u64,
}

/// The part with the checked-out source tree of the release.
pub const SOURCE: &str = "source.tar.gz";
/// The part with `requirements.txt`, `wheels/` and, if uv installs them, the wheel of uv.
pub const DEPENDENCIES: &str = "dependencies.tar";
/// The part with the .deb files that `setup.sh` installs.
pub const SYSTEM: &str = "system.tar";

impl Payload {
    /// The Python and the platform of its wheels, for messages.
    pub fn target(&self) -> String {
        format!("Python {} on {}", self.python, self.platform)
    }

    /// The part with this name, if the payload has it.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

impl Part {
    /// Opens the file at the start of the part, limited to the part's bytes.
    pub fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(io::Read::take(file, self.size))
    }
}

/// The Debian packages that a host's `setup.sh` installs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// Installed with `--no-install-recommends`.
    pub base: BTreeSet<String>,
    /// Installed together with the packages that they recommend.
    pub recommending: BTreeSet<String>,
}
