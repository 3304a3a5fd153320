//! `init` in a checkout of the app.

use crate::{pystrano, read};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

pub const MANAGE: &str = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n";
pub const WSGI: &str = "application = get_wsgi_application()\n";
pub const FASTAPI: &str =
    "from fastapi import FastAPI\n\napp = FastAPI(title=\"Shop\")\napp.add_middleware(X)\n";
const GIT: &str = "[core]\n\tbare = false\n[remote \"other\"]\n\turl = git@other.example.com:x.git\n\
    [remote \"origin\"]\n\turl = git@code.example.com:you/shop.git\n\tfetch = +refs/heads/*\n";

/// Paths and contents of files.
pub type Files<'a> = &'a [(&'a str, &'a str)];

/// Writes files, and creates their directories.
pub fn checkout(files: Files) -> TempDir {
    let directory = TempDir::new().unwrap();
    add(directory.path(), files);
    add(
        directory.path(),
        &[
            (".git/config", GIT),
            (".git/HEAD", "ref: refs/heads/develop\n"),
        ],
    );
    directory
}

pub fn add(directory: &Path, files: Files) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Runs `init` in the checkout with all defaults; returns the lines of the config, and the output.
pub fn init(directory: &TempDir, more: &[&str]) -> (Vec<String>, String) {
    let words = ["init", "production", "shop", "--yes", "--force", "--host"];
    let words = [&words[..], &["www.example.com"], more].concat();
    let ran = pystrano(directory, &words).success();
    let said = String::from_utf8(ran.get_output().stderr.clone()).unwrap();
    pystrano(directory, &["check", "production", "shop"]).success();
    let here = "deploy/shop/production";
    let texts = [
        read(directory, &format!("{here}/deployment.yml")),
        read(directory, &format!("{here}/shop-production.service")),
        read(directory, &format!("{here}/shop-production.socket")),
    ];
    let lines = texts.concat();
    let lines = lines.lines().map(|line| line.trim().to_owned());
    (lines.collect(), said)
}

#[track_caller]
pub fn has(lines: &[String], line: &str) {
    let is_there = lines
        .iter()
        .any(|known| known == line || known.contains("ExecStart=") && known.contains(line));
    assert!(is_there, "{line} is not in\n{}", lines.join("\n"));
}

#[test]
fn a_django_project_is_found() {
    let directory = checkout(&[
        ("manage.py", MANAGE),
        ("shop/settings.py", ""),
        ("shop/wsgi.py", WSGI),
        ("requirements.txt", "Django==5.2\ngunicorn>=23\n"),
    ]);
    let (lines, said) = init(&directory, &[]);
    for line in [
        "framework: \"django\"",
        "source_code_url: \"git@code.example.com:you/shop.git\"",
        "forward_agent: true",
        "branch: \"develop\"",
        "package_manager: \"pip\"",
        "dependency_file: \"requirements.txt\"",
        "- \"code.example.com\"",
        "health_check_url: \"http://127.0.0.1:8000/\"",
        "health_check_statuses: \"200-499\"",
        " shop.wsgi:application",
    ] {
        has(&lines, line);
    }
    assert!(
        said.starts_with(
            "found manage.py, shop/wsgi.py, requirements.txt, the remote origin, the branch develop\n"
        ),
        "{said}"
    );
    assert!(
        !said.contains("warning") && !said.contains("note:"),
        "{said}"
    );
    // Options take precedence over what was found.
    let (lines, _) = init(
        &directory,
        &[
            "--branch",
            "main",
            "--package-manager",
            "uv",
            "--repo",
            "https://code.example.com/shop.git",
        ],
    );
    has(&lines, "branch: \"main\"");
    has(&lines, "dependency_file: \"requirements.txt\"");
    assert!(!lines.iter().any(|line| line.starts_with("forward_agent")));
}

