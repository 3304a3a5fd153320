//! `render --payload` and what `delivery: push` sends: code and wheels of one commit.

mod project;

use project::{Project, UV, git, portrait, said, uv};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn requirements(unpacked: &Path) -> String {
    fs::read_to_string(unpacked.join("dependencies/requirements.txt")).expect("requirements")
}

/// The names and versions of a list of requirements.
fn packages(unpacked: &Path) -> Vec<String> {
    let list = requirements(unpacked);
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn servers_share_one_payload_that_the_checksums_list() {
    let project = Project::new("alpha\nfast\n");
    let payload = project.payload("out");
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(project.path("out"))
        .output();
    let check = check.expect("sha256sum");
    let listed = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{listed}");
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert_eq!(
        fs::metadata(&payload)
            .expect("a payload")
            .permissions()
            .mode()
            & 0o7777,
        0o600
    );
    let unpacked = project.unpack(&payload, "unpacked");
    assert_eq!(
        packages(&unpacked),
        ["alpha==1.0", "beta==2.5", "fast==3.1"]
    );
    let wheels = names(&unpacked.join("dependencies/wheels"));
    assert_eq!(
        wheels,
        [
            "alpha-1.0-py3-none-any.whl",
            "beta-2.5-py3-none-any.whl",
            "fast-3.1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
        ]
    );
    // pip itself takes the list, with the hashes.
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-index",
            "--require-hashes",
            "--no-deps",
            "--python-version=3.13",
        ])
        .args([
            "--platform=manylinux2014_x86_64",
            "--find-links=wheels",
            "--requirement=requirements.txt",
            "--dest=got",
        ])
        .current_dir(unpacked.join("dependencies"))
        .output()
        .expect("pip");
    assert!(pip.status.success(), "{}", said(&pip));
    assert_eq!(names(&unpacked.join("dependencies/got")), wheels);
}

#[test]
fn wheels_are_those_of_the_target() {
    let project = Project::new("alpha\nfast\n");
    project.configure("  python: \"3.11\"\n  platform: aarch64-manylinux_2_36\n");
    let config = project.path("deploy/shop/production/deployment.yml");
    let text = fs::read_to_string(&config).expect("a config");
    fs::write(
        &config,
        text.replacen(
            "  python: \"3.13\"\n  platform: x86_64-manylinux_2_36\n",
            "",
            1,
        ),
    )
    .expect("a file");
    let unpacked = project.unpack(&project.payload("out"), "unpacked");
    assert_eq!(
        packages(&unpacked),
        ["alpha==1.0", "beta==2.5", "fast==3.1", "old==1.0"]
    );
    assert!(requirements(&unpacked).contains("fast==3.1 --hash=sha256:"));
    let wheels = names(&unpacked.join("dependencies/wheels"));
    assert!(
        wheels.contains(
            &"fast-3.1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl".to_owned()
        ),
        "{wheels:?}"
    );
}

#[test]
fn what_this_machine_decides_is_said() {
    let project = Project::new("beta\n");
    let config = project.path("deploy/shop/production/deployment.yml");
    let text = fs::read_to_string(&config).expect("a config");
    fs::write(
        &config,
        text.replacen("  platform: x86_64-manylinux_2_36\n", "", 1),
    )
    .expect("a file");
    let told = said(&project.render("out"));
    assert!(
        told.contains("The payload is for Python 3.13 on "),
        "{told}"
    );
    assert!(
        told.contains("set python and platform where the hosts differ"),
        "{told}"
    );
}

/// Sources are built, as far as no compiler is needed; all packages that cannot come along are named at once.
#[test]
fn packages_without_a_wheel_are_built_or_all_named() {
    let project = Project::new("pure\nbeta\n");
    let unpacked = project.unpack(&project.payload("out"), "unpacked");
    assert_eq!(packages(&unpacked), ["beta==2.5", "pure==0.6"]);
    assert!(requirements(&unpacked).contains("# built of pure-0.6.tar.gz sha256:"));

    project.write("repo/requirements.txt", "native\npure\nother\nbeta\n");
    project.commit();
    let stopped = project.refused();
    assert!(stopped.contains("2 of the packages of requirements.txt cannot go into a payload for Python 3.13 on x86_64-manylinux_2_36"), "{stopped}");
    for package in [
        "native 2.0 has no wheel",
        "other 2.0 has no wheel",
        "PIP_FIND_LINKS",
    ] {
        assert!(stopped.contains(package), "{stopped}");
    }
    // uv stops at the first of those that have wheels for others only.
    project.write("repo/requirements.txt", "late\nnative\n");
    project.commit();
    let stopped = project.refused();
    for package in [
        "late 1.0 has wheels for others only",
        "native 2.0 has no wheel",
    ] {
        assert!(stopped.contains(package), "{package}: {stopped}");
    }
    assert!(!project.path("refused").exists());
}

