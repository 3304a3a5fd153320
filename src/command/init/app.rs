//! What a checkout shows of the app: defaults for the questions, each with what it was found in.

mod notes;

use super::checkout::{Checkout, file_name};
use super::git;
use super::python_source::{assigned, assigns, module_name, string_in};
use crate::cli::questions::Answers;
use crate::config::types::{Python, Rule};
use std::path::{Path, PathBuf};

/// Directories above `manage.py`.
const MANAGE_DEPTH: usize = 3;
/// Python files in which FastAPI's object is looked for.
const MOST_MODULES: usize = 500;

/// An app, as its checkout shows it. Paths are from the top of the checkout.
pub struct App<'a> {
    checkout: &'a Checkout,
    framework: &'static str,
    /// Where its commands are meant to run.
    directory: PathBuf,
    /// `module:name`, from that directory.
    module: String,
    /// Django's module is that of an asynchronous server.
    is_asgi: bool,
    /// `manage.py` names no settings.
    needs_settings: bool,
    requirements: Option<PathBuf>,
    /// `uv.lock`, or one that uv installs from by a command, or a `pyproject.toml` that describes a project.
    uv_file: Option<PathBuf>,
    alembic: Option<PathBuf>,
    /// The list of Django's collected files, where the repository has them.
    collected: Option<PathBuf>,
    /// `module:name`, from the app's directory.
    celery: Option<String>,
    /// What works off the tasks of Django's queues.
    worker: Option<String>,
    remote: Option<String>,
    branch: Option<String>,
    /// The Python that it asks for, and the file that says so.
    python: Option<(String, PathBuf)>,
    /// What all this was found in.
    sources: Vec<String>,
}

/// The app of a checkout; `None` if it shows neither Django nor FastAPI.
pub fn find(checkout: &Checkout) -> Option<App<'_>> {
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
    let files = files.into_iter().flatten().map(|file| shown(file));
    app.sources.extend(files);
    if app.remote.is_some() {
        app.sources.push("the remote origin".to_owned());
    }
    if let Some(branch) = &app.branch {
        app.sources.push(format!("the branch {branch}"));
    }
    Some(app)
}

impl App<'_> {
    /// The default of a question, after the answers before it.
    pub fn default_of(&self, question: &str, answers: &Answers) -> Option<String> {
        let is_fastapi = answers.is_fastapi() && self.framework == "fastapi";
        match question {
            "framework" => Some(self.framework.to_owned()),
            "package_manager" => match (&self.uv_file, &self.requirements) {
                (Some(_), _) => Some("uv".to_owned()),
                (None, requirements) => requirements.as_ref().map(|_| "pip".to_owned()),
            },
            "app_dir" if answers.framework == self.framework => Some(shown(&self.directory)),
            "dependency_file" => self
                .dependency_file(answers)
                .map(|file| self.seen_from_app(file, answers)),
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
                    .then(|| format!("alembic -c {} upgrade head", shown(file)))
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

    /// A path from the top as a config names it, which starts from the app's directory. uv finds the
    /// lock of a workspace from a member of it.
    fn seen_from_app(&self, file: &Path, answers: &Answers) -> String {
        let directory = Path::new(&answers.app_dir);
        if let Ok(inner) = file.strip_prefix(directory) {
            return shown(inner);
        }
        let is_member = self.checkout.has(&directory.join("pyproject.toml"));
        if file_name(file) == "uv.lock" && is_member {
            "uv.lock".to_owned()
        } else {
            "../".repeat(directory.components().count()) + &shown(file)
        }
    }

    /// The version of a `.python-version`, as Debian names it.
    fn pinned_python(&self) -> Option<String> {
        let (version, file) = self.python.as_ref()?;
        let parts: Vec<&str> = version.split('.').take(2).collect();
        let version = parts.join(".");
        (file_name(file) == ".python-version" && Python::check(&version).is_ok()).then_some(version)
    }

    /// What the defaults were found in, for people.
    pub fn sources(&self) -> String {
        self.sources.join(", ")
    }

    /// The first directory with a file of this name, from that of the app up to the top.
    fn nearest(&self, name: &str) -> Option<PathBuf> {
        let mut paths = self
            .directory
            .ancestors()
            .map(|directory| directory.join(name));
        paths.find(|path| self.checkout.has(path))
    }

    /// From the app's directory up to the top.
    fn find_dependencies(&mut self) {
        let mut project = None;
        for directory in self.directory.ancestors() {
            let file = |name| Some(directory.join(name)).filter(|file| self.checkout.has(file));
            // A lock above an app with requirements of its own is another's, unless the app is a
            // member of the workspace.
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
            let locks = ["poetry.lock", "pdm.lock"].into_iter();
            self.uv_file = locks
                .filter_map(|lock| self.nearest(lock))
                .next()
                .or(project);
        }
    }

    fn describes_project(&self, file: &Path) -> bool {
        let text = self.checkout.read(file).unwrap_or_default();
        text.lines().any(|line| line.trim() == "[project]")
    }

    /// The file of a directory that lists what production needs.
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

    /// The module that makes celery's application, in `celery.py` rather than elsewhere.
    fn find_celery(&mut self) {
        let modules = self
            .checkout
            .files_in(&self.directory)
            .filter(|file| file.extension().is_some_and(|kind| kind == "py"));
        let found = modules
            .take(MOST_MODULES)
            .filter_map(|file| {
                let text = self.checkout.read(file)?;
                Some((file, assigned(&text, "Celery(")?))
            })
            .min_by_key(|(file, _)| (file_name(file) != "celery.py", file.components().count()));
        if let Some((file, object)) = found {
            self.celery = Some(module_name(file, &self.directory, &object));
            self.sources.push(shown(file));
        }
    }

    /// The command of a queue among Django's settings.
    fn queue_worker(&self) -> Option<String> {
        const QUEUES: [(&str, &str); 3] = [
            ("huey.contrib.djhuey", "run_huey"),
            ("django_rq", "rqworker"),
            ("django_q", "qcluster"),
        ];
        let settings = self.checkout.files_in(&self.directory).filter(|file| {
            let is_python = file.extension().is_some_and(|kind| kind == "py");
            is_python && shown(file).contains("settings")
        });
        settings.take(MOST_MODULES).find_map(|file| {
            let text = self.checkout.read(file)?;
            let is_named = |queue: &str| text.split(['"', '\'']).any(|string| string == queue);
            let (_, command) = QUEUES.iter().find(|(queue, _)| is_named(queue))?;
            Some(format!("python manage.py {command}"))
        })
    }

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
            Some((string_in(value)?.to_owned(), file))
        });
        // It goes to the terminal.
        found.filter(|(version, _)| {
            version.len() < 40 && version.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        })
    }

    /// Collected again, without the front end's build they would be fewer.
    fn collected_files(&self) -> Option<PathBuf> {
        let mut files = self.checkout.files_in(&self.directory);
        let found = files.find(|file| file_name(file) == "staticfiles.json");
        let is_tracked = |file: &&Path| git::tracks(self.checkout, file);
        found.filter(is_tracked).map(Path::to_owned)
    }
}

