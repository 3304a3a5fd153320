//! Signals, a controller that disconnects, an output that nobody reads and a full disk, each before every file system
//! change of a deploy, which must either succeed or stop with the host as it was.

use crate::runner::Test;
use crate::site::{Found, Site, must};
use crate::tally::Tally;
use crate::tracer::{Blow, Traced, trace};
use nix::sys::signal::Signal;
use std::fs;
use std::io::pipe;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const TESTS: &[Test] = &[
    ("a deploy by hand gets a signal", |tally| {
        signals(tally, &["deploy", NEW]);
    }),
    ("a deploy under a controller gets a signal", |tally| {
        signals(tally, LED);
    }),
    ("the controller goes away", |tally| {
        each_place(tally, LED, 12, |site, at| {
            let mut command = site.command(LED);
            run(site, &mut command, Some((at, Blow::HangUp))).status
        });
    }),
    ("nobody reads the output of a deploy by hand", |tally| {
        unread(tally, &["deploy", NEW]);
    }),
    ("nobody reads the output under a controller", |tally| {
        unread(tally, LED);
    }),
    ("the disk fills up", |tally| {
        full(tally, "size=1m", SmallDisk::fill);
    }),
    ("the inodes run out", |tally| {
        full(tally, "nr_inodes=400", SmallDisk::take_inodes);
    }),
];

const OLD: &str = "20260101000000";
const NEW: &str = "20260104000000";
const LED: &[&str] = &[
    "deploy",
    NEW,
    "nonce=0123456789abcdef0123456789abcdef",
    "who=ada@laptop",
];

/// Calls `hit` for each of the picked places; it runs the deploy and returns its exit status.
fn each_place(tally: &mut Tally, words: &[&str], sample: usize, hit: impl Fn(&Site, usize) -> i32) {
    let site = Site::with("shared", &[OLD]);
    site.save();
    places(tally, &site, words, sample, hit);
}

/// Traces the command with a stdin that stays open, as under a controller.
fn run(site: &Site, command: &mut Command, blow: Option<(usize, Blow)>) -> Traced {
    let (reader, writer) = pipe().expect("a pipe");
    trace(command.stdin(reader), &site.trees(), Some(writer), blow)
}

fn places(
    tally: &mut Tally,
    site: &Site,
    words: &[&str],
    sample: usize,
    hit: impl Fn(&Site, usize) -> i32,
) {
    site.restore();
    let whole = run(site, &mut site.command(words), None);
    assert_eq!(whole.status, 0, "{}", site.output());
    for at in tally.pick(whole.changes.len(), sample) {
        site.restore();
        let status = hit(site, at);
        tally.count(
            &format!("before {}", whole.changes[at]),
            ended_well(site, status),
        );
    }
}

fn ended_well(site: &Site, status: i32) -> Found {
    let before = [OLD.to_owned()].into();
    let current = match status {
        0 => NEW,
        3 => OLD,
        other => return Err(format!("exit status {other}\n{}", site.output())),
    };
    must!(
        site.current().as_deref() == Some(current),
        "exit status {status}, current is {:?}\n{}",
        site.current(),
        site.output()
    );
    site.is_sound(&before, NEW)?;
    site.is_tidy()?;
    site.recovers("20260105000000")
}

fn signals(tally: &mut Tally, words: &[&str]) {
    let site = Site::with("shared", &[OLD]);
    site.save();
    // A `kill` signals the script alone, a terminal its whole process group.
    let blows = [
        |signal| Blow::Signal(signal),
        |signal| Blow::GroupSignal(signal),
    ];
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGPIPE,
    ] {
        for blow in blows {
            places(tally, &site, words, 2, |site, at| {
                let mut command = site.command(words);
                run(site, &mut command, Some((at, blow(signal)))).status
            });
        }
    }
}

fn unread(tally: &mut Tally, words: &[&str]) {
    each_place(tally, words, 12, |site, at| {
        let (reader, output) = pipe().expect("a pipe");
        let mut command = site.command(words);
        command
            .stderr(output.try_clone().expect("a descriptor"))
            .stdout(output);
        let blow = Blow::Call(Box::new(|| drop(reader)));
        run(site, &mut command, Some((at, blow))).status
    });
}

/// A small tmpfs mounted over the project root, which needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(root: PathBuf, options: &str) -> SmallDisk {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&root)
            .status();
        assert!(mounted.expect("mount").success());
        SmallDisk(root)
    }

    /// Uses up the free space.
    fn fill(root: &Path) {
        if let Ok(file) = fs::File::create(root.join("filler")) {
            let mut end = 0;
            while let Ok(written @ 1..) = file.write_at(&[1; 4096], end) {
                end += written as u64;
            }
        }
    }

    /// Uses up the free inodes.
    fn take_inodes(root: &Path) {
        let filler = root.join("filler");
        if fs::create_dir(&filler).is_ok() {
            let made = |count: usize| fs::File::create(filler.join(count.to_string()));
            (0..).map_while(|count| made(count).ok()).for_each(drop);
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        drop(unmounted);
    }
}

fn full(tally: &mut Tally, options: &str, take: fn(&Path)) {
    let site = Site::with("shared", &[OLD]);
    site.save();
    let root = site.host.path("root");
    let _disk = SmallDisk::new(root.clone(), options);
    site.restore();
    places(tally, &site, &["deploy", NEW], 12, |site, at| {
        let filled = root.clone();
        let blow = Blow::Call(Box::new(move || take(&filled)));
        let mut command = site.command(&["deploy", NEW]);
        let status = run(site, &mut command, Some((at, blow))).status;
        let filler = root.join("filler");
        let _ = fs::remove_file(&filler).or_else(|_| fs::remove_dir_all(&filler));
        status
    });
}
