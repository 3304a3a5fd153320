//! First deploys: from a bare host to a running application, then to its next version.

use crate::support::{App, Host, Image, Project, Repo, get, post};

fn set_up_and_deploy(host: &Host, app: App) -> (Repo, Project) {
    assert_eq!(host.root("readlink -f /bin/sh"), "/usr/bin/dash");
    let repo = Repo::new(app);
    let project = Project::new(&repo, &[host]);
    project.run(&["setup"]).expect(0);
    get(project.ports[0], "/").expect_err("nothing runs before the first deploy");
    project.run(&["deploy"]).expect(0);
    (repo, project)
}

#[test]
fn django_with_pip_on_a_bare_host() {
    django_with_pip(&Host::boot(Image::Bare));
}

/// The first two deploys of Django, on a host that was never set up.
pub fn django_with_pip(host: &Host) {
    let (repo, mut project) = set_up_and_deploy(host, App::Django);
    let page = |version: &str, greeting: &str| {
        format!("version={version}\ngreeting={greeting}\nidna=3.10\nmigrated=True")
    };
    assert_eq!(project.page(0), page("v1", "hello"));
    let style = get(project.ports[0], "/style.css").unwrap();
    assert_eq!(style, (200, "body { font-family: sans-serif }\n".into()));
    post(project.ports[0], "/upload", "kept").unwrap();

    let commit = repo.release("v2");
    project.env.insert("GREETING".into(), "good day".into());
    project.run(&["deploy"]).expect(0);
    assert_eq!(project.page(0), page("v2", "good day"));
    // All releases share the media directory.
    assert_eq!(
        get(project.ports[0], "/upload").unwrap(),
        (200, "kept".into())
    );

    let root = "/home/deploy/demo";
    let current = host.root(&format!("readlink {root}/current"));
    let release = current.strip_prefix("releases/").expect("a relative link");
    assert!(
        release.len() == 14 && release.bytes().all(|byte| byte.is_ascii_digit()),
        "{release}"
    );
    let log = host.read(&format!("{root}/.pystrano/revisions.log"));
    let last: Vec<&str> = log.lines().last().unwrap().split(' ').collect();
    assert_eq!(
        [last[1], last[2], last[4]],
        [release, &commit, "deployed"],
        "{log}"
    );
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn fastapi_with_uv_on_a_bare_host() {
    fastapi_with_uv(&Host::boot(Image::Bare));
}

/// The first deploys of FastAPI, on a host that was never set up.
pub fn fastapi_with_uv(host: &Host) {
    let (repo, mut project) = set_up_and_deploy(host, App::FastApi);
    let page = |version: &str| {
        format!(
            "{{\"version\":\"{version}\",\"greeting\":\"hello\",\"idna\":\"3.10\",\
             \"migrated\":true,\"static\":\"static of {version}\"}}"
        )
    };
    assert_eq!(project.page(0), page("v1"));
    repo.release("v2");
    project.run(&["deploy"]).expect(0);
    assert_eq!(project.page(0), page("v2"));

    // With release virtualenvs, packages that uv installs are compiled to bytecode before the app starts.
    project.set("venv_mode", "release");
    repo.release("v3");
    project.run(&["deploy"]).expect(0);
    assert_eq!(project.page(0), page("v3"));
    let package = "cd /home/deploy/.venv/lib/python3*/site-packages/fastapi";
    let sources = host.root(&format!("{package}; ls *.py | wc -l"));
    let compiled = host.root(&format!("{package}; ls __pycache__/*.pyc | wc -l"));
    assert_eq!(sources, compiled);
}

#[test]
fn a_revision_is_deployed_whatever_the_branch_says() {
    let host = Host::boot(Image::Ready);
    let repo = Repo::new(App::Django);
    let mut project = Project::new(&repo, &[&host]);
    project.run(&["setup"]).expect(0);
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["tag", "stable"]);
    repo.git(&["checkout", "--quiet", "-b", "side"]);
    let side = repo.release("side");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.release("v2");
    for (revision, commit, version) in [
        ("stable", &first, "v1"),
        (side.as_str(), &side, "side"),
        ("origin/side", &side, "side"),
    ] {
        project.set("revision", revision);
        project.run(&["deploy"]).expect(0);
        let deployed =
            host.root("git -c safe.directory='*' -C /home/deploy/demo/current rev-parse HEAD");
        assert_eq!(&deployed, commit, "{revision}");
        assert!(
            project.page(0).starts_with(&format!("version={version}\n")),
            "{revision}"
        );
    }
}
