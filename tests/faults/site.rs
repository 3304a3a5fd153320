//! A site on this machine: the real `deploy.sh` with stand-ins for git, pip, manage.py, systemctl and curl. Each
//! attempt starts from a saved state, and the invariants are checked after it.
//!
//! Code, env and dependencies contain the name of their release, so that a mixture of releases is noticed.

use crate::payload;
use crate::sandbox::{Ran, Sandbox, names};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Returns from a check with an error message unless the condition holds.
macro_rules! must {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use must;

/// `Err` describes the invariant that was violated.
pub type Found = Result<(), String>;

const GIT: &str = r#"#!/bin/sh
case " $* " in
*' clone '*)
	for to; do :; done
	mkdir -p "$to/media"
	printf '%s\n' "${to##*/.new-}" >"$to/version"
	printf '%s\n' "${to##*/.new-}" >"$to/requirements.txt"
	: >"$to/media/checked-in"
	;;
*) printf '%s\n' 0123456789abcdef0123456789abcdef01234567 ;;
esac
"#;

const PIP: &str = r#"#!/bin/sh
[ ! -e "$SANDBOX/fail/pip" ] || exit 1
venv=${0%/bin/pip}
while [ "$1" != -r ]; do shift; done
cp "$2" "$venv/package"
rm -rf "$venv/lib"
mkdir -p "$venv/lib/python3.11/site-packages/package-$(cat "$2").dist-info"
"#;

const PYTHON: &str = r#"#!/bin/sh
[ ! -e "$SANDBOX/fail/$2" ] || exit 1
[ "$2" != collectstatic ] || { mkdir -p static && cp version static/; }
"#;

const PYTHON3: &str = r#"#!/bin/sh
case $1 in
-m)
	mkdir -p "$3/bin"
	cp -R "$SANDBOX/stand-ins/." "$3/bin"
	echo 'include-system-site-packages = false' >"$3/pyvenv.cfg"
	;;
*) exec /usr/bin/python3 "$@" ;;
esac
"#;

/// The unit of a sick release crashes again and again.
const SYSTEMCTL: &str = r#"#!/bin/sh
release=$(readlink "$SANDBOX/root/current")
case $1 in
show)
	shift
	invocation=1
	[ ! -e "$SANDBOX/fail/sick-${release##*/}" ] || invocation=$(od -An -N8 -tx8 /dev/urandom)
	for unit; do
		case $unit in
		-*) ;;
		*) printf '%s\n' "Id=$unit" LoadState=loaded ActiveState=active "InvocationID=$invocation" MainPID=0 Result=success '' ;;
		esac
	done
	;;
restart)
	shift
	for unit; do
		printf '%s\n' "${release##*/}" >"$SANDBOX/units/$unit"
	done
	;;
is-active) echo active ;;
esac
"#;

/// The units that a deploy restarts.
const UNITS: [&str; 2] = ["app.service", "worker.service"];

const CURL: &str = r#"#!/bin/sh
release=$(readlink "$SANDBOX/root/current")
if [ -e "$SANDBOX/fail/sick-${release##*/}" ]; then printf 500; else printf 200; fi
"#;

/// A site; `venv_mode` is `shared` or `release`.
pub struct Site {
    pub host: Sandbox,
    venv_mode: &'static str,
    /// Whether releases are deployed from payloads.
    payload: bool,
}

impl Site {
    /// A site that was set up but never deployed to.
    pub fn new(venv_mode: &'static str) -> Site {
        let host = Sandbox::new();
        host.program("bin/git", GIT);
        host.program("bin/python3", PYTHON3);
        host.program("bin/systemctl", SYSTEMCTL);
        host.program("bin/curl", CURL);
        host.program("stand-ins/pip", PIP);
        host.program("stand-ins/python", PYTHON);
        fs::remove_dir_all(host.path("venv")).expect("the sandbox's venv");
        fs::create_dir(host.path("units")).expect("a directory");
        host.program("stand-ins/uvicorn", "#!/bin/sh\n");
        let launcher = host.path("root/current/.pystrano/run");
        let unit = format!(
            "[Service]\nExecStart={} uvicorn app:app\n",
            launcher.display()
        );
        host.write(&format!("files/{}", UNITS[1]), unit);
        let site = Site {
            host,
            venv_mode,
            payload: false,
        };
        if venv_mode == "shared" {
            site.make_venv();
        }
        site
    }

