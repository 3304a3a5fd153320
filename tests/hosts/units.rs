//! Apps of several units: a socket and its service, a worker, a timer and a path.

use crate::setup::allowed;
use crate::support::{App, Host, Image, Project, Repo, free_port, get};
use crate::trial_setup::hand_over;
use std::fs;

/// The text of a service of the app, which runs `command` by the launcher.
fn service(more: &str, command: &str) -> String {
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n{more}\n\
         User=deploy\nWorkingDirectory=/home/deploy/demo/current\n\
         ExecStart=/home/deploy/demo/current/.pystrano/run {command}\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

/// Writes these unit files and sets `service_file` to them.
fn with_units(project: &mut Project, units: &[(&str, String)]) {
    let own = "deploy/demo/production/units";
    fs::create_dir_all(project.directory().join(own)).expect("a directory");
    for (name, text) in units {
        fs::write(project.directory().join(own).join(name), text).expect("a unit");
    }
    let files: Vec<String> = units
        .iter()
        .map(|(name, _)| format!("{own}/{name}"))
        .collect();
    project.set_server(0, "service_file", &files.join("; "));
}

fn property(host: &Host, property: &str, unit: &str) -> String {
    host.root(&format!("systemctl show -P {property} {unit}"))
}

/// The releases in which the main processes of these units run, by their working directories.
fn releases(host: &Host, units: &[&str]) -> Vec<String> {
    let releases = units.iter().map(|unit| {
        let process = property(host, "MainPID", unit);
        let place = host.root(&format!("readlink /proc/{process}/cwd"));
        place.rsplit('/').next().expect("a release").to_owned()
    });
    releases.collect()
}

#[test]
fn a_socket_a_worker_a_timer_and_a_path_go_with_the_release() {
    let mut host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    repo.write(
        "worker.py",
        "import time\n\nwhile True:\n    time.sleep(60)\n",
    );
    repo.commit("A worker");
    let mut project = Project::new(&repo, &[&host]);
    let port = project.ports[0];
    let all = ["demo.service", "worker.service"];
    let web = service(
        "Requires=demo.socket\nAfter=demo.socket\n[Service]\nType=notify\nKillMode=mixed",
        "gunicorn demo.wsgi",
    );
    let socket =
        format!("[Socket]\nListenStream=127.0.0.1:{port}\n[Install]\nWantedBy=sockets.target\n");
    let job = "[Service]\nType=oneshot\nExecStart=/bin/true\n".to_owned();
    let timer =
        |when: &str| format!("[Timer]\nOnCalendar={when}\n[Install]\nWantedBy=timers.target\n");
    let mut units = vec![
        ("demo.service", web),
        ("demo.socket", socket),
        (
            "worker.service",
            service(
                "[Service]\nType=exec\nRestart=always\nRestartSec=1",
                "python worker.py",
            ),
        ),
        ("clean.service", job.clone()),
        ("clean.timer", timer("daily")),
        ("inbox.service", job),
        (
            "inbox.path",
            "[Path]\nPathChanged=/srv/inbox\n[Install]\nWantedBy=multi-user.target\n".to_owned(),
        ),
    ];
    with_units(&mut project, &units);
    host.write(
        "/etc/systemd/system/foreign.service",
        "[Service]\nExecStart=/bin/sleep 1000\n",
    );
    host.root("systemctl daemon-reload; systemctl start foreign");

    // A service that a timer or path starts needs no WantedBy.
    project.run(&["setup"]).expect(0).hides("has no WantedBy");
    for trigger in ["demo.socket", "clean.timer", "inbox.path"] {
        host.root(&format!(
            "systemctl is-active {trigger}; systemctl is-enabled {trigger}"
        ));
    }
    project.run(&["setup"]).expect(0).says("0 changed");
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v1"));
    let [web, worker] = [0, 1].map(|index| releases(&host, &all)[index].clone());
    assert_eq!(web, worker);
    project
        .run(&["status"])
        .expect(0)
        .says("demo.service active, worker.service active, demo.socket active");

    // The sudo rule allows one call with exactly these arguments.
    let escapes = [
        "systemctl restart demo.service",
        "systemctl restart worker.service",
        "systemctl restart worker.service demo.service",
        "systemctl restart demo.service worker.service ssh.service",
        "systemctl restart demo.service worker.service --no-block",
        "systemctl --root=/tmp restart demo.service worker.service",
        "systemctl -H root@127.0.0.1 restart demo.service worker.service",
        "systemctl restart demo worker",
        "systemctl restart 'demo.service worker.service '",
        "systemctl restart 'demo.service  worker.service'",
        "systemctl restart 'demo*' 'worker*'",
        "systemctl restart demo.service '*'",
        "systemctl restart demo.socket",
        "systemctl restart clean.timer",
        "systemctl restart",
        "systemctl stop demo.service worker.service",
        "systemctl start demo.service worker.service",
        "systemctl kill demo.service worker.service",
        "systemctl edit demo.service worker.service",
        "systemctl",
        "-u nobody systemctl restart demo.service worker.service",
        "LD_PRELOAD=/tmp/evil.so systemctl restart demo.service worker.service",
        "sh -c 'systemctl restart demo.service worker.service'",
    ];
    assert_eq!(allowed(&host, &escapes), Vec::<&str>::new());

    // A release whose worker dies is reverted as a whole.
    repo.write("worker.py", "raise SystemExit('broken-worker')\n");
    repo.release("v2");
    let output = project.run(&["deploy"]).expect(1);
    output.says("worker.service did not stay up");
    assert!(project.page(0).contains("version=v1"));
    assert_eq!(releases(&host, &all), [web.as_str(), &web]);
    repo.write("worker.py", "import time\n\ntime.sleep(3600)\n");
    repo.release("v3");
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v3"));
    let both = releases(&host, &all);
    assert!(both[0] == both[1] && both[0] != web, "{both:?}");
    project.run(&["rollback"]).expect(0);
    assert_eq!(releases(&host, &all), [web.as_str(), &web]);

    // The socket starts at boot.
    host.power_off();
    host.power_on();
    host.root("systemctl start foreign");
    assert_eq!(property(&host, "ActiveState", "demo.socket"), "active");
    assert!(project.page(0).contains("version=v1"));
    assert_eq!(releases(&host, &all), [web.as_str(), &web]);

    // Setup restarts a timer that changed, and no other unit.
    let invocations = |units: &[&str]| {
        units
            .iter()
            .map(|unit| property(&host, "InvocationID", unit))
            .collect::<Vec<_>>()
    };
    let before = (
        invocations(&[
            "demo.service",
            "demo.socket",
            "worker.service",
            "inbox.path",
        ]),
        invocations(&["clean.timer"]),
    );
    units[4].1 = timer("weekly");
    units[2].1 = units[2].1.replace("multi-user", "graphical");
    with_units(&mut project, &units);
    project.run(&["setup"]).expect(0).says("2 changed");
    let links = host.root("cd /etc/systemd/system; ls -d *.wants/worker.service");
    assert_eq!(links, "graphical.target.wants/worker.service");
    let after = (
        invocations(&[
            "demo.service",
            "demo.socket",
            "worker.service",
            "inbox.path",
        ]),
        invocations(&["clean.timer"]),
    );
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
    assert!(property(&host, "TimersCalendar", "clean.timer").contains("Mon "));

    // Units that the config no longer has are removed with their sudo rule; units of others stay.
    units.truncate(2);
    with_units(&mut project, &units);
    let output = project.run(&["setup"]).expect(0);
    output.says("Removed what the config no longer has: worker.service clean.service clean.timer inbox.service inbox.path");
    for unit in [
        "worker.service",
        "clean.timer",
        "clean.service",
        "inbox.path",
    ] {
        assert_eq!(property(&host, "LoadState", unit), "not-found", "{unit}");
    }
    assert_eq!(property(&host, "ActiveState", "foreign.service"), "active");
    assert_eq!(host.root("ls /etc/sudoers.d | grep -c pystrano"), "1");
    assert_eq!(allowed(&host, &["systemctl restart demo.service"]).len(), 1);
    assert_eq!(
        allowed(&host, &["systemctl restart demo.service worker.service"]).len(),
        0
    );
    project.run(&["setup"]).expect(0).says("0 changed");
    project.run(&["deploy"]).expect(0);
}

/// Runs setup, and sends it a signal when it calls systemctl with arguments that match a pattern of `case`.
fn ended_at(host: &Host, project: &Project, words: &str, signal: &str) {
    hand_over(host, project);
    let systemctl = "/usr/local/bin/systemctl";
    host.write(
        systemctl,
        format!(
            "#!/bin/sh\ncase $* in {words}) /usr/bin/systemctl kill --signal={signal} ended ;; esac\n\
             exec /usr/bin/systemctl \"$@\"\n"
        ),
    );
    host.root(&format!("chmod 755 {systemctl}"));
    let ended = host.exec("systemd-run --quiet --wait --collect --unit=ended sh /root/setup.sh");
    assert_ne!(ended.code, 0, "{ended}");
    host.root(&format!("rm {systemctl}"));
}

/// A service that binds its own port gets a socket, then another one, then none.
#[test]
fn an_app_without_a_socket_gets_one() {
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let mut project = Project::new(&repo, &[&host]);
    project.run(&["setup"]).expect(0);
    project.run(&["deploy"]).expect(0);
    let invocation = property(&host, "InvocationID", "demo.service");
    let web = |name: &str| {
        let needs = format!("Requires={name}.socket\nAfter={name}.socket\n[Service]\nType=notify");
        service(&needs, "gunicorn demo.wsgi")
    };
    let socket = |port: u16| {
        format!("[Socket]\nListenStream=127.0.0.1:{port}\n[Install]\nWantedBy=sockets.target\n")
    };
    let units = |port: u16| vec![("demo.service", web("demo")), ("demo.socket", socket(port))];

    // Setup leaves the app running; the next deploy hands its port over to the socket.
    let both = units(project.ports[0]);
    with_units(&mut project, &both);
    project.run(&["setup"]).expect(0).says(
        "demo.socket cannot start while demo.service runs without it; the next deploy starts both",
    );
    assert_eq!(property(&host, "InvocationID", "demo.service"), invocation);
    assert!(project.page(0).contains("version=v1"));
    repo.release("v2");
    project.run(&["deploy"]).expect(0);
    assert_eq!(property(&host, "ActiveState", "demo.socket"), "active");
    assert!(project.page(0).contains("version=v2"));
    project.run(&["setup"]).expect(0).says("0 changed");

    // Setup restarts a socket that changed, and the service behind it.
    project.ports[0] = free_port();
    let both = units(project.ports[0]);
    with_units(&mut project, &both);
    project.run(&["setup"]).expect(0);
    assert!(project.page(0).contains("version=v2"));

    // Renamed units replace the old ones, and are started by setup.
    let renamed = [
        ("shop.service", web("shop")),
        ("shop.socket", socket(project.ports[0])),
    ];
    with_units(&mut project, &renamed);
    // A setup that is killed after it stopped the old units is completed by the next one.
    ended_at(&host, &project, "start*", "KILL --kill-whom=all");
    get(project.ports[0], "/").expect_err("nothing runs");
    project.run(&["setup"]).expect(0);
    assert_eq!(property(&host, "ActiveState", "shop.service"), "active");
    assert_eq!(property(&host, "LoadState", "demo.service"), "not-found");
    assert_eq!(property(&host, "LoadState", "demo.socket"), "not-found");
    assert!(project.page(0).contains("version=v2"));

    // Setup handles a signal only after the app runs again.
    with_units(&mut project, &both);
    ended_at(&host, &project, "stop* | *--now*", "TERM --kill-whom=main");
    assert!(project.page(0).contains("version=v2"));
    with_units(&mut project, &renamed);
    project.run(&["setup"]).expect(0);

    // The config drops the socket again.
    let alone = service(
        "[Service]\nType=notify",
        &format!("gunicorn --bind 127.0.0.1:{} demo.wsgi", project.ports[0]),
    );
    with_units(&mut project, &[("shop.service", alone)]);
    project.run(&["setup"]).expect(0);
    assert!(project.page(0).contains("version=v2"));
    project.run(&["deploy"]).expect(0);
    assert!(project.page(0).contains("version=v2"));
    project.run(&["setup"]).expect(0).says("0 changed");
}
