//! Detects a Django or FastAPI app in a checkout and derives defaults for the questions from it.

mod notes;

use super::checkout::{Checkout, file_name};
use super::git;
use super::python_source::{assigned_name, first_string, has_assignment, module_name};
use crate::cli::questions::Answers;
use crate::config::types::{Python, Rule};
use std::path::{Path, PathBuf};

/// How many directories deep `manage.py` may be.
const MAX_MANAGE_DEPTH: usize = 3;
/// Bound for the number of Python files that a search reads.
const MAX_MODULES: usize = 500;

/// An app found in a checkout. Paths are relative to the top of the checkout.
pub struct DetectedApp<'a> {
    checkout: &'a Checkout,
    framework: &'static str,
    /// The default of `app_dir`: the directory in which commands such as `manage.py` run.
    directory: PathBuf,
    /// `module:name` of the WSGI or ASGI application, imported from `directory`.
    module: String,
    /// Django has an `asgi.py` and no `wsgi.py`.
    is_asgi: bool,
    /// `manage.py` sets no `DJANGO_SETTINGS_MODULE`.
    needs_settings: bool,
    requirements: Option<PathBuf>,
    /// What uv installs from: `uv.lock`, `poetry.lock`, `pdm.lock`, or a `pyproject.toml` with a `[project]` table.
    uv_file: Option<PathBuf>,
    alembic: Option<PathBuf>,
    /// `staticfiles.json`, which collectstatic writes, if it is tracked by git.
    collected: Option<PathBuf>,
    /// `module:name` of the Celery application, imported from `directory`.
    celery: Option<String>,
    /// The command that runs the workers of Django's task queue.
    worker: Option<String>,
    remote: Option<String>,
    branch: Option<String>,
    /// The Python version that the app requires, and the file that says so.
    python: Option<(String, PathBuf)>,
    /// Files and git metadata that the defaults come from.
    sources: Vec<String>,
}

/// Looks for a Django app, then for a FastAPI app.
pub fn detect(checkout: &Checkout) -> Option<DetectedApp<'_>> {
    let mut app = django(checkout).or_else(|| fastapi(checkout))?;
    app.find_dependencies();
    if app.framework == "fastapi" {
        app.alembic = app.nearest("alembic.ini");
    } else {
        app.worker = app.queue_worker();
        app.collected = app.collected_files();
    }
    app.find_celery();
    app.python = app.python_version();
    app.remote = git::remote(checkout);
    app.branch = git::branch(checkout);
    let files = [
        &app.uv_file,
        &app.requirements,
        &app.alembic,
        &app.collected,
    ];
    let files = files
        .into_iter()
        .flatten()
        .map(|file| file.display().to_string());
    app.sources.extend(files);
    if app.remote.is_some() {
        app.sources.push("the remote origin".to_owned());
    }
    if let Some(branch) = &app.branch {
        app.sources.push(format!("the branch {branch}"));
    }
    Some(app)
}

