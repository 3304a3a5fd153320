//! What `deploy.sh` looks at around a promotion: units, programs, answers, limits; run by hand, against a local
//! tree and a local repository.

mod sandbox;

use sandbox::Sandbox;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// The app answers with this, once its release is the second.
fn answers(host: &Sandbox, code: &str) {
    host.program(
        "bin/curl",
        &format!(
            "#!/bin/sh\ncase $(readlink \"$SANDBOX/root/current\") in *2) printf {code} ;; *) printf 200 ;; esac\n"
        ),
    );
}

/// Half a minute is for an app that does not answer yet.
#[test]
fn an_app_that_answers_that_it_is_broken_is_not_asked_for_long() {
    let host = Sandbox::new();
    host.configure("health_check_timeout: 60");
    host.deployed("release1");
    answers(&host, "500");
    let begun = Instant::now();
    let ran = host.run(&["sh"], &["deploy", "release2"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stderr
            .contains("http://127.0.0.1:8000/ answered with 500 for 5 s"),
        "{ran:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(45));
}

/// A proxy before the app answers so while it waits for it.
#[test]
fn answers_of_a_proxy_are_waited_for() {
    let host = Sandbox::new();
    host.configure("health_check_timeout: 7");
    host.deployed("release1");
    answers(&host, "502");
    let ran = host.run(&["sh"], &["deploy", "release2"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("within 7 s; its last answer was 502"),
        "{ran:?}"
    );
}

#[test]
fn a_unit_that_is_not_as_the_config_has_it_is_told() {
    let host = Sandbox::new();
    host.configure("");
    let at = host.path("etc/systemd/system").display().to_string();
    let script = host.script().replace("/etc/systemd/system", &at);
    host.write("deploy.sh", script);
    let warning = "warning app.service on this host differs from service_file; run pystrano setup";
    for (text, told) in [
        ("[Service]\nExecStart=/bin/true\n", false),
        ("[Service]\nExecStart=/bin/false\n", true),
    ] {
        host.write("etc/systemd/system/app.service", text);
        let ran = host.command(&["sh", "deploy.sh"]).output().expect("sh");
        let ran = sandbox::Ran::from(ran);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(ran.stdout.contains(warning), told, "{ran:?}");
    }
}

#[test]
fn a_server_of_the_app_that_the_dependencies_lack_stops_before_promotion() {
    for (start, extra, source) in [
        (
            "{root}/root/current/.pystrano/run hypercorn-x app:app",
            "",
            "requirements.txt",
        ),
        (
            "-{root}/venv/bin/hypercorn-x app:app",
            "",
            "requirements.txt",
        ),
        (
            "{root}/root/current/.pystrano/run hypercorn-x",
            "dependency_install_command: 'true'",
            "what dependency_install_command installs",
        ),
    ] {
        let host = Sandbox::new();
        let root = host.dir.path().display().to_string();
        let start = start.replace("{root}", &root);
        host.write(
            "files/app.service",
            format!("[Service]\nExecStart={start}\n"),
        );
        host.configure(extra);
        let ran = host.deploy();
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(
            ran.stderr.contains(&format!(
                "dependencies, exit status 3: there is no bin/hypercorn-x in the virtualenv; add hypercorn-x to {source}\n"
            )),
            "{ran:?}"
        );
        host.program("venv/bin/hypercorn-x", "#!/bin/sh\n");
        host.deployed("release1");
    }
}

/// The agent is for git and the dependencies.
#[test]
fn trial_1_what_runs_later_does_not_reach_the_agent() {
    let host = Sandbox::new();
    host.configure("");
    let socket = host.path("agent");
    let _agent = UnixListener::bind(&socket).expect("a socket");
    let has_agent = |name: &str| {
        let environment = host.read(&format!("environments/{name}"));
        environment.contains("\0SSH_AUTH_SOCK=")
    };
    host.write("deploy.sh", host.script());
    let by_hand = host
        .command(&["sh", "deploy.sh"])
        .env("SSH_AUTH_SOCK", &socket)
        .status();
    assert!(by_hand.expect("sh").success());
    assert!(has_agent("pip") && !has_agent("python"));
    assert!(socket.exists(), "it belongs to who runs this by hand");

    let mut command = host.command(&["env"]);
    command.arg(format!("SSH_AUTH_SOCK={}", socket.display()));
    let script = host.script();
    let session = sandbox::Session::of(command, &["sh", "-s"], &script, &["deploy"]);
    assert_eq!(session.end().1, 0);
    assert!(!has_agent("python"));
    assert!(!socket.exists(), "the connection was for this deploy");
}

/// systemd would stop the unit, and then refuse to start it.
#[test]
fn trial_24_a_start_that_systemd_would_refuse_is_waited_for() {
    let host = Sandbox::new();
    host.configure("");
    let systemctl = host.read("bin/systemctl");
    host.program(
        "bin/systemctl",
        &systemctl.replace(
            "MainPID=0",
            "MainPID=0 StartLimitBurst=2 'StartLimitIntervalUSec=1min 5s 500ms' NRestarts=0 ActiveEnterTimestampMonotonic=0",
        ),
    );
    let waits = "warning Waiting until systemd takes another start of app.service";
    let uptime = || {
        let uptime = fs::read_to_string("/proc/uptime").expect("a clock");
        let seconds = uptime.split_whitespace().next().expect("seconds");
        seconds.parse::<f64>().expect("a number")
    };
    for (release, before, told) in [
        // Long ago, and in a life of the host that is over.
        ("release1", "99999999999.5 1 2 3", false),
        ("release2", "66 67 68", false),
        ("release3", "64 99", false),
        ("release4", "64 10", true),
    ] {
        let now = uptime();
        let starts: Vec<String> = before
            .split(' ')
            .map(|ago| match ago.parse::<f64>().expect("a number") {
                later if later > 1e6 => ago.to_owned(),
                ago if ago < 4.0 => ago.to_string(),
                ago => format!("{:.2}", now - ago),
            })
            .collect();
        host.write("root/.pystrano/starts", starts.join("\n") + "\n");
        let ran = host.run(&["sh"], &["deploy", release]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(
            ran.stdout.matches(waits).count(),
            usize::from(told),
            "{ran:?}"
        );
    }
    assert_eq!(host.read("root/.pystrano/starts").lines().count(), 3);
}
