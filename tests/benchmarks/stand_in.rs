//! Stands in for `ssh`: reads the script and prints the events of a deploy without doing anything.

use std::io::{BufRead, Write};

fn main() {
    let mut input = std::io::stdin().lock();
    let mut words = String::new();
    for _ in ["the magic word", "the script's arguments"] {
        words.clear();
        let _ = input.read_line(&mut words);
    }
    let value = |key| words.split_whitespace().find_map(|word| word.strip_prefix(key));
    let nonce = value("nonce=").expect("a nonce");
    let release = words.split_whitespace().nth(3).unwrap_or_default().to_owned();
    let barrier = value("barrier=").is_some();
    let say = |line: &str| {
        let mut out = std::io::stdout();
        let _ = writeln!(out, "@{nonce} {line}").and_then(|()| out.flush());
    };
    let mut line = Vec::new();
    // `sh -s` runs the script only once it has read its last lines.
    while line != b"\tmain \"$@\"\n" && input.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
        if line != b"\tmain \"$@\"\n" {
            line.clear();
        }
    }
    let hear = |input: &mut dyn BufRead, phase: &str| {
        say(&format!("phase {phase}"));
        let mut word = String::new();
        while !word.starts_with(nonce) {
            word.clear();
            if input.read_line(&mut word).unwrap_or(0) == 0 {
                return;
            }
        }
    };
    say("start deploy -");
    for step in [
        "lock",
        "release",
        "clone",
        "env",
        "media",
        "dependencies",
        "secrets",
        "static",
    ] {
        say(&format!("step {step}"));
        if step == "clone" {
            say("fact commit 0123456789abcdef0123456789abcdef01234567");
            if barrier {
                hear(&mut input, "cloned");
            }
        }
        say(&format!("done {step} changed Did {step}"));
    }
    say(&format!("fact release {release}"));
    if barrier {
        hear(&mut input, "ready");
    }
    for step in ["promote", "restart", "verify"] {
        say(&format!("step {step}"));
        say(&format!("done {step} changed Did {step}"));
    }
    if barrier {
        hear(&mut input, "promoted");
    }
    say("end 0 deployed");
}
