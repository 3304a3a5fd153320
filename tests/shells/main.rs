//! The rendered scripts in every shell that a host may have as `sh`, and completion in those that
//! people type in: `cargo test --test shells`.

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

/// Programs that play `sh`, each by the name it is called with.
const SHELLS: [&str; 5] = ["dash", "bash", "busybox", "mksh", "yash"];

/// The path of a shell. Called `sh`, bash and yash are POSIX shells and busybox is ash.
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

/// The words that start a shell as a POSIX shell.
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
