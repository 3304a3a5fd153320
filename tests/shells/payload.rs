//! `deploy.sh` with a payload in every shell: run by hand, and under a controller that sends the parts.

use crate::sandbox::Sandbox;
use crate::{SHELLS, started};
use std::io::Write;
use std::process::Command;

/// A host whose scripts and payload are in `out`, and the file name of the payload.
fn host() -> (Sandbox, String) {
    let host = Sandbox::new();
    host.write("repo/requirements.txt", "");
    // Large enough that the part is read from the controller in several pieces.
    host.write("repo/noise", noise());
    host.commit("2");
    host.configure("");
    let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .args(["render", "test", "app", "--payload", "--output", "out"])
        .current_dir(host.dir.path())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("pystrano");
    assert!(output.status.success(), "{output:?}");
    let script = host.read("out/host.example.com/deploy.sh");
    let sum = script
        .lines()
        .find_map(|line| line.trim().strip_prefix("payload_sha256="));
    let payload = format!("out/payload/{}.tar", sum.expect("a sum"));
    (host, payload)
}

/// 2 MB of incompressible data.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(2_000_000).collect()
}

#[test]
fn every_shell_deploys_from_a_payload() {
    let (host, payload) = host();
    let script = host.read("out/host.example.com/deploy.sh");
    for name in SHELLS {
        let shell = started(name);
        let mut command = host.command(shell);
        let ran = command
            .args(["out/host.example.com/deploy.sh", "deploy", name])
            .output();
        let ran = ran.expect(name);
        assert!(ran.status.success(), "{name}: {ran:?}");
        assert_eq!(host.current().as_deref(), Some(name));

        let release = format!("{name}-led");
        let words = [shell, &["-s"]].concat();
        let mut session = host.session(&words, &script, &["deploy", &release, "barrier=60"]);
        session.wait_for("need source.tar.gz");
        session.say("wait");
        session.say("part source.tar.gz");
        let part = Command::new("tar")
            .args(["-xOf", &payload, "source.tar.gz"])
            .current_dir(host.dir.path())
            .output()
            .expect("tar");
        assert!(part.stdout.len() > 2_000_000);
        let stdin = session.child.stdin.as_mut().expect("stdin");
        stdin.write_all(&part.stdout).expect("bytes sent");
        session.wait_for("phase ready");
        session.say("migrate");
        session.wait_for("phase migrated");
        session.say("go");
        let end = session.end();
        assert_eq!(end.1, 0, "{name}: {end:?}");
        assert_eq!(host.current().as_deref(), Some(&*release));
        let arrived = std::fs::read(host.path("root/current/noise")).expect("a file");
        assert!(arrived == noise(), "{name}");
    }
}
