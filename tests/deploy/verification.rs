//! Checks around a promotion: units, programs, health checks, systemd's start limits.

use crate::sandbox::Sandbox;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// Makes the health check return this status for the second release.
fn answers(host: &Sandbox, code: &str) {
    host.program(
        "bin/curl",
        &format!(
            "#!/bin/sh\ncase $(readlink \"$SANDBOX/root/current\") in *2) printf {code} ;; *) printf 200 ;; esac\n"
        ),
    );
}

/// The whole `health_check_timeout` is only for apps that do not answer at all yet.
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

/// Behind a socket the health check waits in the backlog, behind requests that arrived while the app restarted.
#[test]
fn an_app_whose_queue_is_long_is_waited_for() {
    let host = Sandbox::new();
    host.configure("health_check_timeout: 30");
    host.program(
        "bin/curl",
        "#!/bin/sh\nwhile [ \"$1\" != --max-time ]; do shift; done\nif [ \"$2\" -ge 8 ]; then printf 200; else printf 000; fi\n",
    );
    host.deployed("release1");
}

/// A proxy in front of the app answers 502 until the app is up.
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
        let ran = crate::sandbox::Ran::from(ran);
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

/// The SSH agent is only for git and the installation of dependencies.
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
    let session = crate::sandbox::Session::of(command, &["sh", "-s"], &script, &["deploy"]);
    assert_eq!(session.end().1, 0);
    assert!(!has_agent("python"));
    assert!(!socket.exists(), "the connection was for this deploy");
}

