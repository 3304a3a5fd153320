//! From the tree of a config to its servers: `common` under each of them, every value checked.

use super::diagnostic::{Findings, Mark, Problem, Source, quoted};
use super::files::Files;
use super::known_hosts;
use super::layer::{Layer, Scope, similar, suggestion, value_mark};
use super::relations;
use super::rules::{self, Verdict};
use super::settings::{self, Depth, Settings};
use super::slips::Stop;
use super::yaml::{Entry, Kind, Node, Reader};
use super::{
    Address, EnvFile, Framework, HealthCheck, KnownHost, PackageManager, Secret, Server, Service,
};
use std::collections::HashMap;
use std::iter;
use std::rc::Rc;
use std::sync::Arc;

const VERSION: i64 = 2;
const KEEP_RELEASES: i64 = 5;
const HEALTH_CHECK_TIMEOUT: i64 = 30;
const HEALTH_CHECK_STATUSES: &str = "200-399";
const SERVERS: &str = "servers";
const SECTIONS: [&str; 3] = ["config_version", "common", SERVERS];

/// Reads all but the servers, with the mistakes that do not end the reading.
pub fn outline(source: &Source) -> (Result<Rc<Node>, Stop>, Findings) {
    let mut reader = Reader::new(source, SERVERS);
    let outline = reader.read_through();
    (outline, reader.findings)
}

/// One pass over the servers of a config.
pub struct Resolver<'a> {
    pub source: &'a Source,
    pub files: &'a mut Files,
    pub errors: Findings,
    pub warnings: Findings,
    /// In the order of the file.
    pub addresses: Vec<Address>,
}

/// The items of `servers`, read again one by one; those of a list with an anchor are in the outline.
fn items(source: &Source, outline: &Node) -> impl Iterator<Item = Rc<Node>> {
    let kept = match outline.entry(SERVERS).map(|list| &list.value.kind) {
        Some(Kind::List(items)) => items.clone(),
        _ => Vec::new(),
    };
    let mut reader = Reader::new(source, SERVERS);
    kept.into_iter()
        .chain(iter::from_fn(move || reader.next_item().ok().flatten()))
}

/// The selected servers of a config without mistakes, each made when it is asked for.
pub fn servers<'a>(
    app: &'a str,
    source: &'a Source,
    outline: &'a Node,
    files: &'a mut Files,
    addresses: &'a [Address],
) -> impl Iterator<Item = Server> + 'a {
    let mut resolver = Resolver::new(source, files);
    let common = resolver.common(outline.entry("common"));
    items(source, outline)
        .zip(addresses)
        .filter(|(_, address)| address.selected)
        .filter_map(move |(item, address)| resolver.server(app, &item, &common, address.text('_')))
}

impl<'a> Resolver<'a> {
    pub fn new(source: &'a Source, files: &'a mut Files) -> Self {
        Resolver {
            source,
            files,
            errors: Findings::default(),
            warnings: Findings::default(),
            addresses: Vec::new(),
        }
    }

    /// Reports every mistake of a config.
    pub fn check(&mut self, outline: &Node) {
        let Kind::Map(entries) = &outline.kind else {
            self.error(
                outline.start,
                Problem::new(
                    format!("the file holds {}", outline.describe()),
                    "write `common:` and `servers:`",
                ),
            );
            return;
        };
        self.sections(entries);
        let common = self.common(outline.entry("common"));
        let version = outline.entry("config_version").or(common.version);
        self.version(version, outline.start);
        let Some(list) = outline.entry(SERVERS) else {
            self.error(
                outline.start,
                Problem::new(
                    "there is no `servers` list",
                    "add `servers:` with `- host:`",
                ),
            );
            return;
        };
        if !matches!(list.value.kind, Kind::List(_)) {
            let what = format!("`servers` is {}", list.value.describe());
            self.error(
                list.key_mark,
                Problem::new(what, "write a list: one `- host:` for each server"),
            );
            return;
        }
        let mut count = 0;
        let mut missing = HashMap::new();
        for item in items(self.source, outline) {
            count += 1;
            self.check_server(&item, &common, &mut missing);
        }
        if count == 0 {
            self.error(
                list.key_mark,
                Problem::new("`servers` is empty", "add `- host:` for each server"),
            );
        }
        self.missing(missing, count);
        relations::compare(self);
    }

