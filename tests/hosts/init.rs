//! Applications that run on one host from the files that `init` writes, unedited.

use crate::support::{App, Host, Image, Output, Repo, client, free_port, get, post, workspace};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A directory in which `init` creates the configs of one host's applications.
pub struct Newcomer {
    directory: PathBuf,
}

/// An application whose config `init` has created.
pub struct Started<'a> {
    newcomer: &'a Newcomer,
    name: &'static str,
    pub port: u16,
}

impl Newcomer {
    pub fn new(name: &str) -> Newcomer {
        let directory = workspace().join(format!("newcomer-{name}"));
        fs::create_dir(&directory).unwrap();
        Newcomer { directory }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// Replaces text in the config of an application; panics if the text is not there.
    #[track_caller]
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let path = self.path(&format!("deploy/{name}/production/deployment.yml"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .args(arguments)
            .current_dir(&self.directory)
            .env("PYSTRANO_SSH", &client().program)
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .output()
            .expect("pystrano")
            .into()
    }

    /// Runs `init --from` the checkout, and writes the dotenv file.
    pub fn init_from(
        &self,
        name: &'static str,
        repo: &Repo,
        host: &Host,
        options: &[&str],
    ) -> Started<'_> {
        let port = free_port();
        let (ssh, app) = (host.port().to_string(), port.to_string());
        let (url, from) = (repo.url(), repo.path().to_str().unwrap());
        let mut words = vec!["init", "production", name, "--yes", "--host", "127.0.0.1"];
        words.extend(["--port", &ssh, "--app-port", &app, "--repo", &url]);
        words.extend(["--from", from, "--system-packages", ""]);
        words.extend(options);
        self.run(&words).expect(0);
        let env = self.path(&format!("deploy/{name}/production/.env"));
        let root = format!("/home/deploy/apps/{name}-production");
        let text = format!("DATABASE={root}/shared/db.sqlite3\nGREETING={name}\n");
        fs::write(env, text).unwrap();
        Started {
            newcomer: self,
            name,
            port,
        }
    }

    /// Runs `init` with options for every answer, writes the dotenv file, and runs `check`, `setup` and `deploy`.
    pub fn start(&self, name: &'static str, repo: &Repo, host: &Host) -> Started<'_> {
        self.start_with(name, repo, host, "")
    }

    /// Like [`Newcomer::start`], with a dotenv file that begins with `env`.
    pub fn start_with(
        &self,
        name: &'static str,
        repo: &Repo,
        host: &Host,
        env: &str,
    ) -> Started<'_> {
        let port = free_port();
        let mut words: Vec<String> = ["init", "production", name, "--yes", "--host", "127.0.0.1"]
            .map(str::to_owned)
            .to_vec();
        let mut answer = |flag: &str, value: &str| words.extend([flag.into(), value.into()]);
        answer("--port", &host.port().to_string());
        answer("--app-port", &port.to_string());
        answer("--repo", &repo.url());
        // The image already has all packages, and tests download none.
        answer("--system-packages", "");
        match repo.app {
            App::Django => {
                fs::write(self.directory.join("secret-key.txt"), "the-secret-key\n").unwrap();
                answer("--secrets", "secret-key.txt");
                answer("--app-module", "demo.wsgi:application");
            }
            App::FastApi => {
                answer("--framework", "fastapi");
                answer("--package-manager", "uv");
                answer("--app-module", "app.main:app");
                answer("--collect-static-files", "true");
                answer("--static-files-command", "python build_static.py");
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.run(&words).expect(0);
        let path = format!("deploy/{name}/production/.env");
        let root = format!("/home/deploy/apps/{name}-production");
        let text = format!("{env}DATABASE={root}/shared/db.sqlite3\nGREETING={name}\n");
        fs::write(self.directory.join(path), text).unwrap();

        let started = Started {
            newcomer: self,
            name,
            port,
        };
        for command in ["check", "setup", "deploy"] {
            started.run(command).expect(0);
        }
        started
    }
}

impl Started<'_> {
    pub fn run(&self, command: &str) -> Output {
        self.newcomer.run(&[command, "production", self.name])
    }

    /// The app's response to `/`; waits up to 30 s for it.
    #[track_caller]
    pub fn page(&self) -> String {
        let begin = Instant::now();
        loop {
            match get(self.port, "/") {
                Ok((200, body)) => return body,
                other if begin.elapsed() > Duration::from_secs(30) => panic!("no page: {other:?}"),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    pub fn unit(&self) -> String {
        format!("{}-production.service", self.name)
    }

    /// The exposure of the unit, from 0 to 10, by `systemd-analyze security`; also requires a clean `systemd-analyze verify`.
    fn exposure(&self, host: &Host) -> String {
        let unit = self.unit();
        let verified = host.exec(&format!("systemd-analyze verify --man=no {unit}"));
        let said = verified.expect(0);
        assert_eq!((&*said.stdout, &*said.stderr), ("", ""));
        let line = host.root(&format!(
            "systemd-analyze security --no-pager {unit} | tail -n 1"
        ));
        line.split("level for ").last().unwrap().to_owned()
    }
}

#[test]
fn django_and_fastapi_live_side_by_side_from_init_alone() {
    let host = Host::boot(Image::Ready);
    let newcomer = Newcomer::new("both");
    let [django, fastapi] = [App::Django, App::FastApi].map(Repo::new);
    let shop = newcomer.start("shop", &django, &host);
    let api = newcomer.start("api", &fastapi, &host);

    let pages = [shop.page(), api.page()];
    assert!(
        pages[0].starts_with("version=v1\ngreeting=shop\n"),
        "{}",
        pages[0]
    );
    assert!(
        pages[1].contains("\"version\":\"v1\",\"greeting\":\"api\""),
        "{}",
        pages[1]
    );
    // The sandboxed unit can write uploads; serving the page has shown that it can write the database.
    assert_eq!(post(shop.port, "/upload", "kept").unwrap().0, 200);

    // A deploy of one app takes effect and does not restart the other app.
    let before = host.root(&format!("systemctl show -P InvocationID {}", api.unit()));
    django.release("v2");
    shop.run("deploy").expect(0);
    assert!(shop.page().starts_with("version=v2\n"), "{}", shop.page());
    assert_eq!(get(shop.port, "/upload").unwrap(), (200, "kept".into()));
    let after = host.root(&format!("systemctl show -P InvocationID {}", api.unit()));
    assert_eq!(before, after);
    fastapi.release("v2");
    api.run("deploy").expect(0);
    assert!(api.page().contains("\"version\":\"v2\""), "{}", api.page());
    newcomer.run(&["rollback", "production", "api"]).expect(0);
    assert!(api.page().contains("\"version\":\"v1\""), "{}", api.page());

    // Neither app can write outside its shared directory, nor read the user's ssh keys.
    for app in [&shop, &api] {
        let unit = app.unit();
        let inside = |script: &str| {
            let pid = host.root(&format!("systemctl show -P MainPID {unit}"));
            host.exec(&format!(
                "nsenter --target {pid} --mount setpriv --reuid deploy --regid deploy --clear-groups -- sh -c '{script}'"
            ))
            .code
        };
        let root = format!("/home/deploy/apps/{}-production", app.name);
        assert_eq!(inside(&format!("touch {root}/shared/media/mine")), 0);
        for place in ["current/mine", "releases/mine", ".pystrano/mine"] {
            assert_ne!(inside(&format!("touch {root}/{place}")), 0, "{place}");
        }
        assert_ne!(inside("touch /home/deploy/mine"), 0);
        assert_ne!(inside("ls /home/deploy/.ssh"), 0);
        println!("{unit}: systemd-analyze security {}", app.exposure(&host));
        let begin = Instant::now();
        host.root(&format!("systemctl stop {unit}"));
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{:?}",
            begin.elapsed()
        );
        let journal = host.root(&format!("journalctl --no-pager -u {unit}"));
        for trouble in [
            "Read-only file system",
            "Permission denied",
            "Operation not permitted",
            "SIGKILL",
        ] {
            assert!(!journal.contains(trouble), "{journal}");
        }
    }
}

/// A failed first deploy leaves the units as they were. Connections made while the app is down are answered by its next
/// start.
#[test]
fn a_socket_listens_as_long_as_the_app_is_to_run() {
    let mut host = Host::boot(Image::Ready);
    let newcomer = Newcomer::new("first");
    let repo = Repo::new(App::FastApi);
    repo.release("v1");
    repo.write(
        "app/main.py",
        &format!("exit(1)\n{}", repo.read("app/main.py")),
    );
    repo.commit("Ends at its start");
    let options = ["--worker-command", "python -m http.server 0"];
    let api = newcomer.init_from("api", &repo, &host, &options);
    let units = ["service", "socket"].map(|kind| format!("api-production.{kind}"));
    let [service, socket] = units.each_ref().map(String::as_str);
    let is_up =
        |host: &Host, unit: &str| host.root(&format!("systemctl show -P ActiveState {unit}"));
    let worker = "api-production-tasks.service";
    let are_up = |host: &Host| [service, socket, worker].map(|unit| is_up(host, unit));
    api.run("setup").expect(0);
    assert_eq!(are_up(&host), ["inactive"; 3]);
    api.run("deploy").expect(1).says("did not stay up");
    assert_eq!(are_up(&host), ["inactive"; 3]);
    assert!(TcpStream::connect(("127.0.0.1", api.port)).is_err());

    repo.git(&["revert", "--no-edit", "HEAD"]);
    api.run("deploy").expect(0);
    assert!(api.page().contains("\"version\":\"v1\""), "{}", api.page());
    api.run("setup").expect(0).says("0 changed");
    let connections = [(); 20].map(|()| TcpStream::connect(("127.0.0.1", api.port)).unwrap());
    repo.release("v2");
    api.run("deploy").expect(0);
    let request = "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    for mut connection in connections {
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"version\":\"v2\""), "{answer}");
    }

    // The socket stays up while the app crashes at each start, without a pause and more often than systemd's default start
    // limit (5 times in 10 s).
    let run = "/home/deploy/apps/api-production/current/.pystrano/run";
    let dropin = format!("/run/systemd/system/{service}.d/no-pause.conf");
    host.write(&dropin, "[Service]\nRestartSec=0\n");
    host.root(&format!("mv {run} {run}.kept && printf '#!/bin/sh\\nexit 1\\n' >{run} && chmod 755 {run} && systemctl daemon-reload"));
    let mut connection = TcpStream::connect(("127.0.0.1", api.port)).unwrap();
    let begin = Instant::now();
    host.root(&format!("systemctl kill --signal KILL {service}"));
    connection.write_all(request.as_bytes()).unwrap();
    let crashes =
        format!("journalctl --no-pager -u {service} | grep -c 'code=exited, status=1/FAILURE'");
    while host.exec(&crashes).stdout.trim().parse::<u32>().unwrap() < 30 {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{}",
            host.root(&format!("systemctl status {service} {socket} || :"))
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(is_up(&host, socket), "active");
    host.root(&format!(
        "mv {run}.kept {run} && rm {dropin} && systemctl daemon-reload"
    ));
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"version\":\"v2\""), "{answer}");
    repo.release("v3");
    api.run("deploy").expect(0);
    assert!(api.page().contains("\"version\":\"v3\""), "{}", api.page());

