//! The bytes of a payload and the files of its release depend only on the commit, not on where and when it is built.

use super::names;
use super::project::{AHEAD, Project, RENDER, git, make_repository, portrait, said};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

#[test]
fn the_same_bytes_on_another_machine() {
    let project = Project::new("alpha\npure\n");
    project.write_project("repo", "shop", "\"alpha\", \"pure\"", "");
    fs::create_dir(project.path("elsewhere")).expect("a directory");
    // The build backend records the year that it sees, too.
    let backend = fs::read_to_string(project.path("repo/backend.py")).expect("a backend");
    let seen = project.path("years/backend");
    let look = format!("import time\nprint(time.strftime('%Y'), file=open({seen:?}, 'a'))\n");
    project.write("repo/backend.py", &(look + &backend));
    project.write("years/backend", "");
    project.commit();
    project.configure("  dependency_file: pyproject.toml\n  venv_mode: release\n");
    let one = fs::read(project.payload("out")).expect("a payload");
    let this_year = fs::read_to_string(&seen).expect("years");
    fs::remove_file(&seen).expect("years");
    let shell = format!("umask 077; exec {AHEAD} \"$0\" \"$@\"");
    let path = project.ahead("other-cache");
    let render = |to: &str| {
        let output = project
            .in_shell("other-cache", &shell)
            .env("PATH", &path)
            .args(RENDER)
            .arg(project.path(to))
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
        output
    };
    let output = render("elsewhere/out");
    // The second use of a cached part updates its modification time.
    render("elsewhere/again");
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
    // The clock was really ahead, for pystrano and for each program that it started.
    let soon = SystemTime::now() + Duration::from_secs(900 * 24 * 60 * 60);
    let kept = fs::read_dir(project.path("other-cache/pystrano/parts")).expect("what is kept");
    let modified = |file: fs::DirEntry| file.metadata().expect("a file").modified();
    let kept: Vec<SystemTime> = kept
        .map(|file| modified(file.expect("a file")).expect("a time"))
        .collect();
    assert!(kept.iter().any(|time| *time > soon), "{kept:?}");
    for program in ["git", "python3", "uv", "backend"] {
        let years = fs::read_to_string(project.path("years").join(program)).expect(program);
        let is_this = |year: &str| this_year.lines().any(|line| line == year);
        assert!(
            !years.is_empty() && !years.lines().any(is_this),
            "{program}: {years}"
        );
    }
    // The gzip header contains no time.
    let gzip = fs::read(unpacked.join("source.tar.gz")).expect("a part");
    assert_eq!(gzip[4..8], [0; 4]);
    for file in [
        &other,
        &unpacked.join("source.tar.gz"),
        &unpacked.join("dependencies.tar"),
    ] {
        let tar = Command::new("tar")
            .args(["--utc", "-tvf"])
            .arg(file)
            .output()
            .expect("tar");
        let list = String::from_utf8_lossy(&tar.stdout).into_owned();
        let is_dated = |line: &str| !line.contains(" 1970-01-01 00:00 ");
        assert!(
            tar.status.success() && !list.is_empty() && !list.lines().any(is_dated),
            "{list}"
        );
    }
}

/// The tree is the one that git checks out on a host, regardless of this user's git settings.
#[test]
fn the_tree_is_that_of_a_clone() {
    let project = Project::new("beta\n");
    let part = project.path("part");
    project.write("part/part.txt", "part\n");
    make_repository(&part);
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
    // The steps of deploy.sh: clone, checkout, submodules.
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
    // The second render takes everything from the cache.
    for to in ["out", "again"] {
        let output = project
            .rendering("cache", to)
            .env("HOME", project.path("home"))
            .env("GIT_DIR", "/nowhere")
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .output()
            .expect("pystrano");
        let told = said(&output);
        assert!(output.status.success(), "{told}");
        let left_out =
            "warning: .pystrano of the repository is replaced by that of the release; rename it\n";
        assert_eq!(told.matches(left_out).count(), 1, "{told}");
    }
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

/// As on a host: files in Git LFS are included, or no payload is built.
#[test]
fn files_of_git_lfs_come_along() {
    let project = Project::new("beta\n");
    let repo = project.repo();
    git(&repo, &["lfs", "install", "--local"]);
    git(&repo, &["lfs", "track", "*.css"]);
    project.write("repo/style.css", "body {}\n");
    project.commit();
    assert!(git(&repo, &["show", "HEAD:style.css"]).starts_with("version https://git-lfs"));
    let unpacked = project.unpack(&project.payload("out"), "unpacked");
    let style = fs::read_to_string(unpacked.join("source/style.css"));
    assert_eq!(style.expect("a file"), "body {}\n");
    project.write("repo/style.css", "body { }\n");
    project.commit();
    fs::remove_dir_all(repo.join(".git/lfs")).expect("what LFS keeps");
    project.refuses(&["git failed: ", "style.css"]);
}

/// A redeploy builds and fetches nothing twice; a change of the code alone leaves the dependencies' part unchanged.
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
}

/// A revision may be a tag, a branch or an abbreviated SHA; a full SHA needs no request to the repository.
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

/// No file is read into memory as a whole.
#[test]
fn memory_does_not_grow_with_the_payload() {
    const SIZE: u64 = 64 * 1024 * 1024;
    let project = Project::new("beta\n");
    // Incompressible data.
    let mut random = fs::File::open("/dev/urandom")
        .expect("random bytes")
        .take(SIZE);
    let mut large = fs::File::create(project.path("repo/large.bin")).expect("a file");
    std::io::copy(&mut random, &mut large).expect("a file");
    git(&project.repo(), &["config", "core.compression", "0"]);
    project.commit();
    // In a pack, as a server sends it.
    git(&project.repo(), &["repack", "--quiet", "-a", "-d"]);
    let mut command = project.rendering("cache", "out");
    let mut child = command.spawn().expect("pystrano");
    let (mut peak, mut peak_of_git) = (0, 0);
    while child.try_wait().expect("a child").is_none() {
        peak = peak.max(memory(&child.id().to_string()));
        // git and its child processes.
        let mut found = children(&child.id().to_string());
        while let Some(pid) = found.pop() {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.starts_with("git") {
                peak_of_git = peak_of_git.max(memory(&pid));
                found.extend(children(&pid));
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().expect("a child").success());
    let unpacked = project.unpack(&project.payload_in("out"), "unpacked");
    let size = fs::metadata(unpacked.join("source/large.bin"))
        .expect("a file")
        .len();
    assert_eq!(size, SIZE);
    assert!((1..25 * 1024).contains(&peak), "{peak} kB");
    assert!((1..45 * 1024).contains(&peak_of_git), "{peak_of_git} kB");
}

/// The peak memory of a process, in kB.
fn memory(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.unwrap_or(0)
}

fn children(pid: &str) -> Vec<String> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(str::to_owned).collect()
}
