//! Dependencies from the lock files of other package managers, and of projects with extras and groups.

use crate::apps::bring_up;
use crate::init::Newcomer;
use crate::support::{App, Host, Image, Repo};
use std::fs;

/// Replaces the dependency files of the repository by those of a directory in tests/apps.
fn list(repo: &Repo, directory: &str, files: &[&str]) {
    for file in [
        "requirements.txt",
        "pyproject.toml",
        "poetry.lock",
        "pdm.lock",
        "uv.lock",
    ] {
        if repo.path().join(file).exists() {
            repo.remove(file);
        }
    }
    for file in files {
        let path = format!(
            "{}/tests/apps/{directory}/{file}",
            env!("CARGO_MANIFEST_DIR")
        );
        repo.write(file, &fs::read_to_string(path).unwrap());
    }
}

/// The code block of the manual that contains a text.
fn recipe(text: &str) -> String {
    let manual = include_str!("../../src/manual/fields.md");
    let mut paragraphs = manual
        .split("\n\n")
        .filter(|found| found.starts_with("    "));
    paragraphs
        .find(|found| found.contains(text))
        .expect(text)
        .to_owned()
}

/// Changes an app's config to this virtualenv mode and package manager, with lines copied from the manual.
fn install(newcomer: &Newcomer, app: &str, mode: &str, manager: &str, lines: &str) {
    let path = newcomer.path(&format!("deploy/{app}/production/deployment.yml"));
    let text = fs::read_to_string(&path).unwrap();
    let is_other = |line: &&str| {
        let names = [
            "dependency_",
            "venv_mode:",
            "venv_dir:",
            "package_manager:",
            "uv ",
            "&& ",
            "set -e",
            "~/",
            "pip ",
        ];
        !names.iter().any(|name| line.trim_start().starts_with(name))
    };
    let kept: Vec<&str> = text.lines().filter(is_other).collect();
    let lines = lines.replace("\n    ", "\n  ");
    let new = format!(
        "common:\n  venv_dir: .venv-{mode}\n  venv_mode: {mode}\n  package_manager: {manager}\n  {}",
        lines.trim_start()
    );
    fs::write(path, kept.join("\n").replace("common:", &new)).unwrap();
}

#[test]
fn locks_of_poetry_and_pdm_and_projects_with_extras_and_groups() {
    let host = Host::boot(Image::Ready);
    host.fetches_packages();
    let newcomer = Newcomer::new("dependencies");
    fs::write(newcomer.path("secret-key.txt"), "the-secret-key\n").unwrap();
    let repo = Repo::new(App::Django);
    list(&repo, "poetry", &["pyproject.toml", "poetry.lock"]);
    repo.commit("poetry");
    let shop = bring_up(
        &newcomer,
        "shop",
        &repo,
        &host,
        &["--secrets", "secret-key.txt"],
        &[],
    );
    assert!(shop.page().contains("\nidna=3.10\n"), "{}", shop.page());

    let sets = "dependency_extras: server\n    dependency_groups: [names]";
    let project = format!("dependency_file: pyproject.toml\n    {sets}");
    let pdm = recipe("pdm export");
    let by_pip = recipe("~/.poetry/bin/pip install");
    let mut cases = vec![
        ("pdm", "pdm.lock", "release", "uv", pdm.as_str()),
        ("extras", "uv.lock", "release", "uv", sets),
        ("extras", "uv.lock", "release", "pip", &project),
        ("poetry", "poetry.lock", "release", "pip", &by_pip),
        (
            "django",
            "requirements.txt",
            "release",
            "uv",
            "dependency_file: requirements.txt",
        ),
    ];
    if std::env::var_os("PYSTRANO_EXHAUSTIVE").is_some() {
        cases.extend([
            ("extras", "uv.lock", "release", "uv", project.as_str()),
            ("poetry", "poetry.lock", "shared", "pip", &by_pip),
            ("pdm", "pdm.lock", "shared", "uv", &pdm),
        ]);
    }
    let mut ways = String::new();
    for (index, (directory, lock, mode, manager, lines)) in cases.into_iter().enumerate() {
        let files = ["pyproject.toml", lock];
        list(
            &repo,
            directory,
            &files[usize::from(directory == "django")..],
        );
        repo.release(&format!("with-{index}"));
        install(&newcomer, "shop", mode, manager, lines);
        let way = format!("{mode}, {manager}");
        if way != ways {
            shop.run("setup").expect(0);
            ways = way;
        }
        shop.run("deploy").expect(0);
        // gunicorn comes from an extra, idna from a dependency group.
        let page = shop.page();
        let is_new = page.starts_with(&format!("version=with-{index}\n"));
        assert!(is_new && page.contains("\nidna=3.10\n"), "{lines}: {page}");
        let installed = host.root(&format!(
            "ls /home/deploy/.venv-{mode}/lib/python3*/site-packages"
        ));
        assert!(!installed.contains("iniconfig"), "{lines}: {installed}");
    }
}
