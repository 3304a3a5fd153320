//! A payload in place of a clone: from a file when run by hand, and through the connection under a controller.

use crate::sandbox::{NONCE, Ran, Sandbox, Session, names};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = "out/host.example.com/deploy.sh";

/// A host with a sandbox repository, and the rendered scripts of a config with their payload in `out`.
fn host(fields: &str) -> Sandbox {
    let host = Sandbox::new();
    host.write("repo/requirements.txt", "");
    host.write("repo/tool.sh", "#!/bin/sh\n");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.path("repo/tool.sh"), mode).expect("a mode");
    std::os::unix::fs::symlink("manage.py", host.path("repo/link")).expect("a link");
    host.write("repo/.gitattributes", "unexported export-ignore\n");
    host.write("repo/unexported", "kept, as by a clone\n");
    host.commit("2");
    host.configure(fields);
    render(&host, "out");
    host
}

/// Renders the scripts and the payload into a directory; returns the path of the payload.
fn render(host: &Sandbox, to: &str) -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .args(["render", "test", "app", "--payload", "--output", to])
        .current_dir(host.dir.path())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("pystrano");
    let ran = Ran::from(output);
    assert_eq!(ran.status, 0, "{ran:?}");
    payload(host, to)
}

/// The path of the payload that the script in directory `of` names.
fn payload(host: &Sandbox, of: &str) -> PathBuf {
    let script = host.read(&format!("{of}/host.example.com/deploy.sh"));
    let sum = setting(&script, "payload_sha256");
    host.path(&format!("{of}/payload/{sum}.tar"))
}

fn setting(script: &str, name: &str) -> String {
    let line = script
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("{name}=")));
    line.expect(name).to_owned()
}

/// Runs the script from its file, with a git that always fails.
fn run(host: &Sandbox, script: &str, args: &[&str]) -> Ran {
    host.program("bin/git", "#!/bin/sh\n: >\"$SANDBOX/calls/git\"\nexit 9\n");
    let mut command = host.command(&["sh", script]);
    let ran = command.args(args).output().expect("sh").into();
    fs::remove_file(host.path("bin/git")).expect("the stand-in");
    assert!(!host.path("calls/git").exists(), "git was called: {ran:?}");
    ran
}

