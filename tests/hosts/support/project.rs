//! A directory with the config of a sample application on hosts, and runs of pystrano in it.

use super::git::{App, Repo};
use super::host::{Host, workspace};
use super::ssh::client;
use super::{Output, free_port, get};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A directory that contains `deploy/demo/production/` with `deployment.yml`, and `N/demo.service` and `N/.env` for
/// the Nth server. The application user is `deploy`, the project root `/home/deploy/demo`.
pub struct Project {
    directory: PathBuf,
    app: App,
    common: BTreeMap<String, String>,
    servers: Vec<BTreeMap<String, String>>,
    /// The application's port on each server.
    pub ports: Vec<u16>,
    /// Variables of the dotenv files, besides `DATABASE`.
    pub env: BTreeMap<String, String>,
}

impl Project {
    /// A project that deploys `repo` to `hosts`; migrations run on the first host.
    pub fn new(repo: &Repo, hosts: &[&Host]) -> Project {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = workspace().join(format!("project-{count}"));
        let mut common = BTreeMap::from([
            ("source_code_url".into(), repo.url()),
            ("branch".into(), "main".into()),
            ("project_root".into(), "demo".into()),
            ("project_user".into(), "deploy".into()),
            ("venv_dir".into(), ".venv".into()),
            ("keep_releases".into(), "3".into()),
            ("clone_depth".into(), "1".into()),
            (
                "secrets".into(),
                "deploy/demo/production/secret-key.txt".into(),
            ),
        ]);
        if repo.app == App::FastApi {
            common.insert("framework".into(), "fastapi".into());
            common.insert("package_manager".into(), "uv".into());
            common.insert(
                "static_files_command".into(),
                "/home/deploy/.venv/bin/python build_static.py".into(),
            );
        }
        let servers = (0..hosts.len()).map(|index| {
            let own = format!("deploy/demo/production/{index}");
            BTreeMap::from([
                ("host".into(), "127.0.0.1".into()),
                ("port".into(), hosts[index].port().to_string()),
                ("setup_user".into(), hosts[index].setup_user().into()),
                ("run_migrations".into(), (index == 0).to_string()),
                ("collect_static_files".into(), "true".into()),
                ("env_file".into(), format!("{own}/.env")),
                ("service_file".into(), format!("{own}/demo.service")),
            ])
        });
        Project {
            directory,
            app: repo.app,
            common,
            servers: servers.collect(),
            ports: hosts.iter().map(|_| free_port()).collect(),
            env: BTreeMap::from([("GREETING".into(), "hello".into())]),
        }
    }

    /// Sets a field of `common`; a mapping is written as `{key: value}`.
    pub fn set(&mut self, key: &str, value: &str) {
        self.common.insert(key.into(), value.into());
    }

    /// Sets a field of the Nth server.
    pub fn set_server(&mut self, index: usize, key: &str, value: &str) {
        self.servers[index].insert(key.into(), value.into());
    }

    /// Adds the Nth server again under another host name, which the caller must add to ssh_config.
    pub fn alias(&mut self, index: usize, name: &str) {
        let mut server = self.servers[index].clone();
        server.insert("host".into(), name.into());
        self.servers.push(server);
        self.ports.push(self.ports[index]);
    }

    /// Removes a field from `common` and all servers.
    pub fn unset(&mut self, key: &str) {
        self.common.remove(key);
        for server in &mut self.servers {
            server.remove(key);
        }
    }

    /// Sets `health_check_url` of every server to a path of its application, and `health_check_timeout` in seconds.
    pub fn check_health(&mut self, path: &str, timeout: u32) {
        self.set("health_check_timeout", &timeout.to_string());
        for index in 0..self.ports.len() {
            let url = format!("http://127.0.0.1:{}{path}", self.ports[index]);
            self.set_server(index, "health_check_url", &url);
        }
    }

