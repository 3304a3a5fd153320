//! The ssh client of the tests: a temporary key and an ssh_config for this test process.

use super::host::workspace;
use crate::executable;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The ssh files of the test process.
pub struct Client {
    /// A wrapper of ssh with this process's ssh_config, for `PYSTRANO_SSH`.
    pub program: PathBuf,
    /// The line for a host's authorized_keys.
    pub public_key: String,
}

/// A home directory with the key in `.ssh`, for programs with an ssh client of their own, such as paramiko.
pub fn client_home() -> &'static Path {
    client();
    workspace()
}

/// The wrapper of ssh, see [`Client::program`].
pub fn ssh_program() -> &'static Path {
    &client().program
}

/// The ssh files of this test process, created on first use.
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
