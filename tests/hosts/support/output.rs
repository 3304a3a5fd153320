//! The output of a finished command.

use std::process;

/// Exit status and output of a command, with assertions whose messages include all of it.
#[derive(Debug)]
pub struct Output {
    /// Exit status; 128 + N after signal N, as in shells.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Requires this exit status, and returns the output.
    #[track_caller]
    pub fn expect(self, code: i32) -> Output {
        assert!(
            self.code == code,
            "status {} is not {code}:\n{self}",
            self.code
        );
        self
    }

    /// Requires that the text is on stdout or stderr.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Output {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "{text:?} is not in:\n{self}"
        );
        self
    }

    /// Requires that the text is neither on stdout nor on stderr.
    #[track_caller]
    pub fn hides(&self, text: &str) -> &Output {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "{text:?} is in:\n{self}"
        );
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "status {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl From<process::Output> for Output {
    fn from(output: process::Output) -> Output {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        Output {
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
