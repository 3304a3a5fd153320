//! The code: submodules, Git LFS, passwords, keys, branches and tags.

use crate::sandbox::{Ran, Sandbox, names};
use crate::web::Web;
use crate::{deploys, git, stops};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// A host whose repository has a nested submodule; neither submodule is pinned to its newest commit.
pub fn with_submodules() -> Sandbox {
    let host = Sandbox::new();
    // By default git refuses submodules from file:// URLs.
    host.write(".gitconfig", "[protocol \"file\"]\n\tallow = always\n");
    for name in ["inner", "lib"] {
        let path = host.path(name);
        git(
            host.dir.path(),
            &["init", "--quiet", "--initial-branch=main", name],
        );
        host.write(&format!("{name}/{name}.py"), "VERSION = 1\n");
        if name == "lib" {
            git(&path, &["submodule", "--quiet", "add", "../inner", "inner"]);
        }
        git(&path, &["add", "--all"]);
        git(&path, &["commit", "--quiet", "--message", "1"]);
    }
    git(
        &host.path("repo"),
        &["submodule", "--quiet", "add", "../lib", "lib"],
    );
    host.commit("submodule");
    for name in ["inner", "lib"] {
        host.write(&format!("{name}/{name}.py"), "VERSION = 2\n");
        git(
            &host.path(name),
            &["commit", "--quiet", "--all", "--message", "2"],
        );
    }
    host
}

/// An ssh that runs the command locally, with a server that supports only version 0 of git's protocol.
const SSH: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$SANDBOX/calls/ssh"
unset GIT_PROTOCOL
for command; do :; done
exec sh -c "$command"
"#;

#[test]
fn deployer_2802_submodules_come_with_the_release() {
    for depth in ["clone_depth: 0", "clone_depth: 1", "revision: main"] {
        let host = with_submodules();
        host.configure(depth);
        deploys(&host);
        assert_eq!(host.read("root/current/lib/lib.py"), "VERSION = 1\n");
        assert_eq!(
            host.read("root/current/lib/inner/inner.py"),
            "VERSION = 1\n"
        );
        git(&host.path("root/current/lib"), &["fsck"]);

        host.configure(&format!("{depth}\nsubmodules: false"));
        deploys(&host);
        assert!(names(&host.path("root/current/lib")).is_empty());
    }
}

#[test]
fn deployer_2802_a_server_that_gives_no_single_commit_gives_all() {
    let host = with_submodules();
    host.program("bin/ssh", SSH);
    let url = format!("ssh://git@code.example.com{}/repo", host.path("").display());
    host.configure(&format!("clone_depth: 1\nsource_code_url: {url}"));
    deploys(&host);
    assert_eq!(host.read("root/current/lib/lib.py"), "VERSION = 1\n");
    assert_eq!(
        host.read("root/current/lib/inner/inner.py"),
        "VERSION = 1\n"
    );
}

#[test]
fn deployer_2802_a_submodule_out_of_reach_stops_the_deploy() {
    let host = with_submodules();
    host.configure("clone_depth: 1");
    fs::rename(host.path("inner"), host.path("away")).expect("moved");
    let ran = stops(
        &host,
        "a submodule could not be cloned; submodules: false leaves them out",
    );
    assert!(
        ran.stdout
            .contains("/inner' does not appear to be a git repository"),
        "{ran:?}"
    );
    assert!(host.releases().is_empty());
}

/// A host whose repository keeps a style sheet in Git LFS, and a `PATH` without git-lfs.
fn with_lfs() -> (Sandbox, String) {
    let host = Sandbox::new();
    let repo = host.path("repo");
    git(&repo, &["lfs", "install", "--local"]);
    git(&repo, &["lfs", "track", "static/*.css"]);
    host.write("repo/static/style.css", "body { color: green }\n");
    host.write("repo/static/other.css", "p { color: blue }\n");
    host.commit("style");
    assert!(git(&repo, &["show", "HEAD:static/style.css"]).starts_with("version https://git-lfs"));
    for directory in ["/usr/local/bin", "/usr/bin", "/bin"] {
        for entry in fs::read_dir(directory).expect("programs") {
            let path = entry.expect("a program").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let link = host.path("tools").join(&name);
            fs::create_dir_all(host.path("tools")).expect("a directory");
            if name != "git-lfs" && !link.exists() {
                let _ = symlink(path, link);
            }
        }
    }
    let path = format!(
        "{}:{}",
        host.path("bin").display(),
        host.path("tools").display()
    );
    (host, path)
}

