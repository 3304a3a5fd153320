//! A truncated script runs nothing. By default a sample of its lengths is tried, and all those within its last lines;
//! with `PYSTRANO_EXHAUSTIVE=1` all are.

use crate::sandbox::Sandbox;
use std::process::Stdio;

/// The lengths to which a script is truncated: each `step`th, and all near its end. Only the last newline may be
/// missing, because the closing brace has been read by then.
fn cuts(script: &str, step: usize) -> impl Iterator<Item = usize> {
    let is_exhaustive = std::env::var_os("PYSTRANO_EXHAUSTIVE").is_some();
    let last = script.len() - 1;
    (0..last)
        .filter(move |length| is_exhaustive || length.is_multiple_of(step) || last - length < 200)
}

#[test]
fn a_script_cut_at_any_byte_runs_nothing() {
    let host = Sandbox::new();
    host.configure("");
    for kind in ["deploy", "setup"] {
        let script = host.render(kind);
        let before = host.snapshot();
        for length in cuts(&script, 23) {
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

/// The script is piped to `sh -s`, as by the controller, and ends at the cut.
#[test]
fn a_pipe_cut_at_any_byte_runs_nothing() {
    let host = Sandbox::new();
    host.configure("");
    let script = host.script();
    let before = host.snapshot();
    for length in cuts(&script, 61) {
        let ran = host.piped(&["dash", "-s"], &script.as_bytes()[..length]);
        assert!(ran.stdout.is_empty(), "cut at {length}: {ran:?}");
    }
    assert_eq!(host.snapshot(), before);
}

/// Commands that read stdin get nothing, and the script continues, also beyond the 64 KiB that a shell reads ahead.
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
