//! The harness: real Debian hosts with systemd and sshd, a git server, sample applications.
//!
//! ```ignore
//! let host = Host::boot(Image::Ready);                  // takes half a second; removed when dropped
//! let repo = Repo::new(App::Django);                    // served by a git daemon
//! let mut project = Project::new(&repo, &[&host]);      // deploy/demo/production/...
//! project.set("keep_releases", "3");                    // a line of `common`
//! project.run(&["setup"]).expect(0);                    // pystrano setup production demo
//! project.run(&["deploy"]).expect(0);
//! project.page(0).contains("version=v1");               // what the application answers
//! repo.release("v2");                                   // a commit that changes the version
//! host.root("systemctl is-active demo");                // a root shell on the host
//!
//! let Deployed { host, repo, project } = deployed(App::Django);  // the first deploy done, in a second
//! ```
//!
//! Hosts run the newest stable Debian, unless `Host::boot_release(Release::Bookworm, Image::Ready)` or
//! `deployed_on(Release::Bookworm, App::Django)` selects another release.
//!
//! All hosts and the tests share one network: every host has a port of its own for sshd
//! ([`Host::port`]), and every application one from [`free_port`]. Any number of tests may run in
//! parallel. However the test process ends, nothing is left running or mounted.

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

/// The directory tests/hosts.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts")
}

/// The path of a program from PyPI, installed on first use; tests/hosts/program lists the names.
pub fn program(name: &str) -> PathBuf {
    let output = Command::new(here().join("program")).arg(name).output();
    let output = Output::from(output.expect("tests/hosts/program")).expect(0);
    PathBuf::from(output.stdout.trim_end())
}

/// A TCP port of 127.0.0.1 that is free and has not been returned before in this process.
/// It lies below the range of ephemeral ports, so no outgoing connection takes it.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);
    const PORTS: std::ops::Range<u16> = 12_000..32_000;
    let mut given = GIVEN.lock().unwrap();
    // Concurrent test processes begin at different ports.
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