#[test]
fn apps_are_found_below_the_top() {
    let base = "DJANGO_SETTINGS_MODULE\"] = \"config.settings.production\"\n";
    let shapes: [(Files, &[&str], &str); 11] = [
        // Django with celery, and a Python version of its own.
        (
            &[
                ("manage.py", MANAGE),
                ("shop/wsgi.py", WSGI),
                ("shop/celery.py", "app = Celery(\"shop\")\n"),
                ("requirements.txt", "gunicorn\ncelery\n"),
                (".python-version", "3.13.2\n"),
            ],
            &[
                "python: \"3.13\"",
                "- \"./deploy/shop/production/shop-production.socket\"",
                "- \"./deploy/shop/production/shop-production-worker.service\"",
                "- \"./deploy/shop/production/shop-production-beat.service\"",
            ],
            "found manage.py, shop/wsgi.py, shop/celery.py, requirements.txt",
        ),
        // Django whose settings are named by the env file.
        (
            &[
                (
                    "manage.py",
                    "from django.core.management import execute_from_command_line\n",
                ),
                ("shop/wsgi.py", WSGI),
                ("requirements.txt", "gunicorn\n"),
            ],
            &["framework: \"django\"", " shop.wsgi:application"],
            "note: manage.py names no settings; set DJANGO_SETTINGS_MODULE in the env file",
        ),
        // A function returns FastAPI's app object.
        (
            &[
                (
                    "app/main.py",
                    "def get_app() -> FastAPI:\n    made = FastAPI(title=\"Shop\")\n    return made\n\n\napp = get_app()\n",
                ),
                ("app/admin.py", "def other():\n    return FastAPI()\n"),
                ("requirements.txt", "uvicorn\n"),
            ],
            &["framework: \"fastapi\"", " app.main:app "],
            "found app/main.py",
        ),
        // Django in backend/, with settings that are a package.
        (
            &[
                ("backend/manage.py", base),
                ("backend/config/settings/production.py", ""),
                ("backend/config/wsgi.py", WSGI),
                ("backend/requirements.txt", "gunicorn\n"),
            ],
            &[
                " config.wsgi:application",
                "app_dir: \"backend\"",
                "dependency_file: \"requirements.txt\"",
                "WorkingDirectory=/home/deploy/apps/shop-production/current/backend",
            ],
            "",
        ),
        // Django in src/, with dependencies at the top of the repository.
        (
            &[
                ("src/manage.py", MANAGE),
                ("src/shop/wsgi.py", WSGI),
                ("requirements/base.txt", "gunicorn\n"),
            ],
            &[
                " shop.wsgi:application",
                "app_dir: \"src\"",
                "dependency_file: \"../requirements/base.txt\"",
            ],
            "",
        ),
        // FastAPI in backend/ of a uv workspace, with alembic.
        (
            &[
                (
                    "pyproject.toml",
                    "[tool.uv.workspace]\nmembers = [\"backend\"]\n",
                ),
                (
                    "uv.lock",
                    "[[package]]\nname = \"uvicorn\"\n[[package]]\nname = \"celery\"\n",
                ),
                (
                    "backend/pyproject.toml",
                    "[project]\nrequires-python = \">=3.12,<4.0\"\n",
                ),
                ("backend/alembic.ini", ""),
                ("backend/app/main.py", FASTAPI),
                ("backend/tests/main.py", FASTAPI),
            ],
            &[
                "framework: \"fastapi\"",
                " app.main:app ",
                "package_manager: \"uv\"",
                "app_dir: \"backend\"",
                "dependency_file: \"uv.lock\"",
                "run_migrations: true",
                "migration_command: \"alembic upgrade head\"",
            ],
            "note: the app asks for Python >=3.12,<4.0 (backend/pyproject.toml)",
        ),
        // A packaged FastAPI project in src/.
        (
            &[
                ("pyproject.toml", "[build-system]\n[project]\n"),
                ("uv.lock", "name = \"uvicorn\"\nname = \"celery\"\n"),
                (".python-version", "# pinned\n3.13\n"),
                ("src/shop/web.py", "api: FastAPI = fastapi.FastAPI()\n"),
            ],
            &[" shop.web:api ", "run_migrations: false"],
            "note: the app uses celery;",
        ),
        // The app has its own requirements file, beside a lock of something else.
        (
            &[
                ("uv.lock", ""),
                ("pyproject.toml", "[project]\n"),
                ("web/requirements.txt", "uvicorn\n"),
                ("web/main.py", FASTAPI),
            ],
            &[
                " main:app ",
                "app_dir: \"web\"",
                "dependency_file: \"requirements.txt\"",
                "package_manager: \"pip\"",
            ],
            "",
        ),
        // Django with a task queue whose worker is named by its settings.
        (
            &[
                ("manage.py", MANAGE),
                ("shop/wsgi.py", WSGI),
                (
                    "shop/settings/base.py",
                    "INSTALLED_APPS = [\n    'django_rq',\n]\n",
                ),
                ("requirements.txt", "gunicorn\n"),
            ],
            &["- \"./deploy/shop/production/shop-production-tasks.service\""],
            "found manage.py, shop/wsgi.py, requirements.txt",
        ),
        // Django with ASGI only.
        (
            &[
                ("manage.py", MANAGE),
                ("shop/asgi.py", "application = get_asgi_application()\n"),
                ("requirements.txt", "gunicorn\n"),
            ],
            &[" shop.asgi:application"],
            "note: there is no wsgi.py; for shop.asgi:application add uvicorn-worker to the dependencies, and `--worker-class",
        ),
        // Django takes precedence over FastAPI; a project that only Poetry can install is not proposed.
        (
            &[
                ("manage.py", MANAGE),
                ("api.py", FASTAPI),
                ("pyproject.toml", "[tool.poetry]\n"),
                (".python-version", "3.13\n"),
            ],
            &[
                "framework: \"django\"",
                " shop.wsgi:application",
                "dependency_file: \"requirements.txt\"",
            ],
            "warning: requirements.txt is not in the checkout",
        ),
    ];
    for (files, expected, says) in shapes {
        let directory = checkout(files);
        let (lines, said) = init(&directory, &[]);
        for line in expected {
            has(&lines, line);
        }
        assert!(said.contains(says), "{said}");
    }
}