impl DetectedApp<'_> {
    /// The default that the app gives for a question; depends on the answers to earlier ones.
    pub fn default_of(&self, question: &str, answers: &Answers) -> Option<String> {
        let is_fastapi = answers.is_fastapi() && self.framework == "fastapi";
        match question {
            "framework" => Some(self.framework.to_owned()),
            "package_manager" if self.uv_file.is_some() => Some("uv".to_owned()),
            "package_manager" => self.requirements.as_ref().map(|_| "pip".to_owned()),
            "app_dir" if answers.framework == self.framework => {
                Some(self.directory.display().to_string())
            }
            "dependency_file" => self
                .dependency_file(answers)
                .map(|file| self.relative_to_app(file, answers)),
            "python" if answers.package_manager == "pip" => self.pinned_python(),
            "app_module" if answers.framework == self.framework => Some(self.module.clone()),
            "repo" => self.remote.clone(),
            "celery_app" => self.celery.clone(),
            "worker_command" if answers.framework == self.framework => self.worker.clone(),
            "branch" => self.branch.clone(),
            "run_migrations" if is_fastapi => Some(self.alembic.is_some().to_string()),
            "collect_static_files" if answers.framework == self.framework => {
                self.collected.as_ref().map(|_| "false".to_owned())
            }
            "migration_command" => {
                let file = self.alembic.as_ref()?.strip_prefix(&self.directory).ok()?;
                (file.as_os_str() != "alembic.ini")
                    .then(|| format!("alembic -c {} upgrade head", file.display()))
            }
            _ => None,
        }
    }

    fn dependency_file(&self, answers: &Answers) -> Option<&Path> {
        let uv_file = self
            .uv_file
            .as_deref()
            .filter(|_| answers.package_manager == "uv");
        uv_file.or(self.requirements.as_deref())
    }

    /// Makes a path relative to `app_dir`, as the config wants it. The lock of a uv workspace stays `uv.lock`, which uv
    /// finds from any member.
    fn relative_to_app(&self, file: &Path, answers: &Answers) -> String {
        let directory = Path::new(&answers.app_dir);
        if let Ok(inner) = file.strip_prefix(directory) {
            return inner.display().to_string();
        }
        let is_member = self.checkout.has(&directory.join("pyproject.toml"));
        if file_name(file) == "uv.lock" && is_member {
            "uv.lock".to_owned()
        } else {
            "../".repeat(directory.components().count()) + &file.display().to_string()
        }
    }

    /// The version in `.python-version` as `3.13`, the form in which Debian names its interpreters.
    fn pinned_python(&self) -> Option<String> {
        let (version, file) = self.python.as_ref()?;
        let parts: Vec<&str> = version.split('.').take(2).collect();
        let version = parts.join(".");
        (file_name(file) == ".python-version" && Python::check(&version).is_ok()).then_some(version)
    }

    /// What the defaults were derived from, as a comma-separated list.
    pub fn sources(&self) -> String {
        self.sources.join(", ")
    }

    /// The nearest file of this name, in the app's directory or one above it.
    fn nearest(&self, name: &str) -> Option<PathBuf> {
        let mut paths = self
            .directory
            .ancestors()
            .map(|directory| directory.join(name));
        paths.find(|path| self.checkout.has(path))
    }

    /// Looks for `requirements` and `uv_file` in the app's directory and those above it.
    fn find_dependencies(&mut self) {
        let mut project = None;
        for directory in self.directory.ancestors() {
            let file = |name| Some(directory.join(name)).filter(|file| self.checkout.has(file));
            // Above requirements.txt a lock belongs to another project, unless the app is a member of its workspace.
            if self.uv_file.is_none() && (self.requirements.is_none() || project.is_some()) {
                self.uv_file = file("uv.lock");
            }
            if project.is_none() {
                project = file("pyproject.toml").filter(|file| self.describes_project(file));
            }
            if self.requirements.is_none() {
                self.requirements = self.requirements_in(directory);
            }
        }
        if self.requirements.is_none() && self.uv_file.is_none() {
            let mut locks = ["poetry.lock", "pdm.lock"].into_iter();
            self.uv_file = locks.find_map(|lock| self.nearest(lock)).or(project);
        }
    }

    fn describes_project(&self, file: &Path) -> bool {
        let text = self.checkout.read(file).unwrap_or_default();
        text.lines().any(|line| line.trim() == "[project]")
    }

    /// The file in `directory` that lists the production dependencies.
    fn requirements_in(&self, directory: &Path) -> Option<PathBuf> {
        let usual = [
            "requirements.txt",
            "requirements/production.txt",
            "requirements/prod.txt",
            "requirements/base.txt",
        ];
        let mut usual = usual.iter().map(|name| directory.join(name));
        usual.find(|file| self.checkout.has(file)).or_else(|| {
            let mut files = self.checkout.files_in(directory);
            let is_other = |file: &&Path| {
                let name = file_name(file);
                file.parent() == Some(directory)
                    && name.starts_with("requirements")
                    && name.ends_with(".txt")
            };
            files.find(is_other).map(Path::to_owned)
        })
    }

    /// Looks for the Celery application, preferring a `celery.py`.
    fn find_celery(&mut self) {
        let found = self
            .checkout
            .python_files(&self.directory)
            .take(MAX_MODULES)
            .filter_map(|file| {
                let text = self.checkout.read(file)?;
                Some((file, assigned_name(&text, "Celery(")?))
            })
            .min_by_key(|(file, _)| (file_name(file) != "celery.py", file.components().count()));
        if let Some((file, object)) = found {
            self.celery = Some(module_name(file, &self.directory, &object));
            self.sources.push(file.display().to_string());
        }
    }

    /// The worker command of a task queue that Django's settings name.
    fn queue_worker(&self) -> Option<String> {
        const QUEUES: [(&str, &str); 3] = [
            ("huey.contrib.djhuey", "run_huey"),
            ("django_rq", "rqworker"),
            ("django_q", "qcluster"),
        ];
        let modules = self.checkout.python_files(&self.directory);
        let settings = modules.filter(|file| file.to_string_lossy().contains("settings"));
        settings.take(MAX_MODULES).find_map(|file| {
            let text = self.checkout.read(file)?;
            let is_named = |queue: &str| text.split(['"', '\'']).any(|string| string == queue);
            let (_, command) = QUEUES.iter().find(|(queue, _)| is_named(queue))?;
            Some(format!("python manage.py {command}"))
        })
    }

    /// What `.python-version` says, or `requires-python` in `pyproject.toml`.
    fn python_version(&self) -> Option<(String, PathBuf)> {
        let pinned = self.nearest(".python-version").and_then(|file| {
            let text = self.checkout.read(&file)?;
            let mut lines = text.lines().map(str::trim);
            let version = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
            Some((version.to_owned(), file))
        });
        let found = pinned.or_else(|| {
            let file = self.nearest("pyproject.toml")?;
            let text = self.checkout.read(&file)?;
            let value = text
                .lines()
                .find_map(|line| line.trim().strip_prefix("requires-python"))?;
            Some((first_string(value)?.to_owned(), file))
        });
        // It is printed on the terminal.
        found.filter(|(version, _)| {
            version.len() < 40 && version.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        })
    }

    /// `staticfiles.json` of static files that are committed. Collecting them on the host could lose some, as the
    /// front end is not built there.
    fn collected_files(&self) -> Option<PathBuf> {
        let mut files = self.checkout.files_in(&self.directory);
        let found = files.find(|file| file_name(file) == "staticfiles.json");
        let is_tracked = |file: &&Path| git::tracks(self.checkout, file);
        found.filter(is_tracked).map(Path::to_owned)
    }
}

