//! SIGKILL before every file system change of a run: to all processes at once, as in a power cut, and to the script's
//! shell alone.

use crate::runner::Test;
use crate::site::{Found, Site, must};
use crate::tally::Tally;
use crate::tracer::{Blow, trace};
use nix::sys::signal::Signal;

pub const TESTS: &[Test] = &[
    ("a first deploy is killed", |tally| {
        kill(tally, || Site::new("shared"), &["deploy", NEW], "");
    }),
    ("a deploy is killed", |tally| {
        kill(tally, || Site::with("shared", OWN), &["deploy", NEW], "");
    }),
    ("a deploy with release venvs is killed", |tally| {
        kill(tally, || Site::with("release", OWN), &["deploy", NEW], "");
    }),
    ("a first deploy with release venvs is killed", |tally| {
        kill(tally, || Site::new("release"), &["deploy", NEW], "");
    }),
    ("a deploy with a payload is killed", |tally| {
        let site = || Site::with_payloads("shared", OWN);
        kill(tally, site, &["deploy", NEW], "");
    }),
    (
        "a deploy with a payload and release venvs is killed",
        |tally| {
            let site = || Site::with_payloads("release", OWN);
            kill(tally, site, &["deploy", NEW], "");
        },
    ),
    ("a deploy after the Python tool is killed", |tally| {
        let site = || Site::of_python_tool("shared", PYTHON_TOOL);
        kill(tally, site, &["deploy", NEW], "");
    }),
    (
        "a deploy after the Python tool with release venvs is killed",
        |tally| {
            let site = || Site::of_python_tool("release", PYTHON_TOOL);
            kill(tally, site, &["deploy", NEW], "");
        },
    ),
    ("a rollback is killed", |tally| {
        kill(
            tally,
            || Site::with("shared", OWN),
            &["rollback", OWN[0]],
            "",
        );
    }),
    ("a rollback with release venvs is killed", |tally| {
        kill(
            tally,
            || Site::with("release", OWN),
            &["rollback", OWN[1]],
            "",
        );
    }),
    (
        "a rollback to the Python tool's release is killed",
        |tally| {
            let site = || Site::of_python_tool("shared", PYTHON_TOOL);
            kill(tally, site, &["rollback", PYTHON_TOOL[0]], "");
        },
    ),
    ("a revert is killed", |tally| {
        kill(tally, || Site::with("shared", OWN), &["deploy", NEW], NEW);
    }),
    ("a revert with release venvs is killed", |tally| {
        kill(tally, || Site::with("release", OWN), &["deploy", NEW], NEW);
    }),
    ("a first deploy that does not verify is killed", |tally| {
        kill(tally, || Site::new("release"), &["deploy", NEW], NEW);
    }),
];

const OWN: &[&str] = &["20260101000000", "20260102000000", "20260103000000"];
const PYTHON_TOOL: &[&str] = &["20250101000000", "20250102000000"];
const NEW: &str = "20260104000000";
const NEXT: &str = "20260105000000";

/// Places tried for each kind of kill, unless the run is exhaustive.
const SAMPLE: usize = 4;

/// Tries all kinds of kill on the run of `words` at `site`; release `sick` fails its verification.
fn kill(tally: &mut Tally, site: impl Fn() -> Site, words: &[&str], sick: &str) {
    let site = site();
    if !sick.is_empty() {
        site.host.fail(&format!("sick-{sick}"));
    }
    site.save();
    let whole = trace(&mut site.command(words), &site.trees(), None, None);
    let expected = i32::from(!sick.is_empty());
    assert_eq!(whole.status, expected, "{}", site.output());
    for at in tally.pick(whole.changes.len(), SAMPLE) {
        let found = one(&site, words, at, Blow::PowerCut);
        tally.count(&format!("power cut before {}", whole.changes[at]), found);
    }
    for at in tally.pick(whole.changes.len(), SAMPLE) {
        let found = one(&site, words, at, Blow::ShellDies);
        tally.count(&format!("shell dead before {}", whole.changes[at]), found);
    }
}

fn one(site: &Site, words: &[&str], at: usize, blow: Blow) -> Found {
    site.restore();
    let before = site.good();
    let ran_before = site.current();
    let release = words[1];
    let killed = trace(
        &mut site.command(words),
        &site.trees(),
        None,
        Some((at, blow)),
    );
    let status = 128 + Signal::SIGKILL as i32;
    must!(
        killed.status == status,
        "it was not killed: status {}\n{}",
        killed.status,
        site.output()
    );
    site.is_sound(&before, release)?;
    let promoted = site.current().as_deref() == Some(release);
    must!(
        promoted || site.current() == ran_before,
        "current is {:?}",
        site.current()
    );
    // Every other time only, so that the next deploy also meets everything that the killed run left.
    if at.is_multiple_of(2) && !promoted && !before.contains(release) {
        site.refuses(release)?;
    }
    site.recovers(NEXT)?;
    if let Some(old) = ran_before.filter(|old| site.good().contains(old)) {
        let ran = site.run(&["rollback", &old]);
        must!(ran.status == 0, "rollback to {old}: {ran:?}");
        must!(site.current() == Some(old), "the rollback is not current");
        site.is_whole()?;
    }
    Ok(())
}
