//! The env file and the virtualenv of a release.

use crate::sandbox::{Sandbox, names};
use std::fs;

#[test]
fn a_virtualenv_of_the_running_release_is_not_shared() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    fs::rename(host.path("venv"), host.path("kept")).expect("moved");
    std::os::unix::fs::symlink(host.path("kept"), host.path("root/current/.pystrano/venv"))
        .expect("a link");
    std::os::unix::fs::symlink(host.path("root/current/.pystrano/venv"), host.path("venv"))
        .expect("a link");
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stderr.contains("name another venv_dir"), "{ran:?}");
}

/// When another Python is requested, `uv sync` recreates the virtualenv, without pip and uv in it.
#[test]
fn a_virtualenv_that_uv_made_anew_is_no_dead_end() {
    let host = Sandbox::new();
    host.configure("package_manager: uv");
    host.makes_venvs();
    host.program(
        "venv/bin/pip",
        "#!/bin/sh\ncp \"$SANDBOX/kept-uv\" \"${0%/*}/uv\"\n",
    );
    fs::rename(host.path("venv/bin/uv"), host.path("kept-uv")).expect("moved");
    host.write("repo/uv.lock", "");
    host.commit("lock");
    host.deployed("20260101000000");
    assert!(host.path("venv/bin/uv").exists());
    fs::remove_file(host.path("venv/bin/uv")).expect("uv");
    fs::rename(host.path("venv/bin/pip"), host.path("kept-pip")).expect("moved");
    host.program(
        "bin/python3",
        "#!/bin/sh\nmkdir -p \"$4/bin\"\ncp \"$SANDBOX/kept-pip\" \"$4/bin/pip\"\n",
    );
    for release in ["20260102000000", "20260103000000"] {
        host.deployed(release);
        assert!(!host.path("venv/bin/uv").exists());
        assert!(
            host.read("calls/uv")
                .contains("--project\0.\0sync\0--frozen\0--no-dev\0")
        );
    }
}

/// Releases of an earlier version lack the launcher that the unit now starts the app with.
#[test]
fn a_unit_that_needs_the_launcher_finds_one_in_earlier_releases_too() {
    let host = Sandbox::new();
    let unit = host.path("root/current/.pystrano/run");
    let unit = format!("[Service]\nExecStart={} uvicorn\n", unit.display());
    host.write("files/app.service", unit);
    host.configure("");
    host.deployed("20260101000000");
    host.deployed("20260102000000");
    // Version 0.1.0 kept env files in `shared`.
    for release in ["20260101000000", "20260102000000"] {
        let at = format!("root/releases/{release}/.pystrano");
        for part in ["run", "serve.py"] {
            fs::remove_file(host.path(&format!("{at}/{part}"))).expect("a launcher");
        }
        let kept = host.path(&format!("root/shared/.env.{release}"));
        fs::rename(host.path(&format!("{at}/env")), &kept).expect("an env");
        let link = format!("../../../shared/.env.{release}");
        std::os::unix::fs::symlink(link, host.path(&format!("{at}/env"))).expect("a link");
    }
    // Such a release is given a launcher only if its env equals the deployed one: its app may not start with another
    // env.
    host.write("files/.env", "GREETING=other\n");
    for words in [&["deploy"][..], &["rollback"]] {
        let ran = host.run(&["sh"], words);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(
            ran.stderr
                .contains(", of an earlier version, has none and a different env"),
            "{ran:?}"
        );
        assert_eq!(host.current().as_deref(), Some("20260102000000"));
        assert!(
            !host
                .path("root/releases/20260101000000/.pystrano/run")
                .exists()
        );
    }
    host.write("files/.env", "GREETING='hello world'\n");
    host.fail("health-20260103000000");
    assert_eq!(host.run(&["sh"], &["deploy", "20260103000000"]).status, 1);
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    for release in ["20260101000000", "20260102000000"] {
        let env = host.path(&format!("root/releases/{release}/.pystrano/env"));
        assert!(fs::symlink_metadata(env).expect("an env").is_file());
        let launcher = host.path(&format!("root/releases/{release}/.pystrano/run"));
        assert!(launcher.with_file_name("serve.py").exists());
        let told = std::process::Command::new(launcher)
            .args(["sh", "-c", "pwd; printf '%s\\n' \"$GREETING\""])
            .output()
            .expect("the launcher");
        let root = host.path("root").display().to_string();
        assert_eq!(
            String::from_utf8_lossy(&told.stdout),
            format!("{root}/releases/{release}\nhello world\n")
        );
    }
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
}