    /// A site with releases deployed by `deploy.sh`.
    pub fn with(venv_mode: &'static str, releases: &[&str]) -> Site {
        let site = Site::new(venv_mode);
        for release in releases {
            assert_eq!(site.run(&["deploy", release]).status, 0, "{release}");
        }
        site
    }

    /// A site with releases deployed from payloads, without git.
    pub fn with_payloads(venv_mode: &'static str, releases: &[&str]) -> Site {
        let mut site = Site::new(venv_mode);
        site.payload = true;
        site.host.write("repo/requirements.txt", "");
        site.host.commit("2");
        site.host.program("bin/git", "#!/bin/sh\nexit 9\n");
        for release in releases {
            assert_eq!(site.run(&["deploy", release]).status, 0, "{release}");
        }
        site
    }

    /// A site with releases deployed by the Python tool.
    pub fn of_python_tool(venv_mode: &'static str, releases: &[&str]) -> Site {
        let site = Site::new(venv_mode);
        let host = &site.host;
        // The Python tool's releases have no launcher.
        let unit = host.read(&format!("files/{}", UNITS[0]));
        host.write(&format!("files/{}", UNITS[1]), unit);
        if venv_mode == "release" {
            site.make_venv();
        }
        host.write("venv/package", "earlier\n");
        for release in releases {
            host.write(
                &format!("root/releases/{release}/version"),
                format!("{release}\n"),
            );
            let env = format!("root/shared/.env.{release}");
            host.write(&env, format!("RELEASE={release}\n"));
            let release = host.path(&format!("root/releases/{release}"));
            for (target, link) in [(host.path(&env), "shared/.env"), (release, "current")] {
                let link = host.path("root").join(link);
                let _ = fs::remove_file(&link);
                symlink(target, link).expect("a link");
            }
        }
        site
    }

    fn make_venv(&self) {
        let made = self
            .host
            .command(&["python3", "-m", "venv"])
            .arg(self.host.path("venv"))
            .status();
        assert!(made.expect("the stand-in").success());
    }

    /// The directories that a run may change.
    pub fn trees(&self) -> [PathBuf; 2] {
        [self.host.path("root"), self.host.path("venv")]
    }

    /// Saves the state of the site for [`Site::restore`].
    pub fn save(&self) {
        self.copy("", "saved");
    }

    /// Restores the saved state of the site.
    pub fn restore(&self) {
        for tree in ["root", "venv"] {
            let _ = fs::remove_file(self.host.path(tree));
            let _ = fs::remove_dir_all(self.host.path(tree));
        }
        self.copy("saved", "");
    }

    fn copy(&self, from: &str, to: &str) {
        fs::create_dir_all(self.host.path(to)).expect("a directory");
        for tree in ["root", "venv"] {
            let source = self.host.path(from).join(tree);
            if source.symlink_metadata().is_ok() {
                let copied = Command::new("cp")
                    .arg("-a")
                    .args([source, self.host.path(to)])
                    .status();
                assert!(copied.expect("cp").success());
            }
        }
    }

