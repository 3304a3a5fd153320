//! Programs that tests write and run.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable file through a child process. If this process opened it for writing, a child that another
/// test forks meanwhile could inherit the descriptor, and running the file would fail with ETXTBSY ("Text file
/// busy").
pub fn write(path: &Path, text: &str) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut input = shell.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("sh reads it");
    drop(input);
    assert!(shell.wait().expect("sh").success(), "{}", path.display());
}