/// The app whose `manage.py` the checkout has.
fn django(checkout: &Checkout) -> Option<App<'_>> {
    let (manage, text) = checkout
        .files_in(Path::new(""))
        .filter(|file| {
            file_name(file) == "manage.py" && file.components().count() <= MANAGE_DEPTH + 1
        })
        .find_map(|file| {
            let text = checkout.read(file)?;
            let marks = ["DJANGO_SETTINGS_MODULE", "django.core.management"];
            let is_django = marks.iter().any(|mark| text.contains(mark));
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
            string_in(rest)
        });
    let mut app = App::new(checkout, "django", directory, manage);
    app.needs_settings = settings.is_none();
    let settings: PathBuf = settings.unwrap_or_default().split('.').collect();
    let entry_point = ["wsgi.py", "asgi.py"].into_iter();
    let entry_point = entry_point
        .filter_map(|name| find_module(checkout, directory, &settings, name))
        .next();
    if let Some(file) = entry_point {
        let text = checkout.read(&file).unwrap_or_default();
        let object = ["application", "app"]
            .into_iter()
            .find(|name| assigns(&text, name, ""));
        app.module = module_name(&file, directory, object.unwrap_or("application"));
        app.is_asgi = file_name(&file) == "asgi.py";
        app.sources.push(shown(&file));
    }
    Some(app)
}

/// The module of this name beside the settings, or in a package above them, or anywhere.
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

/// The app whose module makes a `FastAPI` object.
fn fastapi(checkout: &Checkout) -> Option<App<'_>> {
    let modules = checkout
        .files_in(Path::new(""))
        .filter(|file| file.extension().is_some_and(|kind| kind == "py"));
    let (file, object) = modules
        .take(MOST_MODULES)
        .filter_map(|file| {
            let text = checkout.read(file)?;
            Some((file, fastapi_object(&text)?))
        })
        .min_by_key(|(file, _)| {
            let names = ["main.py", "app.py", "asgi.py"];
            let rank = names.iter().position(|name| *name == file_name(file));
            (file.components().count(), rank.unwrap_or(names.len()))
        })?;
    let describes = ["pyproject.toml", "requirements.txt", "alembic.ini"];
    let directory = file.ancestors().skip(1).find(|directory| {
        describes
            .iter()
            .any(|name| checkout.has(&directory.join(name)))
    });
    let directory = directory.unwrap_or(Path::new(""));
    let mut app = App::new(checkout, "fastapi", directory, file);
    // What is installed from src/ is imported without it.
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

/// The name of the app's object, made in its module by `FastAPI` or by a function that calls it.
fn fastapi_object(text: &str) -> Option<String> {
    let is_made = |name: &&str| text.contains("FastAPI(") && assigns(text, name, "");
    let mut usual = ["app", "application"].into_iter();
    assigned(text, "FastAPI(").or_else(|| usual.find(is_made).map(str::to_owned))
}

impl<'a> App<'a> {
    fn new(
        checkout: &'a Checkout,
        framework: &'static str,
        directory: &Path,
        source: &Path,
    ) -> Self {
        App {
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
            sources: vec![shown(source)],
        }
    }
}

/// A path for people, and for a config.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
