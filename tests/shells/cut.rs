//! A script that arrives in part runs nothing.

use crate::sandbox::Sandbox;
use std::process::Stdio;

#[test]
fn a_script_cut_at_any_byte_runs_nothing() {
    let host = Sandbox::new();
    host.configure("");
    for kind in ["deploy", "setup"] {
        let script = host.render(kind);
        let before = host.snapshot();
        // The last newline may be missing: the closing brace was read.
        for length in 0..script.len() - 1 {
            host.write("cut.sh", &script.as_bytes()[..length]);
            let ran = host
                .command(&["dash", "cut.sh"])
                .stdin(Stdio::null())
                .output()
                .expect("dash");
            assert!(ran.stdout.is_empty(), "{kind} cut at {length}: {ran:?}");
        }
        assert_eq!(host.snapshot(), before, "{kind}");
        assert!(
            crate::sandbox::names(&host.path("calls")).is_empty(),
            "{kind}"
        );
    }
}

/// Piped to `sh -s`, as the controller does it, with what follows the cut missing.
#[test]
fn a_pipe_cut_at_any_byte_runs_nothing() {
    let host = Sandbox::new();
    host.configure("");
    let script = host.script();
    let before = host.snapshot();
    for length in (0..script.len() - 1).step_by(7) {
        let ran = host.piped(&["dash", "-s"], &script.as_bytes()[..length]);
        assert!(ran.stdout.is_empty(), "cut at {length}: {ran:?}");
    }
    assert_eq!(host.snapshot(), before);
}

/// Commands that read stdin find nothing there, and the script goes on, also past the 64 KiB that
/// a shell reads ahead.
#[test]
fn a_command_that_reads_stdin_takes_nothing_from_the_script() {
    for shell in crate::SHELLS.map(crate::started) {
        let host = Sandbox::new();
        let big = "x".repeat(50_000);
        host.write(
            "files/.env",
            ["A", "B", "C", "D"]
                .map(|name| format!("{name}='{big}'\n"))
                .concat(),
        );
        host.configure("");
        let script = host.script();
        assert!(script.len() > 250_000);
        let ran = host.piped(&[shell, &["-s"]].concat(), script.as_bytes());
        assert_eq!(ran.status, 0, "{shell:?}: {ran:?}");
        assert!(ran.stdout.contains("\nDeployed "), "{shell:?}: {ran:?}");
    }
}
