//! Calls every function of every golden `deploy.sh` in every shell.

use crate::sandbox::{Sandbox, names};
use crate::started;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The golden script, with its paths moved below the sandbox, and with each function recording its name when it is
/// called, including those in programs for `sh -c`.
fn prepared(script: &str, more: &str) -> String {
    let mut text = String::new();
    for line in script.lines() {
        if line.trim_start() == "releases=$root/releases" {
            text += "user=$(id -un) root=$SANDBOX/root source_code_url=file://$SANDBOX/repo\n";
            text += "[ -z \"${venv:-}\" ] || venv=$SANDBOX$venv\n";
            text += "[ -z \"${venv_dir:-}\" ] || venv_dir=$SANDBOX$venv_dir\n";
            text += "[ -z \"${health_check_timeout:-}\" ] || health_check_timeout=1\n";
            text += more;
        }
        // No unit fails late here, so one look at its state is enough.
        let line = &line.replace("checks_left=15", "checks_left=1");
        if let Some((head, body)) = line.split_once("() { ") {
            let name = head.trim_start();
            text += &format!("{head}() {{ echo {name} >>\"$SANDBOX/called\"; {body}\n");
            continue;
        }
        text += line;
        text.push('\n');
        // The trap must read `$?` before anything else.
        if line.trim_start() == "status=$?" || function(line).is_some_and(|name| name != "finish") {
            let name = function(line).unwrap_or("finish");
            text += &format!("echo {name} >>\"$SANDBOX/called\"\n");
        }
    }
    text
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_suffix("() {")
        .or_else(|| line.strip_suffix("() ("))
        .or_else(|| Some(line.split_once("() { ")?.0))
}

/// The value of a setting, unquoted by the shell.
fn setting(host: &Sandbox, script: &str, name: &str) -> Option<String> {
    let start = script.find("# ---- settings")?;
    let end = script.find("\n\treleases=")?;
    let ask = format!("{}\nprintf %s \"${{{name}-absent}}\"", &script[start..end]);
    let ran = host.command(&["sh", "-c", &ask]).output().expect("sh");
    let value = String::from_utf8(ran.stdout).expect("UTF-8");
    (value != "absent").then_some(value)
}

fn secrets(script: &str) -> Vec<String> {
    script
        .lines()
        .skip_while(|line| !line.contains("each_secret() {"))
        .skip(1)
        .map_while(|line| line.trim_start().strip_prefix("\"$1\" "))
        .map(|word| {
            let ask = format!("printf %s {word}");
            let ran = std::process::Command::new("sh").args(["-c", &ask]).output();
            String::from_utf8(ran.expect("sh").stdout).expect("UTF-8")
        })
        .collect()
}