/// If the repository contains files that collectstatic would not write again, `init` does not propose to run it.
#[test]
fn static_files_that_the_repository_has_are_not_collected() {
    let directory = checkout(&[
        ("manage.py", MANAGE),
        ("shop/wsgi.py", WSGI),
        ("requirements.txt", "gunicorn\n"),
        ("static/staticfiles.json", "{}\n"),
    ]);
    // Files of a local build are not in the repository.
    let (lines, said) = init(&directory, &[]);
    has(&lines, "collect_static_files: true");
    assert!(!said.contains("staticfiles.json"), "{said}");
    let git = |words: &[&str]| {
        let mut git = std::process::Command::new("git");
        let ran = git.args(words).current_dir(&directory).output();
        assert!(ran.unwrap().status.success());
    };
    git(&["init", "--quiet"]);
    git(&["add", "static"]);
    let (lines, said) = init(&directory, &[]);
    has(&lines, "collect_static_files: false");
    assert!(
        said.contains(
            "as collectstatic made them (static/staticfiles.json), so they are not collected"
        ),
        "{said}"
    );
    let (lines, said) = init(&directory, &["--collect-static-files", "true"]);
    has(&lines, "collect_static_files: true");
    assert!(!said.contains("as collectstatic made them"), "{said}");
}

/// A worker has a unit of its own, which does not start it through a shell.
#[test]
fn a_worker_runs_beside_the_web_process() {
    let directory = checkout(&[("manage.py", MANAGE), ("requirements.txt", "gunicorn\n")]);
    let worker = ["--worker-command", "python manage.py work --queue=a,b 100%"];
    init(&directory, &worker);
    let unit = "deploy/shop/production/shop-production-tasks.service";
    let unit = read(&directory, unit);
    let starts = "ExecStart=/home/deploy/apps/shop-production/current/.pystrano/run python manage.py work --queue=a,b 100%%\n";
    assert!(unit.contains(starts), "{unit}");
    let words = [
        "init",
        "production",
        "shop",
        "--yes",
        "--force",
        "--host",
        "h",
    ];
    let words = [&words[..], &["--worker-command", "work && rest"]].concat();
    let ran = pystrano(&directory, &words).failure();
    let said = String::from_utf8(ran.get_output().stderr.clone()).unwrap();
    assert!(
        said.contains("has the character '&', and no shell runs it"),
        "{said}"
    );
}

#[test]
fn a_checkout_can_be_elsewhere() {
    let elsewhere = checkout(&[("main.py", FASTAPI), ("requirements.txt", "uvicorn\n")]);
    let from = elsewhere.path().to_str().unwrap();
    let directory = TempDir::new().unwrap();
    let (lines, said) = init(&directory, &["--from", from]);
    has(&lines, " main:app ");
    assert!(said.contains("found main.py, requirements.txt"), "{said}");

    // In an empty directory the output says only that nothing was found.
    let empty = TempDir::new().unwrap();
    let from = empty.path().to_str().unwrap();
    let (lines, said) = init(
        &directory,
        &["--from", from, "--repo", "https://a.example.com/b"],
    );
    has(&lines, "framework: \"django\"");
    assert!(
        said.starts_with("found neither Django's manage.py nor a FastAPI module in "),
        "{said}"
    );
    let words = ["init", "production", "shop", "--yes", "--from", "nowhere"];
    pystrano(&directory, &words)
        .code(2)
        .stderr("error: --from: nowhere is not a directory; name a checkout of the app\n");
}