/// Starts beyond systemd's start limit: systemd would stop the unit and refuse to start it.
#[test]
fn trial_24_a_start_that_systemd_would_refuse_is_waited_for() {
    let host = Sandbox::new();
    host.configure("");
    let systemctl = host.read("bin/systemctl");
    host.program(
        "bin/systemctl",
        &systemctl.replace(
            "MainPID=0",
            "MainPID=0 StartLimitBurst=2 'StartLimitIntervalUSec=1min 9s' NRestarts=0 ActiveEnterTimestampMonotonic=0",
        ),
    );
    let waits = "warning Waiting until systemd accepts another start of app.service";
    let uptime = || {
        let uptime = fs::read_to_string("/proc/uptime").expect("a clock");
        let seconds = uptime.split_whitespace().next().expect("seconds");
        seconds.parse::<f64>().expect("a number")
    };
    for (release, before, told) in [
        // Starts long ago, and one recorded before a reboot.
        ("release1", "99999999999.5 1 2 3", false),
        ("release2", "70 71 72", false),
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

#[test]
fn a_health_check_says_for_whom_it_asks_and_what_counts() {
    let host = Sandbox::new();
    host.program(
        "bin/curl",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$SANDBOX/calls/curl\"\nprintf '%s' \"$(cat \"$SANDBOX/answer\")\"\n",
    );
    let deploy = |extra: &str, answer: &str| {
        host.write("answer", answer);
        host.configure(extra);
        host.deploy()
    };
    let ran = deploy(
        "health_check_host: shop.example.com\nhealth_check_statuses: 200-299,404\nhealth_check_url: \"unix:/run/shop.sock:/up\"",
        "404 ",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    let called = host.read("calls/curl");
    for words in [
        "--unix-socket\n/run/shop.sock\n",
        "--header\nX-Forwarded-Proto: https\n",
        "--header\nHost: shop.example.com\n",
        "--\nhttp://localhost/up\n",
    ] {
        assert!(called.contains(words), "{called}");
    }
    let ran = deploy("health_check_statuses: 200-299,404", "302 https://x/");
    // The old release answers with this status, too.
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(
        ran.stderr
            .contains("did not answer with 200-299,404 within 1 s; its last answer was 302"),
        "{ran:?}"
    );
}

#[test]
fn silentsuite_326_a_redirect_to_https_is_told() {
    let host = Sandbox::new();
    host.program(
        "bin/curl",
        "#!/bin/sh\nprintf '%s' \"$(cat \"$SANDBOX/answer\")\"\n",
    );
    for (url, answer, told) in [
        ("http://127.0.0.1:8000/", "301 https://127.0.0.1/", true),
        (
            "http://127.0.0.1:8000",
            "301 https://shop.example.com/",
            true,
        ),
        (
            "http://127.0.0.1:8000/up?a=b",
            "308 https://h:8443/up?a=b",
            true,
        ),
        (
            "http://127.0.0.1:8000/",
            "302 https://127.0.0.1/login",
            false,
        ),
        ("http://127.0.0.1:8000/", "302 http://127.0.0.1/", false),
        ("http://127.0.0.1:8000/", "200 ", false),
    ] {
        host.configure(&format!("health_check_url: {url}"));
        host.write("answer", answer);
        let ran = host.deploy();
        assert_eq!(ran.status, 0, "{ran:?}");
        let warned =
            ran.stdout.contains("warning") && ran.stdout.contains("only redirects to https");
        assert_eq!(warned, told, "{url} {answer}: {ran:?}");
    }
}

/// systemd does not report a process that runs in an earlier release's directory.
#[test]
fn a_unit_that_works_in_an_earlier_release_is_no_success() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let old = host.path("root/releases/20260101000000");
    let mut sleep = std::process::Command::new("sleep")
        .arg("60")
        .current_dir(&old)
        .spawn()
        .expect("sleep");
    let systemctl = host.read("bin/systemctl");
    let told = format!("MainPID={}", sleep.id());
    host.program("bin/systemctl", &systemctl.replace("MainPID=0", &told));
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    sleep.kill().expect("sleep ended");
    sleep.wait().expect("an end");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stderr
            .contains("its WorkingDirectory must lead through "),
        "{ran:?}"
    );
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
}

/// A unit must survive three seconds, but a crash is noticed before they are over.
#[test]
fn a_unit_that_dies_is_noticed_at_once() {
    for check in [
        "health_check_url: -\nhealth_check_timeout: -",
        "health_check_timeout: 60",
    ] {
        let host = Sandbox::new();
        host.configure(check);
        host.deployed("20260101000000");
        answers(&host, "000");
        let dies = "\"InvocationID=$(case $(readlink \"$SANDBOX/root/current\") in *2) od -An -N8 -tx8 /dev/urandom ;; esac)\"";
        let systemctl = host.read("bin/systemctl");
        host.program("bin/systemctl", &systemctl.replace("InvocationID=1", dies));
        // Adds up the requested sleeps, which do not depend on the machine's load.
        host.program(
        "bin/sleep",
        "#!/bin/sh\nprintf '%s %s\\n' \"$(readlink \"$SANDBOX/root/current\")\" \"$1\" >>\"$SANDBOX/calls/sleep\"\nexec /bin/sleep \"$1\"\n",
    );
        host.write("calls/sleep", "");
        host.write("files/journal", "9999999999.000000 host app[7]: it died\n");
        let ran = host.run(&["sh"], &["deploy", "release2"]);
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(
            ran.stderr.contains("app.service did not stay up"),
            "{ran:?}"
        );
        assert_eq!(ran.stdout.matches("Promoted").count(), 2, "{ran:?}");
        let sleeps = host.read("calls/sleep");
        let slept = |release: &str| {
            let sleeps = sleeps.lines().filter_map(|line| line.split_once(' '));
            let seconds = sleeps.filter(|(at, _)| at.ends_with(release));
            seconds
                .map(|(_, seconds)| seconds.parse::<f64>().expect("seconds"))
                .sum::<f64>()
        };
        assert!(slept("release2") < 1.0, "{sleeps}");
        // Without a health check the old release is watched for its three seconds, too.
        let is_watched = check.starts_with("health_check_url: -");
        assert_eq!(slept("20260101000000") > 2.9, is_watched, "{sleeps}");
    }
}

/// The health check says nothing about a worker, which must survive three seconds, too.
#[test]
fn a_worker_that_dies_after_the_app_answered_takes_the_release_back() {
    let host = Sandbox::new();
    let unit = "[Service]\nExecStart=/bin/true\n";
    host.write("files/web.service", unit);
    host.write("files/worker.service", unit);
    let files = ["web.service", "worker.service"].map(|name| host.path("files").join(name));
    host.configure(&format!(
        "service_file: {};{}",
        files[0].display(),
        files[1].display()
    ));
    host.deployed("20260101000000");
    // The worker fails when its state in release2 is read for the sixth time.
    let systemctl = host.read("bin/systemctl");
    let dies = "case $(readlink \"$SANDBOX/root/current\")$unit in\n\t\t*release2worker.service)\n\t\t\techo >>\"$SANDBOX/looks\"\n\
                \t\t\t[ \"$(wc -l <\"$SANDBOX/looks\")\" -lt 6 ] || state=failed\n\t\t\t;;\n\t\tesac\n\t\tcase $unit in\n\t\t-*)";
    host.program(
        "bin/systemctl",
        &systemctl.replacen("case $unit in\n\t\t-*)", dies, 1),
    );
    let ran = host.run(&["sh"], &["deploy", "release2"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("worker.service did not stay up"),
        "{ran:?}"
    );
    assert_eq!(host.current().as_deref(), Some("20260101000000"));
}

/// Two failures are reported: that of the new release, and that of the old one after the revert.
#[test]
fn a_release_that_cannot_be_brought_back_is_told_why() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    host.fail("curl");
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    assert_eq!(ran.status, 5, "{ran:?}");
    let told = "did not answer with 200-399 within 1 s; its last answer was 500";
    assert_eq!(ran.stderr.matches(told).count(), 2, "{ran:?}");
    host.stop_failing("curl");
    // A failed step without a reason of its own does not repeat that of an earlier step.
    host.fail("restart");
    let ran = host.run(&["sh"], &["deploy", "20260103000000"]);
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(!ran.stderr.contains(told), "{ran:?}");
}

#[test]
fn a_masked_unit_stops_before_promotion() {
    let host = Sandbox::new();
    host.configure("");
    host.deployed("20260101000000");
    let systemctl = host.read("bin/systemctl");
    let masked = systemctl.replace("LoadState=loaded", "LoadState=masked");
    host.program("bin/systemctl", &masked);
    for words in [&["deploy"][..], &["rollback", "20260101000000"]] {
        let ran = host.run(&["sh"], words);
        assert_eq!(ran.status, 3, "{ran:?}");
    }
    assert!(
        host.deploy()
            .stderr
            .contains("systemd has no usable app.service")
    );
}

/// Services restart in one `systemctl` call, in the order of the config; units that a timer starts, and those that
/// end by themselves, do not.
#[test]
fn several_units_restart_at_once_and_go_back_together() {
    let host = Sandbox::new();
    for (name, text) in [
        ("web.socket", "[Socket]\nListenStream=127.0.0.1:8000\n"),
        ("web.service", "[Service]\nExecStart=/bin/true\n"),
        ("worker.service", "[Service]\nExecStart=/bin/true\n"),
        ("clean.service", "[Service]\nExecStart=/bin/true\n"),
        ("clean.timer", "[Timer]\nOnCalendar=daily\n"),
        (
            "once.service",
            "[Service]\nType=oneshot\nExecStart=/bin/true\n",
        ),
        ("shop.target", "[Unit]\nDescription=Shop\n"),
    ] {
        host.write(&format!("files/{name}"), text);
    }
    let names =
        "worker.service;web.service;web.socket;clean.timer;clean.service;once.service;shop.target";
    let files: Vec<String> = names
        .split(';')
        .map(|name| host.path("files").join(name).display().to_string())
        .collect();
    host.configure(&format!(
        "service_file: {}\nhealth_check_url: -\nhealth_check_timeout: -",
        files.join(";")
    ));
    host.deployed("20260101000000");
    assert_eq!(
        host.read("calls/systemctl"),
        "restart worker.service web.service releases/20260101000000\n"
    );
    let status = host.run(&["sh"], &["status"]);
    for unit in ["worker.service", "web.service", "web.socket", "clean.timer"] {
        let line = format!("unit      {unit} active\n");
        assert!(status.stdout.contains(&line), "{status:?}");
    }
    assert_eq!(status.stdout.matches("unit ").count(), 4, "{status:?}");
    for (broken, told) in [
        ("worker.service", "worker.service did not stay up"),
        ("web.service", "web.service did not stay up"),
        ("clean.timer", "clean.timer is not active; run setup.sh"),
    ] {
        host.fail(broken);
        // The previous release fails, too.
        let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
        assert_eq!(ran.status, 5, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
        assert_eq!(host.current().as_deref(), Some("20260101000000"));
        host.stop_failing(broken);
    }
    assert_eq!(
        host.read("calls/systemctl").lines().last(),
        Some("restart worker.service web.service releases/20260101000000")
    );
}

/// Something sets the clock back an hour again and again.
#[test]
fn trial_22_waits_go_by_a_clock_that_nobody_sets() {
    let host = Sandbox::new();
    host.program(
        "bin/date",
        "#!/bin/sh\nback=$(cat \"$SANDBOX/back\" 2>/dev/null || echo 0)\necho $((back + 3600)) >\"$SANDBOX/back\"\n\
         exec /usr/bin/date -d \"-$back seconds\" \"$@\"\n",
    );
    host.configure("");
    host.fail("health-20260102000000");
    let begun = std::time::Instant::now();
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    assert!(
        ran.stderr
            .contains("did not answer with 200-399 within 1 s"),
        "{ran:?}"
    );
    assert!(!host.read("back").is_empty());
    // A wait that used the wall clock would take far longer.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(600),
        "{:?}",
        begun.elapsed()
    );
}
