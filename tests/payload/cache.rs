//! What runs leave for later ones: the cache, and the `--output` directory.

use super::project::{Project, RENDER, git, said};
use super::{names, requirements};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A damaged part or wheel in the cache is detected, and built or fetched again.
#[test]
fn what_was_damaged_is_made_anew() {
    let mut project = Project::new("alpha\npure\n");
    let first = fs::read(project.payload("first")).expect("a payload");
    let damage = |kind: &str| {
        let directory = project.path(&format!("cache/pystrano/{kind}"));
        for name in names(&directory) {
            let path = directory.join(name);
            let mut bytes = fs::read(&path).expect("a file");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).expect("a file");
        }
    };
    damage("parts");
    assert!(fs::read(project.payload("second")).expect("a payload") == first);
    damage("parts");
    damage("wheels");
    assert!(fs::read(project.payload("third")).expect("a payload") == first);
    // The whole cache is intact again, so the index is not needed.
    project.stop_index();
    assert!(fs::read(project.payload("fourth")).expect("a payload") == first);
}

/// A wheel that was rebuilt with the same version, in a directory beside an index without it.
#[test]
fn a_wheel_that_was_replaced_is_another() {
    let project = Project::new("old\n");
    let wheel = "old-1.0-py3-none-any.whl";
    fs::create_dir(project.path("wheels")).expect("a directory");
    let replaced = project.path("wheels").join(wheel);
    fs::copy(project.path("index/files").join(wheel), &replaced).expect("a file");
    fs::remove_dir_all(project.path("index/simple/old")).expect("a directory");
    let list = |name: &str| {
        let output = project
            .rendering("cache", name)
            .env("PIP_FIND_LINKS", "wheels")
            .output()
            .expect("pystrano");
        assert!(output.status.success(), "{}", said(&output));
        let unpacked = project.unpack(&project.payload_in(name), &format!("unpacked-{name}"));
        requirements(&unpacked)
    };
    let first = list("first");
    assert_eq!(list("again"), first);
    let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'a').writestr('more.py', '')";
    let built = Command::new("python3")
        .args(["-c", script])
        .arg(&replaced)
        .status();
    assert!(built.expect("python3").success());
    let second = list("second");
    assert!(
        second.starts_with("old==1.0 ") && second != first,
        "{second}"
    );
}