#[test]
fn the_same_bytes_on_another_machine() {
    let project = Project::new("alpha\npure\n");
    project.write_project("repo", "shop", "\"alpha\", \"pure\"", "");
    fs::create_dir(project.path("elsewhere")).expect("a directory");
    project.commit();
    project.configure("  dependency_file: pyproject.toml\n  venv_mode: release\n");
    let one = fs::read(project.payload("out")).expect("a payload");
    let shell = "umask 077; exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_pystrano");
    let made = project.pystrano("other-cache");
    let mut other = Command::new("sh");
    for (name, value) in made.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    let output = other
        .args([
            "-c",
            shell,
            program,
            "render",
            "production",
            "shop",
            "--payload",
        ])
        .arg("--output")
        .arg(project.path("elsewhere/out"))
        .arg("--deploy-config-dir")
        .arg(project.path("deploy"))
        .current_dir("/")
        .env("HOME", project.path("elsewhere"))
        .env("TZ", "Pacific/Kiritimati")
        .env("LANG", "tr_TR.UTF-8")
        .env("SOURCE_DATE_EPOCH", "1")
        .env("SSH_AUTH_SOCK", "/agent")
        .env("CANARY", "1")
        .output()
        .expect("sh");
    assert!(output.status.success(), "{}", said(&output));
    let other = project.payload_in("elsewhere/out");
    assert!(
        fs::read(&other).expect("a payload") == one,
        "{}",
        said(&output)
    );
    let unpacked = project.unpack(&other, "unpacked");
    assert_eq!(
        names(&unpacked.join("source/.pystrano/wheels")),
        ["shop-1.0-py3-none-any.whl"]
    );
    assert!(!unpacked.join("source/left-by-the-build").exists());
}

/// The files are those that git has on a host, whatever this user's settings are.
#[test]
fn the_tree_is_that_of_a_clone() {
    let project = Project::new("beta\n");
    let part = project.path("part");
    fs::create_dir(&part).expect("a directory");
    git(&part, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(part.join("part.txt"), "part\n").expect("a file");
    git(&part, &["add", "--all"]);
    git(&part, &["commit", "--quiet", "--message=Part"]);
    let repo = project.repo();
    git(
        &repo,
        &[
            "submodule",
            "--quiet",
            "add",
            &part.to_string_lossy(),
            "lib/part",
        ],
    );
    let attributes = "hidden.txt export-ignore\nlines.bat text eol=crlf\nversion.txt export-subst ident\n*.up filter=upper\n";
    project.write("repo/.gitattributes", attributes);
    project.write("repo/hidden.txt", "here\n");
    project.write("repo/lines.bat", "a\nb\n");
    project.write("repo/unix.txt", "a\nb\n");
    project.write("repo/version.txt", "$Format:%H$ $Id$\n");
    project.write("repo/plain.up", "lower\n");
    project.write("repo/run.sh", "#!/bin/sh\n");
    fs::set_permissions(repo.join("run.sh"), fs::Permissions::from_mode(0o777)).expect("a mode");
    project.write("repo/odd \"names\"\n/ä\\b", "odd\n");
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(200));
    project.write(&format!("repo/{long}"), "long\n");
    project.write("repo/.pystrano/run", "not ours\n");
    for (link, target) in [
        ("link", "run.sh"),
        ("out", "/etc//passwd"),
        ("up", "./lib/../unix.txt"),
        ("far", long.as_str()),
    ] {
        symlink(target, repo.join(link)).expect("a link");
    }
    project.commit();
    // What deploy.sh does: clone, check out, submodules.
    let clone = project.path("clone");
    git(
        &project.path(""),
        &[
            "clone",
            "--quiet",
            "--recurse-submodules",
            &repo.to_string_lossy(),
            "clone",
        ],
    );
    let mut expected = portrait(&clone);
    expected.retain(|line| !line.contains("./.pystrano"));

    let settings = "[core]\n\tautocrlf = true\n\tattributesFile = ~/attributes\n\thooksPath = ~/hooks\n\tsymlinks = false\n\
                    [filter \"upper\"]\n\tsmudge = tr a-z A-Z\n\trequired = true\n[clone]\n\tdefaultRemoteName = other\n";
    project.write("home/.gitconfig", settings);
    project.write("home/attributes", "* eol=crlf\n*.txt export-ignore\n");
    let output = project
        .pystrano("cache")
        .args([
            "render",
            "production",
            "shop",
            "--payload",
            "--output",
            "out",
        ])
        .env("HOME", project.path("home"))
        .env("GIT_DIR", "/nowhere")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .output()
        .expect("pystrano");
    assert!(output.status.success(), "{}", said(&output));
    let unpacked = project.unpack(&project.payload_in("out"), "unpacked");
    assert_eq!(portrait(&unpacked.join("source")), expected);
    assert!(!unpacked.join("source/lib/part/.git").exists());

    project.configure("  submodules: false\n");
    let without = project.payload("without");
    let unpacked = project.unpack(&without, "unpacked-without");
    assert_eq!(
        names(&unpacked.join("source/lib/part")),
        Vec::<String>::new()
    );
}

