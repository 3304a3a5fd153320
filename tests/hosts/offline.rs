//! Hosts without a network, to which scripts and a payload are copied.

use crate::readme;
use crate::support::{App, Host, Image, Output, Project, Release, Repo};
use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::Command;

const HANDOFF: &str = include_str!("../../src/manual/handoff.md");

/// The lines of a code block of the manual's handoff page, changed to the application of these tests.
fn page(begin: &str) -> Vec<String> {
    let lines = readme::block(HANDOFF, begin);
    assert!(!lines.is_empty(), "{begin}");
    let lines = lines.into_iter();
    lines.map(|line| line.replace(" shop ", " demo ")).collect()
}

/// A host without a network, and the project that is handed off to it as the manual describes.
struct Offline {
    host: Host,
    repo: Repo,
    project: Project,
    /// Further arguments of `render`.
    packages: &'static str,
    /// The counters of [`lost`] before the first run.
    lost: [u64; 3],
}

impl Offline {
    /// Boots a bare host. The arguments `packages` let `render` include system packages in the payload.
    fn new(app: App, release: Release, python: &str, packages: &'static str) -> Self {
        let host = Host::boot_offline(release, Image::Bare);
        // Removes what the image provides for other tests.
        host.root("rm -rf /usr/bin/git /etc/pip.conf /var/cache/wheels /opt/wheels; find / -xdev -type d -path '*/.cache/uv' -prune -exec rm -rf {} +");
        let links = host.root("ls /sys/class/net");
        assert_eq!(links, "lo");
        let repo = Repo::new(app);
        let mut project = Project::new(&repo, &[&host]);
        project.set("python", python);
        project.set_server(0, "host", "app1.example.com");
        project.check_health("/", 20);
        // The signing key, and the list of allowed signers, which the host must not get from the files it verifies.
        project.save();
        let home = project.directory();
        fs::create_dir(home.join(".ssh")).expect("a directory");
        let key = home.join(".ssh/id_ed25519");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("ssh-keygen").success());
        let key = fs::read_to_string(key.with_extension("pub")).expect("a key");
        let signer = page("Whoever runs the files by hand").remove(0);
        let (signer, _) = signer.split_once(" ssh-ed25519 ").expect("a signer");
        let signer = signer.strip_prefix("# signers: ").expect("a signer");
        host.write("/root/signers", format!("{signer} {key}"));
        let lost = lost(&host);
        Offline {
            host,
            repo,
            project,
            packages,
            lost,
        }
    }

    /// Renders and signs the scripts and payload, and copies them to the host.
    fn carry(&self) {
        let [render] = &page("Here, render and sign")[..] else {
            panic!("there is one command");
        };
        let command = self.project.command(&["render"]);
        let program = command.get_program().to_str().expect("UTF-8");
        let line = render.strip_prefix("pystrano ").expect(render);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("'{program}' {line} {}", self.packages)])
            .current_dir(self.project.directory())
            .env("HOME", self.project.directory());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        Output::from(shell.output().expect("sh")).expect(0);
        self.host.root("rm -rf /mnt/stick && mkdir /mnt/stick");
        let handoff = self.project.directory().join("handoff");
        self.host.copy_in(&handoff, "/mnt/stick/handoff");
    }

    /// Runs the page's commands for root: verifies the files, runs setup.sh, and copies the rest for the project user.
    fn setup(&self) -> Output {
        self.host.exec(&page("There, as root").join("\n"))
    }

    /// Runs, as the project user, the command of the page that ends with `end`.
    fn run(&self, end: &str) -> Output {
        let lines = page("As the project user");
        let line = lines.iter().find(|line| line.ends_with(end)).expect(end);
        self.host.exec(&format!("runuser -l deploy -c '{line}'"))
    }

    fn answer(&self) -> String {
        let url = format!("http://127.0.0.1:{}/", self.project.ports[0]);
        self.host.root(&format!(
            "python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}\").read().decode())'"
        ))
    }

    /// First deploy, second deploy, rollback; none of them may use the network.
    fn lives(&self) {
        self.carry();
        self.setup().expect(0);
        self.run("deploy.sh")
            .expect(0)
            .says("Verified that the app answers");
        assert!(self.answer().contains("v1"));
        let first = self.host.root("readlink /home/deploy/demo/current");
        self.repo.release("v2");
        self.carry();
        self.setup().expect(0).says("setup: 0 changed");
        let second = self.run("deploy.sh").expect(0);
        second.says("Python dependencies are installed already");
        assert!(self.answer().contains("v2"));
        self.run("deploy.sh rollback").expect(0);
        assert!(self.answer().contains("v1"));
        assert_eq!(self.host.root("readlink /home/deploy/demo/current"), first);
        let status = self.run("deploy.sh status").expect(0);
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
        // Checks that the counters would have noticed an attempt.
        for (family, address) in [("INET", "192.0.2.1"), ("INET6", "2001:db8::1")] {
            let ask =
                format!("import socket as s; s.socket(s.AF_{family}).connect((\"{address}\", 80))");
            let asked = self.host.exec(&format!("python3 -c '{ask}'"));
            asked.says("Network is unreachable");
        }
        let [v4, v6, _] = lost(&self.host);
        assert!(v4 > self.lost[0] && v6 > self.lost[1], "{v4} {v6}");
        // The page's commands to review a payload work.
        let look = page("To review a payload").join("\n");
        let seen = self.host.root(&format!(
            "cd /mnt && mkdir look && cd look && cp -R ../stick/handoff/payload . && {look}"
        ));
        for line in ["manage.py", "--hash=sha256:"] {
            let line = if self.repo.app == App::FastApi {
                line.replace("manage.py", "app/main.py")
            } else {
                line.to_owned()
            };
            assert!(seen.contains(&line), "{seen}");
        }
    }
}

