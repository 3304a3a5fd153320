//! Fault injection on a real host: power cuts, lost connections and signals at each step of a deploy, a
//! rollback and a revert. Tests a sample of the places, or all of them with `PYSTRANO_EXHAUSTIVE=1`.

#[path = "../faults/tally.rs"]
mod tally;

use crate::executable;
use crate::fleet::client;
use crate::support::{App, Deployed, Output, Release, deployed, deployed_on, get, ssh_program};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tally::{SEED, Tally};

/// A fault to inject during a step.
#[derive(Clone, Copy, Debug)]
enum Blow {
    PowerCut,
    ClientKilled,
    ControllerKilled,
    ConnectionCut,
    ConnectionFrozen,
    Signal(&'static str),
}

const BLOWS: [Blow; 10] = [
    Blow::PowerCut,
    Blow::ClientKilled,
    Blow::ControllerKilled,
    Blow::ConnectionCut,
    Blow::ConnectionFrozen,
    Blow::Signal("TERM"),
    Blow::Signal("HUP"),
    Blow::Signal("INT"),
    Blow::Signal("PIPE"),
    Blow::Signal("KILL"),
];

type Found<T = ()> = Result<T, String>;

macro_rules! must {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// A second unit of the app.
const WORKER: &str = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=exec\nUser=deploy\n\
    WorkingDirectory=/home/deploy/demo/current\n\
    ExecStart=/home/deploy/demo/current/.pystrano/run python worker.py\n\
    Restart=always\n[Install]\nWantedBy=multi-user.target\n";

/// A host with two units and hooks. Each version of the app has its own env and, with release virtualenvs, its own
/// version of a package, so that a mix of two releases is detected.
struct Site {
    fixture: Deployed,
    release_mode: bool,
    versions: usize,
    /// A wrapper of ssh that sends keepalives every second, to detect a frozen connection soon.
    ssh: PathBuf,
}

impl Site {
    fn new(release: Release, mode: &str) -> Site {
        let mut fixture = deployed_on(release, App::Django);
        fixture.project.set("venv_mode", mode);
        fixture.project.check_health("/", 5);
        fixture.host.write(
            "/etc/systemd/system/demo.service.d/limit.conf",
            "[Unit]\nStartLimitIntervalSec=0\n",
        );
        fixture.host.root("systemctl daemon-reload");
        fixture.own_venv();
        let own = "deploy/demo/production/0";
        fixture.project.save();
        let worker = fixture.project.directory().join(own).join("worker.service");
        fs::write(worker, WORKER).expect("a unit");
        let units = format!("{own}/demo.service; {own}/worker.service");
        fixture.project.set_server(0, "service_file", &units);
        let hooks =
            "{after_dependencies: cp demo/__init__.py hooked, before_promote: mv hooked checked}";
        fixture.project.set("hooks", hooks);
        fixture
            .repo
            .write("worker.py", "import time\n\ntime.sleep(100000)\n");
        fixture.project.run(&["setup"]).expect(0);
        let ssh = fixture.project.directory().join("ssh");
        let text = format!(
            "#!/bin/sh\nexec '{}' -o ServerAliveInterval=1 \"$@\"\n",
            ssh_program().display()
        );
        executable::write(&ssh, &text);
        let mut site = Site {
            fixture,
            release_mode: mode == "release",
            versions: 1,
            ssh,
        };
        for _ in 0..3 {
            site.commit(false);
            site.fixture.project.run(&["deploy"]).expect(0);
        }
        site
    }

    /// Switches to `delivery: push`, and removes git so that the host cannot clone.
    fn push(&mut self) {
        let Deployed { host, project, .. } = &mut self.fixture;
        host.root("rm /usr/bin/git");
        let version = "import sys; print('%d.%d' % sys.version_info[:2])";
        let python = host.root(&format!("python3 -c \"{version}\""));
        project.set("python", &python);
        project.set("delivery", "push");
    }

    /// The version of idna that a version of the application requires.
    fn package(version: &str) -> &'static str {
        match version.ends_with(['0', '2', '4', '6', '8']) {
            true => "3.9",
            false => "3.10",
        }
    }

    /// Commits the next version and returns its name; a `sick` version fails to start.
    fn commit(&mut self, sick: bool) -> String {
        self.versions += 1;
        let version = format!("v{}", self.versions);
        let Deployed { repo, project, .. } = &mut self.fixture;
        project.env.insert("GREETING".into(), version.clone());
        let config = if sick {
            "raise SystemExit('sick')\n"
        } else {
            ""
        };
        repo.write("gunicorn.conf.py", config);
        if self.release_mode {
            // A comment per version changes the file, so that each deploy has to build a virtualenv.
            let wanted = format!("idna=={}", Site::package(&version));
            let requirements = include_str!("../apps/django/requirements.txt");
            let requirements = requirements.replace("idna==3.10", &wanted);
            repo.write("requirements.txt", &format!("# {version}\n{requirements}"));
        }
        repo.release(&version);
        version
    }

    /// The current release and its version. An error if its code, env, dependencies and hooks are not all of that version.
    fn current(&self) -> Found<(String, String)> {
        let seen = self.fixture.host.exec(
            "cd /home/deploy/demo && readlink current | sed 's:.*/::' &&
             cmp current/demo/__init__.py current/checked &&
             sed -n 's/VERSION = \"\\(.*\\)\"/\\1/p' current/demo/__init__.py &&
             sed -n 's/^GREETING=//p' shared/.env &&
             /home/deploy/.venv/bin/python -c 'import idna; print(idna.__version__)'",
        );
        let [release, version, greeting, package] = seen.stdout.lines().collect::<Vec<_>>()[..]
        else {
            return Err(format!("current is not whole: {seen}"));
        };
        let package = !self.release_mode || package == Site::package(version);
        must!(version == greeting && package, "mixed: {seen}");
        Ok((release.to_owned(), version.to_owned()))
    }

    /// The version that the running app reports. An error if it runs with the env or package of another version.
    fn answers(&self) -> Found<String> {
        let begin = Instant::now();
        let page = loop {
            match get(self.fixture.project.ports[0], "/") {
                Ok((200, page)) => break page,
                other => must!(begin.elapsed() < Duration::from_secs(30), "{other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let of = |name: &str| page.lines().find_map(|line| line.strip_prefix(name));
        let version = of("version=").unwrap_or_default().to_owned();
        let package = !self.release_mode || of("idna=") == Some(Site::package(&version));
        must!(
            of("greeting=") == Some(&version) && package,
            "mixed: {page}"
        );
        Ok(version)
    }

    /// Runs the program and injects the fault after the given step has begun. Returns the exit code and the number of steps.
    fn run(&mut self, command: &str, blow: Option<(usize, Blow)>) -> (i32, usize) {
        let mut program = self.fixture.project.command(&[command, "--json"]);
        let program = program.env("PYSTRANO_SSH", &self.ssh);
        let program = program.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut controller = program.spawn().expect("pystrano");
        let events = BufReader::new(controller.stdout.take().expect("a pipe"));
        let mut steps = 0;
        for event in events.lines() {
            if event.expect("a line").contains("\"event\":\"step\"") {
                match blow {
                    Some((at, blow)) if at == steps => {
                        // Varies the delay, so that faults do not always hit the beginning of a step.
                        std::thread::sleep(Duration::from_millis(40 * (at as u64 * 37 % 5)));
                        self.hit(blow, &mut controller);
                    }
                    _ => {}
                }
                steps += 1;
            }
        }
        let status = controller.wait().expect("an end");
        (status.code().unwrap_or(-1), steps)
    }

    fn hit(&mut self, blow: Blow, controller: &mut Child) {
        let host = &mut self.fixture.host;
        // Errors are ignored: the process to kill may already have ended.
        match blow {
            Blow::PowerCut => {
                host.power_off();
                host.power_on();
            }
            Blow::ClientKilled => {
                if let Some(client) = client(controller, host.port()) {
                    drop(Command::new("kill").args(["-KILL", &client]).status());
                }
            }
            Blow::ControllerKilled => drop(controller.kill()),
            Blow::ConnectionCut => drop(host.exec("pkill -KILL -f '^sshd: deploy'")),
            Blow::ConnectionFrozen => drop(host.exec("pkill -STOP -f '^sshd: deploy'")),
            Blow::Signal(name) => drop(host.exec(&format!(
                "kill -{name} \"$(sed 's/.* pid //' /home/deploy/demo/.pystrano/lock)\""
            ))),
        }
    }

    /// Runs once with a fault, then checks the exit code, the current release, the running app and the next deploy.
    fn trial(&mut self, run: &str, at: usize, blow: Blow) -> Found {
        let (old, _) = self.current()?;
        let sick = run == "revert";
        let command = if run == "rollback" { run } else { "deploy" };
        if command == "deploy" {
            self.commit(sick);
        }
        let (code, _) = self.run(command, Some((at, blow)));
        let host = &self.fixture.host;
        host.exec("pkill -CONT -f '^sshd: deploy'");
        // The script on the host ends by itself and releases the lock.
        let lock = host.exec("flock -w 60 /home/deploy/demo/.pystrano/lock true");
        must!(lock.code == 0, "the lock is held: {lock}");
        let (now, version) = self.current()?;
        let told = match (code, blow) {
            (-1, Blow::ControllerKilled) | (5, _) => true,
            (0, _) => now != old,
            (1 | 3 | 4, _) => now == old,
            _ => false,
        };
        must!(told, "exit code {code}, {old} ran before, {now} is current");
        let starts = !(sick && version == format!("v{}", self.versions));
        if starts {
            if let Err(mixed) = self.answers() {
                must!(!mixed.starts_with("mixed"), "{mixed}");
            }
            self.fixture.host.root("systemctl restart demo worker");
            let answered = self.answers()?;
            must!(
                answered == version,
                "{answered} answers, {version} is current"
            );
        }
        self.recovers()
    }

    /// The next deploy succeeds without help and leaves nothing behind.
    fn recovers(&mut self) -> Found {
        let version = self.commit(false);
        let output = self.fixture.project.run(&["deploy"]);
        must!(output.code == 0, "the next deploy: {output}");
        let (release, current) = self.current()?;
        let answered = self.answers()?;
        must!(
            current == version && answered == version,
            "{answered} answers, {current} is current"
        );
        for unit in ["demo", "worker"] {
            let place = self.fixture.host.root(&format!(
                "readlink \"/proc/$(systemctl show -P MainPID {unit})/cwd\""
            ));
            must!(place.ends_with(&release), "{unit} runs in {place}");
        }
        let left = self.fixture.host.root(
            "cd /home/deploy/demo && ls releases/*/.pystrano/unfinished 2>/dev/null; ls -A releases/ | sort; echo;
             ls -d releases/*/.pystrano/env | cut -d / -f 2 | sort",
        );
        let (releases, envs) = left.split_once("\n\n").unwrap_or((&left, ""));
        // Each release has its own env file.
        let tidy = envs == releases && (3..=4).contains(&releases.lines().count());
        must!(tidy && releases.contains(&release), "left behind: {left}");
        Ok(())
    }
}

/// Prints the counts; panics if any trial failed.
fn finish(tally: &Tally) {
    let name = tally.name;
    let line = format!(
        "real host, {name}: {} places, {} tried, {} survived, PYSTRANO_SEED={}",
        tally.of, tally.tried, tally.survived, *SEED
    );
    writeln!(std::io::stderr(), "{line}").expect("stderr");
    assert!(tally.failures.is_empty(), "{name}: {:#?}", tally.failures);
}

/// The kinds of runs: name, command, and exit code without a fault.
const RUNS: [(&str, &str, i32); 3] = [
    ("deploy", "deploy", 0),
    ("rollback", "rollback", 0),
    ("revert", "deploy", 1),
];

/// Injects faults at `sample` places of each kind of run, with this `venv_mode`.
pub fn hit(release: Release, name: &'static str, mode: &str, sample: usize) {
    hit_runs(&mut Site::new(release, mode), name, &RUNS, sample);
}

fn hit_runs(site: &mut Site, name: &'static str, runs: &[(&str, &str, i32)], sample: usize) {
    let mut tally = Tally::new(name);
    for &(run, command, code) in runs {
        if command == "deploy" {
            site.commit(run == "revert");
        }
        let (ended, steps) = site.run(command, None);
        assert_eq!(ended, code, "{run}");
        site.recovers().expect("a sound site");
        for place in tally.pick(steps * BLOWS.len(), sample) {
            let (blow, at) = (BLOWS[place / steps], place % steps);
            let found = site.trial(run, at, blow);
            let broken = found.is_err();
            tally.count(&format!("{run}, {blow:?} at step {at}"), found);
            if broken {
                site.recovers().expect("a sound site");
            }
        }
    }
    finish(&tally);
}

#[test]
fn whatever_hits_a_run_leaves_one_whole_release() {
    let mut site = Site::new(Release::DEFAULT, "shared");
    hit_runs(&mut site, "one virtualenv", &RUNS, 4);
    // With a push, code and packages arrive through the connection that the faults hit.
    site.push();
    hit_runs(&mut site, "one virtualenv, pushed", &RUNS[..1], 2);
}

/// With release virtualenvs, an upgraded package is reverted together with the release.
#[test]
fn whatever_hits_a_run_leaves_the_package_of_the_release() {
    hit(Release::DEFAULT, "release virtualenvs", "release", 3);
}

/// Of two concurrent deploys one succeeds, and the other fails and names the holder of the lock.
#[test]
fn of_two_deploys_at_once_one_wins() {
    let fixture = deployed(App::Django);
    let mut tally = Tally::new("two deploys at once");
    for round in tally.pick(50, 5) {
        let version = format!("v{}", round + 2);
        fixture.repo.release(&version);
        tally.count(&version, race(&fixture, &version));
    }
    finish(&tally);
}

fn race(fixture: &Deployed, version: &str) -> Found {
    let runs = [(); 2].map(|()| fixture.project.start(&["deploy"]));
    let mut ended = runs.map(|run| Output::from(run.wait_with_output().expect("an end")));
    ended.sort_by_key(|output| output.code);
    let [won, lost] = ended;
    must!(won.code == 0 && lost.code == 3, "{won}\n{lost}");
    let told = "another run holds the lock on ";
    let (_, holder) = lost.stderr.split_once(told).ok_or(lost.to_string())?;
    must!(
        holder.contains(" deploy 20") && holder.contains(" pid "),
        "{lost}"
    );
    let page = fixture.project.page(0);
    must!(page.contains(&format!("version={version}\n")), "{page}");
    let left = fixture
        .host
        .exec("ls /home/deploy/demo/releases/*/.pystrano/unfinished");
    must!(left.code != 0, "left behind: {left}");
    Ok(())
}

#[test]
fn a_uv_that_a_power_cut_left_empty_is_replaced() {
    let mut fixture = deployed(App::FastApi);
    fixture.own_venv();
    fixture.project.set("venv_mode", "release");
    fixture
        .project
        .set("static_files_command", "python build_static.py");
    fixture.project.run(&["setup"]).expect(0);
    fixture
        .host
        .root(": >/home/deploy/demo/.pystrano/uv/bin/uv");
    fixture.repo.release("v2");
    fixture.project.run(&["deploy"]).expect(0);
    assert!(fixture.project.page(0).contains("\"version\":\"v2\""));
}

#[test]
fn the_old_release_answers_soon_after_a_failed_health_check() {
    const TIMEOUT: u32 = 3;
    let mut fixture = deployed(App::Django);
    fixture.project.check_health("/", TIMEOUT);
    fixture.repo.write(
        "demo/wsgi.py",
        "def application(environ, start_response):\n    start_response('500 sick', [])\n    return [b'sick']\n",
    );
    fixture.repo.release("v2");
    let mut program = fixture.project.command(&["deploy", "--json"]);
    let mut controller = program.stdout(Stdio::piped()).spawn().expect("pystrano");
    let mut promoted = None;
    for event in BufReader::new(controller.stdout.take().expect("a pipe")).lines() {
        let event = event.expect("a line");
        if event.contains("\"step\":\"promote\"") && promoted.is_none() {
            promoted = Some(Instant::now());
        }
        if event.contains("\"step\":\"revert\"") {
            break;
        }
    }
    assert!(fixture.project.page(0).contains("version=v1"));
    let took = promoted.expect("a promotion").elapsed();
    assert!(
        took < Duration::from_secs(u64::from(TIMEOUT) + 5),
        "{took:?}"
    );
    drop(controller.kill());
    drop(controller.wait());
    let line = format!(
        "a sick release is gone {:.1} s after its promotion; health_check_timeout is {TIMEOUT} s",
        took.as_secs_f32()
    );
    writeln!(std::io::stderr(), "{line}").expect("stderr");
}
