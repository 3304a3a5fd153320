//! Hosts on which the application runs already.

use super::{App, Host, Image, Project, Release, Repo};
use std::sync::OnceLock;

/// A host on which version `v1` of an application was set up and deployed by this program.
pub struct Deployed {
    pub host: Host,
    pub repo: Repo,
    pub project: Project,
}

impl Deployed {
    /// Makes the virtualenv this host's own: the disks of forked hosts cannot rename a directory that they share.
    pub fn own_venv(&self) {
        self.host
            .root("cd /home/deploy && cp -a .venv own && rm -r .venv && mv own .venv");
    }
}

/// Several such hosts of one project.
pub struct Fleet {
    pub hosts: Vec<Host>,
    pub repo: Repo,
    pub project: Project,
}

/// A fresh [`Deployed`].
pub fn deployed(app: App) -> Deployed {
    deployed_on(Release::DEFAULT, app)
}

/// A fresh [`Deployed`] on a host of the given release.
pub fn deployed_on(release: Release, app: App) -> Deployed {
    let mut fleet = fleet_on(release, app, 1);
    Deployed {
        host: fleet.hosts.remove(0),
        repo: fleet.repo,
        project: fleet.project,
    }
}

/// A fresh [`Fleet`] of the default release.
pub fn fleet(app: App, size: usize) -> Fleet {
    fleet_on(Release::DEFAULT, app, size)
}

/// A fresh [`Fleet`]. The work is done once for each release and application; every call boots copies.
pub fn fleet_on(release: Release, app: App, size: usize) -> Fleet {
    static PREPARED: [[OnceLock<Host>; 2]; 4] = [const { [const { OnceLock::new() }; 2] }; 4];
    let prepared = PREPARED[release as usize][app as usize].get_or_init(|| {
        let mut host = Host::boot_release(release, Image::Ready);
        let repo = Repo::new(app);
        let project = Project::new(&repo, &[&host]);
        project.run(&["setup"]).expect(0);
        project.run(&["deploy"]).expect(0);
        // What is in memory only is lost when the power is.
        host.root("sync");
        host.power_off();
        host
    });
    let mut hosts: Vec<Host> = (0..size).map(|_| prepared.fork()).collect();
    let repo = Repo::new(app);
    let project = Project::new(&repo, &hosts.iter().collect::<Vec<_>>());
    for (index, host) in hosts.iter_mut().enumerate() {
        host.prepare("/etc/systemd/system/demo.service", &project.unit(index));
        host.power_on();
        assert!(project.page(index).contains("v1"));
    }
    Fleet {
        hosts,
        repo,
        project,
    }
}
