//! `setup` on hosts that are also administered by others.

use crate::support::{App, Deployed, Host, Image, Project, Repo, deployed};
use std::fs;

#[test]
fn setup_waits_for_those_who_hold_the_locks_of_apt() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    project.set("system_packages", "tree");
    host.write(
        "/root/hold",
        "import fcntl, time\n\
         files = [open(name, 'w') for name in ('/var/lib/apt/lists/lock', '/var/lib/dpkg/lock-frontend')]\n\
         [fcntl.lockf(file, fcntl.LOCK_EX) for file in files]\n\
         print('held', flush=True)\n\
         for file in files: time.sleep(5); file.close()\n",
    );
    host.root("systemd-run -q --unit=hold -p StandardOutput=file:/run/held python3 /root/hold; until [ -s /run/held ]; do sleep 0.1; done");
    project.run(&["setup"]).expect(0);
    host.root("tree --version");
}

#[test]
fn a_package_that_is_not_there_is_named() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    project.set("system_packages", "no-such-package");
    let output = project.run(&["setup"]).expect(1);
    output.says("Unable to locate package no-such-package");
    output.says("apt-get install failed");
}

#[test]
fn units_with_odd_names_get_rules_for_them_alone() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    let allowed = |unit: &str| {
        host.ssh("deploy", &format!("sudo -n -l systemctl restart '{unit}'"))
            .code
            == 0
    };
    let units = [
        r"demo\x2done.service",
        "demo@1.service",
        "demo:a.service",
        "demo.service",
    ];
    for unit in units {
        project.save();
        let path = format!("deploy/demo/production/{unit}");
        fs::copy(
            project
                .directory()
                .join("deploy/demo/production/0/demo.service"),
            project.directory().join(&path),
        )
        .unwrap();
        project.set_server(0, "service_file", &path);
        project.run(&["setup"]).expect(0);
        assert!(allowed(unit), "{unit}");
        project.run(&["setup"]).expect(0).hides("(changed)");
    }
    // The sudo rules of the previous units were removed with these units.
    for unit in &units[..3] {
        assert!(!allowed(unit), "{unit}");
    }
    for unit in [
        "demox2done.service",
        r"demo\\x2done.service",
        "demo@2.service",
        "demo:b.service",
        "demo",
    ] {
        assert!(!allowed(unit), "{unit}");
    }
}

#[test]
fn a_masked_unit_stays_masked() {
    let host = Host::boot(Image::Ready);
    let project = Project::new(&Repo::new(App::Django), &[&host]);
    host.root("systemctl mask demo.service");
    project
        .run(&["setup"])
        .expect(1)
        .says("/etc/systemd/system/demo.service is a link to /dev/null");
    host.root("systemctl unmask demo.service");
    project.run(&["setup"]).expect(0);
    assert_eq!(
        host.root("systemctl is-enabled demo.service; systemctl is-active demo.service || :"),
        "enabled\ninactive"
    );
}

/// A deploy syncs locked dependencies; this must not remove what setup installed in the virtualenv.
#[test]
fn setup_after_a_deploy_changes_nothing() {
    for (app, mode) in [
        (App::FastApi, "shared"),
        (App::FastApi, "release"),
        (App::Django, "release"),
    ] {
        let host = Host::boot(Image::Ready);
        let repo = Repo::new(app);
        let mut project = Project::new(&repo, &[&host]);
        project.set("venv_mode", mode);
        if mode == "release" && app == App::FastApi {
            project.set("static_files_command", "python build_static.py");
        }
        project.run(&["setup"]).expect(0);
        project.run(&["deploy"]).expect(0);
        assert!(project.page(0).contains("v1"), "{app:?} {mode}");
        project.run(&["setup"]).expect(0).hides("(changed)");
        assert!(project.page(0).contains("v1"), "{app:?} {mode}");
    }
}

/// Setup checks its requirements before it changes anything. Errors and `status --verbose` print the versions that a bug
/// report needs.
#[test]
fn setup_says_what_cannot_work_here_and_status_says_what_runs_here() {
    let Deployed { host, project, .. } = deployed(App::Django);
    let before = host.root("cd /etc && find . -type f -newer /etc/hostname | sort; cat /var/lib/pystrano/apps/demo/production");
    for (breaks, fix, told) in [
        (
            "mount --bind /home /home && mount -o remount,bind,noexec /home",
            "umount -l /home",
            "host failed with exit status 2: /home/deploy/demo is on a file system that is mounted noexec (/home/deploy/demo), where no program starts; name another project_root",
        ),
        (
            "printf '#!/bin/sh\\necho \"systemd 245 (245.4)\"\\n' >/usr/local/bin/systemctl && chmod 755 /usr/local/bin/systemctl",
            "rm /usr/local/bin/systemctl",
            "systemd 245 is too old: servers run Debian 12 or later, or Ubuntu 22.04 or later",
        ),
        (
            "mv /usr/bin/apt-get /usr/bin/away",
            "mv /usr/bin/away /usr/bin/apt-get",
            "there is no apt-get: servers run Debian 12 or later",
        ),
    ] {
        host.root(breaks);
        let output = project.run(&["setup"]);
        host.root(fix);
        // The error includes what a bug report needs.
        output
            .expect(1)
            .says(told)
            .says("os Debian GNU/Linux 13 (trixie), Linux ")
            .says("git git version 2.")
            .says("virtualenv /");
    }
    assert_eq!(host.root("cd /etc && find . -type f -newer /etc/hostname | sort; cat /var/lib/pystrano/apps/demo/production"), before);
    project.run(&["setup"]).expect(0).hides("(changed)");

    let status = project.run(&["status", "--verbose"]).expect(0);
    for told in [
        "\n127.0.0.1\n  os         Debian GNU/Linux 13 (trixie), Linux ",
        "\n  systemctl  systemd 257 ",
        "\n  sudo       Sudo version 1.9",
        "\n  python3    Python 3.13.",
        "\n  git        git version 2.",
        "\n  project    / ",
        "\n  virtualenv / ",
        "\n  space      ",
        concat!("\n\npystrano ", env!("CARGO_PKG_VERSION"), "\n"),
    ] {
        assert!(status.stdout.contains(told), "{told:?}: {status}");
    }
    project
        .run(&["status", "--verbose", "--json"])
        .expect(0)
        .says("\"git\":\"git version 2.");
    project.run(&["status"]).expect(0).hides("Debian");
}

/// The virtualenv's link lies in a directory in which only root can create it.
#[test]
fn a_virtualenv_beside_the_home_needs_no_directory_handed_over() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    project.set("venv_mode", "release");
    project.set("venv_dir", "/srv/shop-venv");
    project.run(&["setup"]).expect(0);
    assert_eq!(
        host.root("stat -c '%U %a' /srv; readlink /srv/shop-venv"),
        "root 755\n/home/deploy/demo/current/.pystrano/venv"
    );
    project.run(&["setup"]).expect(0).says("0 changed");
}
