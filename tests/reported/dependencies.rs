//! Installing dependencies: pip, uv, locks, indexes, and the shared virtualenv.

use crate::sandbox::{Ran, Sandbox};
use crate::web::Web;
use crate::{deploys, stops};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

#[test]
fn ansible_modules_core_5347_commands_find_the_virtualenv() {
    for (manager, mode) in [
        ("pip", "shared"),
        ("pip", "release"),
        ("uv", "shared"),
        ("uv", "release"),
    ] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
        for name in ["pip", "alembic", "uv"] {
            host.program(
                &format!("bin/{name}"),
                "#!/bin/sh\necho \"the wrong one\" >&2\nexit 1\n",
            );
        }
        let uv = if manager == "uv" {
            " && uv sync --frozen"
        } else {
            ""
        };
        host.configure(&format!(
            "framework: fastapi\npackage_manager: {manager}\nvenv_mode: {mode}\nstatic_files_command: 'true'\n\
             dependency_install_command: pip install -r requirements.txt && alembic --version{uv}\n\
             migration_command: alembic upgrade head\n"
        ));
        deploys(&host);
        assert_eq!(
            host.read("calls/pip"),
            "install\0-r\0requirements.txt\0",
            "{manager} {mode}"
        );
        assert_eq!(host.read("calls/alembic"), "--version\0upgrade\0head\0");
        if manager == "uv" {
            assert!(host.read("calls/uv").ends_with("sync\0--frozen\0"));
        }
        let environment = host.read("environments/pip");
        assert!(!environment.contains("GREETING"), "{environment}");
        assert!(
            environment.contains("\0PIP_REQUIRE_VIRTUALENV=1\0"),
            "{environment}"
        );
    }
}

#[test]
fn what_sends_pip_elsewhere_changes_nothing() {
    for mode in ["shared", "release"] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.configure(&format!("venv_mode: {mode}"));
        host.write("deploy.sh", host.script());
        let elsewhere = [
            ("PIP_TARGET", "/elsewhere"),
            ("PIP_PREFIX", "/elsewhere"),
            ("PIP_ROOT", "/elsewhere"),
            ("PIP_PYTHON", "/elsewhere"),
            ("PIP_USER", "1"),
            ("PIP_DRY_RUN", "1"),
            ("PIP_NO_DEPS", "1"),
            ("PYTHONPATH", "/elsewhere"),
            ("PYTHONHOME", "/elsewhere"),
            ("VIRTUAL_ENV", "/elsewhere"),
            ("UV_PYTHON", "/elsewhere"),
        ];
        let ran: Ran = host
            .command(&["sh", "deploy.sh"])
            .envs(elsewhere)
            .env("PIP_INDEX_URL", "https://pypi.example.com")
            .output()
            .expect("a shell")
            .into();
        assert_eq!(ran.status, 0, "{ran:?}");
        let environment = host.read("environments/pip");
        assert!(!environment.contains("/elsewhere"), "{environment}");
        for setting in ["PIP_USER=0", "PIP_DRY_RUN=0", "PIP_NO_DEPS=0"] {
            let setting = format!("\0{setting}\0");
            assert!(environment.contains(&setting), "{environment}");
        }
        assert!(
            environment.contains("\0PIP_INDEX_URL=https://pypi.example.com\0"),
            "{environment}"
        );

        host.write("repo/requirements.txt", "django==5.3\n");
        host.commit("upgrade");
        host.write(".config/pip/pip.conf", "[install]\nuser = true\n");
        deploys(&host);
        host.write("repo/requirements.txt", "django==5.4\n");
        host.commit("upgrade");
        host.write(".config/pip/pip.conf", "[install]\ntarget = /elsewhere\n");
        deploys(&host);
        assert!(
            host.read("calls/pip").contains("\0--target\0\0--prefix\0/"),
            "{mode}"
        );
    }
}

