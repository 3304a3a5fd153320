//! Bugs reported publicly for other deployment tools that depend on the git, pip and uv of a real host.

use crate::support::{App, Deployed, Repo, deployed, get};
use std::path::Path;
use std::process::Command;

/// Turns the Django application into a package that its own requirements install from the checkout.
fn packaged(repo: &Repo) {
    repo.write(
        "pyproject.toml",
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\n\
         [project]\nname = \"demo\"\nversion = \"1\"\n\n[tool.setuptools]\npackages = [\"demo\", \"pages\"]\n",
    );
    repo.replace("requirements.txt", "idna==3.10", "-e .\nidna==3.10");
}

#[test]
fn no_human_ai_128_an_editable_install_follows_the_release_or_is_refused() {
    let mut fixture = deployed(App::Django);
    fixture.own_venv();
    packaged(&fixture.repo);
    fixture.repo.release("v2");
    let before = fixture
        .host
        .root("ls /home/deploy/.venv/lib/python*/site-packages");
    let refused = fixture.project.run(&["deploy"]).expect(3);
    refused.says("requirements.txt installs from it: .; set venv_mode: release");
    let after = fixture
        .host
        .root("ls /home/deploy/.venv/lib/python*/site-packages");
    assert_eq!(before, after);
    fixture.host.root("systemctl restart demo");
    assert!(fixture.project.page(0).contains("version=v1"));

    fixture.project.set("venv_mode", "release");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("version=v2"));
    fixture.repo.release("v3");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("version=v3"));
    fixture.project.run(&["rollback"]).expect(0);
    assert!(fixture.project.page(0).contains("version=v2"));
    fixture.repo.break_migration();
    fixture.project.run(&["deploy"]).expect(3);
    fixture.host.root("systemctl restart demo");
    assert!(fixture.project.page(0).contains("version=v2"));
}

#[test]
fn heroku_buildpack_python_345_a_packaged_uv_project_is_refused_in_a_shared_virtualenv() {
    let fixture = deployed(App::FastApi);
    fixture.own_venv();
    let Deployed {
        host,
        repo,
        mut project,
    } = fixture;
    repo.replace(
        "pyproject.toml",
        "package = false",
        "package = true\n\n[build-system]\nrequires = [\"uv_build>=0.5,<1\"]\nbuild-backend = \"uv_build\"\n\n\
         [tool.uv.build-backend]\nmodule-name = \"app\"\nmodule-root = \"\"",
    );
    repo.replace(
        "uv.lock",
        "source = { virtual = \".\" }",
        "source = { editable = \".\" }",
    );
    repo.commit("A package");
    let refused = project.run(&["deploy"]).expect(3);
    refused.says("uv.lock installs from it: -e .; set venv_mode: release");
    host.root("systemctl restart demo");
    assert!(project.page(0).contains("v1"));

    // With release virtualenvs, the project is installed per release, and the dependencies are shared between releases.
    project.set("venv_mode", "release");
    for release in ["v2", "v3"] {
        repo.release(release);
        project.run(&["deploy"]).expect(0);
        assert!(project.page(0).contains(release));
    }
    let shared =
        host.root("readlink /home/deploy/demo/releases/*/.pystrano/packages | sort | uniq -c");
    assert!(shared.trim().starts_with("2 "), "{shared}");
    let places = "cat /home/deploy/demo/current/.pystrano/venv/lib/python*/site-packages/*.pth; echo; readlink -f /home/deploy/demo/current";
    let places = host.root(places);
    let (package, release) = places.trim().rsplit_once('\n').expect("two places");
    assert!(package.contains(release), "{places}");
    project.run(&["rollback"]).expect(0);
    assert!(project.page(0).contains("v2"));
}

#[test]
fn ansible_modules_core_5347_pip_is_that_of_the_virtualenv() {
    let mut fixture = deployed(App::Django);
    fixture.own_venv();
    // As on hosts whose system pip installs into the user's home by default.
    fixture
        .host
        .root("rm -f /usr/lib/python3*/EXTERNALLY-MANAGED; printf 'PIP_DRY_RUN=1\\nPIP_TARGET=/tmp/elsewhere\\nPYTHONPATH=/tmp/elsewhere\\n' >>/etc/environment");
    let command = "pip install -r requirements.txt";
    fixture.project.set("dependency_install_command", command);
    fixture
        .repo
        .replace("requirements.txt", "idna==3.10", "idna==3.9");
    fixture.repo.commit("older");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("idna=3.9"));
    fixture
        .host
        .root("test ! -e /tmp/elsewhere && test ! -e /home/deploy/.local");
    fixture.project.unset("dependency_install_command");
    fixture
        .repo
        .replace("requirements.txt", "idna==3.9", "idna==3.10");
    fixture.repo.commit("newer");
    fixture.host.root(
        "install -d /home/deploy/.config/pip; printf '[global]\\ntarget = /tmp/elsewhere\\nprefix = /tmp/elsewhere\\nroot = /tmp/elsewhere\\npython = /usr/bin/python3\\n' >/home/deploy/.config/pip/pip.conf",
    );
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("idna=3.10"));
    fixture.host.root("test ! -e /tmp/elsewhere");
}