    pub fn error(&mut self, mark: Mark, problem: Problem) {
        self.errors.add(self.source.diagnostic(mark, problem));
    }

    pub fn warn(&mut self, mark: Mark, problem: Problem) {
        self.warnings.add(self.source.diagnostic(mark, problem));
    }

    fn sections(&mut self, entries: &[Entry]) {
        for entry in entries {
            if SECTIONS.contains(&entry.key.as_str()) || entry.key.starts_with("x-") {
                continue;
            }
            let key = entry.key.as_str();
            let section = similar(key, &SECTIONS);
            let help = match similar(key, Settings::fields()).filter(|_| section.is_none()) {
                Some(field) if field == key => {
                    "move it under `common:` or under a server".to_owned()
                }
                Some(field) => format!("did you mean `{field}`, under `common:` or a server?"),
                None => suggestion(section),
            };
            let what = format!("unknown key {}", quoted(&entry.key));
            self.error(entry.key_mark, Problem::new(what, help));
        }
    }

    fn version(&mut self, entry: Option<&Entry>, start: Mark) {
        let help = "review the fields against the documentation, then write `config_version: 2`";
        let Some((entry, text)) = entry.and_then(|entry| match &entry.value.kind {
            Kind::Null => None,
            Kind::Text(text) if text.trim().is_empty() => None,
            Kind::Text(text) => Some((entry, text.as_str())),
            _ => Some((entry, "")),
        }) else {
            return self.warn(start, Problem::new("`config_version` is missing", help));
        };
        let mark = value_mark(entry);
        match settings::integer(text) {
            None => self.error(
                mark,
                Problem::new(
                    "`config_version` is not a number",
                    "write `config_version: 2`",
                ),
            ),
            Some(version) if version < VERSION => self.warn(
                mark,
                Problem::new(
                    format!("this config is written for version {version}"),
                    help,
                ),
            ),
            Some(VERSION) => {}
            Some(version) => self.error(
                mark,
                Problem::new(
                    format!("`config_version` {version} is newer than this program"),
                    "install a newer pystrano, or write a version 2 config",
                ),
            ),
        }
    }