    /// Runs `pystrano COMMAND... production demo` (`words`: the command, then further arguments).
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("pystrano").into()
    }

    /// Like [`Project::run`], for another environment, whose config the test has written.
    pub fn run_in(&self, environment: &str, words: &[&str]) -> Output {
        let mut command = self.command_in(environment, words);
        command.output().expect("pystrano").into()
    }

    /// Like [`Project::run`], but in the background, in a process group of its own, with its output piped.
    pub fn start(&self, words: &[&str]) -> Child {
        use std::os::unix::process::CommandExt;
        self.command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("pystrano")
    }

    /// Writes the config, and returns the command of [`Project::run`], so that the test can change it.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_in("production", words)
    }

    fn command_in(&self, environment: &str, words: &[&str]) -> Command {
        self.save();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pystrano"));
        command
            .arg(words[0])
            .args([environment, "demo"])
            .args(&words[1..])
            .current_dir(&self.directory)
            .env("PYSTRANO_SSH", &client().program)
            .env(
                "XDG_CACHE_HOME",
                workspace().ancestors().nth(2).unwrap().join("payloads"),
            )
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    /// The directory in which commands run; local paths in the config are relative to it.
    pub fn directory(&self) -> &PathBuf {
        &self.directory
    }

    /// Writes the config and the files that it names. Unchanged files are not rewritten, since another command
    /// may be reading them.
    pub fn save(&self) {
        let home = self.directory.join("deploy/demo/production");
        fs::create_dir_all(&home).unwrap();
        put(home.join("deployment.yml"), self.configuration());
        put(home.join("secret-key.txt"), "the-secret-key-of-the-tests\n");
        for index in 0..self.ports.len() {
            let own = home.join(index.to_string());
            fs::create_dir_all(&own).unwrap();
            put(own.join("demo.service"), self.unit(index));
            let mut env = String::from("DATABASE=/home/deploy/demo/shared/db.sqlite3\n");
            for (name, value) in &self.env {
                writeln!(env, "{name}={value}").unwrap();
            }
            put(own.join(".env"), env);
        }
    }

    fn configuration(&self) -> String {
        let is_plain = |value: &str| matches!(value, "true" | "false") || value.starts_with('{');
        let quoted = |value: &String| match value.parse::<u64>() {
            Err(_) if !is_plain(value) => serde_json::to_string(value).unwrap(),
            _ => value.clone(),
        };
        let mut text = String::from("config_version: 2\n\ncommon:\n");
        for (key, value) in &self.common {
            writeln!(text, "  {key}: {}", quoted(value)).unwrap();
        }
        text.push_str("\nservers:\n");
        for server in &self.servers {
            let fields = server
                .iter()
                .map(|(key, value)| format!("{key}: {}", quoted(value)));
            writeln!(text, "  - {}", fields.collect::<Vec<_>>().join("\n    ")).unwrap();
        }
        text
    }

    /// The text of the Nth server's unit file.
    pub fn unit(&self, index: usize) -> String {
        let port = self.ports[index];
        let (kind, server) = match self.app {
            App::Django => (
                "notify",
                format!("gunicorn --bind 127.0.0.1:{port} demo.wsgi"),
            ),
            App::FastApi => ("exec", format!("uvicorn --port {port} app.main:app")),
        };
        format!(
            "[Unit]\nDescription=Demo\nAfter=network.target\n\n\
             [Service]\nType={kind}\nUser=deploy\nWorkingDirectory=/home/deploy/demo/current\n\
             EnvironmentFile=/home/deploy/demo/shared/.env\n\
             ExecStart=/home/deploy/.venv/bin/{server}\n\
             KillMode=mixed\nTimeoutStopSec=5\n\n\
             [Install]\nWantedBy=multi-user.target\n"
        )
    }

    /// The body of `/` from the application of the Nth server; waits up to 30 s for status 200.
    #[track_caller]
    pub fn page(&self, index: usize) -> String {
        let begin = Instant::now();
        loop {
            match get(self.ports[index], "/") {
                Ok((200, body)) => return body,
                other if begin.elapsed() > Duration::from_secs(30) => panic!("no page: {other:?}"),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

fn put(path: PathBuf, text: impl AsRef<str>) {
    let text = text.as_ref();
    if fs::read_to_string(&path).ok().as_deref() != Some(text) {
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
