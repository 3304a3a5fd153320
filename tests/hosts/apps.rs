//! Apps with realistic layouts, from `init --from CHECKOUT` to a served page.

use crate::init::{Newcomer, Started};
use crate::setup;
use crate::support::{App, Host, Image, Release, Repo, get};
use std::fs;
use std::time::{Duration, Instant};

/// Runs `init --from` the checkout, edits the config, then runs `setup` and `deploy`.
pub fn bring_up<'a>(
    newcomer: &'a Newcomer,
    name: &'static str,
    repo: &Repo,
    host: &Host,
    options: &[&str],
    changes: &[(&str, &str)],
) -> Started<'a> {
    let started = newcomer.init_from(name, repo, host, options);
    for (from, to) in changes {
        newcomer.replace(name, from, to);
    }
    for command in ["check", "setup", "deploy"] {
        started.run(command).expect(0);
    }
    started
}

/// Waits until the content of a file on the host is `text`.
#[track_caller]
fn comes_to_say(host: &Host, path: &str, text: &str) {
    let begun = Instant::now();
    loop {
        let found = host.exec(&format!("cat {path}")).stdout;
        if found == text {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{path} says {found:?}, not {text:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn apps_below_the_top_of_their_repositories_run_from_init() {
    let host = Host::boot(Image::Ready);
    let newcomer = Newcomer::new("apps");
    fs::write(newcomer.path("secret-key.txt"), "the-secret-key\n").unwrap();

    // Django in backend/, with a settings package, steps before and after collectstatic, and shared paths.
    let repo = Repo::new(App::Django);
    repo.move_into("backend");
    let settings = repo.read("backend/demo/settings.py");
    repo.git(&["rm", "-q", "--cached", "-r", "."]);
    repo.remove("backend/demo/settings.py");
    repo.write("backend/demo/settings/__init__.py", "");
    repo.write(
        "backend/demo/settings/production.py",
        &settings.replace(".parent.parent\n", ".parent.parent.parent\n"),
    );
    for file in ["backend/manage.py", "backend/demo/wsgi.py"] {
        repo.replace(file, "demo.settings", "demo.settings.production");
    }
    repo.write(
        "backend/build.sh",
        "printf 'p { color: red }' >pages/static/pages/built.css\n",
    );
    repo.write(
        "backend/compress.py",
        "import gzip\nfrom pathlib import Path\n\n\
         for path in Path('staticfiles').rglob('*.css'):\n    \
         path.with_suffix('.css.gz').write_bytes(gzip.compress(path.read_bytes()))\n",
    );
    repo.write("backend/config/local.ini", "from = repository\n");
    repo.write(
        "backend/package.json",
        "{\"name\": \"shop\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"sh build.sh\"}}\n",
    );
    repo.write(
        "backend/package-lock.json",
        "{\"name\": \"shop\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"packages\": {}}\n",
    );
    repo.commit("In a directory");
    // Debian's npm depends on about 400 packages: too slow for every run.
    let build = match std::env::var_os("PYSTRANO_EXHAUSTIVE") {
        Some(_) => "npm ci && npm run build\n  system_packages: [nodejs, npm]",
        None => "sh build.sh",
    };
    let more = format!(
        "shared_dirs: var/reports\n  shared_files: [config/local.ini]\n  hooks:\n    \
         after_static: [python compress.py]\n    before_static: {build}\n  env_file:"
    );
    let secret = ["--secrets", "secret-key.txt"];
    let shop = bring_up(
        &newcomer,
        "shop",
        &repo,
        &host,
        &secret,
        &[("env_file:", &more)],
    );
    assert!(shop.page().starts_with("version=v1\n"), "{}", shop.page());
    let current = "/home/deploy/apps/shop-production/current/backend";
    host.root(&format!("test -s {current}/staticfiles/pages/built.css.gz"));
    assert_eq!(
        host.root(&format!(
            "cd {current} && readlink -f config/local.ini var/reports secret-key.txt media"
        )),
        ["config/local.ini", "var/reports", "secret-key.txt", "media"]
            .map(|path| format!("/home/deploy/apps/shop-production/shared/{path}"))
            .join("\n")
    );
    repo.write("backend/demo/__init__.py", "VERSION = \"v2\"\n");
    repo.commit("v2");
    shop.run("deploy").expect(0);
    assert!(shop.page().starts_with("version=v2\n"), "{}", shop.page());

    // Django in src/, with requirements at the top level, style sheets in a submodule, and a shared config file.
    let styles = Repo::new(App::FastApi);
    styles.git(&["rm", "-q", "-r", "."]);
    styles.write("style.css", "p { color: submodule }\n");
    let commit = styles.commit("Style sheets");
    let repo = Repo::new(App::Django);
    repo.remove("pages/static/pages/style.css");
    repo.move_into("src");
    repo.write("requirements.txt", &repo.read("src/requirements.txt"));
    repo.remove("src/requirements.txt");
    repo.write("src/config/sites/local.ini", "from = repository\n");
    let place = "src/pages/static/pages";
    let text = format!(
        "[submodule \"styles\"]\n\tpath = {place}\n\turl = {}\n",
        styles.url()
    );
    repo.write(".gitmodules", &text);
    repo.git(&["add", "--all"]);
    let link = format!("160000,{commit},{place}");
    repo.git(&["update-index", "--add", "--cacheinfo", &link]);
    repo.git(&["commit", "--quiet", "--message", "In src"]);
    let shared = (
        "env_file:",
        "shared_files: config/sites/local.ini\n  env_file:",
    );
    let blog = bring_up(&newcomer, "blog", &repo, &host, &secret, &[shared]);
    assert!(blog.page().starts_with("version=v1\n"), "{}", blog.page());
    let style = get(blog.port, "/style.css").unwrap();
    assert_eq!(style, (200, "p { color: submodule }\n".to_owned()));
    let root = "/home/deploy/apps/blog-production";
    let config = host.root(&format!(
        "readlink -f {root}/current/src/config/sites/local.ini"
    ));
    assert_eq!(config, format!("{root}/shared/config/sites/local.ini"));

    // FastAPI in backend/ of a uv workspace, with the lock file at the top level and alembic in backend/.
    let repo = Repo::new(App::FastApi);
    repo.move_into("backend");
    let lock = repo.read("backend/uv.lock");
    repo.remove("backend/uv.lock");
    let lock = lock.replace(
        "source = { virtual = \".\" }",
        "source = { virtual = \"backend\" }",
    );
    let lock = lock.replacen(
        "\n[[package]]",
        "\n[manifest]\nmembers = [\"demo\"]\n\n[[package]]",
        1,
    );
    repo.write("uv.lock", &lock);
    repo.write(
        "pyproject.toml",
        "[tool.uv.workspace]\nmembers = [\"backend\"]\n",
    );
    repo.commit("A workspace");
    let statics = [
        "--collect-static-files",
        "true",
        "--static-files-command",
        "python build_static.py",
    ];
    let api = bring_up(&newcomer, "api", &repo, &host, &statics, &[]);
    assert!(api.page().contains("\"version\":\"v1\""), "{}", api.page());
    assert!(api.page().contains("\"migrated\":true"), "{}", api.page());
    for app in [&shop, &blog, &api] {
        app.run("setup").expect(0).says("0 changed");
    }
}

/// The Celery worker runs the new release's code after a deploy, and the old one's after a rollback.
#[test]
fn celery_goes_with_the_release() {
    let host = Host::boot(Image::Ready);
    host.fetches_packages();
    let newcomer = Newcomer::new("celery");
    fs::write(newcomer.path("secret-key.txt"), "the-secret-key\n").unwrap();
    let repo = Repo::new(App::Django);
    repo.write(
        "demo/celery.py",
        "import os\nfrom pathlib import Path\n\nfrom celery import Celery\n\nfrom demo import VERSION\n\n\
         place = Path(os.environ[\"DATABASE\"]).parent / \"media\"\n\
         for name in (\"queue\", \"control\"):\n    (place / name).mkdir(exist_ok=True)\n\
         app = Celery(\"demo\", broker=\"filesystem://\")\n\
         app.conf.broker_transport_options = {\n    \"data_folder_in\": str(place / \"queue\"),\n    \
         \"data_folder_out\": str(place / \"queue\"),\n    \"control_folder\": str(place / \"control\"),\n}\n\
         app.conf.beat_schedule = {\"note\": {\"task\": \"demo.celery.note\", \"schedule\": 0.5}}\n\n\n\
         @app.task\ndef note():\n    (place / \"note\").write_text(VERSION)\n",
    );
    repo.write(
        "requirements.txt",
        &(repo.read("requirements.txt") + "celery==5.5.3\n"),
    );
    repo.commit("With celery");
    let shop = bring_up(
        &newcomer,
        "shop",
        &repo,
        &host,
        &["--secrets", "secret-key.txt"],
        &[],
    );
    let note = "/home/deploy/apps/shop-production/shared/media/note";
    assert!(shop.page().starts_with("version=v1\n"), "{}", shop.page());
    comes_to_say(&host, note, "v1");
    repo.release("v2");
    shop.run("deploy").expect(0);
    comes_to_say(&host, note, "v2");
    shop.run("rollback").expect(0);
    comes_to_say(&host, note, "v1");
    let units = "shop-production-worker.service active, shop-production-beat.service active";
    shop.run("status").expect(0).says(units);
}

/// On a host with two interpreters, the config selects the one that is not the system's default.
#[test]
fn the_python_that_is_named_makes_the_virtualenv_on_debian_testing() {
    let host = Host::boot_release(Release::Testing, Image::Ready);
    host.fetches_packages();
    let newcomer = Newcomer::new("pythons");
    fs::write(newcomer.path("secret-key.txt"), "the-secret-key\n").unwrap();
    let python = ["--python", "3.13", "--secrets", "secret-key.txt"];
    for (name, shared) in [
        ("one", false),
        ("two", true),
        ("three", true),
        ("four", false),
    ] {
        let (app, options) = match name {
            "one" | "two" => (App::Django, &python[..]),
            _ => (App::FastApi, &python[..2]),
        };
        let repo = Repo::new(app);
        let changes = [("venv_mode: \"release\"", "venv_mode: \"shared\"")];
        let started = bring_up(
            &newcomer,
            name,
            &repo,
            &host,
            options,
            &changes[..usize::from(shared)],
        );
        started.page();
        let venv = format!("/home/deploy/.venv-{name}-production");
        assert!(
            host.root(&format!("{venv}/bin/python -V"))
                .starts_with("Python 3.13."),
            "{name}"
        );
        host.root(&format!("systemctl stop {}", started.unit()));
    }
    // A version that is neither installed nor available from apt stops setup before it changes anything.
    newcomer.replace("one", "python: \"3.13\"", "python: \"3.99\"");
    let records = "find /var/lib/pystrano -type f ! -name lock -exec sha256sum {} + | sort; ls -l /etc/systemd/system";
    let before = setup::listing(&host) + &host.root(records);
    let stopped = newcomer.run(&["setup", "production", "one"]).expect(1);
    stopped.says("this host has no python3.99 that makes virtualenvs, and neither has apt; there are: python3.13 python3.14");
    setup::similar(&before, &(setup::listing(&host) + &host.root(records)));
}