#[test]
fn git_lfs_455_pointers_are_not_served_as_files() {
    let (host, path) = with_lfs();
    for config in ["clone_depth: 1", "clone_depth: 0"] {
        host.configure(config);
        host.write("deploy.sh", host.script());
        let ran: Ran = host
            .command(&["sh", "deploy.sh"])
            .env("PATH", &path)
            .output()
            .expect("a shell")
            .into();
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(
            ran.stderr.contains(
                "git-lfs is missing, and the repository keeps files there: static/other.css static/style.css ; \
                 set system_packages: [git-lfs] and run setup.sh"
            ),
            "{ran:?}"
        );
        assert!(host.releases().is_empty());

        // git-lfs is used even if the user's git config skips it.
        host.write(
            ".gitconfig",
            "[filter \"lfs\"]\n\tprocess = git-lfs filter-process --skip\n\trequired = true\n",
        );
        let ran: Ran = host
            .command(&["sh", "deploy.sh"])
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .output()
            .expect("a shell")
            .into();
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(
            host.read("root/current/static/style.css"),
            "body { color: green }\n"
        );
        fs::remove_dir_all(host.path("root/releases")).expect("releases");
        fs::remove_file(host.path("root/current")).expect("current");
        fs::create_dir(host.path("root/releases")).expect("releases");
    }
}

#[test]
fn git_lfs_455_a_store_out_of_reach_stops_the_deploy() {
    let (host, _) = with_lfs();
    host.configure("clone_depth: 1");
    fs::rename(host.path("repo/.git/lfs"), host.path("lfs")).expect("moved");
    stops(
        &host,
        "Git LFS could not fetch what the repository keeps there: static/other.css",
    );
}

#[test]
fn trial_17_the_password_of_the_repository_stays_out_of_releases_and_command_lines() {
    let host = with_submodules();
    for name in ["repo", "lib", "inner"] {
        git(&host.path(name), &["config", "core.bare", "true"]);
        git(&host.path(name), &["update-server-info"]);
    }
    let web = Web::new(host.path(""));
    let url = format!("http://ada:hunter%202@127.0.0.1:{}/repo/.git", web.1);
    // The user's credential helper has an outdated password.
    host.program(
        "bin/git-credential-old",
        "#!/bin/sh\n[ \"$1\" != get ] || printf 'username=ada\\npassword=old\\n'\n",
    );
    host.write(
        ".gitconfig",
        format!(
            "[credential]\n\thelper = old\n[url \"http://127.0.0.1:{0}/lib/.git\"]\n\tinsteadOf = http://127.0.0.1:{0}/repo/lib\n\
             [url \"http://127.0.0.1:{0}/inner/.git\"]\n\tinsteadOf = http://127.0.0.1:{0}/repo/inner\n\
             \tinsteadOf = http://127.0.0.1:{0}/repo/lib/inner\n",
            web.1
        ),
    );
    for revision in ["-", "refs/notes/x"] {
        if revision != "-" {
            git(&host.path("repo"), &["update-ref", "refs/notes/x", "HEAD"]);
            git(&host.path("repo"), &["update-server-info"]);
        }
        host.configure(&format!(
            "clone_depth: 0\nsource_code_url: {url}\nrevision: {revision}"
        ));
        host.write("deploy.sh", host.script());
        let ran: Ran = host
            .command(&["sh", "deploy.sh"])
            .env("GIT_TRACE", host.path("trace"))
            .output()
            .expect("a shell")
            .into();
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(host.read("root/current/lib/lib.py"), "VERSION = 1\n");
        let leaks = Command::new("grep")
            .args(["-rlE", "hunter|ada:"])
            .args([host.path("root/current/"), host.path("trace")])
            .output()
            .expect("grep");
        assert_eq!(String::from_utf8_lossy(&leaks.stdout), "", "{revision}");
        assert!(host.read("trace").contains("git-remote-http"));
        assert!(!host.read("environments/pip").contains("hunter"));
    }

    let wrong = url.replace("hunter%202", "wrong");
    host.configure(&format!("clone_depth: 0\nsource_code_url: {wrong}"));
    stops(
        &host,
        "the repository requires credentials and accepts none that git has here; correct source_code_url",
    );
    let none = url.replace("ada:hunter%202@", "");
    fs::remove_file(host.path(".gitconfig")).expect("a file");
    host.configure(&format!("clone_depth: 0\nsource_code_url: {none}"));
    stops(
        &host,
        "the repository requires credentials and accepts none that git has here; correct source_code_url",
    );
}

#[test]
fn trial_1_the_deploy_key_is_for_git_alone() {
    let host = Sandbox::new();
    host.program("bin/ssh", SSH);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(host.path("files/deploy key"))
        .status();
    assert!(made.expect("ssh-keygen").success());
    let url = format!("ssh://git@code.example.com{}/repo", host.path("").display());
    host.configure(&format!(
        "source_code_url: {url}\ndeploy_key: {}",
        host.path("files/deploy key").display()
    ));
    stops(
        &host,
        "/.ssh/pystrano-app,test, the deploy_key; run setup.sh first",
    );
    host.write(".ssh/pystrano-app,test", "key");
    deploys(&host);
    let key = host.path(".ssh/pystrano-app,test");
    let called = host.read("calls/ssh");
    assert!(
        called
            .lines()
            .all(|line| line.starts_with(&format!("-i {} -o IdentitiesOnly=yes ", key.display()))),
        "{called}"
    );
    for name in ["pip", "python"] {
        let environment = host.read(&format!("environments/{name}"));
        assert!(
            !environment.contains("GIT_SSH") && !environment.contains("deploy_key"),
            "{environment}"
        );
    }
}

