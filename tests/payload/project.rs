//! An app in a repository, its config, and a package index of its own.

use crate::executable;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The version of uv that payloads contain.
pub const UV: &str = "0.13.9";

/// Renders with a payload; the output directory is appended.
pub const RENDER: [&str; 5] = ["render", "production", "shop", "--payload", "--output"];

/// Runs a command with a clock 1,000 days ahead, except the monotonic clock, which measures waiting.
pub const AHEAD: &str = "faketime --exclude-monotonic -f +1000d";

pub struct Project {
    directory: TempDir,
    index: Child,
    port: String,
}

impl Drop for Project {
    fn drop(&mut self) {
        self.stop_index();
    }
}

/// The directory into which pystrano has installed uv, once for all tests.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools");
        fs::create_dir_all(&directory).expect("a directory");
        directory
    })
}

/// The path of uv, which pystrano installs itself if it is missing.
fn uv() -> PathBuf {
    static MADE: OnceLock<()> = OnceLock::new();
    let uv = tools().join(format!("uv-{UV}/bin/uv"));
    MADE.get_or_init(|| {
        let runs = Command::new(&uv).arg("--version").output();
        if runs.is_ok_and(|output| output.status.success()) {
            return;
        }
        let directory = tools().join(format!("uv-{UV}"));
        let venv = Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&directory)
            .status();
        assert!(venv.expect("python3").success());
        let pip = Command::new(directory.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", &format!("uv=={UV}")])
            .status();
        assert!(pip.expect("pip").success());
    });
    uv
}

/// PATH with the directory of the real Python first, instead of a version manager's shims.
fn path() -> &'static str {
    static SEARCHED: OnceLock<String> = OnceLock::new();
    SEARCHED.get_or_init(|| {
        let script = "import os, sys; print(os.path.dirname(os.path.realpath(sys.executable)))";
        let output = Command::new("python3").args(["-c", script]).output();
        let directory = String::from_utf8(output.expect("python3").stdout).expect("UTF-8");
        format!(
            "{}:{}",
            directory.trim(),
            std::env::var("PATH").expect("a PATH")
        )
    })
}

pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "-c",
            "protocol.file.allow=always",
            "-C",
        ])
        .arg(directory)
        .args(arguments)
        .output()
        .expect("git");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Makes a directory a git repository and commits its files.
pub fn make_repository(directory: &Path) {
    git(directory, &["init", "--quiet", "--initial-branch=main"]);
    commit(directory);
}

fn commit(directory: &Path) {
    git(directory, &["add", "--all"]);
    let commit = ["commit", "--quiet", "--allow-empty", "--message=Change"];
    git(directory, &commit);
}

