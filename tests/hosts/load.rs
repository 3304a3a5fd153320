//! Constant load during deploys, rollbacks and failures.
//!
//! `tests/load` prints the table of `pystrano man speed`.

use crate::init::{Newcomer, Started};
use crate::support::{App, Host, Image, Repo, free_port};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

/// The requests during one kind of action.
#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    /// Errors of requests that got no answer.
    lost: Vec<String>,
    /// Answers with status 5xx, by a failing release before it is reverted.
    errors: Vec<String>,
    longest: Duration,
}

/// One request: when it was sent, how long it took, and the answer or error.
type Answer = (Instant, Duration, Result<String, String>);

/// Sends 100 requests a second, without waiting for their answers, until `is_over`.
fn send_all(port: u16, answers: &Sender<Answer>, is_over: &AtomicBool) {
    std::thread::scope(|scope| {
        let begun = Instant::now();
        for number in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let answers = answers.clone();
            scope.spawn(move || {
                let sent = Instant::now();
                let answer = ask(port).map_err(|error| error.to_string());
                // The receiver is gone if the test has failed.
                let _ = answers.send((sent, sent.elapsed(), answer));
            });
            let next = begun + Duration::from_millis(10) * (number + 1);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
}

fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET /ping HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.starts_with("HTTP/1.") {
        true => Ok(answer),
        false => Err(std::io::Error::other("closed without an answer")),
    }
}

/// A kind of action under load: its name, how often to repeat it in a sample and in a full run, and the action.
type Kind = (&'static str, [usize; 2], fn(&Started, &Repo, &Host));

const KINDS: [Kind; 5] = [
    ("deploy", [2, 20], |app, repo, _| {
        repo.release("fine");
        app.run("deploy").expect(0);
    }),
    ("rollback", [1, 5], |app, _, _| {
        app.run("rollback").expect(0);
    }),
    ("crash at the start", [1, 5], |app, repo, _| {
        let file = match repo.app {
            App::Django => "demo/wsgi.py",
            App::FastApi => "app/main.py",
        };
        let text = repo.read(file);
        repo.write(file, "raise RuntimeError('broken-start')\n");
        repo.commit("Crashes at the start");
        app.run("deploy").expect(1);
        repo.write(file, &text);
        repo.commit("Starts again");
    }),
    ("failed health check", [1, 3], |app, repo, _| {
        let (file, from, to) = match repo.app {
            App::Django => ("pages/views.py", "Visit.objects.create()", "raise OSError"),
            App::FastApi => (
                "app/main.py",
                "def index() -> dict[str, object]:",
                "def index() -> dict[str, object]:\n    raise OSError",
            ),
        };
        let text = repo.read(file);
        repo.replace(file, from, to);
        repo.commit("Answers with 500");
        app.run("deploy").expect(1);
        repo.write(file, &text);
        repo.commit("Answers well again");
    }),
    ("systemctl restart", [1, 1], |app, _, host| {
        host.root(&format!("systemctl restart {}", app.unit()));
    }),
];

/// The servers to test. `-nginx`: behind nginx; `-alone`: without a socket unit.
const CASES: [(&str, App); 5] = [
    ("gunicorn", App::Django),
    ("uvicorn", App::FastApi),
    ("uvicorn-nginx", App::FastApi),
    ("gunicorn-alone", App::Django),
    ("uvicorn-alone", App::FastApi),
];

/// The servers named in PYSTRANO_LOAD, which selects a full run instead of a sample.
fn named() -> Option<Vec<String>> {
    let names = std::env::var("PYSTRANO_LOAD").ok()?;
    Some(names.split_whitespace().map(str::to_owned).collect())
}

/// Performs all kinds of actions under load. Returns the name and repetitions of each kind and its requests.
fn under_load(
    app: &Started,
    repo: &Repo,
    host: &Host,
    port: u16,
) -> Vec<(&'static str, usize, Seen)> {
    let is_over = AtomicBool::new(false);
    let (sender, answers) = mpsc::channel();
    let mut ends = Vec::new();
    std::thread::scope(|scope| {
        let is_over = &is_over;
        scope.spawn(move || send_all(port, &sender, is_over));
        // Ends the load also when an action panics.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(is_over);
        for (kind, times, act) in KINDS {
            let times = times[usize::from(named().is_some())];
            for _ in 0..times {
                act(app, repo, host);
            }
            ends.push((kind, times, Instant::now()));
        }
    });
    let mut seen: Vec<_> = ends
        .iter()
        .map(|(kind, times, _)| (*kind, *times, Seen::default()))
        .collect();
    for (at, took, answer) in answers {
        let kind = ends.iter().position(|(_, _, end)| at <= *end);
        let seen = &mut seen[kind.unwrap_or(ends.len() - 1)].2;
        seen.requests += 1;
        seen.longest = seen.longest.max(took);
        match answer {
            Ok(answer) if answer.get(8..10) == Some(" 5") => seen.errors.push(answer),
            Ok(_) => {}
            Err(error) => seen.lost.push(error),
        }
    }
    seen
}

fn print(name: &str, seen: &[(&str, usize, Seen)]) {
    for (kind, times, seen) in seen {
        println!(
            "| {name} | {times} × {kind} | {} | {} | {} | {:.1} s |",
            seen.requests,
            seen.lost.len(),
            seen.errors.len(),
            seen.longest.as_secs_f32()
        );
    }
}

/// A repository of the app with a page that does no work.
fn repo(app: App) -> Repo {
    let repo = Repo::new(app);
    if app == App::Django {
        let urls = "path(\"ping\", lambda request: HttpResponse(\"pong\")),";
        repo.replace(
            "demo/urls.py",
            "urlpatterns = [",
            &format!("from django.http import HttpResponse\n\nurlpatterns = [{urls}"),
        );
    } else {
        repo.write(
            "app/main.py",
            &(repo.read("app/main.py")
                + "\n\n@app.get(\"/ping\")\ndef ping() -> str:\n    return \"pong\"\n"),
        );
    }
    repo.commit("A page that is quick");
    repo
}

/// Removes the socket from the config, and lets the service bind the port itself.
fn take_socket(app: &Started, newcomer: &Newcomer, name: &str) {
    let socket = format!("    - \"./deploy/{name}/production/{name}-production.socket\"\n");
    newcomer.replace(name, &socket, "");
    let unit = newcomer.path(&format!("deploy/{name}/production/{}", app.unit()));
    let text = std::fs::read_to_string(&unit).expect("a unit");
    let text = text
        .replace(&format!("Requires={name}-production.socket\n"), "")
        .replace(&format!(" {name}-production.socket\n"), "\n")
        .replace(" --fd 3", &format!(" --port {}", app.port))
        .replace(
            "run gunicorn",
            &format!("run gunicorn --bind 127.0.0.1:{}", app.port),
        );
    std::fs::write(&unit, text).expect("a unit");
    app.run("setup").expect(0);
}

/// Installs nginx in front of the app, with the site of `pystrano man faq`. Returns the port of nginx.
fn put_nginx_before(app: &Started, host: &Host) -> u16 {
    host.fetches_packages();
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
    host.root("chmod +x /usr/sbin/policy-rc.d; apt-get -q update && apt-get -q install -y --no-install-recommends nginx");
    let manual = include_str!("../../src/manual/faq.md");
    let lines = manual.lines().skip_while(|line| !line.contains("upstream"));
    let site: Vec<_> = lines.take_while(|line| line.starts_with("    ")).collect();
    let port = free_port();
    let site = site
        .join("\n")
        .replace("127.0.0.1:8000", &format!("127.0.0.1:{}", app.port))
        .replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
    host.write("/etc/nginx/sites-enabled/default", site);
    host.root("systemctl start nginx");
    port
}

/// With the units that `init` writes, every request is answered.
#[test]
fn no_request_is_lost_behind_a_socket() {
    let host = Host::boot(Image::Ready);
    let newcomer = Newcomer::new("load");
    let names = named().unwrap_or(["gunicorn", "uvicorn"].map(str::to_owned).into());
    let cases = CASES
        .iter()
        .filter(|(name, _)| names.iter().any(|it| it == name));
    assert_eq!(cases.clone().count(), names.len(), "{names:?}");
    let mut lost = Vec::new();
    for &(name, app) in cases {
        let has_socket = !name.ends_with("-alone");
        let repo = repo(app);
        let started = newcomer.start(name, &repo, &host);
        for (from, to) in [
            (
                "health_check_statuses: \"200-499\"",
                "health_check_timeout: 30",
            ),
            ("keep_releases: 5", "keep_releases: 10"),
        ] {
            newcomer.replace(name, from, to);
        }
        if !has_socket {
            take_socket(&started, &newcomer, name);
        }
        started.run("deploy").expect(0);
        let port = match name.ends_with("-nginx") {
            true => put_nginx_before(&started, &host),
            false => started.port,
        };
        let seen = under_load(&started, &repo, &host, port);
        let shown = name.replace("-alone", ", no socket");
        print(&shown.replace("-nginx", ", nginx"), &seen);
        for (kind, _, seen) in &seen {
            assert!(seen.requests > 5, "{kind}: {seen:?}");
            if has_socket {
                let bad = seen.lost.iter().chain(&seen.errors);
                lost.extend(bad.map(|error| format!("{name}, {kind}: {error}")));
            }
        }
        if has_socket {
            let socket = started.unit().replace(".service", ".socket");
            assert_eq!(
                host.root(&format!("systemctl is-active {socket}")),
                "active"
            );
        }
        host.root(&format!("systemctl stop {}", started.unit()));
    }
    let some = &lost[..lost.len().min(20)];
    assert!(lost.is_empty(), "{} requests: {some:?}", lost.len());
}
