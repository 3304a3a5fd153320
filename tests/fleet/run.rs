//! `run`: runs a command in the current release of one host.

use super::support::{Fleet, OLD, ran};
use std::fs;

#[test]
fn a_command_runs_in_the_current_release_of_one_host() {
    use std::io::Write;
    use std::process::Stdio;
    let fleet = Fleet::new(2);
    for host in ["h1", "h2"] {
        let launcher = format!("{host}/root/releases/{OLD}/.pystrano/run");
        fleet.program(
            &launcher,
            &format!("#!/bin/sh\nHOST_OF_RUN={host} exec \"$@\"\n"),
        );
    }
    let odd = [
        "",
        "a b",
        "it's",
        "$HOME `id` \\ \"",
        "*",
        "-- -x",
        "new\nline",
        "!1 ä",
    ];
    let mut words = vec![
        "run",
        "--",
        "sh",
        "-c",
        "cat; printf '<%s>' \"$HOST_OF_RUN\" \"$@\"; echo told >&2; exit 42",
        "sh",
    ];
    words.extend(odd);
    let mut child = fleet
        .command(&words)
        .stdin(Stdio::piped())
        .spawn()
        .expect("pystrano");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(b"in\0put")
        .expect("input");
    let output = ran(child);
    let said: String = odd.iter().map(|word| format!("<{word}>")).collect();
    assert_eq!((output.code(), output.stderr.as_str()), (42, "told\n"));
    assert_eq!(output.stdout, format!("in\0put<h1>{said}"));
    let other = fleet.run(&[
        "run",
        "--host",
        "h2",
        "--",
        "sh",
        "-c",
        "echo $HOST_OF_RUN; kill -KILL $$",
    ]);
    assert_eq!(
        (other.code(), other.stdout.as_str()),
        (137, "h2\n"),
        "{other:?}"
    );
    let dry = fleet.run(&["run", "--dry-run", "--", "true"]);
    assert!(dry.stdout.contains(" -T -o BatchMode=yes -a "), "{dry:?}");
    fs::remove_file(fleet.path(&format!("h1/root/releases/{OLD}/.pystrano/run"))).expect("a file");
    let none = fleet.run(&["run", "--", "true"]);
    assert!(
        none.code() == 3 && none.stderr.contains("no release runs here"),
        "{none:?}"
    );
    let long = fleet.run(&["run", "--", &"x".repeat(100_000)]);
    assert!(
        long.code() == 2 && long.stderr.contains("the command is too long"),
        "{long:?}"
    );
    let unknown = fleet.run(&["run", "--host", "h3", "--", "true"]);
    assert!(
        unknown.code() == 2 && unknown.stderr.contains("no server is called \"h3\""),
        "{unknown:?}"
    );
}