#[test]
fn trial_12_a_damaged_repository_of_the_running_release_is_no_hindrance() {
    type Damage = fn(&Path);
    let damages: [Damage; 3] = [
        |objects| fs::remove_dir_all(objects).expect("objects"),
        |objects| {
            for name in names(&objects.join("pack")) {
                fs::write(objects.join("pack").join(name), "damaged").expect("a pack");
            }
        },
        |objects| fs::write(objects.with_file_name("HEAD"), "nonsense").expect("HEAD"),
    ];
    for damage in damages {
        let host = Sandbox::new();
        host.configure("clone_depth: 0");
        deploys(&host);
        // Objects in a single pack, as after any large clone.
        git(
            &host.path("root/current/"),
            &["repack", "--quiet", "-a", "-d"],
        );
        damage(&host.path("root/current/.git/objects"));
        host.write("repo/manage.py", "# version 2\n");
        host.commit("2");
        deploys(&host);
        assert_eq!(host.read("root/current/manage.py"), "# version 2\n");
        git(&host.path("root/current/"), &["fsck", "--full"]);
    }
}

#[test]
fn git_is_told_in_words_that_name_the_field() {
    let host = Sandbox::new();
    host.configure("branch: nowhere");
    stops(
        &host,
        "clone, exit status 128: the repository has no such branch or tag; correct branch or revision",
    );
    host.configure("revision: nowhere");
    stops(
        &host,
        "the repository has no such branch or tag; correct branch or revision",
    );

    for (said, reason) in [
        (
            "Host key verification failed.",
            "name it in ssh_known_hosts and run setup.sh",
        ),
        (
            "git@x: Permission denied (publickey,password).",
            "set deploy_key or forward_agent",
        ),
    ] {
        host.program(
            "bin/ssh",
            &format!("#!/bin/sh\necho '{said}' >&2\nexit 255\n"),
        );
        host.configure("source_code_url: git@code.example.com:app.git");
        let ran = stops(&host, reason);
        assert!(ran.stdout.contains(said), "{ran:?}");
    }

    // The repository's HEAD names a branch that does not exist.
    host.configure("branch: -");
    host.repo(&["branch", "release"]);
    host.repo(&["symbolic-ref", "HEAD", "refs/heads/gone"]);
    stops(
        &host,
        "the repository's HEAD names a branch that is not there; set branch to one of: main release",
    );
    host.repo(&["branch", "-D", "main", "release"]);
    stops(&host, "the repository is empty; push the app to it first");
    host.configure("");
    stops(&host, "the repository has no such branch or tag");
}

#[test]
fn a_tag_and_a_branch_of_one_name_are_told_apart() {
    let host = Sandbox::new();
    host.repo(&["tag", "main"]);
    host.repo(&["branch", "other", "refs/heads/main"]);
    host.write("repo/manage.py", "# version 2\n");
    let newest = host.commit("2");
    host.repo(&["tag", "other"]);
    for (revision, head, file) in [
        ("main", "main", "# version 1\n"),
        ("main", "other", "# version 1\n"),
        ("other", "main", "# version 2\n"),
    ] {
        host.repo(&["symbolic-ref", "HEAD", &format!("refs/heads/{head}")]);
        host.configure(&format!("branch: -\nrevision: {revision}"));
        let ran = deploys(&host);
        assert_eq!(host.read("root/current/manage.py"), file);
        let warning =
            format!("The repository has a tag and a branch called {revision}; the tag is used");
        assert!(ran.stdout.contains(&warning), "{ran:?}");
        assert!(
            ran.stdout.contains(&format!("Pulled tag {revision} at ")),
            "{ran:?}"
        );
    }
    host.configure(&format!("branch: -\nrevision: {newest}"));
    let ran = deploys(&host);
    assert!(!ran.stdout.contains("a tag and a branch"), "{ran:?}");
    assert!(
        ran.stdout
            .contains(&format!("Pulled revision {newest} at ")),
        "{ran:?}"
    );
}

#[test]
fn a_version_from_tags_needs_the_tags() {
    let host = Sandbox::new();
    host.write(
        "repo/pyproject.toml",
        "[build-system]\nrequires = [\"setuptools_scm>=8\"]\n",
    );
    host.commit("a version from tags");
    let warning = "which a clone of this depth may lack; set clone_depth: 0";
    for (config, warns) in [("clone_depth: 1", true), ("clone_depth: 0", false)] {
        host.configure(config);
        let ran = deploys(&host);
        assert_eq!(ran.stdout.contains(warning), warns, "{ran:?}");
    }
}