#[test]
fn no_human_ai_128_heroku_buildpack_python_345_a_shared_virtualenv_never_leads_into_a_release() {
    for (manager, file, refused) in [
        ("pip", "django==5.2\n-e .\n", Some(": .;")),
        (
            "pip",
            "--editable=./libs/core[extra]  # ours\n",
            Some(": ./libs/core;"),
        ),
        ("pip", "-e libs/core\n", Some(": ./libs/core;")),
        ("pip", ".\n", Some(": .;")),
        (
            "pip",
            "./libs/core[extra] ; python_version > '3'\n",
            Some("./libs/core"),
        ),
        ("pip", "libs/core\n", Some(": libs/core;")),
        ("pip", "core @ file:libs/core\n", Some(": ./libs/core;")),
        ("pip", "-r more/base.txt\n", Some(": .;")),
        ("pip", "--requirement=more/base.txt\n", Some(": .;")),
        ("uv", "-e .\n", Some(": .;")),
        ("pip", "-r circle.txt\n", None),
        (
            "pip",
            "wheels/core-1.0-py3-none-any.whl\n./wheels/core-1.0.tar.gz\n",
            None,
        ),
        (
            "pip",
            "# -e .\nthing[a]==1 # ./x\n-e git+https://example.com/app.git@v1#egg=app\n",
            None,
        ),
        (
            "pip",
            "--find-links ./wheels\n--extra-index-url https://example.com/a/b\ndjango>=5 ; os_name == 'a/b'\n",
            None,
        ),
        ("pip", "app @ https://example.com/app-1.0.zip\n", None),
        ("uv", "django==5.2\n", None),
    ] {
        let host = Sandbox::new();
        host.configure(&format!(
            "package_manager: {manager}\ndependency_file: requirements.txt"
        ));
        host.write("repo/requirements.txt", file);
        host.write("repo/more/base.txt", "-r deeper.txt\n");
        host.write("repo/more/deeper.txt", "-e .\n");
        host.write("repo/circle.txt", "-r circle.txt\n");
        host.write("repo/libs/core/setup.py", "");
        host.commit("dependencies");
        match refused {
            Some(line) => {
                let ran = stops(
                    &host,
                    "the virtualenv that releases share must not point into one of them, and requirements.txt installs from it: ",
                );
                assert!(
                    ran.stderr.contains(line) && ran.stderr.contains("; set venv_mode: release\n"),
                    "{ran:?}"
                );
                assert!(!host.path("calls/pip").exists(), "{file}");
                host.makes_venvs();
                host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
                host.configure(&format!(
                    "package_manager: {manager}\ndependency_file: requirements.txt\nvenv_mode: release\nvenv_dir: {}",
                    host.path("link").display()
                ));
                deploys(&host);
            }
            None => {
                deploys(&host);
            }
        }
    }
}

#[test]
fn releases_are_not_installed_from_by_their_whole_path_either() {
    let host = Sandbox::new();
    host.configure("dependency_file: requirements.txt");
    let root = host.path("root");
    for line in ["-e ROOT/current/lib", "lib @ file://ROOT/releases/1/lib"] {
        let line = line.replace("ROOT", root.to_str().expect("a path"));
        host.write("repo/requirements.txt", format!("{line}\n"));
        host.commit(&line);
        let ran = stops(&host, "requirements.txt installs from it: ");
        assert!(!host.path("calls/pip").exists(), "{ran:?}");
    }
    host.write("repo/requirements.txt", "lib @ file:///opt/lib\n");
    host.commit("elsewhere");
    deploys(&host);
}