/// A repository without an app may be one that only holds configs, so it is not proposed as the app's repository.
#[test]
fn a_repository_without_an_app_proposes_nothing() {
    let directory = checkout(&[("README", ""), ("scripts/tool.py", "print()\n")]);
    let words = ["init", "production", "shop", "--yes", "--host", "a"];
    pystrano(&directory, &words)
        .code(2)
        .stderr("error: there is no terminal to ask on, and no --repo; give them as options\n");
}

#[test]
fn remotes_are_proposed_without_passwords() {
    for (url, proposed) in [
        (
            "https://ada:s3cret@code.example.com/shop.git",
            Some("https://code.example.com/shop.git"),
        ),
        (
            "https://ada:s3/cr#et@code.example.com/shop.git",
            Some("https://code.example.com/shop.git"),
        ),
        ("git://ada:s3/cret@code.example.com/shop.git", None),
        (
            "https://ghp_0123456789abcdef0123@code.example.com/x",
            Some("https://code.example.com/x"),
        ),
        (
            "\"ssh://git@code.example.com:2222/x.git\"",
            Some("ssh://git@code.example.com:2222/x.git"),
        ),
        ("ssh://git:s3cret@code.example.com/x.git", None),
        ("/srv/git/shop.git", None),
        ("../shop.git", None),
        ("-oProxyCommand=x:y", None),
    ] {
        let directory = checkout(&[("main.py", FASTAPI), ("requirements.txt", "uvicorn\n")]);
        let git = format!("[remote \"origin\"]\n\turl = {url}\n");
        add(directory.path(), &[(".git/config", &git)]);
        let words = ["init", "production", "shop", "--yes", "--host", "a"];
        let ran = pystrano(&directory, &words);
        let Some(proposed) = proposed else {
            ran.code(2);
            continue;
        };
        ran.success();
        let config = read(&directory, "deploy/shop/production/deployment.yml");
        assert!(
            config.contains(&format!("source_code_url: \"{proposed}\"\n")),
            "{config}"
        );
    }
}

/// Nothing outside of the checkout is read, FIFOs are not opened, and large files are skipped.
#[test]
fn links_pipes_and_large_trees_are_left_alone() {
    let outside = checkout(&[
        ("manage.py", MANAGE),
        ("shop/wsgi.py", WSGI),
        ("main.py", FASTAPI),
    ]);
    let there = |name: &str| outside.path().join(name);
    let directory = TempDir::new().unwrap();
    let here = |name: &str| directory.path().join(name);
    symlink(there("manage.py"), here("manage.py")).unwrap();
    symlink(there("shop"), here("shop")).unwrap();
    symlink(there(".git"), here(".git")).unwrap();
    symlink(".", here("loop")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(here("main.py"))
        .status();
    assert!(made.unwrap().success());
    let large = format!("{FASTAPI}{}", "#\n".repeat(3_000_000));
    add(
        directory.path(),
        &[
            ("large.py", &large),
            ("a/b/c/d/e/main.py", FASTAPI),
            ("venv/pyvenv.cfg", ""),
            ("venv/main.py", FASTAPI),
            ("node_modules/main.py", FASTAPI),
            ("\u{1b}[31m/main.py", FASTAPI),
        ],
    );
    let words = ["init", "production", "shop", "--yes", "--host", "a"];
    pystrano(&directory, &words)
        .code(2)
        .stderr("error: there is no terminal to ask on, and no --repo; give them as options\n");

    // Links among git's own files are not followed either.
    let linked = TempDir::new().unwrap();
    add(
        linked.path(),
        &[
            ("main.py", FASTAPI),
            (".git/HEAD", "ref: refs/heads/main\n"),
        ],
    );
    symlink(there(".git/config"), linked.path().join(".git/config")).unwrap();
    pystrano(&linked, &words).code(2).stderr(
        "found main.py, the branch main\nerror: there is no terminal to ask on, and no --repo; give them as options\n",
    );

    // Thousands of files precede the app's.
    let many = TempDir::new().unwrap();
    add(many.path(), &[("zz/main.py", FASTAPI)]);
    fs::create_dir(many.path().join(".git")).unwrap();
    for number in 0..6_000 {
        fs::write(many.path().join(format!("{number}.txt")), "").unwrap();
    }
    pystrano(&many, &words).code(2);
}
