//! A script under a controller.

use super::NONCE;
use std::process::{Child, Command, Stdio};

/// A running script and its connection to the controller.
pub struct Session {
    pub child: Child,
    /// The commit that the script is ordered to deploy: the first one that it reports.
    pub commit: String,
    output: std::io::BufReader<std::process::ChildStdout>,
}

impl Session {
    /// Starts `command` with the words of `shell` appended; the shell reads the script from its stdin.
    pub fn of(mut command: Command, shell: &[&str], script: &str, words: &[&str]) -> Self {
        command.args(shell);
        Session::start(command, script, words)
    }

    pub(super) fn start(mut command: Command, script: &str, words: &[&str]) -> Self {
        use std::io::Write;
        use std::os::unix::process::CommandExt;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a shell");
        child
            .stdin
            .as_mut()
            .expect("stdin")
            .write_all(
                format!(
                    "set -- {} nonce={NONCE} who=ada@laptop\n{script}",
                    words.join(" ")
                )
                .as_bytes(),
            )
            .expect("a script sent");
        let output = std::io::BufReader::new(child.stdout.take().expect("stdout"));
        Session {
            child,
            output,
            commit: String::new(),
        }
    }

    /// Reads events until one starts with `event`, and returns it without its nonce. On the way it answers
    /// `phase cloned` with the order to deploy the reported commit.
    pub fn wait_for(&mut self, event: &str) -> String {
        let mut seen = String::new();
        loop {
            let line = self
                .line()
                .unwrap_or_else(|| panic!("no {event:?} in:\n{seen}"));
            if let Some((_, found)) = line.split_once(&format!("@{NONCE} ")) {
                if let Some(commit) = found.strip_prefix("fact commit ")
                    && self.commit.is_empty()
                {
                    self.commit = commit.to_owned();
                }
                if found.starts_with(event) {
                    return found.to_owned();
                }
                if found == "phase cloned" {
                    self.say(&format!("commit {}", self.commit));
                }
            }
            seen += &line;
            seen.push('\n');
        }
    }

    pub fn line(&mut self) -> Option<String> {
        use std::io::BufRead;
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("UTF-8");
        (read > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    pub fn say(&mut self, word: &str) {
        use std::io::Write;
        let stdin = self.child.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{NONCE} {word}").expect("a word sent");
    }

    /// Closes stdin, as when the controller disconnects.
    pub fn hang_up(&mut self) {
        self.child.stdin = None;
    }

    /// Closes stdin and stdout, as when the connection is lost. Returns the exit status.
    pub fn lost(self) -> Option<i32> {
        let Session {
            mut child, output, ..
        } = self;
        drop(output);
        child.stdin = None;
        child.stderr = None;
        child.wait().expect("an end").code()
    }

    /// Reads the remaining output; returns the last event and the exit status.
    pub fn end(mut self) -> (String, i32) {
        let last = self.wait_for("end ");
        while self.line().is_some() {}
        self.child.stdin = None;
        let status = self.child.wait().expect("an end");
        (last, status.code().unwrap_or(-1))
    }
}