#[test]
fn a_lock_is_kept_to() {
    let project = Project::new("");
    project.write_project(
        "repo",
        "shop",
        "\"alpha\", \"part\", \"fast\"",
        "[dependency-groups]\nbatch = [\"pure\"]\ndev = [\"windows\"]\n\
         [tool.uv.sources]\npart = {workspace = true}\n[tool.uv.workspace]\nmembers = [\"part\"]\n",
    );
    project.write_project("repo/part", "part", "\"beta==2.0\"", "");
    let lock = Command::new(uv())
        .args(["lock", "--quiet"])
        .current_dir(project.repo())
        .env("UV_DEFAULT_INDEX", project.index())
        .output()
        .expect("uv");
    assert!(lock.status.success(), "{}", said(&lock));
    project.commit();
    let shared = "  package_manager: uv\n";
    project.configure(shared);
    let stopped = project.refused();
    assert!(
        stopped.contains("the virtualenv that releases share must not hold code of one of them"),
        "{stopped}"
    );
    assert!(stopped.contains("write `venv_mode: release`"), "{stopped}");

    project.configure(&format!(
        "{shared}  venv_mode: release\n  dependency_groups: batch\n"
    ));
    let payload = project.payload("out");
    let unpacked = project.unpack(&payload, "unpacked");
    assert_eq!(
        packages(&unpacked),
        ["alpha==1.0", "beta==2.0", "fast==3.1", "pure==0.6"]
    );
    let own = names(&unpacked.join("source/.pystrano/wheels"));
    assert_eq!(
        own,
        ["part-1.0-py3-none-any.whl", "shop-1.0-py3-none-any.whl"]
    );
    let wheels = names(&unpacked.join("dependencies/wheels"));
    assert!(
        wheels
            .iter()
            .any(|name| name.starts_with(&format!("uv-{UV}-"))),
        "{wheels:?}"
    );
    // Each hash is one of the lock's.
    let lock = fs::read_to_string(project.repo().join("uv.lock")).expect("a lock");
    for line in requirements(&unpacked)
        .lines()
        .filter(|line| line.starts_with(['a', 'b', 'f']))
    {
        let (_, sum) = line.split_once("--hash=").expect("a hash");
        assert!(lock.contains(sum), "{line}");
    }
    // An index that serves another file is not believed.
    let wheel = project.path("index/files/alpha-1.0-py3-none-any.whl");
    fs::copy(project.path("index/files/beta-2.0-py3-none-any.whl"), wheel).expect("a file");
    let output = project
        .pystrano("empty-cache")
        .args([
            "render",
            "production",
            "shop",
            "--payload",
            "--output",
            "exchanged",
        ])
        .output()
        .expect("pystrano");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("alpha-1.0-py3-none-any.whl has the SHA-256"),
        "{}",
        said(&output)
    );
}

/// A redeploy builds and fetches nothing twice; what only changes the code leaves the dependencies' part as it is.
#[test]
fn what_was_made_is_kept() {
    let mut project = Project::new("alpha\npure\n");
    let first = project.payload("first");
    project.stop_index();
    let again = project.render("again");
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(said(&again), "Wrote 4 scripts and SHA256SUMS to again\n");
    project.write("repo/code.py", "print()\n");
    project.commit();
    let second = project.payload("second");
    assert_ne!(first.file_name(), second.file_name());
    let [one, other] =
        [(first, "one"), (second, "other")].map(|(path, name)| project.unpack(&path, name));
    let part = |unpacked: &Path| fs::read(unpacked.join("dependencies.tar")).expect("a part");
    assert!(part(&one) == part(&other));
    // A damaged part is no part: it is made anew.
    let parts = project.path("cache/pystrano/parts");
    for name in names(&parts) {
        let path = parts.join(name);
        let mut bytes = fs::read(&path).expect("a part");
        bytes[0] ^= 1;
        fs::write(path, bytes).expect("a part");
    }
    let damaged = project.render("damaged");
    assert_eq!(damaged.status.code(), Some(2));
    assert!(said(&damaged).contains("try again"), "{}", said(&damaged));
    assert_eq!(names(&parts).len(), 1, "that of the first commit");
}