/// Attempts to use the network: packets without a route (IPv4, IPv6), and IPv6 packets sent by interfaces other than lo.
fn lost(host: &Host) -> [u64; 3] {
    let snmp = host.read("/proc/net/snmp");
    let lines: Vec<Vec<&str>> = snmp
        .lines()
        .filter(|line| line.starts_with("Ip: "))
        .map(|line| line.split(' ').collect())
        .collect();
    let at = lines[0].iter().position(|name| *name == "OutNoRoutes");
    let v4 = lines[1][at.expect("a counter")].parse().expect("a number");
    let v6 = |file: &str, counter: &str| -> u64 {
        let text = host.read(file);
        let line = text.lines().find_map(|line| line.strip_prefix(counter));
        line.expect(counter).trim().parse().expect("a number")
    };
    let [all, own] =
        ["snmp6", "dev_snmp6/lo"].map(|file| v6(&format!("/proc/net/{file}"), "Ip6OutRequests"));
    [v4, v6("/proc/net/snmp6", "Ip6OutNoRoutes"), all - own]
}

#[test]
fn django_lives_where_there_is_no_network() {
    let packages = "--system-packages trixie";
    let offline = Offline::new(App::Django, Release::Trixie, "3.13", packages);
    offline.carry();
    a_damaged_one_changes_nothing(&offline);
    offline.lives();
}

/// With the payload truncated at ten places, or one bit flipped at ten, setup stops before it changes anything. So do the
/// manual's commands if the checksums do not match, or their signature does not.
fn a_damaged_one_changes_nothing(offline: &Offline) {
    let host = &offline.host;
    let state = || {
        let list = "find /etc /home /opt /root /srv /usr /var/lib -xdev -path /var/lib/systemd -prune -o -printf '%p %m %u %s %T@\n'";
        host.root(&format!("{{ dpkg-query --show; {list}; }} | sha256sum"))
    };
    let before = state();
    let directory = host.path("/mnt/stick/handoff/payload");
    let mut files = fs::read_dir(directory).expect("payloads");
    let path = files.next().expect("a payload").expect("a file").path();
    let payload = fs::File::options().read(true).write(true).open(path);
    let payload = payload.expect("the payload");
    let size = payload.metadata().expect("a size").len();
    let at = |place: u64| place * (size - 1) / 9;
    let refused = |what: &str| {
        let output = host.exec("sh /mnt/stick/handoff/app1.example.com/setup.sh");
        assert_eq!(output.code, 2, "{what}: {output}");
        output.says(" is damaged, or not the payload of this script");
    };
    for place in 0..10 {
        let mut byte = [0];
        payload.read_exact_at(&mut byte, at(place)).expect("a byte");
        let flipped = [byte[0] ^ (1 << (place % 8))];
        payload.write_all_at(&flipped, at(place)).expect("a byte");
        refused("flipped");
        payload.write_all_at(&byte, at(place)).expect("a byte");
    }
    let mut whole = Vec::new();
    (&payload).read_to_end(&mut whole).expect("the payload");
    for place in (0..10).rev() {
        payload.set_len(at(place)).expect("a size");
        refused("truncated");
    }
    // The page's commands fail before they run setup.sh.
    let output = offline.setup();
    assert_ne!(output.code, 0, "{output}");
    output.says("FAILED").hides("setup: ");
    payload.write_all_at(&whole, 0).expect("the payload");
    host.root("cd /mnt/stick/handoff && cp -a SHA256SUMS /mnt && sed -i '1s/./x/' SHA256SUMS");
    let output = offline.setup();
    assert_ne!(output.code, 0, "{output}");
    output.says("incorrect signature").hides("setup: ");
    host.root("mv /mnt/SHA256SUMS /mnt/stick/handoff");
    assert_eq!(state(), before);
}

#[test]
fn fastapi_lives_where_there_is_no_network_on_debian_12() {
    let packages = "--system-packages bookworm";
    let mut offline = Offline::new(App::FastApi, Release::Bookworm, "3.11", packages);
    offline.project.set("venv_mode", "release");
    offline
        .project
        .set("static_files_command", "python build_static.py");
    offline.lives();
}

/// One error names all missing packages and the command that installs them.
#[test]
fn setup_names_all_packages_that_are_missing() {
    let mut offline = Offline::new(App::Django, Release::Trixie, "3.13", "");
    // `render` names the packages that the Debian release does not have.
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
