//! Repositories of the sample applications, served by a git daemon.

use super::host::workspace;
use super::{Output, free_port};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The sample applications of tests/apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// Django with pip and gunicorn.
    Django,
    /// FastAPI with uv, Alembic and uvicorn.
    FastApi,
}

impl App {
    fn directory(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/apps")
            .join(match self {
                App::Django => "django",
                App::FastApi => "fastapi",
            })
    }

    /// The file with the version that the application's page shows.
    fn version_file(self) -> &'static str {
        match self {
            App::Django => "demo/__init__.py",
            App::FastApi => "app/__init__.py",
        }
    }
}

/// A git repository with one commit of a sample application, version `v1`, on branch `main`.
/// Commits are made at a fixed time by a fixed author, so equal content has equal SHAs.
pub struct Repo {
    pub app: App,
    name: String,
    directory: PathBuf,
}

impl Repo {
    pub fn new(app: App) -> Repo {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("repo-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = Daemon::the().base.join(&name);
        let copied = Command::new("cp")
            .arg("-R")
            .args([&app.directory(), &directory])
            .status();
        assert!(copied.unwrap().success());
        let repo = Repo {
            app,
            name,
            directory,
        };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.commit("The application");
        repo
    }

    /// The URL for `source_code_url`.
    pub fn url(&self) -> String {
        format!("git://127.0.0.1:{}/{}", Daemon::the().port, self.name)
    }

    /// The path of the working tree.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Moves all files of the working tree into a new directory.
    pub fn move_into(&self, directory: &str) {
        let below = self.directory.join(directory);
        fs::create_dir(&below).unwrap();
        for entry in fs::read_dir(&self.directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if name != ".git" && name != directory {
                fs::rename(entry.path(), below.join(name)).unwrap();
            }
        }
    }

    /// Removes a file of the working tree.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.directory.join(path)).unwrap();
    }

    /// Commits version `version` of the application. Returns the SHA.
    pub fn release(&self, version: &str) -> String {
        self.write(
            self.app.version_file(),
            &format!("VERSION = \"{version}\"\n"),
        );
        self.commit(version)
    }

    /// Writes a file of the working tree, without a commit.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file of the working tree.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.directory.join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Replaces text in a file of the working tree; panics if the text is not there.
    #[track_caller]
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{from:?} is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// Commits all changes of the working tree. Returns the SHA.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Commits a migration that fails.
    pub fn break_migration(&self) -> String {
        match self.app {
            App::Django => self.write(
                "pages/migrations/0002_broken.py",
                "from django.db import migrations\n\n\
                 class Migration(migrations.Migration):\n    \
                     dependencies = [(\"pages\", \"0001_initial\")]\n    \
                     operations = [migrations.RunSQL(\"SELECT broken_migration\")]\n",
            ),
            App::FastApi => self.write(
                "migrations/versions/0002_broken.py",
                "from alembic import op\n\nrevision = \"0002\"\ndown_revision = \"0001\"\n\n\
                 def upgrade() -> None:\n    op.execute(\"SELECT broken_migration\")\n",
            ),
        }
        self.commit("A migration that fails")
    }

    /// Commits a change that makes the step for static files fail.
    pub fn break_static(&self) -> String {
        match self.app {
            App::Django => self.replace(
                "demo/settings.py",
                "STATIC_ROOT = BASE_DIR / \"staticfiles\"",
                "STATIC_ROOT = \"/broken-static\"",
            ),
            App::FastApi => self.write("build_static.py", "raise SystemExit(\"broken-static\")\n"),
        }
        self.commit("A static files step that fails")
    }

    /// Commits a dependency that cannot be installed.
    pub fn break_dependencies(&self) -> String {
        match self.app {
            App::Django => self.replace("requirements.txt", "idna==3.10", "idna==0.0.999"),
            App::FastApi => self.replace("uv.lock", "version = 1\n", "version = 999\n"),
        }
        self.commit("A dependency that does not install")
    }

    /// Commits a Django application whose server exits before it is ready.
    pub fn die_at_start(&self) -> String {
        self.write("gunicorn.conf.py", "raise SystemExit(\"broken-start\")\n");
        self.commit("Dies at start")
    }

    /// Commits an application whose server is killed one second after its start.
    pub fn die_after_a_second(&self) -> String {
        let target = match self.app {
            App::Django => "os.getppid()",
            App::FastApi => "os.getpid()",
        };
        self.write(
            self.app.version_file(),
            &format!(
                "import os\nimport sys\nimport threading\n\nVERSION = \"dying\"\n\
                 if \"unicorn\" in sys.argv[0] or \"uvicorn\" in sys.argv[0]:\n    \
                 threading.Timer(1, lambda: os.kill({target}, 9)).start()\n"
            ),
        );
        self.commit("Dies after a second")
    }

    /// Runs git in the working tree. Returns its standard output, without the last newline.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.directory)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([
                ("GIT_AUTHOR_NAME", "Ada"),
                ("GIT_AUTHOR_EMAIL", "ada@example.com"),
                ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
                ("GIT_COMMITTER_NAME", "Ada"),
                ("GIT_COMMITTER_EMAIL", "ada@example.com"),
                ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
            ])
            .output()
            .expect("git");
        Output::from(output).expect(0).stdout.trim_end().to_owned()
    }
}

/// The git daemon of the test process. It is stopped when its standard input is closed, so it never outlives the process.
struct Daemon {
    base: PathBuf,
    port: u16,
    _keeper: Child,
}

impl Daemon {
    fn the() -> &'static Daemon {
        static DAEMON: LazyLock<Daemon> = LazyLock::new(|| {
            let base = workspace().join("git");
            fs::create_dir(&base).unwrap();
            let port = free_port();
            let keeper = Command::new("sh")
                .arg("-c")
                .arg(
                    "\"$(git --exec-path)/git-daemon\" --export-all --reuseaddr \
                     --listen=127.0.0.1 --port=\"$1\" --base-path=\"$2\" </dev/null & \
                     read -r _; kill $!",
                )
                .args(["sh", &port.to_string()])
                .arg(&base)
                .stdin(Stdio::piped())
                // The daemon would log the connections of the loop below.
                .stderr(Stdio::null())
                .spawn()
                .expect("sh");
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                std::thread::sleep(Duration::from_millis(20));
            }
            Daemon {
                base,
                port,
                _keeper: keeper,
            }
        });
        &DAEMON
    }
}
