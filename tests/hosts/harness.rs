//! Tests of the harness itself.

use crate::support::{App, Host, Image, Repo, get};

#[test]
fn four_hosts_boot_in_parallel() {
    let names = std::thread::scope(|scope| {
        let hosts = [0; 4].map(|_| scope.spawn(|| Host::boot(Image::Ready)));
        hosts.map(|host| {
            let host = host.join().unwrap();
            host.ssh("root", "cat /proc/self/cgroup")
                .expect(0)
                .says("/user.slice/");
            // If hosts shared control groups, this restart would also kill the other hosts' sshd.
            host.root("systemctl restart ssh");
            host.ssh("root", "hostname").expect(0);
            host.init()
        })
    });
    for init in names {
        assert!(!std::path::Path::new(&format!("/proc/{init}")).exists());
    }
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains("pystrano-tests"), "{mounts}");
}

#[test]
fn the_disk_survives_a_power_cut() {
    let mut host = Host::boot(Image::Ready);
    host.write("/root/kept", "kept");
    host.power_off();
    host.power_on();
    assert_eq!(host.read("/root/kept"), "kept");
    host.ssh("root", "true").expect(0);
}

#[test]
fn a_bare_host_reaches_its_registries() {
    let host = Host::boot(Image::Bare);
    assert_ne!(host.exec("command -v python3 git curl").code, 0);
    host.ssh(
        "root",
        "apt-get -q update && apt-get -q install -y --no-install-recommends python3-venv",
    )
    .expect(0);
    host.ssh(
        "root",
        "python3 -m venv /root/venv && /root/venv/bin/pip install uv idna==3.10",
    )
    .expect(0);
    host.ssh(
        "root",
        "VIRTUAL_ENV=/root/venv /root/venv/bin/uv pip install iniconfig",
    )
    .expect(0);
}

#[test]
fn a_repository_is_served() {
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let first = repo.git(&["rev-parse", "HEAD"]);
    let second = repo.release("v2");
    let clone = format!(
        "git clone -q --depth 1 {} /root/app && git -C /root/app log --format=%H && cat /root/app/demo/__init__.py",
        repo.url()
    );
    assert_eq!(host.root(&clone), format!("{second}\nVERSION = \"v2\""));
    assert_ne!(first, second);
}

#[test]
fn nobody_answers_on_a_free_port() {
    get(crate::support::free_port(), "/").unwrap_err();
}
