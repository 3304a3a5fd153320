//! What a deploy reuses from the one before: git objects and installed packages.

mod sandbox;

use sandbox::{Sandbox, names};
use std::fs;
use std::path::Path;
use std::process::Command;

fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(args)
        .output()
        .expect("git");
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The state of a clone, except for the files of git's template: refs, settings, objects, submodules, index.
fn portrait(clone: &Path) -> String {
    let mut objects: Vec<String> =
        git(clone, &["cat-file", "--batch-all-objects", "--batch-check"])
            .lines()
            .map(str::to_owned)
            .collect();
    objects.sort();
    let mut said = vec![
        git(clone, &["rev-parse", "HEAD"]),
        fs::read_to_string(clone.join(".git/HEAD")).expect("HEAD"),
        git(clone, &["for-each-ref"]),
        git(clone, &["config", "--local", "--list"]),
        git(clone, &["submodule", "status"]),
        git(clone, &["ls-files", "--stage"]),
        objects.join("\n"),
    ];
    // The files of `git update-server-info` in info and objects/info may differ; objects/info/alternates may not.
    let ignored = [
        "info",
        "packs",
        "branches",
        "description",
        "hooks",
        "ORIG_HEAD",
    ];
    for directory in [".git", ".git/objects/info"] {
        let names = names(&clone.join(directory)).into_iter();
        said.extend(names.filter(|name| !ignored.contains(&name.as_str())));
    }
    git(clone, &["fsck", "--full", "--strict"]);
    said.join("\n")
}

/// A repository with tags, a submodule and a blob that is large for these tests.
fn with_history() -> Sandbox {
    let host = Sandbox::new();
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(400_000)
    .collect();
    host.write("repo/large.bin", noise);
    host.write(
        "repo/.gitmodules",
        "[submodule \"lib\"]\n\tpath = lib\n\turl = ../lib\n",
    );
    let first = host.commit("large");
    host.repo(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{first},lib"),
    ]);
    host.repo(&["commit", "--quiet", "--message", "submodule"]);
    host.repo(&["tag", "light"]);
    host.repo(&["tag", "--annotate", "--message", "signed off", "v1"]);
    host.repo(&["branch", "other"]);
    host
}

/// Deploys; returns the number of bytes of packs that came from the repository.
fn received(host: &Sandbox, release: &str) -> u64 {
    let packs = host.path("packs");
    fs::write(&packs, "").expect("a file");
    host.write("deploy.sh", host.script());
    let output = host
        .command(&["sh"])
        .args(["deploy.sh", "deploy", release])
        .env("GIT_TRACE_PACKFILE", &packs)
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{output:?}");
    fs::metadata(&packs).expect("a file").len()
}

#[test]
fn a_full_clone_fetches_only_what_is_new_and_is_as_plain_as_ever() {
    // The changes pushed between two deploys, and how the config chooses the release.
    let changes: [(&str, &str, &[&[&str]]); 6] = [
        ("nothing", "clone_depth: 0", &[]),
        (
            "a commit",
            "clone_depth: 0",
            &[&["commit", "--quiet", "--allow-empty", "--message", "more"]],
        ),
        (
            "another history of the branch",
            "clone_depth: 0",
            &[
                &["reset", "--quiet", "--hard", "HEAD~1"],
                &["commit", "--quiet", "--allow-empty", "--message", "instead"],
            ],
        ),
        (
            "tags that moved and went",
            "clone_depth: 0",
            &[
                &["tag", "--delete", "light"],
                &["commit", "--quiet", "--allow-empty", "--message", "more"],
                &["tag", "--force", "--annotate", "--message", "again", "v1"],
            ],
        ),
        (
            "a tag to deploy",
            "clone_depth: 0\nbranch: v2",
            &[
                &["commit", "--quiet", "--allow-empty", "--message", "more"],
                &["tag", "--annotate", "--message", "two", "v2"],
            ],
        ),
        (
            "a revision on another branch",
            "revision: other",
            &[
                &["checkout", "--quiet", "other"],
                &["commit", "--quiet", "--allow-empty", "--message", "aside"],
                &["checkout", "--quiet", "main"],
            ],
        ),
    ];
    for (what, config, pushes) in changes {
        let host = with_history();
        host.configure("clone_depth: 0\nsubmodules: false");
        let first = received(&host, "20260101000000");
        assert!(first > 300_000, "{what}: {first} bytes");
        for push in pushes {
            host.repo(push);
        }
        host.configure(&format!("{config}\nsubmodules: false"));
        let next = received(&host, "20260102000000");
        assert!(next < 4_000, "{what}: {next} bytes");

        // The clone must not depend on the release whose objects it reused.
        fs::remove_dir_all(host.path("root/releases/20260101000000")).expect("a release");
        let url = format!("file://{}", host.path("repo").display());
        let plain = host.path("plain");
        let words: &[&str] = match config {
            "revision: other" => &["--branch", "main"],
            "clone_depth: 0" => &["--single-branch", "--branch", "main"],
            _ => &["--single-branch", "--branch", "v2"],
        };
        git(
            host.dir.path(),
            &[&["clone", "--quiet"], words, &[&url, "plain"]].concat(),
        );
        if config == "revision: other" {
            git(&plain, &["checkout", "--quiet", "--detach", "origin/other"]);
        }
        if what == "another history of the branch" {
            // git fetches tags of commits that it has, and the reused objects include those of the old history.
            git(
                &plain,
                &["fetch", "--quiet", "origin", "tag", "light", "tag", "v1"],
            );
            fs::remove_file(plain.join(".git/FETCH_HEAD")).expect("a file");
        }
        assert_eq!(
            portrait(&host.path("root/current/")),
            portrait(&plain),
            "{what}"
        );
    }
}

