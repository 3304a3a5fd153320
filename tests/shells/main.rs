//! The rendered scripts in every shell that may be a host's `sh`, and completion in interactive shells:
//! `cargo test --test shells`.

#[path = "../sandbox/mod.rs"]
mod sandbox;

mod completions;
mod cut;
mod deploy;
mod lint;
mod payload;
mod setup;

use std::path::Path;
use std::process::Command;

/// Shells that may be `sh`, by their program names.
const SHELLS: [&str; 5] = ["dash", "bash", "busybox", "mksh", "yash"];

/// The path of a shell. Under the name `sh`, bash and yash run in POSIX mode, and busybox is ash.
fn find(shell: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", "command -v \"$1\"", "sh", shell])
        .output()
        .expect("sh");
    let path = String::from_utf8(output.stdout).expect("UTF-8");
    let path = path.trim_end();
    assert!(Path::new(path).is_absolute(), "{shell} is not installed");
    path.to_owned()
}

/// The command that starts a shell in POSIX mode.
fn started(shell: &str) -> &'static [&'static str] {
    match shell {
        "dash" => &["dash"],
        "bash" => &["bash", "--posix"],
        "busybox" => &["busybox", "ash"],
        "mksh" => &["mksh"],
        "yash" => &["yash"],
        _ => panic!("no shell called {shell}"),
    }
}