#[test]
fn a_command_that_leads_the_shared_virtualenv_into_a_release_is_told() {
    let host = Sandbox::new();
    host.configure("dependency_install_command: 'true'");
    deploys(&host);
    host.configure("dependency_install_command: pip install -e .");
    host.program(
        "venv/bin/pip",
        "#!/bin/sh\npackages=${0%/bin/pip}/lib/python3.11/site-packages\nmkdir -p \"$packages/app-1.0.dist-info\"\npwd >\"$packages/app.pth\"\n",
    );
    host.write(
        "venv/lib/python3.11/site-packages/Django-5.2.dist-info/METADATA",
        "",
    );
    let ran = stops(
        &host,
        "the virtualenv that releases share must not point into one of them: ",
    );
    assert!(
        ran.stderr.contains("/app.pth; set venv_mode: release"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("The shared virtualenv was changed and stays changed: app-1.0 "),
        "{ran:?}"
    );
    // The virtualenv links to the current release, not to one that was removed.
    let current = host
        .path("root/releases")
        .join(host.current().expect("a release"));
    let link = host.read("venv/lib/python3.11/site-packages/app.pth");
    assert_eq!(link.trim_end(), current.to_str().expect("a path"));
}

/// Makes `uv export` print this requirement.
fn uv_of(host: &Sandbox, locked: &str) {
    let uv = host.read("venv/bin/uv");
    let export =
        format!("case \" $* \" in *' export '*) cat <<'END'\n# a comment\n{locked}\nEND\nesac\n");
    host.program(
        "venv/bin/uv",
        &uv.replacen("[ ! -e", &format!("{export}[ ! -e"), 1),
    );
}

#[test]
fn a_packaged_uv_project_is_refused_in_a_shared_virtualenv() {
    for (locked, refused) in [
        ("-e .\nidna==3.10", Some("-e .")),
        (
            "idna==3.10\n    # via x\n-e ./libs/core",
            Some("-e ./libs/core"),
        ),
        ("core @ file:///srv/core", Some("core @ file:///srv/core")),
        ("./libs/core", Some("./libs/core")),
        ("./wheels/core-1.0-py3-none-any.whl\nidna==3.10", None),
    ] {
        let host = Sandbox::new();
        host.configure("package_manager: uv");
        host.write("repo/uv.lock", "version = 1\n");
        host.commit("lock");
        uv_of(&host, locked);
        match refused {
            Some(line) => {
                stops(
                    &host,
                    &format!("and uv.lock installs from it: {line}; set venv_mode: release\n"),
                );
                assert!(!host.read("calls/uv").contains("sync"));
            }
            None => {
                deploys(&host);
                assert!(host.read("calls/uv").contains("sync"));
            }
        }
    }
}

#[test]
fn what_an_install_changed_before_a_stop_is_told() {
    let host = Sandbox::new();
    host.configure("");
    let packages = "venv/lib/python3.11/site-packages";
    host.write(&format!("{packages}/Django-5.2.dist-info/METADATA"), "");
    deploys(&host);
    let pip = host.read("venv/bin/pip");
    let upgrade = "packages=${0%/bin/pip}/lib/python3.11/site-packages\n\
                   [ ! -e \"$packages/Django-5.2.dist-info\" ] || mv \"$packages/Django-5.2.dist-info\" \"$packages/Django-6.0.dist-info\"\n";
    let said = "The shared virtualenv was changed and stays changed: Django-5.2 Django-6.0 ";
    for fault in ["pip", "python", "curl"] {
        host.program(
            "venv/bin/pip",
            &pip.replacen("[ ! -e", &format!("{upgrade}[ ! -e"), 1),
        );
        host.write("repo/requirements.txt", format!("django==6.0\n# {fault}\n"));
        host.commit("upgrade");
        host.fail(fault);
        let ran = host.deploy();
        assert_ne!(ran.status, 0, "{ran:?}");
        assert!(ran.stdout.contains(said), "{fault}: {ran:?}");
        // A second deploy changes nothing and does not report a change.
        let ran = host.deploy();
        assert!(
            !ran.stdout.contains("The shared virtualenv"),
            "{fault}: {ran:?}"
        );
        host.stop_failing(fault);
        fs::rename(
            host.path(packages).join("Django-6.0.dist-info"),
            host.path(packages).join("Django-5.2.dist-info"),
        )
        .expect("the older one");
    }
}

#[test]
fn the_member_of_a_workspace_is_named_by_its_directory() {
    let host = Sandbox::new();
    host.write(
        "repo/uv.lock",
        "version = 1\n[manifest]\nmembers = [\n    \"core\",\n]\n",
    );
    host.write("repo/services/api/pyproject.toml", "[project]\n");
    host.commit("workspace");
    uv_of(&host, "");
    host.configure("package_manager: uv");
    stops(
        &host,
        "uv installs nothing for ., on which no member of the workspace depends; set dependency_file to a member's directory and uv.lock",
    );
    uv_of(&host, "idna==3.10");
    host.configure("package_manager: uv\ndependency_file: services/api/uv.lock");
    deploys(&host);
    assert!(
        host.read("calls/uv")
            .contains("--project\0services/api\0sync\0")
    );
    fs::remove_file(host.path("repo/uv.lock")).expect("a lock");
    host.commit("no lock");
    stops(
        &host,
        "the repository has no services/api/uv.lock, nor a uv.lock above it; correct dependency_file",
    );
}

#[test]
fn trial_25_a_dependency_file_that_cannot_be_read_is_no_empty_one() {
    for mode in ["shared", "release"] {
        let host = Sandbox::new();
        host.makes_venvs();
        fs::remove_file(host.path("repo/requirements.txt")).expect("a file");
        symlink("/nowhere", host.path("repo/requirements.txt")).expect("a link");
        host.commit("a link to nowhere");
        host.configure(&format!("venv_mode: {mode}"));
        stops(
            &host,
            "the repository has no requirements.txt that can be read; correct dependency_file",
        );
        assert!(!host.path("calls/pip").exists());
    }
}

/// Tests the real pip, which does not mention the login by itself.
#[test]
fn an_index_that_asks_for_a_login_is_told() {
    let host = Sandbox::new();
    fs::remove_dir_all(host.path("venv")).expect("the stand-ins");
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(host.path("venv"))
        .status();
    assert!(made.expect("python3").success());
    host.program("venv/bin/alembic", "#!/bin/sh\n");
    let web = Web::new(host.path("files"));
    host.configure("run_migrations: false\ncollect_static_files: false");
    let index = |login: &str| {
        let file = format!(
            "--index-url http://{login}127.0.0.1:{}/simple/\nshop-private==1.0\n",
            web.1
        );
        host.write("repo/requirements.txt", file);
        host.commit("index");
    };
    index("ada:wrong@");
    let ran = stops(
        &host,
        "dependencies, exit status 1: the package index accepts none of the credentials that pip has here: http://127.0.0.1:",
    );
    assert!(
        ran.stderr
            .contains("/simple/shop-private/ answered 401; keep the login of an index in pip.conf or .netrc of "),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("wrong"), "{ran:?}");
    index("ada:${INDEX_TOKEN}@");
    stops(
        &host,
        "requirements.txt names variables that are not set here, and env_file does not apply: INDEX_TOKEN (http://127.0.0.1:",
    );
}

#[test]
fn a_lock_in_a_directory_is_a_lock() {
    for mode in ["shared", "release"] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
        host.write("repo/backend/uv.lock", "version = 1\n");
        host.write("repo/backend/pyproject.toml", "[project]\n");
        host.commit("lock");
        host.configure(&format!(
            "package_manager: uv\ndependency_file: backend/uv.lock\nvenv_mode: {mode}"
        ));
        deploys(&host);
        assert!(
            host.read("calls/uv")
                .contains("--project\0backend\0sync\0--frozen\0"),
            "{mode}"
        );
    }
}

#[test]
fn a_lock_that_is_older_than_the_project_is_told() {
    let host = Sandbox::new();
    host.write("repo/uv.lock", "version = 1\n");
    host.commit("lock");
    let uv = host.read("venv/bin/uv");
    host.program(
        "venv/bin/uv",
        &uv.replacen(
            "[ ! -e",
            "case \" $* \" in *' lock --check '*) exit 1 ;; esac\n[ ! -e",
            1,
        ),
    );
    host.configure("package_manager: uv");
    let ran = deploys(&host);
    assert!(
        ran.stdout.contains(
            "warning uv.lock is older than pyproject.toml, and was installed as it is; run uv lock"
        ),
        "{ran:?}"
    );
}