/// Detects Django by its `manage.py`.
fn django(checkout: &Checkout) -> Option<DetectedApp<'_>> {
    let (manage, text) = checkout
        .files_in(Path::new(""))
        .filter(|file| {
            file_name(file) == "manage.py" && file.components().count() <= MAX_MANAGE_DEPTH + 1
        })
        .find_map(|file| {
            let text = checkout.read(file)?;
            let is_django = ["DJANGO_SETTINGS_MODULE", "django.core.management"]
                .iter()
                .any(|name| text.contains(name));
            is_django.then_some((file, text))
        })?;
    let directory = manage.parent().unwrap_or(Path::new(""));
    let settings = text
        .split("DJANGO_SETTINGS_MODULE")
        .skip(1)
        .find_map(|rest| {
            let rest = rest
                .lines()
                .next()?
                .trim_start_matches(['"', '\'', ')', ']']);
            first_string(rest)
        });
    let mut app = DetectedApp::new(checkout, "django", directory, manage);
    app.needs_settings = settings.is_none();
    let settings: PathBuf = settings.unwrap_or_default().split('.').collect();
    let entry_point = ["wsgi.py", "asgi.py"]
        .into_iter()
        .find_map(|name| find_module(checkout, directory, &settings, name));
    if let Some(file) = entry_point {
        let text = checkout.read(&file).unwrap_or_default();
        let object = ["application", "app"]
            .into_iter()
            .find(|name| has_assignment(&text, name, ""));
        app.module = module_name(&file, directory, object.unwrap_or("application"));
        app.is_asgi = file_name(&file) == "asgi.py";
        app.sources.push(file.display().to_string());
    }
    Some(app)
}

/// Looks for a module beside the settings, then in the packages above them, then anywhere below `directory`.
fn find_module(
    checkout: &Checkout,
    directory: &Path,
    settings: &Path,
    name: &str,
) -> Option<PathBuf> {
    let mut usual = settings
        .ancestors()
        .map(|package| directory.join(package).join(name));
    let mut all = checkout.files_in(directory);
    usual
        .find(|file| checkout.has(file))
        .or_else(|| all.find(|file| file_name(file) == name).map(Path::to_owned))
}

/// Detects FastAPI by a module that makes a `FastAPI` object: the one nearest to the top.
fn fastapi(checkout: &Checkout) -> Option<DetectedApp<'_>> {
    let (file, object) = checkout
        .python_files(Path::new(""))
        .take(MAX_MODULES)
        .filter_map(|file| {
            let text = checkout.read(file)?;
            Some((file, fastapi_object(&text)?))
        })
        .min_by_key(|(file, _)| {
            let names = ["main.py", "app.py", "asgi.py"];
            let rank = names.iter().position(|name| *name == file_name(file));
            (file.components().count(), rank.unwrap_or(names.len()))
        })?;
    let directory = file.ancestors().skip(1).find(|directory| {
        ["pyproject.toml", "requirements.txt", "alembic.ini"]
            .iter()
            .any(|name| checkout.has(&directory.join(name)))
    });
    let directory = directory.unwrap_or(Path::new(""));
    let mut app = DetectedApp::new(checkout, "fastapi", directory, file);
    // A package with a src layout is installed, so its modules are imported without `src`.
    let source = directory.join("src");
    let is_package = checkout
        .read(&directory.join("pyproject.toml"))
        .is_some_and(|text| text.contains("[build-system]"));
    let root = if is_package && file.starts_with(&source) {
        &source
    } else {
        directory
    };
    app.module = module_name(file, root, &object);
    Some(app)
}

/// The name of the FastAPI object that a module defines, by calling `FastAPI` or a factory of its own.
fn fastapi_object(text: &str) -> Option<String> {
    let is_assigned = |name: &&str| text.contains("FastAPI(") && has_assignment(text, name, "");
    let mut usual = ["app", "application"].into_iter();
    assigned_name(text, "FastAPI(").or_else(|| usual.find(is_assigned).map(str::to_owned))
}

impl<'a> DetectedApp<'a> {
    fn new(
        checkout: &'a Checkout,
        framework: &'static str,
        directory: &Path,
        source: &Path,
    ) -> Self {
        DetectedApp {
            checkout,
            framework,
            directory: directory.to_owned(),
            module: String::new(),
            is_asgi: false,
            needs_settings: false,
            requirements: None,
            uv_file: None,
            alembic: None,
            collected: None,
            celery: None,
            worker: None,
            remote: None,
            branch: None,
            python: None,
            sources: vec![source.display().to_string()],
        }
    }
}
