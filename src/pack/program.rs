//! The programs of this machine that make a payload: git, python3, uv, apt.

#![expect(clippy::disallowed_methods, reason = "it starts those programs")]

use super::Fault;
use crate::credentials;
use crate::diagnostics::sanitize;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// A call of a program. Its modes are those of a fresh login, whatever this one's umask.
pub struct Program {
    name: String,
    command: Command,
    input: Vec<u8>,
}

/// How a program ended.
pub struct Ended {
    status: ExitStatus,
    /// What it printed on stdout.
    pub output: String,
    /// What it printed on stderr: it may hold passwords and control characters.
    pub errors: String,
}

/// So much of what a program printed is shown where it fails.
const SHOWN_LINES: usize = 12;

impl Program {
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "umask 022; exec \"$@\"", "sh"])
            .arg(name)
            .env("LC_ALL", "C.UTF-8");
        Program {
            name: name.to_string_lossy().into_owned(),
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

    /// Runs it to its end, be that a good one or not.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(self) -> Result<Ended, Fault> {
        let Program {
            name: program,
            mut command,
            input,
        } = self;
        let run = || {
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                std::thread::spawn(move || stdin.write_all(&input));
            }
            child.wait_with_output()
        };
        let output = match run() {
            Ok(output) => output,
            Err(source) => return Err(Fault::Start { program, source }),
        };
        let ended = Ended {
            status: output.status,
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // So a shell says that it found no program, or none that runs.
        if matches!(ended.status.code(), Some(126 | 127)) {
            let reason = ended.reason();
            return Err(Fault::NoProgram { program, reason });
        }
        Ok(ended)
    }

    /// What it prints, as text.
    ///
    /// # Errors
    /// It fails: with the last lines of what it said.
    pub fn output(self) -> Result<String, Fault> {
        let program = self.name.clone();
        let ended = self.run()?;
        if ended.is_success() {
            return Ok(ended.output);
        }
        let reason = ended.reason();
        Err(Fault::Program { program, reason })
    }
}

impl Ended {
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// Why it failed, for people: the last lines on stderr, without passwords and control characters.
    pub fn reason(&self) -> String {
        let lines: Vec<&str> = self
            .errors
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        if lines.is_empty() {
            return self.status.to_string();
        }
        let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n    ");
        credentials::mask(&sanitize(&last))
    }
}