    // Socket and app also start at boot.
    host.power_off();
    host.power_on();
    assert!(api.page().contains("\"version\":\"v3\""), "{}", api.page());
    assert_eq!(are_up(&host), ["active"; 3]);
    host.root(&format!("systemctl stop {service}"));
    assert_eq!(is_up(&host, socket), "inactive");
    api.run("setup").expect(0).says("0 changed");
}

/// The test that tests/demo runs and whose output it shows.
#[test]
fn demo() {
    println!("A throw-away Debian host boots.\n");
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let newcomer = Newcomer::new("demo");
    let secret = newcomer.directory.join("secret-key.txt");
    fs::write(&secret, "the-secret-key\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let (ssh, port, url) = (host.port().to_string(), free_port(), repo.url());
    let app_port = port.to_string();
    let mut answers = vec!["init", "production", "shop", "--yes", "--host", "127.0.0.1"];
    answers.extend(["--port", &ssh, "--app-port", &app_port, "--repo", &url]);
    answers.extend(["--app-module", "demo.wsgi:application"]);
    answers.extend(["--system-packages", "", "--secrets", "secret-key.txt"]);
    let show = |words: &[&str]| {
        let words_shown = words
            .iter()
            .map(|word| if word.is_empty() { "''" } else { word });
        println!("$ pystrano {}", words_shown.collect::<Vec<_>>().join(" "));
        let output = newcomer.run(words).expect(0);
        println!("{}{}", output.stdout, output.stderr);
    };
    show(&answers);
    let env = "DATABASE=/home/deploy/apps/shop-production/shared/db.sqlite3\n";
    fs::write(newcomer.directory.join("deploy/shop/production/.env"), env).unwrap();
    println!("$ cat deploy/shop/production/.env\n{env}");
    for command in ["setup", "deploy", "status"] {
        show(&[command, "production", "shop"]);
    }
    let shop = Started {
        newcomer: &newcomer,
        name: "shop",
        port,
    };
    println!("$ curl http://127.0.0.1:{port}/\n{}\n", shop.page());
    println!("The host is gone.");
}
