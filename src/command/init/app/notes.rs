//! Hints about what the app needs beyond the answers.

use super::DetectedApp;
use crate::cli::questions::Answers;
use crate::command::init::checkout::file_name;
use crate::command::init::requirements::lists_package;
use crate::config::types::normalize_lexically;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

impl DetectedApp<'_> {
    /// Lines to print after the last answer; none if the answers are for another framework.
    pub fn notes(&self, answers: &Answers) -> Vec<String> {
        if answers.framework != self.framework {
            return Vec::new();
        }
        let file = self.dependency_path(answers);
        let notes = [
            self.missing_file(&file, answers),
            self.missing_server(&file, answers),
            self.missing_settings(),
            self.committed_static_files(answers),
            self.missing_worker_class(answers),
            self.missing_celery(&file, answers),
            self.required_python(answers),
        ];
        notes.into_iter().flatten().collect()
    }

    fn missing_file(&self, file: &Path, answers: &Answers) -> Option<String> {
        let is_missing =
            answers.dependency_install_command.is_empty() && !self.checkout.exists(file);
        is_missing.then(|| {
            format!(
                "warning: {} is not in the checkout; name what lists the dependencies with --dependency-file",
                file.display()
            )
        })
    }

    fn missing_server(&self, file: &Path, answers: &Answers) -> Option<String> {
        let server = if answers.is_fastapi() {
            "uvicorn"
        } else {
            "gunicorn"
        };
        if lists_package(self.checkout, file, server)? {
            return None;
        }
        let add = if file.extension().is_some_and(|kind| kind == "txt") {
            format!("add the line `{server}`")
        } else {
            let manager = file
                .file_stem()
                .filter(|_| file.extension() == Some("lock".as_ref()));
            format!(
                "run `{} add {server}`",
                manager.map_or("uv".into(), OsStr::to_string_lossy)
            )
        };
        Some(format!(
            "warning: {} has no {server}, which the unit starts; {add}, or read `pystrano man faq` where the repository is not yours",
            file.display()
        ))
    }

    fn missing_settings(&self) -> Option<String> {
        let note = "note: manage.py names no settings; set DJANGO_SETTINGS_MODULE in the env file";
        self.needs_settings.then(|| note.to_owned())
    }

    fn committed_static_files(&self, answers: &Answers) -> Option<String> {
        let list = self.collected.as_ref()?;
        (answers.collect_static_files == "false").then(|| {
            format!(
                "note: the repository has its static files as collectstatic made them ({}), so they are not collected",
                list.display()
            )
        })
    }

    fn missing_worker_class(&self, answers: &Answers) -> Option<String> {
        self.is_asgi.then(|| {
            format!(
                "note: there is no wsgi.py; for {} add uvicorn-worker to the dependencies, and \
                 `--worker-class uvicorn_worker.UvicornWorker` to the unit's ExecStart",
                answers.app_module
            )
        })
    }

    fn missing_celery(&self, file: &Path, answers: &Answers) -> Option<String> {
        let note = "note: the app uses celery; name its application with --celery-app, for units of a worker and beat";
        let uses_celery = lists_package(self.checkout, file, "celery")?;
        (uses_celery && answers.celery_app.is_empty()).then(|| note.to_owned())
    }

    fn required_python(&self, answers: &Answers) -> Option<String> {
        let (version, file) = self.python.as_ref()?;
        answers.python.is_empty().then(|| {
            format!(
                "note: the app asks for Python {version} ({})",
                file.display()
            )
        })
    }

    /// The dependency file of the answers, relative to the top. `uv.lock` may be in a directory above the app.
    fn dependency_path(&self, answers: &Answers) -> PathBuf {
        let directory = Path::new(&answers.app_dir);
        let file = normalize_lexically(&directory.join(&answers.dependency_file));
        if file_name(&file) != "uv.lock" {
            return file;
        }
        let mut above = directory
            .ancestors()
            .map(|directory| directory.join("uv.lock"));
        above.find(|lock| self.checkout.has(lock)).unwrap_or(file)
    }
}