/// The release's `serve.py` starts uvicorn, so that it answers accepted connections before it stops.
#[test]
fn the_launcher_starts_uvicorn_by_serve_py() {
    let host = Sandbox::new();
    host.configure("");
    let launcher = host.path("root/current/.pystrano/run");
    let start = |program: &str| {
        let unit = format!(
            "[Service]\nExecStart={} {program} app:app\n",
            launcher.display()
        );
        host.write("files/app.service", unit);
        host.program("venv/bin/python", "#!/bin/sh\n");
        assert_eq!(host.deploy().status, 0);
        for program in ["python", program] {
            let tell = "#!/bin/sh\nprintf '%s ' \"${0##*/}\" \"$@\"\n";
            host.program(&format!("venv/bin/{program}"), tell);
        }
        let told = std::process::Command::new(&launcher)
            .args([program, "app:app", "--fd", "3"])
            .output()
            .expect("the launcher");
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    assert_eq!(start("gunicorn"), "gunicorn app:app --fd 3 ");
    assert!(!launcher.with_file_name("serve.py").exists());
    let told = start("uvicorn");
    let release = fs::canonicalize(host.path("root/current")).expect("a release");
    let serve = release.join(".pystrano/serve.py");
    assert_eq!(told, format!("python {} app:app --fd 3 ", serve.display()));
}

/// Whoever can write in `shared` may put anything in place of the env file.
#[test]
fn what_was_put_in_place_of_the_env_is_replaced() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let at = host.path("root/shared/.env");
    for (index, plant) in [
        "mkfifo",
        "mkdir",
        "ln -s /dev/zero",
        "ln -s /nowhere",
        "touch",
    ]
    .iter()
    .enumerate()
    {
        fs::remove_file(&at).expect("the link");
        let planted = std::process::Command::new("sh")
            .args(["-c", &format!("{plant} \"$1\"",), "sh"])
            .arg(&at)
            .status();
        assert!(planted.expect("sh").success(), "{plant}");
        let ran = host.run(&["sh"], &["deploy", &format!("2026010200000{index}")]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(
            ran.stdout.contains("shared/.env had been replaced"),
            "{ran:?}"
        );
        assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
        let ran = host.run(&["sh"], &["rollback"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(!ran.stdout.contains("had been replaced"), "{ran:?}");
    }
}

/// When a second virtualenv is imported, it gets a name of its own.
#[test]
fn another_venv_dir_is_taken_over_beside_the_first() {
    let host = Sandbox::new();
    host.makes_venvs();
    host.configure("");
    host.deployed("20260101000000");
    host.configure("venv_mode: release");
    host.deployed("20260102000000");
    let at = host.dir.path().display().to_string();
    let kept = format!("{at}/root/venvs/shared");
    assert!(host.path("root/venvs/shared/bin/pip").exists());
    // A deploy with another `venv_dir` and `venv_mode`.
    fs::create_dir_all(host.path("other/bin")).expect("a directory");
    for program in names(&host.path("root/venvs/shared/bin")) {
        let text = host.read(&format!("root/venvs/shared/bin/{program}"));
        host.program(&format!("other/bin/{program}"), &text);
    }
    let other = format!("venv_dir: {at}/other");
    host.configure(&other);
    host.deployed("20260103000000");
    host.configure(&format!("venv_mode: release\n{other}"));
    host.deployed("20260104000000");
    let venv = |release: &str| {
        let link = host.path(&format!("root/releases/{release}/.pystrano/venv"));
        fs::canonicalize(link)
            .expect("a virtualenv")
            .display()
            .to_string()
    };
    assert_eq!(venv("20260103000000"), format!("{kept}-2"));
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(
        fs::canonicalize(host.path("other"))
            .expect("a link")
            .display()
            .to_string(),
        format!("{kept}-2")
    );
}

#[test]
fn a_virtualenv_on_another_file_system_stops_the_deploy_with_advice() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.configure("venv_mode: release");
    host.program(
        "bin/stat",
        "#!/bin/sh\nfor path; do :; done\nprintf '%s\\n' \"$path\"\n",
    );
    let before = host.snapshot();
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("; name another venv_dir, and in the unit, too"),
        "{ran:?}"
    );
    assert_eq!(host.snapshot(), before);
}

/// pip installs a project, with its extras and groups, into a virtualenv made by the configured Python.
#[test]
fn pip_installs_a_project_for_the_python_that_is_named() {
    let host = Sandbox::new();
    host.makes_venvs();
    host.write("repo/pyproject.toml", "[project]\nname = \"shop\"\n");
    host.commit("a project");
    let config = "venv_mode: release\ndependency_file: pyproject.toml\ndependency_extras: postgres\ndependency_groups: [prod, web]\npython: 3.99";
    host.configure(config);
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr
            .contains("there is no python3.99 on this host; run setup.sh"),
        "{ran:?}"
    );
    let python = host.read("bin/python3");
    host.program(
        "bin/python3.99",
        &python.replace(
            "case $1 in",
            "echo 3.99 >>\"$SANDBOX/calls/pythons\"\ncase $1 in",
        ),
    );
    host.deployed("20260101000000");
    assert_eq!(host.read("calls/pythons"), "3.99\n");
    let calls = host.read("calls/pip").replace('\0', " ");
    let release = host
        .path("root/releases/20260101000000")
        .display()
        .to_string();
    for words in [
        "--upgrade pip>=25.1".to_owned(),
        format!(
            "{release}/.[postgres] --group {release}/pyproject.toml:prod --group {release}/pyproject.toml:web"
        ),
    ] {
        assert!(calls.contains(&words), "{words} is not in {calls}");
    }
}
