//! What `setup` finds on hosts that others look after too.

use crate::support::{App, Host, Image, Project, Repo};
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
    // The rules of the units before it went with them.
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

/// Locked dependencies are synchronised by a deploy; what setup put there must outlive that.
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