#[test]
fn a_second_run_waits_for_the_first() {
    let project = Project::new("beta\n");
    let directory = project.path("cache/pystrano");
    fs::create_dir_all(&directory).expect("a directory");
    let holder = "exec 9>>\"$0\" && flock 9 && echo && exec cat";
    let mut holder = Command::new("sh")
        .args(["-c", holder])
        .arg(directory.join("lock"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut line = [0];
    let stdout = holder.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(stdout, &mut line).expect("the lock");
    let log = fs::File::create(project.path("log")).expect("a file");
    let mut render = project
        .rendering("cache", "out")
        .stderr(log)
        .spawn()
        .expect("pystrano");
    wait_until(|| {
        let log = fs::read_to_string(project.path("log")).expect("a file");
        log == "Waiting for another run, which makes a payload\n"
    });
    assert!(render.try_wait().expect("a child").is_none());
    drop(holder.stdin.take());
    assert!(holder.wait().expect("a child").success());
    assert!(render.wait().expect("a child").success());
    project.payload_in("out");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn unfinished(parts: &Path) -> usize {
    let names = names(parts);
    names.iter().filter(|name| name.starts_with(".tmp")).count()
}

/// A render that is interrupted in the middle of a part leaves nothing that looks like a payload, and the next run
/// removes the rest.
#[test]
fn half_a_payload_is_none() {
    let project = Project::new("beta\n");
    let noise = "head -c 40000000 /dev/urandom >repo/noise";
    let noise = Command::new("sh")
        .args(["-c", noise])
        .current_dir(project.path(""))
        .status();
    assert!(noise.expect("sh").success());
    project.commit();
    let parts = project.path("cache/pystrano/parts");
    let mut render = project.rendering("cache", "out").spawn().expect("pystrano");
    // The dependencies' part is complete, and the code's part has begun.
    wait_until(|| parts.is_dir() && names(&parts).len() == 2 && unfinished(&parts) == 1);
    let pid = render.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.expect("kill").success());
    assert_eq!(render.wait().expect("a child").signal(), Some(2));
    assert!(!project.path("out").exists());
    assert_eq!(unfinished(&parts), 1);

    project.payload("out");
    assert_eq!((names(&parts).len(), unfinished(&parts)), (2, 0));
    let work = project.path("cache/pystrano/work");
    assert_eq!(names(&work), Vec::<String>::new());
}

/// A limit of 1 MB per file acts like a disk that is full from then on.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let project = Project::new("beta\n");
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    // All files of git and of the tree are below the limit, but the part is above it.
    let noise: Vec<u8> = noise.take(2_000_000).collect();
    for (number, piece) in noise.chunks(500_000).enumerate() {
        fs::write(project.repo().join(format!("noise-{number}")), piece).expect("a file");
    }
    project.commit();
    // `ulimit -f` counts blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\"";
    let output = project
        .in_shell("cache", script)
        .args(RENDER)
        .arg("out")
        .output()
        .expect("sh");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = said(&output);
    assert!(
        told.contains("cannot write in ") && told.contains("check free space and permissions"),
        "{told}"
    );
    assert!(!project.path("out").exists());
    for kind in ["parts", "work"] {
        let left = names(&project.path(&format!("cache/pystrano/{kind}")));
        assert!(left.iter().all(|name| name.len() == 64), "{kind}: {left:?}");
    }
    project.payload("out");
}

/// The commit that the revision meant at first is deployed, even if a push lands before it is cloned.
#[test]
fn a_push_in_between_changes_nothing() {
    let project = Project::new("beta\n");
    let asked = git(&project.repo(), &["rev-parse", "HEAD"]);
    let commit = format!(
        "git -C '{}' -c user.name=Ada -c user.email=a@b commit -q --allow-empty -m Later",
        project.repo().display()
    );
    let script = format!("case \" $* \" in *' clone '*) {commit} ;; esac");
    let path = project.path_with("git", &script);
    let output = project.rendering("cache", "out").env("PATH", path).output();
    let output = output.expect("pystrano");
    assert!(output.status.success(), "{}", said(&output));
    let script = fs::read_to_string(project.path("out/a/deploy.sh")).expect("a script");
    assert!(
        script.contains(&format!("payload_commit={asked}")),
        "{asked}{script}"
    );
    assert_ne!(git(&project.repo(), &["rev-parse", "HEAD"]), asked);
}

/// A render removes payloads that no script names any more, but not one that another host's script names.
#[test]
fn a_render_removes_the_payloads_before_it() {
    let project = Project::new("beta\n");
    let first = project.payload("out");
    project.write("repo/code.py", "print()\n");
    project.commit();
    let only = |host: &str| {
        let output = project
            .rendering("cache", "out")
            .args(["--host", host])
            .output()
            .expect("pystrano");
        assert!(output.status.success(), "{}", said(&output));
        let check = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
            .current_dir(project.path("out"))
            .output()
            .expect("sha256sum");
        assert!(check.status.success(), "{check:?}");
        said(&output)
    };
    fs::write(project.path("out/payload/mine.tar"), "").expect("a file");
    only("a");
    assert!(first.exists());
    assert_eq!(names(&project.path("out/payload")).len(), 3);
    let told = only("b");
    let name = first.file_name().expect("a name").to_string_lossy();
    assert!(
        told.ends_with(&format!(
            "Removed payload/{name}, which no script there names any more\n"
        )),
        "{told}"
    );
    assert!(!first.exists());
    assert_eq!(
        names(&project.path("out/payload")).len(),
        2,
        "mine.tar is nobody's"
    );
}
