//! Directories that the application user cannot create: root creates these, and nothing else.

use crate::support::{App, Host, Image, Project, Repo};

fn project(host: &Host, root: &str) -> Project {
    let mut project = Project::new(&Repo::new(App::Django), &[host]);
    project.set("project_root", root);
    project
}

#[test]
fn a_root_outside_the_home_is_made_and_handed_over() {
    let host = Host::boot(Image::Ready);
    host.root("mkdir /data && ln -s /data /srv/disk && mkdir /srv/empty");
    for (root, real) in [
        ("/srv/sites/of app/demo", "/srv/sites/of app/demo"),
        ("/srv/disk/demo", "/data/demo"),
        ("/srv/empty", "/srv/empty"),
    ] {
        let project = project(&host, root);
        project.run(&["setup"]).expect(0);
        let owners = host.root(&format!(
            "cd '{real}' && stat -c '%U %a' .. . releases shared/media .pystrano"
        ));
        assert_eq!(
            owners,
            "root 755\ndeploy 755\ndeploy 755\ndeploy 755\ndeploy 755"
        );
        project.run(&["setup"]).expect(0).hides("(changed)");
        host.root("rm -r /var/lib/pystrano /etc/systemd/system/demo.service");
    }
}

/// The Python tool created the parent directories of its project as root.
#[test]
fn a_second_project_beside_one_of_the_python_tool() {
    let host = Host::boot(Image::Ready);
    host.root("useradd -m -s /bin/bash deploy && mkdir -p /home/deploy/apps/first");
    project(&host, "apps/second").run(&["setup"]).expect(0);
    assert_eq!(
        host.root("stat -c %U /home/deploy/apps /home/deploy/apps/first /home/deploy/apps/second"),
        "root\nroot\ndeploy"
    );
}

#[test]
fn what_is_not_for_the_app_is_not_handed_over() {
    let host = Host::boot(Image::Ready);
    host.root(
        "useradd -m -s /bin/bash deploy
         mkdir -p /srv/full/of /srv/open /root/outside
         chmod 777 /srv/open
         ln -s /root/outside /srv/open/link
         ln -s /root/outside /home/deploy/link
         ln -s /etc /home/deploy/apps
         chown -h deploy: /home/deploy/link /home/deploy/apps",
    );
    let state = || {
        host.root("find /srv /root/outside /etc -printf '%p %y %m %u %g %T@\\n' | grep -v -e sudoers.d -e systemd/system | sort")
    };
    let before = state();
    for (root, why) in [
        ("/srv/full", "deploy cannot write /srv/full"),
        ("/srv/open/link", "/srv/open/link is a link"),
        ("/srv/open/link/demo", "/srv/open/link is a link"),
        ("link", "/home/deploy/link is a link"),
        ("link/demo", "/home/deploy/link is a link"),
        ("apps/cron.d/demo", "/home/deploy/apps is a link"),
        ("/etc", "deploy cannot write /etc"),
        ("/root/outside/../demo", "`..`"),
    ] {
        let output = project(&host, root).run(&["setup"]);
        assert_ne!(output.code, 0, "{root}");
        output.says(why);
        assert_eq!(state(), before, "{root}");
    }
}

/// A race: the user keeps swapping a directory and a link while setup runs as root.
#[test]
fn a_link_planted_at_the_last_moment_leads_nowhere() {
    let host = Host::boot(Image::Ready);
    host.root(
        "useradd -m -s /bin/bash deploy && mkdir /home/deploy/way /home/deploy/spare /var/prize && chmod 755 /home/deploy
         touch -d 2020-01-01 /var/prize",
    );
    host.write(
        "/root/swap",
        "cd /home/deploy && while :; do mv -T way real; ln -s /var way; rm way; mv -T real way; done",
    );
    host.root("chown deploy: /home/deploy; systemd-run -q --unit=swap -p User=deploy sh -c \"$(cat /root/swap)\"");
    let project = project(&host, "way/prize");
    for _ in 0..20 {
        project.run(&["setup"]);
    }
    assert_eq!(
        host.root(
            "systemctl is-active swap; stat -c '%U %y' /var/prize | cut -d. -f1; ls -A /var/prize"
        ),
        "active\nroot 2020-01-01 00:00:00"
    );
}