    /// Renders the script for the release that is the second of `words`.
    pub fn prepare(&self, words: &[&str]) {
        let release = words.get(1).copied().unwrap_or("unnamed");
        let script = format!("scripts/{release}.sh");
        if !self.host.path(&script).exists() {
            self.host
                .write("files/.env", format!("RELEASE={release}\n"));
            let files = self.host.path("files");
            let units = UNITS.map(|unit| files.join(unit).display().to_string());
            self.host.configure(&format!(
                "secrets: -\ncollect_static_files: true\nvenv_mode: {}\nservice_file: {}\n\
                 hooks: {{after_dependencies: cp version hooked, before_promote: cp hooked checked}}\n\
                 shared_dirs: exports/out",
                self.venv_mode,
                units.join("; ")
            ));
            let text = if self.payload {
                let directory = format!("scripts/{release}");
                payload::pack(&self.host, release, &directory);
                self.host.read(&format!("{directory}/deploy.sh"))
            } else {
                self.host.script()
            };
            // No unit fails late here, so one look at its state is enough.
            assert!(text.contains("checks_left=15"));
            self.host
                .write(&script, text.replace("checks_left=15", "checks_left=1"));
        }
    }

    /// The command that runs the script with `words` and redirects its output to the file `output`.
    pub fn command(&self, words: &[&str]) -> Command {
        self.prepare(words);
        let release = words.get(1).copied().unwrap_or("unnamed");
        let output = fs::File::create(self.host.path("output")).expect("a file");
        let mut command = self.host.command(&["sh"]);
        command
            .arg(format!("scripts/{release}.sh"))
            .args(words)
            .args(
                self.payload
                    .then(|| format!("payload=scripts/{release}/payload.tar")),
            )
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a descriptor"))
            .stdout(output);
        command
    }