fn deployed(host: &Sandbox, release: &str) {
    let ran = run(host, SCRIPT, &["deploy", release]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

/// Each path of a release with its mode and content, except those of pystrano and git.
fn tree(release: &Path) -> Vec<String> {
    fn walk(top: &Path, path: &Path, lines: &mut Vec<String>) {
        for name in names(path) {
            let path = path.join(&name);
            if path == top.join(".git") || path == top.join(".pystrano") {
                continue;
            }
            let meta = fs::symlink_metadata(&path).expect("a path");
            let shown = path.strip_prefix(top).expect("below").display().to_string();
            if meta.is_symlink() {
                lines.push(format!(
                    "{shown} -> {}",
                    fs::read_link(&path).expect("a link").display()
                ));
            } else {
                let mode = meta.permissions().mode();
                if meta.is_dir() {
                    lines.push(format!("{shown}/ {mode:o}"));
                    walk(top, &path, lines);
                } else {
                    lines.push(format!(
                        "{shown} {mode:o} {:?}",
                        fs::read(&path).expect("a file")
                    ));
                }
            }
        }
    }
    let mut lines = Vec::new();
    walk(release, release, &mut lines);
    lines
}

#[test]
fn a_release_from_a_payload_is_that_of_a_clone() {
    let host = host("");
    deployed(&host, "20260101000000");
    host.deployed("20260102000000"); // a clone: this script has no payload
    let release = |name: &str| tree(&host.path(&format!("root/releases/{name}")));
    assert_eq!(release("20260101000000"), release("20260102000000"));
    assert!(
        release("20260101000000")
            .iter()
            .any(|line| line.starts_with("tool.sh 100755"))
    );
    let commit = |name: &str| host.read(&format!("root/releases/{name}/.pystrano/commit"));
    assert_eq!(commit("20260101000000"), commit("20260102000000"));

    deployed(&host, "20260103000000");
    let ran = run(&host, SCRIPT, &["rollback", "20260101000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
    let status = run(&host, SCRIPT, &["status"]);
    assert!(
        status.stdout.starts_with("current   20260101000000\n"),
        "{status:?}"
    );
    assert!(!host.path("root/.pystrano/part").exists());
}

/// Packages that an earlier payload installed are not installed again.
#[test]
fn packages_come_from_the_payload_alone() {
    for mode in ["shared", "release"] {
        let host = host(&format!("venv_mode: {mode}"));
        host.makes_venvs();
        if mode == "release" {
            fs::remove_dir_all(host.path("venv-of-release")).unwrap_or_default();
            host.configure(&format!(
                "venv_mode: {mode}\nvenv_dir: {}",
                host.path("venv-of-release").display()
            ));
            render(&host, "out");
        }
        deployed(&host, "20260101000000");
        let calls = host.read("calls/pip");
        let words: Vec<&str> = calls.split('\0').collect();
        for word in ["--no-index", "--find-links", "--require-hashes"] {
            assert!(words.contains(&word), "{mode}: {words:?}");
        }
        let dependencies = host.path("root/releases/20260101000000/.pystrano/dependencies");
        assert!(!dependencies.exists());
        deployed(&host, "20260102000000");
        assert_eq!(host.read("calls/pip"), calls, "{mode}");
    }
}

#[test]
fn a_payload_is_found_where_it_was_carried_to() {
    let host = host("");
    let payload = payload(&host, "out");
    let name = payload
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let moved = host.path(&format!("stick/{name}"));
    host.write("stick/deploy.sh", host.read(SCRIPT));
    let ran = run(&host, "stick/deploy.sh", &["deploy", "a"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("there is no payload/{name} beside this script; bring it along, or say where it is: payload=PATH")),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("Stopped before promotion; current is still nothing"),
        "{ran:?}"
    );
    fs::rename(&payload, &moved).expect("a move");
    assert_eq!(run(&host, "stick/deploy.sh", &["deploy", "a"]).status, 0);
    fs::rename(&moved, host.path("elsewhere.tar")).expect("a move");
    let words = ["deploy", "b", "payload=elsewhere.tar"];
    assert_eq!(run(&host, "stick/deploy.sh", &words).status, 0);
    assert_eq!(host.current().as_deref(), Some("b"));
}

/// The payload is truncated, has a flipped bit, or belongs to another app.
#[test]
fn a_damaged_payload_changes_nothing() {
    let host = host("");
    deployed(&host, "20260101000000");
    let path = payload(&host, "out");
    let whole = fs::read(&path).expect("the payload");
    let another = Sandbox::new();
    another.write("repo/requirements.txt", "");
    another.write("repo/app.py", "# of another app\n");
    another.commit("2");
    another.configure("venv_mode: release");
    let other = fs::read(render(&another, "out")).expect("another payload");
    assert_ne!(whole, other);
    let places = 50;
    let at = |index: usize| index * (whole.len() - 1) / (places - 1);
    let truncated = (0..places).map(|index| whole[..at(index)].to_vec());
    let flipped = (0..places).map(|index| {
        let mut bytes = whole.clone();
        bytes[at(index)] ^= 1 << (index % 8);
        bytes
    });
    let before = host.snapshot();
    let mut count = 0;
    for bytes in truncated.chain(flipped).chain([other]) {
        fs::write(&path, bytes).expect("a payload");
        let ran = run(&host, SCRIPT, &["deploy", "20260102000000"]);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(
            ran.stderr
                .contains(" is damaged, or not the payload of this script"),
            "{ran:?}"
        );
        assert_eq!(host.snapshot(), before);
        count += 1;
    }
    assert_eq!(count, 101);
    fs::write(&path, whole).expect("the payload");
    deployed(&host, "20260102000000");
}

/// The bytes of one part of a payload.
fn part(path: &Path, name: &str) -> Vec<u8> {
    let tar = Command::new("tar").arg("-xOf").arg(path).arg(name).output();
    let tar = tar.expect("tar");
    assert!(tar.status.success(), "{tar:?}");
    tar.stdout
}

/// Waits until the script requests this part, and sends it.
fn send(session: &mut Session, path: &Path, name: &str) {
    assert_eq!(session.wait_for("need "), format!("need {name}"));
    session.say(&format!("part {name}"));
    let stdin = session.child.stdin.as_mut().expect("stdin");
    stdin.write_all(&part(path, name)).expect("bytes sent");
}

/// A part that is damaged or incomplete ends the run and leaves the host as it was.
#[test]
fn a_part_that_does_not_arrive_whole_changes_nothing() {
    let host = host("");
    deployed(&host, "20260101000000");
    let script = host.read(SCRIPT);
    let source = part(&payload(&host, "out"), "source.tar.gz");
    let before = host.snapshot();
    let mut flipped = source.clone();
    flipped[source.len() / 2] ^= 1;
    let half = &source[..source.len() / 2];
    for (bytes, reason) in [
        (
            &flipped[..],
            "source.tar.gz of the payload did not arrive completely",
        ),
        (half, "cancelled"),
        (&[], "cancelled"),
    ] {
        let mut session = host.session(
            &["sh", "-s"],
            &script,
            &["deploy", "20260102000000", "barrier=60"],
        );
        session.wait_for("need source.tar.gz");
        session.say("wait"); // a heartbeat sent before the request arrived
        session.say("part source.tar.gz");
        let stdin = session.child.stdin.as_mut().expect("stdin");
        stdin.write_all(bytes).expect("bytes sent");
        if bytes.len() < source.len() {
            session.hang_up();
        }
        let failed = session.wait_for("fail ");
        assert_eq!(failed, format!("fail code 3 {reason}"));
        assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
        assert_eq!(host.snapshot(), before, "{reason}");
    }
}

/// A host that has the payload's packages already requests only the code.
#[test]
fn a_redeploy_needs_the_code_alone() {
    let host = host("");
    let path = payload(&host, "out");
    for (release, names) in [
        ("20260101000000", &["source.tar.gz", "dependencies.tar"][..]),
        ("20260102000000", &["source.tar.gz"]),
    ] {
        let mut session = host.session(&["sh", "-s"], &host.read(SCRIPT), &["deploy", release]);
        for name in names {
            send(&mut session, &path, name);
        }
        let end = session.end();
        assert!(end.0.starts_with("end 0 deployed"), "{end:?}");
        assert_eq!(host.current().as_deref(), Some(release));
    }
    assert_eq!(NONCE.len(), 32);
}

/// No program that receives, checks and unpacks a part holds it in memory: each may use 24 MB, less than the part's
/// size.
#[test]
fn memory_of_a_host_does_not_grow_with_the_payload() {
    const SIZE: usize = 40_000_000;
    let host = host("");
    let random = std::fs::File::open("/dev/urandom").expect("random bytes");
    let mut noise = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(random, SIZE as u64), &mut noise)
        .expect("random bytes");
    host.write("repo/noise", noise);
    host.commit("3");
    let path = render(&host, "out");
    let script = host.read(SCRIPT);
    let bounded = ["sh", "-c", "ulimit -v 24576 && exec sh -s \"$@\"", "sh"];
    let mut session = host.session(&bounded, &script, &["deploy", "20260101000000"]);
    for name in ["source.tar.gz", "dependencies.tar"] {
        send(&mut session, &path, name);
    }
    let end = session.end();
    assert!(end.0.starts_with("end 0 deployed"), "{end:?}");
    let noise = fs::metadata(host.path("root/current/noise")).expect("a file");
    assert_eq!(noise.len(), SIZE as u64);
    // Run by hand, from the file.
    host.write(
        "bounded.sh",
        format!("ulimit -v 24576\nexec sh {SCRIPT} \"$@\"\n"),
    );
    let ran = run(&host, "bounded.sh", &["deploy", "20260102000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
}
