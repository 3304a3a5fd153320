//! Units, directories and sudo rules on a host belong to one app and environment, and no other may take them.

use crate::setup::similar;
use crate::support::{App, Host, Image, Project, Repo};
use std::fs;

/// Writes the config of a second environment, `demo/staging`, on the same host: the first one's config with `changes`.
fn second(project: &Project, changes: &[(&str, &str)]) -> String {
    let production = project.directory().join("deploy/demo/production");
    let staging = project.directory().join("deploy/demo/staging");
    project.save();
    fs::create_dir_all(&staging).expect("a directory");
    let mut config = fs::read_to_string(production.join("deployment.yml")).expect("a config");
    for (from, to) in changes {
        assert!(config.contains(from), "{from} is not in {config}");
        config = config.replace(from, to);
    }
    fs::write(staging.join("deployment.yml"), config).expect("a config");
    "staging".to_owned()
}

/// The files in /etc and /home, the records of ownership and the users, none of which a refused setup may change.
fn listing(host: &Host) -> String {
    host.root(
        "find /etc /home -xdev ! -path '*/__pycache__*' ! -name 'db.sqlite3*' -printf '%p %y %m %u %g %l\n' | sort
         find /etc -xdev -type f -exec sha256sum {} + | sort
         cat /var/lib/pystrano/apps/*/*; getent passwd",
    )
}

#[test]
fn trial_3_and_4_what_another_app_has_is_refused_by_name() {
    let host = Host::boot(Image::Ready);
    let project = Project::new(&Repo::new(App::Django), &[&host]);
    project.run(&["setup"]).expect(0);
    project.run(&["deploy"]).expect(0);
    assert_eq!(
        host.root("stat -c '%a %U' /var/lib/pystrano /var/lib/pystrano/apps/demo/production"),
        "755 root\n644 root"
    );
    let before = listing(&host);
    let root = ("project_root: \"demo\"", "project_root: \"other\"");
    let venv = ("venv_dir: \".venv\"", "venv_dir: \"other-venv\"");
    let unit = ("/demo.service", "/other.service");
    fs::copy(
        project
            .directory()
            .join("deploy/demo/production/0/demo.service"),
        project
            .directory()
            .join("deploy/demo/production/0/other.service"),
    )
    .expect("a unit");
    for (changes, says) in [
        (
            &[venv, unit][..],
            "/home/deploy/demo belongs to demo/production on this host; give demo/staging a project_root of its own",
        ),
        (
            &[root, unit],
            "/home/deploy/.venv belongs to demo/production on this host; give demo/staging a venv_dir of its own",
        ),
        (
            &[root, venv],
            "demo.service belongs to demo/production on this host; give the service_file of demo/staging another name",
        ),
    ] {
        let staging = second(&project, changes);
        project.run_in(&staging, &["setup"]).expect(1).says(says);
        similar(&before, &listing(&host));
        assert!(project.page(0).contains("version=v1"));
        // The directories that the setup of an earlier version, without this check, would have made.
        let made = "cd /home/deploy; mkdir -p other/releases; cp -r demo/shared demo/.pystrano other; cp -r .venv other-venv";
        host.root(&format!("runuser -u deploy -- sh -c '{made}'"));
        let (what, _) = says.split_once(" belongs").expect("a name");
        let says = format!("{what} belongs to demo/production on this host");
        project.run_in(&staging, &["deploy"]).expect(3).says(&says);
        assert!(project.page(0).contains("version=v1"));
        host.root("rm -r /home/deploy/other /home/deploy/other-venv");
    }
    // Nested directories and links into the first app's are refused, because a deploy removes files from its own.
    let inside = "demo/production on this host; give demo/staging a";
    host.root("runuser -u deploy -- ln -s demo /home/deploy/link");
    for (changes, says) in [
        (
            &[
                root,
                unit,
                ("venv_dir: \".venv\"", "venv_dir: \"demo/venvs/staging\""),
            ][..],
            format!(
                "/home/deploy/demo/venvs/staging is in /home/deploy/demo, which belongs to {inside} venv_dir of its own"
            ),
        ),
        (
            &[
                venv,
                unit,
                (
                    "project_root: \"demo\"",
                    "project_root: \"link/releases/staging\"",
                ),
            ],
            format!(
                "/home/deploy/link/releases/staging is in /home/deploy/demo, which belongs to {inside} project_root of its own"
            ),
        ),
        (
            &[
                root,
                unit,
                ("venv_dir: \".venv\"", "venv_dir: \"/home/deploy\""),
            ],
            format!(
                "/home/deploy has /home/deploy/demo in it, which belongs to {inside} venv_dir of its own"
            ),
        ),
    ] {
        let staging = second(&project, changes);
        project.run_in(&staging, &["setup"]).expect(1).says(&says);
    }
    host.root("rm /home/deploy/link");
    similar(&before, &listing(&host));
    let staging = second(&project, &[root, venv, unit]);
    project.run_in(&staging, &["setup"]).expect(0);
    project
        .run_in(&staging, &["setup"])
        .expect(0)
        .says("0 changed");
    project.run(&["setup"]).expect(0).says("0 changed");
}

#[test]
fn trial_4_units_of_the_host_are_not_replaced() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    host.write(
        "/etc/systemd/system/mine.service",
        "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\nAlias=alias.service\n",
    );
    host.write(
        "/usr/lib/systemd/system/vendor.service",
        "[Service]\nExecStart=/bin/sleep 1000\n",
    );
    host.root("systemctl daemon-reload; systemctl -q enable mine.service");
    project.save();
    let before = listing_of_units(&host);
    // Units of packages lie below /usr/lib since Debian 13, and below /lib before it.
    for (unit, says, path) in [
        (
            "ssh.service",
            "ssh.service is a unit of this host, /",
            "lib/systemd/system/ssh.service",
        ),
        (
            "sshd.service",
            "sshd.service is a link to /",
            "lib/systemd/system/ssh.service",
        ),
        (
            "dbus-org.freedesktop.login1.service",
            "dbus-org.freedesktop.login1.service is another name of systemd-logind.service",
            "",
        ),
        (
            "alias.service",
            "/etc/systemd/system/alias.service is a link to /etc/systemd/system/mine.service",
            "",
        ),
        (
            "vendor.service",
            "vendor.service is a unit of this host, /",
            "lib/systemd/system/vendor.service",
        ),
        (
            "mine.service",
            "/etc/systemd/system/mine.service does not belong to demo/production: it does not contain /home/deploy/demo",
            "",
        ),
    ] {
        let service_file = format!("deploy/demo/production/{unit}");
        fs::copy(
            project
                .directory()
                .join("deploy/demo/production/0/demo.service"),
            project.directory().join(&service_file),
        )
        .expect("a unit");
        project.set_server(0, "service_file", &service_file);
        project.run(&["setup"]).expect(1).says(says).says(path);
        similar(&before, &listing_of_units(&host));
    }
}

/// Enabling a unit with an Alias= of that name would override the host's own unit.
#[test]
fn trial_4_another_name_of_a_unit_is_none_of_the_host() {
    let host = Host::boot(Image::Ready);
    let mut project = Project::new(&Repo::new(App::Django), &[&host]);
    let service_file = "deploy/demo/production/alias/demo.service";
    project.set_server(0, "service_file", service_file);
    let path = project.directory().join(service_file);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let unit = project.unit(0);
    let before = listing_of_units(&host);
    let with_alias = |name: &str| {
        fs::write(&path, format!("{unit}Alias={name}\n")).expect("a unit");
        project.run(&["setup"])
    };
    with_alias("ssh.service")
        .expect(1)
        .says("the Alias ssh.service of demo.service is a unit of this host, /")
        .says("lib/systemd/system/ssh.service; give it another name");
    similar(&before, &listing_of_units(&host));
    with_alias("shop.service").expect(0);
    host.root("test -L /etc/systemd/system/shop.service");
    with_alias("shop.service").expect(0).says("0 changed");
}

fn listing_of_units(host: &Host) -> String {
    host.root(
        "find /etc/systemd /usr/lib/systemd/system -printf '%p %y %l %T@\n' | sort; getent passwd
         find /etc/sudoers.d -printf '%p\n' | sort",
    )
}

#[test]
fn a_unit_that_an_earlier_version_installed_is_adopted() {
    let host = Host::boot(Image::Ready);
    let project = Project::new(&Repo::new(App::Django), &[&host]);
    project.run(&["setup"]).expect(0);
    // The state that version 0.1.0 left: no record of ownership, and another text in the unit.
    host.root("rm -r /var/lib/pystrano; sed -i s/Description=Demo/Description=Old/ /etc/systemd/system/demo.service");
    project.run(&["setup"]).expect(0).says("2 changed");
    project.run(&["setup"]).expect(0).says("0 changed");
}
