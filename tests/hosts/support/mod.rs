//! The harness: real Debian hosts with systemd and sshd, a git server, sample applications.
//!
//! ```ignore
//! let host = Host::boot(Image::Ready);                  // half a second; gone when dropped
//! let repo = Repo::new(App::Django);                    // served by a git daemon
//! let mut project = Project::new(&repo, &[&host]);      // deploy/demo/production/...
//! project.set("keep_releases", "3");                    // a line of `common`
//! project.run(&["setup"]).expect(0);                    // pystrano setup production demo
//! project.run(&["deploy"]).expect(0);
//! project.page(0).contains("version=v1");               // what the application answers
//! repo.release("v2");                                   // a commit that changes the version
//! host.root("systemctl is-active demo");                // a root shell on the host
//!
//! let Deployed { host, repo, project } = deployed(App::Django);  // all of that, in a second
//! ```
//!
//! Hosts run the newest stable Debian; `Host::boot_release(Release::Bookworm, Image::Ready)` and
//! `deployed_on(Release::Bookworm, App::Django)` name another, and `each_release!` makes one test for each.
//!
//! All hosts and the tests share one network: every host has a port of its own for sshd
//! ([`Host::port`]), every application one from [`free_port`]. Tests may run in parallel, in any
//! number. Nothing is left running or mounted when the test process ends, however it ends.

mod deployed;
mod git;
mod host;
mod http;
mod output;
mod project;
mod ssh;

pub use deployed::{Deployed, Fleet, deployed, deployed_on, fleet, fleet_on};
pub use git::{App, Repo};
pub use host::{Host, Image, Release, workspace};
pub use http::{get, post};
pub use output::Output;
pub use project::Project;

pub use ssh::{client, client_home, ssh_program};

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The directory of this test target's own files.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts")
}

/// A program from PyPI, installed once; tests/hosts/program knows which.
pub fn program(name: &str) -> PathBuf {
    let output = Command::new(here().join("program")).arg(name).output();
    let output = Output::from(output.expect("tests/hosts/program")).expect(0);
    PathBuf::from(output.stdout.trim_end())
}

/// A TCP port of 127.0.0.1 that nobody listens on and that no other test of this process is given.
/// It lies below the range that the kernel takes ports of outgoing connections from.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);
    const PORTS: std::ops::Range<u16> = 12_000..32_000;
    let mut given = GIVEN.lock().unwrap();
    // Test processes that run at the same time begin at different places.
    let begin = std::process::id() as usize * 101 % PORTS.len();
    let port = PORTS
        .cycle()
        .skip(begin)
        .take(PORTS.len())
        .find(|&port| !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port");
    given.insert(port);
    port
}