#[test]
fn mistakes_are_told_where_the_config_has_them() {
    let project = Project::new("beta\n");
    for (fields, place, text) in [
        (
            "  dependency_file: reqs.txt\n",
            "deployment.yml:10:20: ",
            "the repository has no reqs.txt",
        ),
        (
            "  app_dir: backend\n",
            "deployment.yml:10:12: ",
            "the repository has no directory backend",
        ),
        (
            "  revision: v9\n",
            "deployment.yml:10:13: ",
            "the repository has no such branch or tag",
        ),
        (
            "  package_manager: uv\n",
            "deployment.yml:12:5: ",
            "the repository has no uv.lock, nor a uv.lock above it",
        ),
    ] {
        project.configure(fields);
        let stopped = project.refused();
        assert!(
            stopped.contains(place) && stopped.contains(text),
            "{fields}{stopped}"
        );
    }
    project.write("repo/requirements.txt", "beta==9\n");
    project.commit();
    project.configure("");
    let stopped = project.refused();
    assert!(
        stopped.contains("requirements.txt cannot be resolved for Python 3.13"),
        "{stopped}"
    );
    project.write(
        "repo/requirements.txt",
        &format!("beta==2.0 --hash=sha256:{}\n", "0".repeat(64)),
    );
    project.commit();
    let stopped = project.refused();
    assert!(stopped.contains("requirements.txt"), "{stopped}");
}

/// A revision may be a tag, a branch, a part of a SHA; a whole one needs nobody to be asked.
#[test]
fn any_revision_is_resolved() {
    let project = Project::new("beta\n");
    let first = git(&project.repo(), &["rev-parse", "HEAD"])
        .trim()
        .to_owned();
    git(
        &project.repo(),
        &["tag", "--annotate", "--message=One", "v1"],
    );
    project.write("repo/second.py", "");
    project.commit();
    let carried = |revision: &str, output: &str| {
        project.configure(&format!("  revision: \"{revision}\"\n"));
        project.payload(output);
        fs::read_to_string(project.path(output).join("a/deploy.sh")).expect("a script")
    };
    for (number, revision) in ["v1", &first[..10], &first, "main~1"]
        .into_iter()
        .enumerate()
    {
        let script = carried(revision, &format!("out-{number}"));
        assert!(
            script.contains(&format!("payload_commit={first}\n")),
            "{revision}"
        );
    }
    fs::rename(project.repo(), project.path("gone")).expect("a name");
    project.configure(&format!("  revision: {first}\n"));
    project.payload("offline");
}

#[test]
fn a_script_for_pushes_needs_its_payload() {
    let project = Project::new("beta\n");
    project.configure("  delivery: push\n");
    let run = |arguments: &[&str]| {
        let mut command = project.pystrano("cache");
        command.args(arguments).output().expect("pystrano")
    };
    let alone = run(&["render", "production", "shop", "--output", "out"]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(said(&alone).contains("a has `delivery: push`, whose script comes with a payload; add --payload and --output DIR"), "{}", said(&alone));
    let planned = run(&["deploy", "production", "shop", "--dry-run"]);
    assert!(planned.status.success(), "{}", said(&planned));
    let rendered = run(&[
        "render",
        "production",
        "shop",
        "--output",
        "out",
        "--payload",
    ]);
    assert!(rendered.status.success(), "{}", said(&rendered));

    let from = || run(&["deploy", "production", "shop", "--dry-run", "--from", "out"]);
    assert!(from().status.success(), "{}", said(&from()));
    let payload = project.payload_in("out");
    let mut bytes = fs::read(&payload).expect("a payload");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&payload, bytes).expect("a payload");
    assert_eq!(from().status.code(), Some(2));
    assert!(
        said(&from()).contains("is not as it was rendered"),
        "{}",
        said(&from())
    );
    fs::remove_file(&payload).expect("a file");
    assert_eq!(from().status.code(), Some(2));
}
