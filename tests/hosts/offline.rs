//! Hosts without any network: scripts and a payload are carried to them.

use crate::support::{App, Host, Image, Output, Project, Release, Repo};

/// A host that nothing reaches and that reaches nothing, and what is carried to it.
struct Offline {
    host: Host,
    repo: Repo,
    project: Project,
    /// The words before the directory.
    render: &'static [&'static str],
    /// Packets that found no way out, before the first run.
    lost: String,
}

impl Offline {
    /// From a bare Debian: its packages come along, where they are rendered with `render`.
    fn new(app: App, release: Release, python: &str, render: &'static [&'static str]) -> Self {
        let host = Host::boot_offline(release, Image::Bare);
        // What the image has for other tests.
        host.root("rm -rf /usr/bin/git /etc/pip.conf /var/cache/wheels /opt/wheels; find / -xdev -type d -path '*/.cache/uv' -prune -exec rm -rf {} +");
        let links = host.root("ls /sys/class/net");
        assert_eq!(links, "lo");
        let repo = Repo::new(app);
        let mut project = Project::new(&repo, &[&host]);
        project.set("python", python);
        project.check_health("/", 20);
        let lost = lost(&host);
        Offline {
            host,
            repo,
            project,
            render,
            lost,
        }
    }

    /// Renders, and carries all of it to the host: setup for root, the rest for the app user.
    fn carry(&self) {
        let out = self.project.directory().join("handoff");
        self.project
            .run(&[self.render, &[out.to_str().unwrap()]].concat())
            .expect(0);
        self.host.root("rm -rf /mnt/stick");
        self.host.copy_in(&out, "/mnt/stick");
        self.host
            .root("cd /mnt/stick && sha256sum --quiet --check --strict SHA256SUMS");
    }

    fn setup(&self) -> Output {
        self.host.exec("sh /mnt/stick/127.0.0.1/setup.sh")
    }

    fn run(&self, words: &str) -> Output {
        let bring = "install -d -o deploy -m 700 /home/deploy/handoff && cd /mnt/stick && \
                     cp -R 127.0.0.1/deploy.sh payload /home/deploy/handoff && chown -R deploy: /home/deploy/handoff";
        self.host.root(bring);
        self.host.exec(&format!(
            "runuser -u deploy -- sh /home/deploy/handoff/deploy.sh {words}"
        ))
    }

    fn page(&self) -> String {
        let url = format!("http://127.0.0.1:{}/", self.project.ports[0]);
        self.host.root(&format!(
            "python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}\").read().decode())'"
        ))
    }

    /// From nothing to an answering app, once more, and back.
    fn lives(&self) {
        self.carry();
        self.setup().expect(0);
        self.run("").expect(0).says("Verified that the app answers");
        assert!(self.page().contains("v1"));
        let first = self.host.root("readlink /home/deploy/demo/current");
        self.repo.release("v2");
        self.carry();
        self.setup().expect(0).says("setup: 0 changed");
        let second = self.run("").expect(0);
        second.says("Python dependencies are installed already");
        assert!(self.page().contains("v2"));
        self.run("rollback").expect(0);
        assert!(self.page().contains("v1"));
        assert_eq!(self.host.root("readlink /home/deploy/demo/current"), first);
        let status = self.run("status").expect(0);
        status.says(&format!(
            "current   {}",
            first.trim_start_matches("releases/")
        ));
        status.says("unit      demo.service active");
        assert_eq!(
            lost(&self.host),
            self.lost,
            "something asked for the network"
        );
    }
}

/// Packets that were to leave, and had no way to.
fn lost(host: &Host) -> String {
    let snmp = host.read("/proc/net/snmp");
    let lines: Vec<Vec<&str>> = snmp
        .lines()
        .filter(|line| line.starts_with("Ip: "))
        .map(|line| line.split(' ').collect())
        .collect();
    let at = lines[0].iter().position(|name| *name == "OutNoRoutes");
    lines[1][at.expect("a counter")].to_owned()
}

#[test]
fn django_lives_where_there_is_no_network() {
    let words = &[
        "render",
        "--payload",
        "--system-packages",
        "trixie",
        "--output",
    ];
    let offline = Offline::new(App::Django, Release::Trixie, "3.13", words);
    offline.carry();
    // One that was damaged on the way changes nothing.
    let damage = "cp -R /mnt/stick /mnt/damaged && truncate -s -1 /mnt/damaged/payload/*.tar";
    offline.host.root(damage);
    let damaged = offline.host.exec("sh /mnt/damaged/127.0.0.1/setup.sh");
    damaged
        .expect(2)
        .says(" is damaged, or not the payload of this script");
    assert_eq!(offline.host.exec("id deploy").code, 1);
    offline.host.root("rm -r /mnt/damaged");
    offline.lives();
}

#[test]
fn fastapi_lives_where_there_is_no_network() {
    let words = &[
        "render",
        "--payload",
        "--system-packages",
        "bookworm",
        "--output",
    ];
    let mut offline = Offline::new(App::FastApi, Release::Bookworm, "3.11", words);
    offline.project.set("venv_mode", "release");
    offline
        .project
        .set("static_files_command", "python build_static.py");
    offline.lives();
}

/// All that is missing is named at once, and how to get it.
#[test]
fn setup_names_all_packages_that_are_missing() {
    let words = &["render", "--payload", "--output"];
    let mut offline = Offline::new(App::Django, Release::Trixie, "3.13", words);
    // Those that the release does not have are named where they would be packed.
    offline.project.set("python", "3.99");
    offline
        .project
        .set("system_packages", "no-such-package libpq5");
    let words = [
        "render",
        "--payload",
        "--system-packages",
        "trixie",
        "--output",
        "unknown",
    ];
    let unknown = offline.project.run(&words).expect(2);
    unknown.says("Debian trixie has no no-such-package, python3.99, python3.99-venv");
    offline.project.set("python", "3.13");
    offline.project.set("system_packages", "libpq5 tree");
    offline.carry();
    let output = offline.setup().expect(2);
    output.says(
        "this host has no python3.13 that makes virtualenvs, and neither has apt; there are: none",
    );
    output.says(
        "what this host lacks: apt-get install python3 python3-venv curl libpq5 tree python3.13 python3.13-venv",
    );
}
