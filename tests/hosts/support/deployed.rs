//! Hosts on which the application runs already.

use super::{App, Host, Image, Project, Repo};
use std::sync::OnceLock;

/// A host on which version `v1` of an application was set up and deployed by this program.
pub struct Deployed {
    pub host: Host,
    pub repo: Repo,
    pub project: Project,
}

/// A fresh [`Deployed`]. The work is done once for each application; every call boots a copy.
pub fn deployed(app: App) -> Deployed {
    static PREPARED: [OnceLock<Host>; 2] = [const { OnceLock::new() }; 2];
    let prepared = PREPARED[app as usize].get_or_init(|| {
        let mut host = Host::boot(Image::Ready);
        let repo = Repo::new(app);
        let project = Project::new(&repo, &[&host]);
        project.run(&["setup"]).expect(0);
        project.run(&["deploy"]).expect(0);
        // What is in memory only is lost when the power is.
        host.root("sync");
        host.power_off();
        host
    });
    let mut host = prepared.fork();
    let repo = Repo::new(app);
    let project = Project::new(&repo, &[&host]);
    host.prepare("/etc/systemd/system/demo.service", &project.unit(0));
    host.power_on();
    assert!(project.page(0).contains("v1"));
    Deployed {
        host,
        repo,
        project,
    }
}
