//! Runs the operator's git, python3, uv, apt-get and the like.

#![expect(clippy::disallowed_methods, reason = "it starts those programs")]

use super::{PackError, Result};
use crate::credentials;
use crate::diagnostics::sanitize;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// A command to run. It gets a umask of 022 and a UTF-8 locale, so that the operator's do not change what it makes.
pub struct Program {
    name: String,
    command: Command,
    input: Vec<u8>,
}

/// Like [`std::process::Output`], decoded lossily.
pub struct Output {
    status: ExitStatus,
    pub stdout: String,
    /// As printed: it may contain passwords and control characters, unlike [`Output::reason`].
    pub stderr: String,
}

/// How many of the last lines on stderr an error message quotes.
const MAX_REASON_LINES: usize = 12;

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

    /// Python, started in `/`: with `-c` and `-m` it would import modules from the current directory.
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

    /// Clears the environment, except for variables whose name satisfies `is_kept`.
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

    /// The bytes for stdin, which is empty otherwise.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// Runs the program to its end, whatever its exit status.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn output(self) -> Result<Output> {
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
            Err(source) => return Err(PackError::Spawn { program, source }),
        };
        let output = Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // The statuses of a shell that cannot find or cannot execute a program.
        if matches!(output.status.code(), Some(126 | 127)) {
            let reason = output.reason();
            return Err(PackError::ProgramUnavailable { program, reason });
        }
        Ok(output)
    }

    /// Runs the program and returns its stdout.
    ///
    /// # Errors
    /// It cannot be started, or fails.
    pub fn run(self) -> Result<String> {
        let program = self.name.clone();
        self.run_or(|output| {
            let reason = output.reason();
            PackError::ProgramFailed { program, reason }
        })
    }

    /// Like [`Program::run`], with the error for a non-zero exit status made by `error`.
    pub fn run_or(self, error: impl FnOnce(&Output) -> PackError) -> Result<String> {
        let output = self.output()?;
        if output.is_success() {
            Ok(output.stdout)
        } else {
            Err(error(&output))
        }
    }
}

impl Output {
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// Why it failed, for error messages: the last lines on stderr without passwords and control characters, or the exit
    /// status if there are none.
    pub fn reason(&self) -> String {
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        if lines.is_empty() {
            return self.status.to_string();
        }
        let last = lines[lines.len().saturating_sub(MAX_REASON_LINES)..].join("\n    ");
        credentials::mask(&sanitize(&last))
    }
}
