//! Programs that tests write and run.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable file. Another process does it: a file that this process has open for writing
/// would stay open in a child that another test starts meanwhile, and then cannot be run ("Text file
/// busy", ETXTBSY).
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