    fn common<'n>(&mut self, entry: Option<&'n Entry>) -> Layer<'n> {
        let Some(entry) = entry else {
            return Layer::default();
        };
        match entry.value.kind {
            Kind::Null => Layer::default(),
            Kind::Map(_) => {
                let layer = self.layer(&entry.value);
                self.typed(layer)
            }
            _ => {
                let what = format!("`common` is {}", entry.value.describe());
                let help = "write its fields under it, indented";
                self.error(entry.key_mark, Problem::new(what, help));
                Layer::default()
            }
        }
    }

    fn check_server(
        &mut self,
        node: &Node,
        common: &Layer,
        missing: &mut HashMap<&'static str, Vec<Mark>>,
    ) {
        let at = node.start;
        if !matches!(node.kind, Kind::Map(_)) {
            let what = format!("a server is {}", node.describe());
            self.error(at, Problem::new(what, "write `- host: …`"));
            return;
        }
        let own = self.layer(node);
        if own.version.is_some() {
            self.version(own.version, at);
        }
        let (own, settings) = self.settings(own, common);
        let scope = Scope::new(at, &own, common);
        for (field, value) in [
            ("host", &settings.host),
            ("source_code_url", &settings.source_code_url),
            ("project_root", &settings.project_root),
            ("project_user", &settings.project_user),
            ("venv_dir", &settings.venv_dir),
        ] {
            if value.is_none() && !scope.is_refused(field) {
                missing.entry(field).or_default().push(at);
            }
        }
        self.check_texts(&scope, &settings);
        let numbers = self.numbers(&scope, &settings);
        self.lists(&scope, &settings);
        relations::check(self, &scope, &settings, numbers.port);
    }

    /// A server that was checked.
    fn server(&mut self, app: &str, node: &Node, common: &Layer, name: String) -> Option<Server> {
        let own = self.layer(node);
        let (own, settings) = self.settings(own, common);
        let scope = Scope::new(node.start, &own, common);
        let numbers = self.numbers(&scope, &settings);
        let lists = self.lists(&scope, &settings);
        build(name, app, settings, numbers, lists)
    }

    fn missing(&mut self, missing: HashMap<&'static str, Vec<Mark>>, servers: usize) {
        for (field, marks) in missing {
            let everywhere = servers > 1 && marks.len() == servers && field != "host";
            let problem = match everywhere {
                true => Problem::new(
                    format!("`{field}` is missing for every server"),
                    "add it under `common:`",
                ),
                false => Problem::new(format!("`{field}` is missing"), required_help(field)),
            };
            let count = if everywhere { 1 } else { marks.len() };
            for mark in &marks[..count] {
                self.error(*mark, problem.clone());
            }
        }
    }

    fn verdict<T>(&mut self, mark: Mark, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.error(mark, problem)).ok()
    }

    fn check_texts(&mut self, scope: &Scope, settings: &Settings) {
        type Rule = fn(&str) -> Verdict;
        let rules: [(&str, &Option<String>, Rule); 15] = [
            ("host", &settings.host, rules::host),
            ("setup_user", &settings.setup_user, rules::user),
            ("project_user", &settings.project_user, rules::user),
            ("project_root", &settings.project_root, rules::remote_path),
            (
                "source_code_url",
                &settings.source_code_url,
                rules::repository,
            ),
            ("branch", &settings.branch, rules::branch),
            ("revision", &settings.revision, rules::revision),
            ("venv_dir", &settings.venv_dir, rules::venv),
            (
                "dependency_file",
                &settings.dependency_file,
                rules::dependency_file,
            ),
            (
                "dependency_install_command",
                &settings.dependency_install_command,
                rules::command,
            ),
            (
                "migration_command",
                &settings.migration_command,
                rules::command,
            ),
            (
                "static_files_command",
                &settings.static_files_command,
                rules::command,
            ),
            ("health_check_url", &settings.health_check_url, |url| {
                rules::url(url).map(drop)
            }),
            (
                "health_check_host",
                &settings.health_check_host,
                rules::http_host,
            ),
            (
                "health_check_statuses",
                &settings.health_check_statuses,
                |statuses| rules::statuses(statuses).map(drop),
            ),
        ];
        for (field, value, rule) in rules {
            if let Some(value) = value {
                let mark = scope.mark(field);
                self.verdict(mark, rule(value));
            }
        }
    }

    fn numbers(&mut self, scope: &Scope, settings: &Settings) -> Numbers {
        let port = settings.port.unwrap_or(22);
        let timeout = settings
            .health_check_timeout
            .unwrap_or(HEALTH_CHECK_TIMEOUT);
        let keep = settings.keep_releases.unwrap_or(KEEP_RELEASES).max(0);
        let mut number = |field: &str, value: i64, most: i64, least: i64| {
            let fits = (least..=most).contains(&value);
            let problem = Problem::new(
                format!("`{field}` is {value}"),
                format!("write a number from {least} to {most}"),
            );
            let mark = scope.mark(field);
            self.verdict(mark, if fits { Ok(value) } else { Err(problem) })
        };
        Numbers {
            port: number("port", port, 65535, 1).and_then(|port| u16::try_from(port).ok()),
            keep_releases: number("keep_releases", keep, 1_000_000, 0)
                .and_then(|keep| u32::try_from(keep).ok()),
            health_check_timeout: number("health_check_timeout", timeout, 86_400, 1)
                .and_then(|timeout| u32::try_from(timeout).ok()),
        }
    }

    fn lists(&mut self, scope: &Scope, settings: &Settings) -> Lists {
        for package in settings.system_packages.iter().flatten() {
            if let Err(problem) = rules::package(package) {
                self.error(self.item_mark(scope, "system_packages", package), problem);
            }
        }
        let mut known_hosts = Vec::new();
        for entry in settings.ssh_known_hosts.iter().flatten() {
            match known_hosts::parse(entry) {
                Ok(hosts) => known_hosts.extend(hosts),
                Err(problem) => {
                    self.error(self.item_mark(scope, "ssh_known_hosts", entry), problem);
                }
            }
        }
        let mut secrets: Vec<Arc<Secret>> = Vec::new();
        for path in settings.secrets.iter().flatten() {
            let result = self.files.secret(path).and_then(|secret| {
                let same_name = secrets.iter().find(|other| other.name == secret.name);
                match same_name {
                    None => Ok(Some(secret)),
                    Some(other) if Arc::ptr_eq(other, &secret) => Ok(None),
                    Some(_) => Err(Problem::new(
                        format!("two secrets are called {}", quoted(&secret.name)),
                        "rename one: they stand in one directory on the host",
                    )),
                }
            });
            match result {
                Ok(secret) => secrets.extend(secret),
                Err(problem) => self.error(self.item_mark(scope, "secrets", path), problem),
            }
        }
        let env_file = settings.env_file.as_ref().and_then(|path| {
            let result = self.files.env_file(path);
            let mark = scope.mark("env_file");
            self.verdict(mark, result)
        });
        let service = settings.service_file.as_ref().and_then(|path| {
            let result = self.files.service(path);
            let mark = scope.mark("service_file");
            self.verdict(mark, result)
        });
        let deploy_key = settings.deploy_key.as_ref().and_then(|path| {
            let result = self.files.deploy_key(path);
            let mark = scope.mark("deploy_key");
            self.verdict(mark, result)
        });
        Lists {
            known_hosts,
            secrets,
            deploy_key,
            env_file,
            service,
        }
    }
}

