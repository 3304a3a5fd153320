//! The controller's side of ssh: a throw-away key and an ssh_config of the test process's own.

use super::host::workspace;
use crate::executable;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Where the test process keeps its ssh files.
pub struct Client {
    /// A program with ssh's interface that reads this process's configuration, for `PYSTRANO_SSH`.
    pub program: PathBuf,
    /// What a host's authorized_keys holds.
    pub public_key: String,
}

/// A home directory whose `.ssh` holds the key, for programs that do not run `ssh`.
pub fn client_home() -> &'static Path {
    client();
    workspace()
}

/// The ssh of this test process, which has its key.
pub fn ssh_program() -> &'static Path {
    &client().program
}

/// The ssh client of this test process.
pub fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let directory = workspace().join(".ssh");
        fs::create_dir_all(&directory).unwrap();
        let key = directory.join("id_ed25519");
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
            .arg(&key)
            .status()
            .expect("ssh-keygen");
        assert!(keygen.success());

        let config = directory.join("config");
        let text = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nStrictHostKeyChecking no\n\
             UserKnownHostsFile /dev/null\nLogLevel ERROR\n",
            key.display()
        );
        fs::write(&config, text).unwrap();

        let program = directory.join("ssh");
        let text = format!("#!/bin/sh\nexec ssh -F '{}' \"$@\"\n", config.display());
        executable::write(&program, &text);

        let public_key = fs::read_to_string(key.with_extension("pub")).unwrap();
        Client {
            program,
            public_key,
        }
    });
    &CLIENT
}