#[test]
fn a_shallow_clone_is_left_to_git() {
    let host = with_history();
    host.configure("clone_depth: 2\nsubmodules: false");
    host.deployed("20260101000000");
    host.commit("more");
    host.deployed("20260102000000");
    let url = format!("file://{}", host.path("repo").display());
    git(
        host.dir.path(),
        &[
            "clone",
            "--quiet",
            "--single-branch",
            "--depth",
            "2",
            "--branch",
            "main",
            &url,
            "plain",
        ],
    );
    assert_eq!(
        portrait(&host.path("root/current/")),
        portrait(&host.path("plain"))
    );
}

#[test]
fn a_release_without_its_repository_or_a_shallow_one_is_no_hindrance() {
    for (config, spoil) in [("clone_depth: 0", true), ("clone_depth: 1", false)] {
        let host = with_history();
        host.configure(&format!("{config}\nsubmodules: false"));
        host.deployed("20260101000000");
        if spoil {
            fs::remove_dir_all(host.path("root/current/.git")).expect("a repository");
        }
        host.configure("clone_depth: 0\nsubmodules: false");
        assert!(received(&host, "20260102000000") > 300_000);
        git(&host.path("root/current/"), &["fsck", "--full"]);
    }
}

/// A virtualenv in which a stand-in for pip has installed one package.
fn with_venv() -> Sandbox {
    let host = Sandbox::new();
    host.configure("");
    host.write(
        "venv/pyvenv.cfg",
        "home = /usr/bin\ninclude-system-site-packages = false\n",
    );
    host.write(
        "venv/lib/python3.11/site-packages/Django-5.2.dist-info/METADATA",
        "",
    );
    host
}

/// Deploys; returns whether pip was called.
fn asked(host: &Sandbox, settings: &[(&str, &str)]) -> bool {
    fs::write(host.path("calls/pip"), "").expect("a file");
    host.write("deploy.sh", host.script());
    let output = host
        .command(&["sh"])
        .arg("deploy.sh")
        .envs(settings.iter().copied())
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{output:?}");
    let asked = !host.read("calls/pip").is_empty();
    let said = if asked {
        "changed Installed Python dependencies"
    } else {
        "ok      Python dependencies are installed already"
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains(said), "{stdout}");
    asked
}

#[test]
fn pip_is_spared_only_where_it_would_find_nothing_to_do() {
    let packages = "venv/lib/python3.11/site-packages";
    type Change = fn(&Sandbox, &str);
    let changes: [(&str, Change); 6] = [
        ("the dependency file", |host, _| {
            host.write("repo/requirements.txt", "django==5.2\ngunicorn==23.0\n");
            host.commit("more");
        }),
        ("a package came", |host, packages| {
            host.write(&format!("{packages}/gunicorn-23.0.dist-info/METADATA"), "");
        }),
        ("a package went", |host, packages| {
            fs::remove_dir_all(host.path(packages).join("Django-5.2.dist-info"))
                .expect("a package");
        }),
        ("a package was installed anew", |host, packages| {
            let old = host.path(packages).join("Django-5.2.dist-info");
            fs::rename(&old, host.path("venv/old")).expect("a package");
            fs::create_dir(&old).expect("a package");
        }),
        ("the interpreter", |host, _| {
            let python = host.read("venv/bin/python");
            fs::rename(host.path("venv/bin/python"), host.path("venv/bin/old")).expect("python");
            host.program("venv/bin/python", &python);
        }),
        ("the virtualenv sees the system's packages", |host, _| {
            host.write("venv/pyvenv.cfg", "include-system-site-packages = true\n");
        }),
    ];
    for (what, change) in changes {
        let host = with_venv();
        assert!(asked(&host, &[]), "the first time");
        assert!(!asked(&host, &[]), "the second time");
        change(&host, packages);
        assert!(asked(&host, &[]), "{what}");
    }
}

