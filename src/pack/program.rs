//! The programs of this machine that make a payload: git, python3, uv, apt.

#![expect(clippy::disallowed_methods, reason = "it starts those programs")]

use super::Fault;
use crate::credentials;
use crate::diagnostics::plain;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A call of a program. Its modes are those of a fresh login, whatever this one's umask.
pub struct Program {
    name: OsString,
    command: Command,
    input: Vec<u8>,
}

/// So much of what a program printed is shown where it fails.
const SHOWN_LINES: usize = 12;

impl Program {
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref().to_owned();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "umask 022; exec \"$@\"", "sh"])
            .arg(&name)
            .env("LC_ALL", "C.UTF-8");
        Program {
            name,
            command,
            input: Vec::new(),
        }
    }

    /// Python, where the current directory has no modules that it would take for its own.
    pub fn python() -> Self {
        Program::new("python3").directory(Path::new("/"))
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn arg(self, argument: impl AsRef<OsStr>) -> Self {
        self.args([argument])
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// With these variables of this process alone.
    pub fn only_env(mut self, is_kept: impl Fn(&str) -> bool) -> Self {
        self.command.env_clear();
        for (name, value) in std::env::vars_os() {
            if name.to_str().is_some_and(&is_kept) {
                self.command.env(name, value);
            }
        }
        self.env("LC_ALL", "C.UTF-8")
    }

    pub fn directory(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// What it reads.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// Runs it: whether it did well, what it printed, and what it said on stderr.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(mut self) -> Result<(bool, Vec<u8>, String), Fault> {
        let name = self.name.to_string_lossy().into_owned();
        let failed = |error: std::io::Error| {
            Fault::new(
                format!("cannot run {name}: {error}"),
                "see that it is there and runs",
            )
        };
        self.command.stdin(match self.input.is_empty() {
            true => Stdio::null(),
            false => Stdio::piped(),
        });
        let started = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            let input = std::mem::take(&mut self.input);
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.code() == Some(127) || output.status.code() == Some(126) {
            return Err(self.missing(&output.stderr));
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.success(), output.stdout, said))
    }

    fn missing(&self, said: &[u8]) -> Fault {
        let name = self.name.to_string_lossy();
        let what = match said.is_empty() {
            true => format!("there is no program {name} here"),
            false => format!(
                "{name} cannot be run: {}",
                last_lines(&String::from_utf8_lossy(said))
            ),
        };
        Fault::new(what, format!("install {name}, which makes a payload"))
    }

    /// What it prints, as text.
    ///
    /// # Errors
    /// It fails: with the last lines of what it said.
    pub fn output(self) -> Result<String, Fault> {
        let name = self.name.to_string_lossy().into_owned();
        let (is_well, output, said) = self.run()?;
        match is_well {
            true => Ok(String::from_utf8_lossy(&output).into_owned()),
            false => Err(Fault::new(
                format!("{name} failed: {}", last_lines(&said)),
                "see what it says",
            )),
        }
    }

    /// Whether it is there and runs.
    pub fn is_there(name: impl AsRef<OsStr>) -> bool {
        let status = Command::new(name.as_ref())
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}

/// The end of what a program said, without passwords and control characters.
pub fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n    ");
    credentials::mask(&plain(&last))
}