/// An `mv` that can fail to switch `current` to the next release.
const BROKEN_SWITCH: &str = "#!/bin/sh
[ ! -e \"$SANDBOX/fail/mv\" ] || case $* in *'/.next '*) exit 1 ;; esac
PATH=${PATH#*:}
exec mv \"$@\"
";

const NOISE: &str = "#!/bin/sh\nprintf 'a\\033[31mb\\n' >&2\n";

/// The env file that is embedded in the script, if any.
fn env_of(script: &str) -> Vec<u8> {
    let body = script.split_once("base64 -d >\"$1/env\" <<\\EOF\n");
    let body = body.and_then(|(_, rest)| rest.split_once("\nEOF\n"));
    let text = body.map_or(String::new(), |(text, _)| text.replace('\n', ""));
    STANDARD.decode(text).expect("base64")
}

/// The host and the repository that the golden script needs.
fn host_for(script: &str) -> Sandbox {
    let host = Sandbox::new();
    host.makes_venvs();
    host.program("bin/npm", NOISE);
    // These programs print something, so that output is tested, too.
    for name in names(&host.path("venv/bin")) {
        let text = host.read(&format!("venv/bin/{name}"));
        let text = text.replace("#!/bin/sh\n", NOISE);
        host.program(&format!("venv/bin/{name}"), &text);
    }
    for name in ["pip", "alembic", "python"] {
        let text = host.read(&format!("venv/bin/{name}"));
        host.program(&format!("bin/{name}"), &text);
    }
    let programs = script.lines().map(str::trim_start);
    for name in programs.filter_map(|line| line.strip_prefix("need_program ")) {
        host.program(&format!("bin/{name}"), NOISE);
        host.program(&format!("venv/bin/{name}"), NOISE);
    }
    for name in secrets(script) {
        host.write(&format!("root/shared/{name}"), "secret");
    }
    if let Some(venv) =
        setting(&host, script, "venv").or_else(|| setting(&host, script, "venv_dir"))
    {
        for name in names(&host.path("venv/bin")) {
            let text = host.read(&format!("venv/bin/{name}"));
            host.program(&format!(".{venv}/bin/{name}"), &text);
        }
        let own = "include-system-site-packages = false\n";
        host.write(&format!(".{venv}/pyvenv.cfg"), own);
    }
    if script.contains("uv=$state") {
        host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
    }
    if script.contains("/venvs") {
        fs::create_dir_all(host.path("root/venvs")).expect("a directory");
    }
    if let Some(file) = setting(&host, script, "dependency_file") {
        host.write(&format!("repo/{file}"), "django\n");
    }
    if let Some(directory) = setting(&host, script, "app_dir") {
        host.write(&format!("repo/{directory}/manage.py"), "");
        host.write(&format!("repo/{directory}/config/local.toml"), "");
        host.program("bin/python3.13", &host.read("bin/python3"));
        host.program("bin/pg_dump", NOISE);
    }
    let app = setting(&host, script, "app_dir").unwrap_or_default();
    host.write(&format!("repo/{app}/media/logos/first.png"), "");
    host.write("repo/pyproject.toml", "[project]\n");
    let packaged = match script.contains("is_packaged") {
        true => "source = { editable = \".\" }\n",
        false => "",
    };
    host.write("repo/uv.lock", format!("version = 1\n{packaged}"));
    host.write(".gitconfig", "[protocol \"file\"]\n\tallow = always\n");
    for words in [
        &["clone", "--quiet", "repo", "lib"][..],
        &[
            "-C",
            "repo",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            "../lib",
            "lib",
        ],
    ] {
        let git = std::process::Command::new("git")
            .args(words)
            .current_dir(host.dir.path())
            .status();
        assert!(git.expect("git").success(), "git {words:?}");
    }
    host.commit("2");
    host.commit("3");
    if let Some(branch) = setting(&host, script, "branch")
        && branch != "main"
    {
        host.repo(&["branch", &branch]);
    }
    if let Some(revision) = setting(&host, script, "revision") {
        host.repo(&["tag", &revision]);
    }
    host.write("root/shared/revisions.log", "");
    // Two releases of the Python tool, one of them current, with the same env as this run, because a unit with the
    // launcher needs releases that it can be added to.
    let env = env_of(script);
    for name in ["20200101000000", "20200102000000"] {
        host.write(&format!("root/releases/{name}/manage.py"), name);
        host.write(&format!("root/shared/.env.{name}"), &env);
    }
    std::os::unix::fs::symlink(
        host.path("root/releases/20200102000000"),
        host.path("root/current"),
    )
    .expect("current");
    host
}

/// Exercises all branches of the script; returns the functions that were never called.
fn missed(shell: &[&str], case: &Path, script: &str) -> BTreeSet<String> {
    let host = host_for(script);
    let overrides = match case.ends_with("hostile-values") {
        true => "migration_command=:\n",
        false => "",
    };
    host.write("deploy.sh", prepared(script, overrides));
    let run = |args: &[&str], expected: i32| {
        let ran = host
            .command(&[shell, &["deploy.sh"], args].concat())
            .output()
            .expect("a shell");
        assert_eq!(
            ran.status.code(),
            Some(expected),
            "{shell:?} {} {args:?}:\n{}{}",
            case.display(),
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    run(&["dploy"], 2);
    run(&["rollback"], 0);
    assert_eq!(host.current().as_deref(), Some("20200101000000"));
    for day in 1..=3 {
        run(&["deploy", &format!("2026010{day}000000")], 0);
        assert_eq!(host.current(), Some(format!("2026010{day}000000")));
    }
    // Leftovers of a killed run.
    host.write("root/releases/.new-20260107000000/manage.py", "half");
    run(&["deploy"], 0);
    run(&["deploy", "20260103000000"], 3);
    run(&["rollback"], 0);
    assert_eq!(host.current().as_deref(), Some("20260103000000"));
    run(&["status", "facts=yes"], 0);
    if script.contains("restart_alone") {
        run(&["restart"], 0);
    }
    // Another run holds the lock.
    let lock = fs::File::options()
        .append(true)
        .open(host.path("root/.pystrano/lock"))
        .expect("the lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    let holder = format!("ada@laptop deploy 1 since now pid {}\n", std::process::id());
    host.write("root/.pystrano/lock", holder);
    run(&["deploy"], 3);
    drop(lock);
    // Failures before promotion.
    fs::rename(host.path("repo"), host.path("away")).expect("moved");
    run(&["deploy"], 3);
    fs::rename(host.path("away"), host.path("repo")).expect("moved");
    if script.contains("\n\tstop_pip() {") {
        host.fail("pip");
        run(&["deploy"], 3);
        host.stop_failing("pip");
    }
    if script.contains("\n\treinstall() (") {
        let venv = setting(&host, script, "venv").expect("a virtualenv");
        let link = format!(".{venv}/lib/python3.11/site-packages/app.pth");
        let releases = host.path("root/releases");
        host.write(&link, format!("{}/\n", releases.display()));
        run(&["deploy"], 3);
        fs::remove_file(host.path(&link)).expect("a file");
    }
    if script.contains("uv=$venv") {
        let venv = setting(&host, script, "venv").expect("a virtualenv");
        fs::remove_file(host.path(&format!(".{venv}/bin/uv"))).expect("uv");
        run(&["deploy"], 0);
    } else if script.contains("uv=$state") {
        let uv = host.path("root/.pystrano/uv/bin/uv");
        fs::rename(&uv, host.path("kept-uv")).expect("uv");
        let pip = format!("{NOISE}cp \"$SANDBOX/kept-uv\" \"${{0%/*}}/uv\"\n");
        host.program("venv/bin/pip", &pip);
        // uv is needed only to create a virtualenv.
        fs::remove_dir_all(host.path("root/venvs")).expect("virtualenvs");
        run(&["deploy"], 0);
        assert!(uv.exists(), "{shell:?} {}", case.display());
    }
    if script.contains("\n\tis_healthy() {") {
        host.fail("curl");
        run(&["deploy"], 5);
        host.stop_failing("curl");
    } else if script.contains("\n\tof_services() {") {
        host.fail("unit");
        run(&["deploy"], 5);
        host.stop_failing("unit");
    }
    if script.contains("were_refused") {
        host.fail("restart");
        run(&["deploy"], 5);
        host.stop_failing("restart");
    }
    // The switch of `current` fails.
    host.program("bin/mv", BROKEN_SWITCH);
    host.fail("mv");
    run(&["deploy"], 1);
    host.stop_failing("mv");
    let script = host.read("deploy.sh");
    let has_verdict = script.contains("\n\tawait_verdict() {");
    for (verdict, end) in [("revert", "end 1 reverted"), ("keep", "end 0 deployed")] {
        if verdict == "revert" && !has_verdict {
            continue;
        }
        let shell = [shell, &["-s"]].concat();
        let mut session = host.session(&shell, &script, &["deploy", "barrier=60"]);
        session.commit = host.repo(&["rev-parse", "HEAD~1"]);
        session.wait_for("phase ready");
        if script.contains("\n\tmigrate() {") {
            session.say("migrate");
            session.wait_for("phase migrated");
        }
        session.say("go");
        if has_verdict {
            session.wait_for("phase promoted");
            session.say(verdict);
        }
        assert_eq!(session.end().0, end, "{shell:?} {}", case.display());
    }
    let called = host.read("called");
    let called: BTreeSet<&str> = called.lines().collect();
    script
        .lines()
        .filter_map(function)
        .filter(|name| !called.contains(name))
        .map(str::to_owned)
        .collect()
}

fn every_function(shell: &str) {
    let shell = started(shell);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut scripts = 0;
    for case in names(&golden) {
        let case = golden.join(case);
        if case.join("repository").exists() {
            continue; // without payload checksums they deploy nothing; see payload.rs
        }
        for server in names(&case.join("scripts")) {
            let path = case.join("scripts").join(server).join("deploy.sh");
            if let Ok(script) = fs::read_to_string(&path) {
                let missed = missed(shell, &case, &script);
                assert!(
                    missed.is_empty(),
                    "{shell:?} never called {missed:?} of {}",
                    path.display()
                );
                scripts += 1;
            }
        }
    }
    assert!(scripts >= 10, "only {scripts} golden scripts");
}

#[test]
fn dash_runs_every_function() {
    every_function("dash");
}

#[test]
fn bash_runs_every_function() {
    every_function("bash");
}

#[test]
fn busybox_runs_every_function() {
    every_function("busybox");
}

#[test]
fn mksh_runs_every_function() {
    every_function("mksh");
}

#[test]
fn yash_runs_every_function() {
    every_function("yash");
}