impl Project {
    /// A repository whose `requirements.txt` has these lines.
    pub fn new(requirements: &str) -> Self {
        uv();
        let directory = TempDir::new().expect("a directory");
        let mut index = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/payload/index.py"
            ))
            .arg(directory.path().join("index"))
            .arg(UV)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("an index");
        let mut port = String::new();
        let stdout = index.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut port).expect("a port");
        let project = Project {
            directory,
            index,
            port: port.trim().to_owned(),
        };
        project.write("repo/requirements.txt", requirements);
        make_repository(&project.repo());
        project.configure("");
        project
    }

    /// The URL of the index.
    pub fn index(&self) -> String {
        format!("http://127.0.0.1:{}/simple/", self.port)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Writes a project whose build needs no other packages into a directory of the repository.
    pub fn write_project(&self, directory: &str, name: &str, requires: &str, more: &str) {
        let index = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/payload/index.py");
        let text = fs::read_to_string(index).expect("the index");
        let template = |variable: &str| {
            let (_, rest) = text
                .split_once(&format!("{variable} = '''"))
                .expect("a template");
            let (text, _) = rest.split_once("'''").expect("its end");
            text.replace("%(name)s", name)
                .replace("%(version)s", "1.0")
                .replace("%(tag)s", "py3-none-any")
                .replace("%(requires)s", requires)
                .replace("%%", "%")
                .replace("\\\\n", "\\n")
        };
        self.write(&format!("{directory}/backend.py"), &template("BACKEND"));
        self.write(
            &format!("{directory}/pyproject.toml"),
            &(template("PROJECT") + more),
        );
    }

    pub fn commit(&self) -> String {
        commit(&self.repo());
        git(&self.repo(), &["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Runs `uv lock` in the repository.
    pub fn lock(&self, options: &[&str], variables: &[(&str, &str)]) {
        let lock = Command::new(uv())
            .args(["lock", "--quiet"])
            .args(options)
            .current_dir(self.repo())
            .envs(variables.iter().copied())
            .output()
            .expect("uv");
        assert!(lock.status.success(), "{}", said(&lock));
    }

    /// Writes a config with servers `a` and `b`, and more lines in `common`.
    pub fn configure(&self, common: &str) {
        let repository = self.repo();
        self.write(
            "deploy/shop/production/deployment.yml",
            &format!(
                "config_version: 2\ncommon:\n  source_code_url: {}\n  project_user: deploy\n  project_root: shop\n  \
                 venv_dir: .venv\n  branch: main\n  python: \"3.13\"\n  platform: x86_64-manylinux_2_36\n{common}\
                 servers:\n  - host: a\n  - host: b\n",
                repository.display()
            ),
        );
    }

    /// Replaces the first occurrence of a text in the config.
    pub fn replace_config(&self, old: &str, new: &str) {
        let config = self.path("deploy/shop/production/deployment.yml");
        let text = fs::read_to_string(&config).expect("a config");
        fs::write(config, text.replacen(old, new, 1)).expect("a file");
    }

    /// pystrano with a cache of its own.
    pub fn pystrano(&self, cache: &str) -> Command {
        let cache = self.path(cache);
        fs::create_dir_all(cache.join("pystrano")).expect("a directory");
        let _ = symlink(tools(), cache.join("pystrano/tools"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pystrano"));
        command
            .current_dir(self.directory.path())
            .env("PATH", path())
            .env("XDG_CACHE_HOME", cache)
            .env("PIP_INDEX_URL", self.index())
            .env("NO_PROXY", "127.0.0.1")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "protocol.file.allow")
            .env("GIT_CONFIG_VALUE_0", "always")
            .env_remove("PIP_FIND_LINKS");
        command
    }

    /// A PATH with a program that runs a script before the real program.
    pub fn path_with(&self, name: &str, script: &str) -> String {
        let text = format!(
            "#!/bin/sh\n{script}\nPATH='{}' exec {name} \"$@\"\n",
            path()
        );
        fs::create_dir_all(self.path("bin")).expect("a directory");
        executable::write(&self.path(&format!("bin/{name}")), &text);
        format!("{}:{}", self.path("bin").display(), path())
    }

    /// Prepares a cache, and returns a PATH, whose git, python3 and uv run with a clock 1,000 days ahead; each of
    /// them appends the year that it sees to the file with its name in `years`.
    pub fn ahead(&self, cache: &str) -> String {
        fs::create_dir_all(self.path("years")).expect("a directory");
        let uv_in_tools = self.path(&format!("{cache}/pystrano/tools/uv-{UV}/bin/uv"));
        fs::create_dir_all(uv_in_tools.parent().expect("a parent")).expect("a directory");
        fs::create_dir_all(self.path("ahead")).expect("a directory");
        // Python's own sleep fails with such a clock.
        let sleep = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)\n";
        self.write("ahead/sitecustomize.py", sleep);
        for (program, file) in [
            ("git", self.path("ahead/git")),
            ("python3", self.path("ahead/python3")),
            (uv().to_str().expect("UTF-8"), uv_in_tools),
        ] {
            let years = self.path("years").join(file.file_name().expect("a name"));
            let text = format!(
                "#!/bin/sh\nPATH='{}' PYTHONPATH='{}' exec {AHEAD} sh -c 'date +%Y >>\"$0\"; exec \"$@\"' '{}' '{program}' \"$@\"\n",
                path(),
                self.path("ahead").display(),
                years.display()
            );
            executable::write(&file, &text);
        }
        format!("{}:{}", self.path("ahead").display(), path())
    }

    /// pystrano started by a shell, with a script that ends with `exec "$0" "$@"`.
    pub fn in_shell(&self, cache: &str, script: &str) -> Command {
        let program = self.pystrano(cache);
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(script)
            .arg(program.get_program())
            .current_dir(self.directory.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// pystrano rendering with a payload.
    pub fn rendering(&self, cache: &str, output: &str) -> Command {
        let mut command = self.pystrano(cache);
        command.args(RENDER).arg(output);
        command
    }

    pub fn render(&self, output: &str) -> Output {
        self.rendering("cache", output).output().expect("pystrano")
    }

    /// Renders, and returns the path of the only payload.
    pub fn payload(&self, output: &str) -> PathBuf {
        let rendered = self.render(output);
        assert!(rendered.status.success(), "{}", said(&rendered));
        self.payload_in(output)
    }

    pub fn payload_in(&self, output: &str) -> PathBuf {
        let files = fs::read_dir(self.path(output).join("payload")).expect("payloads");
        let files: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    /// Renders, which must be refused; returns the output.
    pub fn refused(&self) -> String {
        let output = self.render("refused");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        said(&output)
    }

    /// Fails unless rendering is refused with these texts.
    #[track_caller]
    pub fn refuses(&self, texts: &[&str]) {
        let stopped = self.refused();
        for text in texts {
            assert!(stopped.contains(text), "no {text:?} in: {stopped}");
        }
    }

    pub fn stop_index(&mut self) {
        let _ = self.index.kill();
        let _ = self.index.wait();
    }

    /// Unpacks the parts of a payload into `source` and `dependencies` of a directory, which it returns.
    pub fn unpack(&self, payload: &Path, name: &str) -> PathBuf {
        let directory = self.path(name);
        for part in ["source", "dependencies"] {
            fs::create_dir_all(directory.join(part)).expect("a directory");
        }
        let script = "tar -xf \"$1\" && tar -xpzf source.tar.gz -C source && \
                      { [ ! -e dependencies.tar ] || tar -xpf dependencies.tar -C dependencies; }";
        let status = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(payload)
            .current_dir(&directory)
            .status();
        assert!(status.expect("tar").success());
        directory
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All files below a directory, each with its type, mode, path, and checksum or link target.
pub fn portrait(directory: &Path) -> Vec<String> {
    let script = "find . -name .git -prune -o -printf '%y %m %p %l ' \\( -type f -exec sha256sum {} \\; -o -printf '\\n' \\) | LC_ALL=C sort";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .output()
        .expect("find");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}