#[test]
fn pip_is_always_asked_where_the_dependency_file_does_not_pin_all() {
    for (file, all) in [
        ("# ours\n\nidna==3.10\n", true),
        (
            "app-x[a, b] == 1.0 ; python_version > '3'  # a/b @ c\n\
             app.y==1 \\\n    --hash=sha256:0123 \\\n    --hash=sha256:4567\n",
            true,
        ),
        ("idna==3.10\r\n", true),
        ("django>=5\n", false),
        ("django==5.*\n", false),
        ("django==5.2,<6\n", false),
        ("django\n", false),
        ("--index-url https://pypi.example.com\ndjango==5.2\n", false),
        ("app @ git+https://example.com/app@main\n", false),
        ("git+ssh://git@example.com/app\n", false),
        (
            "app @ https://example.com/app-1.0-py3-none-any.whl\n",
            false,
        ),
        ("app-1.0-py3-none-any.whl\n", false),
        ("./app-1.0.tar.gz\n", false),
        ("-r base.txt\n", false),
        ("  -c limits.txt\n", false),
        ("--constraint=limits.txt\n", false),
        ("app @ file:///srv/app\n", false),
        ("app==${APP_VERSION}\n", false),
    ] {
        let host = with_venv();
        host.write("repo/requirements.txt", file);
        host.commit("dependencies");
        assert!(asked(&host, &[]), "{file}: the first time");
        assert_eq!(asked(&host, &[]), !all, "{file}: the second time");
    }
}

#[test]
fn half_an_install_is_done_again() {
    let host = with_venv();
    assert!(asked(&host, &[]));
    let file = host.read("repo/requirements.txt");
    host.write("repo/requirements.txt", "django==6.0\n");
    host.commit("upgrade");
    host.fail("pip");
    assert_eq!(host.deploy().status, 3);
    host.stop_failing("pip");
    // pip may have changed packages before it failed, which a list of packages does not show.
    host.write("repo/requirements.txt", file);
    host.commit("back");
    assert!(asked(&host, &[]));
    assert!(!asked(&host, &[]));
}

/// A packaged project is installed for each release, beside packages that are shared while the lock stays the same.
#[test]
fn a_packaged_uv_project_installs_only_itself_where_the_lock_stayed() {
    let host = Sandbox::new();
    host.makes_venvs();
    host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
    let link = host.path("link").display().to_string();
    host.configure(&format!(
        "package_manager: uv\nvenv_mode: release\nvenv_dir: {link}\nkeep_releases: 2"
    ));
    let lock = |more: &str| {
        let lock = format!(
            "version = 1\n[[package]]\nname = \"shop\"\nsource = {{ editable = \".\" }}\n{more}"
        );
        host.write("repo/uv.lock", lock);
        host.write("repo/pyproject.toml", "[project]\n");
        host.commit("lock");
    };
    let synced = |release: &str| {
        fs::write(host.path("calls/uv"), "").expect("a file");
        host.deployed(release);
        let calls = host.read("calls/uv");
        let syncs = calls.split("sync\0").skip(1);
        let options = syncs.map(|call| call.contains("--no-install-workspace\0"));
        options.collect::<Vec<bool>>()
    };
    let venv = |release: &str, name: &str| {
        let link = host.path(&format!("root/releases/{release}/.pystrano/{name}"));
        fs::canonicalize(link).expect("a virtualenv")
    };
    lock("");
    assert_eq!(synced("one"), [true, false], "packages, project");
    assert_eq!(synced("two"), [false], "project");
    assert_eq!(venv("one", "packages"), venv("two", "packages"));
    assert_ne!(venv("one", "venv"), venv("two", "venv"));
    assert_eq!(host.run(&["sh"], &["rollback"]).status, 0);
    assert_eq!(
        venv("one", "venv"),
        fs::canonicalize(&link).expect("a link")
    );

    // Other packages from the checkout may differ in each release, so they are not shared.
    lock("[[package]]\nname = \"core\"\nsource = { editable = \"libs/core\" }\n");
    assert_eq!(synced("three"), [true, false]);
    assert_eq!(synced("four"), [true, false]);
    lock("");
    assert_eq!(synced("five"), [true, false], "those of before were pruned");
    assert_eq!(synced("six"), [false]);
    let kept = names(&host.path("root/venvs"));
    assert_eq!(kept.len(), 3, "{kept:?}: two releases and their packages");
}
