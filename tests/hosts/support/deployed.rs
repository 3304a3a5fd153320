//! Hosts to which an application is already deployed.

use super::{App, Host, Image, Project, Release, Repo};
use std::sync::OnceLock;

/// A host that pystrano has set up, and to which it has deployed version `v1` of an application.
pub struct Deployed {
    pub host: Host,
    pub repo: Repo,
    pub project: Project,
}

impl Deployed {
    /// Copies the virtualenv to this host's own layer: overlayfs cannot rename directories of the layers below.
    pub fn own_venv(&self) {
        self.host
            .root("cd /home/deploy && cp -a .venv own && rm -r .venv && mv own .venv");
    }
}

/// Several hosts of one project, each as in [`Deployed`].
pub struct Fleet {
    pub hosts: Vec<Host>,
    pub repo: Repo,
    pub project: Project,
}

/// A new [`Deployed`] with the default Debian release.
pub fn deployed(app: App) -> Deployed {
    deployed_on(Release::DEFAULT, app)
}

/// A new [`Deployed`] with the given Debian release.
pub fn deployed_on(release: Release, app: App) -> Deployed {
    let mut fleet = fleet_on(release, app, 1);
    Deployed {
        host: fleet.hosts.remove(0),
        repo: fleet.repo,
        project: fleet.project,
    }
}

/// A new [`Fleet`] with the default Debian release.
pub fn fleet(app: App, size: usize) -> Fleet {
    fleet_on(Release::DEFAULT, app, size)
}

/// A new [`Fleet`] with the given Debian release. Setup and deploy run once for each Debian release and application;
/// every call boots forks of that host.
pub fn fleet_on(release: Release, app: App, size: usize) -> Fleet {
    static PREPARED: [[OnceLock<Host>; 2]; 4] = [const { [const { OnceLock::new() }; 2] }; 4];
    let prepared = PREPARED[release as usize][app as usize].get_or_init(|| {
        let mut host = Host::boot_release(release, Image::Ready);
        let repo = Repo::new(app);
        let project = Project::new(&repo, &[&host]);
        project.run(&["setup"]).expect(0);
        project.run(&["deploy"]).expect(0);
        // A power cut loses data that is not on the disk.
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