#[test]
fn ansible_modules_core_5347_alembic_and_uv_are_found_as_they_are_written() {
    let mut fixture = deployed(App::FastApi);
    fixture.own_venv();
    for mode in ["shared", "release"] {
        fixture.project.set("venv_mode", mode);
        let command = "uv sync --frozen --no-dev";
        fixture.project.set("dependency_install_command", command);
        fixture
            .project
            .set("migration_command", "alembic upgrade head");
        let command = "python build_static.py";
        fixture.project.set("static_files_command", command);
        fixture.repo.release(mode);
        fixture.project.run(&["deploy"]).expect(0);
        assert!(fixture.project.page(0).contains(mode));
    }
}

#[test]
fn a_lock_in_a_directory_and_of_a_workspace() {
    let mut fixture = deployed(App::FastApi);
    let repo = &fixture.repo;
    repo.git(&["rm", "--quiet", "--cached", "pyproject.toml", "uv.lock"]);
    let lock = repo.git(&["show", "HEAD:uv.lock"]);
    let project = repo.git(&["show", "HEAD:pyproject.toml"]);
    // A workspace whose root has no dependencies, with the application as a member.
    let root = "[project]\nname = \"root\"\nversion = \"0\"\nrequires-python = \">=3.11\"\n\n[tool.uv.workspace]\nmembers = [\"services/*\"]\n\n[tool.uv]\npackage = false\n";
    repo.write("pyproject.toml", root);
    repo.write("services/api/pyproject.toml", &project);
    let (head, packages) = lock.split_once("[[package]]").expect("packages");
    let packages = packages.replace(
        "source = { virtual = \".\" }",
        "source = { virtual = \"services/api\" }",
    );
    let member = "[[package]]\nname = \"root\"\nversion = \"0\"\nsource = { virtual = \".\" }\n";
    repo.write(
        "uv.lock",
        &format!("{head}[manifest]\nmembers = [\n    \"demo\",\n    \"root\",\n]\n\n[[package]]{packages}\n\n{member}"),
    );
    repo.release("v2");
    let stopped = fixture.project.run(&["deploy"]).expect(3);
    stopped.says("uv installs nothing for ., on which no member of the workspace depends");
    fixture
        .project
        .set("dependency_file", "services/api/uv.lock");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("v2"));

    fixture.repo.git(&[
        "rm",
        "--quiet",
        "-r",
        "services",
        "pyproject.toml",
        "uv.lock",
    ]);
    fixture.repo.write("backend/pyproject.toml", &project);
    fixture.repo.write("backend/uv.lock", &lock);
    fixture.repo.release("v3");
    fixture.project.set("dependency_file", "backend/uv.lock");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("v3"));
}

#[test]
fn deployer_2802_and_git_lfs_455_nothing_of_the_repository_is_left_out() {
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    let library = Repo::new(App::Django);
    let commit = library.release("of the library");
    library.release("newer");
    repo.write(
        ".gitmodules",
        &format!(
            "[submodule \"vendor\"]\n\tpath = vendor\n\turl = {}\n",
            library.url()
        ),
    );
    let link = format!("160000,{commit},vendor");
    repo.git(&["update-index", "--add", "--cacheinfo", &link]);
    repo.git(&["add", ".gitmodules"]);
    repo.git(&["commit", "--quiet", "--message", "A submodule"]);
    project.run(&["deploy"]).expect(0);
    let version = host.read("/home/deploy/demo/current/vendor/demo/__init__.py");
    assert_eq!(version, "VERSION = \"of the library\"\n");

    // git-lfs can fetch from a local directory, but not from a git daemon.
    repo.git(&["lfs", "install", "--local"]);
    repo.git(&["lfs", "track", "*.css"]);
    repo.write("pages/static/pages/style.css", "p { color: large }\n");
    repo.release("v2");
    let stopped = project.run(&["deploy"]).expect(3);
    stopped.says(
        "git-lfs is missing, and the repository keeps files there: pages/static/pages/style.css",
    );
    stopped.says("set system_packages: [git-lfs]");
    assert!(project.page(0).contains("version=v1"));

    for (from, to) in [
        (Path::new("/usr/bin/git-lfs"), "/usr/bin/git-lfs"),
        (repo.path(), "/srv/app"),
    ] {
        let mut copy = Command::new("cp");
        let copied = copy.arg("-R").args([from, &host.path(to)]).status();
        assert!(copied.expect("cp").success());
    }
    host.root("chown -R deploy: /srv/app");
    project.set("source_code_url", "file:///srv/app");
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v2"));
    let style = get(project.ports[0], "/style.css").expect("an answer");
    assert_eq!(style, (200, "p { color: large }\n".to_owned()));
}