struct Numbers {
    port: Option<u16>,
    /// 0 keeps all.
    keep_releases: Option<u32>,
    health_check_timeout: Option<u32>,
}

struct Lists {
    known_hosts: Vec<KnownHost>,
    secrets: Vec<Arc<Secret>>,
    deploy_key: Option<Arc<Secret>>,
    env_file: Option<Arc<EnvFile>>,
    service: Option<Arc<Service>>,
}

/// The server, if all that it needs is there.
fn build(
    name: String,
    app: &str,
    settings: Settings,
    numbers: Numbers,
    lists: Lists,
) -> Option<Server> {
    let project_user = settings.project_user?;
    let package_manager = settings.package_manager.unwrap_or(PackageManager::Pip);
    let timeout = numbers.health_check_timeout?;
    let source_code_url = settings.source_code_url?;
    let health_check = settings.health_check_url.and_then(|url| {
        let (url, socket) = rules::url(&url).ok()?;
        let statuses = settings.health_check_statuses.as_deref();
        Some(HealthCheck {
            url,
            socket,
            host: settings.health_check_host,
            statuses: rules::statuses(statuses.unwrap_or(HEALTH_CHECK_STATUSES)).ok()?,
            timeout,
        })
    });
    Some(Server {
        name,
        app: app.to_owned(),
        host: settings.host?,
        port: numbers.port?,
        setup_user: settings.setup_user.unwrap_or_else(|| "root".to_owned()),
        project_root: relations::absolute(&project_user, &settings.project_root?),
        venv_dir: relations::absolute(&project_user, &settings.venv_dir?),
        project_user,
        branch: settings.branch,
        clone_depth: match (&settings.revision, settings.clone_depth) {
            (Some(_), _) | (None, Some(Depth::Full | Depth::Unclear)) => None,
            (None, Some(Depth::Commits(commits))) => Some(commits),
            (None, None) => Some(1),
        },
        revision: settings.revision,
        framework: settings.framework.unwrap_or(Framework::Django),
        package_manager,
        venv_mode: settings.venv_mode.unwrap_or(super::VenvMode::Shared),
        dependency_file: settings.dependency_file.unwrap_or_else(|| {
            match package_manager {
                PackageManager::Pip => "requirements.txt",
                PackageManager::Uv => "uv.lock",
            }
            .to_owned()
        }),
        dependency_install_command: settings.dependency_install_command,
        run_migrations: settings.run_migrations.unwrap_or(false),
        collect_static_files: settings.collect_static_files.unwrap_or(false),
        migration_command: settings.migration_command,
        static_files_command: settings.static_files_command,
        keep_releases: numbers.keep_releases.filter(|keep| *keep > 0),
        system_packages: settings.system_packages.unwrap_or_default(),
        ssh_known_hosts: lists.known_hosts,
        env_file: lists.env_file,
        service: lists.service,
        secrets: lists.secrets,
        submodules: settings.submodules.unwrap_or(true),
        forward_agent: settings
            .forward_agent
            .unwrap_or(rules::is_ssh(&source_code_url) && lists.deploy_key.is_none()),
        deploy_key: lists.deploy_key,
        source_code_url,
        health_check,
    })
}

fn required_help(field: &str) -> &'static str {
    match field {
        "host" => "add `host:` with the name ssh knows",
        "source_code_url" => "add the git repository, under `common:` for all servers",
        "project_root" => "add the path under the user's home, such as `apps/shop`",
        "project_user" => "add the user that owns the app on the host, such as `deploy`",
        _ => "add the path of the virtualenv under the user's home, such as `.venv`",
    }
}