    /// Runs the script with `words` and collects its output.
    pub fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.output().expect("a shell").into()
    }

    /// The output of the last [`Site::command`].
    pub fn output(&self) -> String {
        self.host.read("output")
    }

    pub fn current(&self) -> Option<String> {
        self.host.current()
    }

    /// The releases that are complete, judging by their names and marker files.
    pub fn good(&self) -> BTreeSet<String> {
        let current = self.current();
        let mut releases = self.host.releases();
        releases.retain(|name| {
            let mark = self
                .host
                .path(&format!("root/releases/{name}/.pystrano/unfinished"));
            !name.starts_with('.') && (current.as_ref() == Some(name) || !mark.exists())
        });
        releases.into_iter().collect()
    }

    /// The invariant of every instant: code, env and dependencies are those of one release.
    pub fn is_whole(&self) -> Found {
        let Some(current) = self.current() else {
            let link = self.host.path("root/current");
            must!(
                link.symlink_metadata().is_err(),
                "current is there and leads nowhere"
            );
            return Ok(());
        };
        let read = |name: &str| fs::read_to_string(self.host.path(name)).unwrap_or_default();
        let version = read("root/current/version");
        must!(
            version == format!("{current}\n"),
            "current is {current}, its code {version:?}"
        );
        let env = read("root/shared/.env");
        must!(
            env == format!("RELEASE={current}\n"),
            "current is {current}, shared/.env {env:?}"
        );
        let own = self.host.path("root/current/.pystrano/env");
        if let Ok(env) = fs::symlink_metadata(own) {
            let mode = env.mode();
            must!(mode == 0o100_600, "the env of {current} has mode {mode:o}");
        }
        let package = read("venv/package");
        // In these tests the Python tool's releases are those of 2025, and share one virtualenv.
        let is_legacy = current.starts_with("2025");
        let wanted = match is_legacy {
            true => "earlier",
            false => &current,
        };
        if !is_legacy {
            for hook in ["hooked", "checked"] {
                let left = read(&format!("root/current/{hook}"));
                must!(
                    left == version,
                    "current is {current}, a hook left {left:?}"
                );
            }
            let shared = self.host.path("root/current/exports/out");
            must!(
                shared.is_dir(),
                "current is {current}, without its shared directory"
            );
        }
        must!(
            self.venv_mode == "shared" || package == format!("{wanted}\n"),
            "current is {current}, the virtualenv has {package:?}"
        );
        Ok(())
    }

    /// The invariants between runs. `before` are the releases that were good before the last run, and `made` is the
    /// one that it deployed, if any.
    pub fn is_sound(&self, before: &BTreeSet<String>, made: &str) -> Found {
        self.is_whole()?;
        let lock = self.host.path("root/.pystrano/lock");
        if lock.exists() {
            let free = Command::new("flock")
                .arg("-n")
                .arg(lock)
                .arg("true")
                .status();
            must!(free.expect("flock").success(), "the lock is held");
        }
        let current = self.current();
        let good = self.good();
        let kept = good.len().min(3);
        must!(
            kept >= before.len().min(3),
            "only {good:?} are left of {before:?}"
        );
        let ran = self.run(&["status"]);
        must!(ran.status == 0, "status: {ran:?}");
        let mut listed = BTreeSet::new();
        for line in ran.stdout.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["release" | "current", name] if name != "-" => {
                    listed.insert(name.to_owned());
                }
                ["lock", ..] => return Err(format!("status: {line}")),
                _ => {}
            }
        }
        must!(listed == good, "status lists {listed:?}, good are {good:?}");
        let promoted = current.as_deref() == Some(made) || before.contains(made);
        must!(
            promoted || !listed.contains(made),
            "{made} was not promoted, and status lists it"
        );
        Ok(())
    }

    /// A rollback to a release that was not promoted must be refused.
    pub fn refuses(&self, release: &str) -> Found {
        let ran = self.run(&["rollback", release]);
        must!(ran.status == 3, "rollback to {release}: {ran:?}");
        self.is_whole()
    }

    /// The next deploy must succeed without manual repair and leave nothing behind.
    pub fn recovers(&self, next: &str) -> Found {
        let before = self.good();
        let ran = self.run(&["deploy", next]);
        must!(ran.status == 0, "the next deploy: {ran:?}");
        must!(
            self.current().as_deref() == Some(next),
            "the next deploy is not current"
        );
        let package = self.host.read("venv/package");
        must!(package == format!("{next}\n"), "installed: {package:?}");
        for unit in UNITS {
            let runs = self.host.read(&format!("units/{unit}"));
            must!(runs == package, "{unit} runs {runs:?}");
        }
        self.is_sound(&before, next)?;
        self.is_tidy()
    }

    /// No leftovers: every file belongs to a good release.
    pub fn is_tidy(&self) -> Found {
        let good = self.good();
        let releases: BTreeSet<String> = self.host.releases().into_iter().collect();
        must!(releases == good, "in releases: {releases:?}");
        must!(good.len() <= 4, "{good:?} were not pruned");
        for name in names(&self.host.path("root/shared")) {
            let Some(release) = name.strip_prefix(".env.") else {
                continue;
            };
            let legacy = release.starts_with("2025") && good.contains(release);
            must!(legacy, "shared/{name} is left");
        }
        for release in good.iter().filter(|name| !name.starts_with("2025")) {
            let env = self
                .host
                .path(&format!("root/releases/{release}/.pystrano/env"));
            let env = fs::symlink_metadata(env);
            let mode = env.map_or(0, |env| env.mode());
            must!(mode == 0o100_600, "the env of {release} has mode {mode:o}");
        }
        let state = names(&self.host.path("root/.pystrano"));
        must!(
            state == ["copied", "lock", "revisions.log", "starts"],
            "in .pystrano: {state:?}"
        );
        let root = names(&self.host.path("root"));
        let known = [".pystrano", "current", "releases", "shared", "venvs"];
        must!(
            root.iter().all(|name| known.contains(&name.as_str())),
            "in the root: {root:?}"
        );
        if self.host.path("root/venvs").exists() {
            let used: BTreeSet<String> =
                good.iter().filter_map(|name| self.venv_of(name)).collect();
            let there: BTreeSet<String> =
                names(&self.host.path("root/venvs")).into_iter().collect();
            must!(used == there, "virtualenvs {there:?}, used {used:?}");
        }
        Ok(())
    }

    fn venv_of(&self, release: &str) -> Option<String> {
        let link = format!("root/releases/{release}/.pystrano/venv");
        let to = fs::read_link(self.host.path(&link)).ok()?;
        Some(to.file_name()?.to_string_lossy().into_owned())
    }
}
