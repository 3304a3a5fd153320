//! What public reports of other deployment tools say went wrong there, tried on `deploy.sh` in a
//! directory that plays the host. Each test is named by its report, or by what it is about.

mod sandbox;

use sandbox::{Ran, Sandbox, names};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A deploy that must stop before promotion, for this reason.
#[track_caller]
fn stops(host: &Sandbox, reason: &str) -> Ran {
    let current = host.current();
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stderr.contains(reason), "no {reason:?} in {ran:?}");
    assert_eq!(host.current(), current);
    ran
}

/// A deploy that must work.
#[track_caller]
fn deploys(host: &Sandbox) -> Ran {
    let ran = host.deploy();
    assert_eq!(ran.status, 0, "{ran:?}");
    ran
}

fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(directory)
        .output()
        .expect("git");
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

/// A host whose repository has a submodule, which has one too; neither is at its newest commit.
fn with_submodules() -> Sandbox {
    let host = Sandbox::new();
    // git takes a submodule from a file:// address only where it is told to.
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

/// An ssh that runs the command here, with a server that knows only the oldest protocol.
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

/// A host whose repository keeps a style sheet in Git LFS, and the `PATH` on which git-lfs is not.
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

        // With git-lfs, even where this login skips it.
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
fn magallanes_8_kiauh_458_the_umask_of_the_login_decides_nothing() {
    for (umask, venv_mode) in [("077", "shared"), ("000", "release")] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.program("repo/tool.sh", "#!/bin/sh\n");
        host.commit("a tool");
        host.configure(&format!("venv_mode: {venv_mode}"));
        host.write("deploy.sh", host.script());
        let run = format!("umask {umask}; exec sh deploy.sh deploy 20260101000000");
        let ran: Ran = host
            .command(&["sh", "-c", &run])
            .output()
            .expect("a shell")
            .into();
        assert_eq!(ran.status, 0, "{ran:?}");
        let mode = |name: &str| {
            let metadata = fs::metadata(host.path(name)).expect(name);
            metadata.permissions().mode() & 0o7777
        };
        for (name, expected) in [
            ("root/current/", 0o755),
            ("root/current/.git", 0o755),
            ("root/current/.pystrano", 0o755),
            ("root/current/manage.py", 0o644),
            ("root/current/tool.sh", 0o755),
            ("root/shared/media", 0o755),
            ("root/shared/.env", 0o600),
        ] {
            assert_eq!(mode(name), expected, "{name} with umask {umask}");
        }
    }
}

/// Serves `directory` by http to who gives the login `ada:hunter 2`, until it is dropped.
struct Web(Child, String);

impl Web {
    fn new(directory: PathBuf) -> Web {
        const SERVER: &str = r#"
import base64, functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        login = b"Basic " + base64.b64encode(b"ada:hunter 2")
        if self.headers.get("Authorization", "").encode() == login:
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
"#;
        use std::io::BufRead;
        let mut server = Command::new("python3")
            .args(["-c", SERVER])
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut port = String::new();
        let mut output = std::io::BufReader::new(server.stdout.take().expect("stdout"));
        output.read_line(&mut port).expect("a port");
        Web(server, port.trim().to_owned())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    // A helper of this login that knows an old password.
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
        "the repository asks for a login and takes none that git has here; correct source_code_url",
    );
    let none = url.replace("ada:hunter%202@", "");
    fs::remove_file(host.path(".gitconfig")).expect("a file");
    host.configure(&format!("clone_depth: 0\nsource_code_url: {none}"));
    stops(
        &host,
        "the repository asks for a login and takes none that git has here; correct source_code_url",
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
        // One pack, as after a clone of any size.
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
fn settings_of_the_login_change_no_file_of_a_release() {
    let host = with_submodules();
    host.write("repo/.gitattributes", "*.txt text\n");
    host.write("repo/notes.txt", "one\ntwo\n");
    host.commit("text");
    host.program("hooks/post-checkout", "#!/bin/sh\necho hook >hooked\n");
    host.write("attributes", "* filter=shout\n");
    host.write(
        ".gitconfig",
        format!(
            "[protocol \"file\"]\n\tallow = always\n[core]\n\tautocrlf = true\n\teol = crlf\n\thooksPath = {0}/hooks\n\tattributesFile = {0}/attributes\n\
             [filter \"shout\"]\n\tsmudge = tr a-z A-Z\n[clone]\n\tdefaultRemoteName = upstream\n[fetch]\n\tprune = true\n",
            host.dir.path().display()
        ),
    );
    git(
        &host.path("repo"),
        &["update-ref", "refs/pull/1/head", "HEAD"],
    );
    for extra in ["", "revision: refs/pull/1/head"] {
        host.configure(extra);
        deploys(&host);
        assert_eq!(host.read("root/current/notes.txt"), "one\ntwo\n");
        assert_eq!(host.read("root/current/lib/lib.py"), "VERSION = 1\n");
        assert!(!host.path("root/current/hooked").exists());
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

    // HEAD of the repository names a branch that is not there.
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
            format!("The repository has a tag and a branch called {revision}; the tag is taken");
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

#[test]
fn code_called_media_stops_the_deploy() {
    let host = Sandbox::new();
    host.configure("");
    deploys(&host);
    host.write("repo/media/__init__.py", "");
    host.write("repo/media/models.py", "");
    host.commit("an app called media");
    stops(
        &host,
        "media of the repository holds code, media/__init__.py, and media of a release is where uploads are: \
         shared/media; rename the directory",
    );
    assert!(!host.path("root/shared/media/models.py").exists());
}

#[test]
fn files_that_the_repository_has_in_media_are_kept() {
    let host = Sandbox::new();
    host.configure("");
    host.write("repo/media/default-avatar.png", "first");
    host.write("repo/media/it's/deep er.png", "deep");
    host.write("root/shared/media/uploaded.png", "uploaded");
    host.commit("media");
    let ran = deploys(&host);
    assert!(
        ran.stdout
            .contains("Copied what the repository has in media to shared/media"),
        "{ran:?}"
    );
    assert_eq!(host.read("root/current/media/it's/deep er.png"), "deep");
    assert_eq!(host.read("root/current/media/uploaded.png"), "uploaded");

    // Copied once: what is there is never overwritten, and what was deleted there stays away.
    host.write("repo/media/default-avatar.png", "second");
    host.commit("another avatar");
    fs::remove_file(host.path("root/shared/media/it's/deep er.png")).expect("a file");
    let ran = deploys(&host);
    assert!(
        ran.stdout.contains(
            "warning shared/media has no such files or other ones, and stays as it is: default-avatar.png it's/deep er.png "
        ),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("Copied what"), "{ran:?}");
    assert!(!ran.stdout.contains("checked-in"), "{ran:?}");
    assert!(!host.path("root/shared/media/it's/deep er.png").exists());
    assert_eq!(host.read("root/current/media/default-avatar.png"), "first");
    let names = names(&host.path("root/shared/media"));
    assert_eq!(
        names,
        ["checked-in", "default-avatar.png", "it's", "uploaded.png"]
    );
}

#[test]
fn what_gives_way_to_a_secret_is_told() {
    let host = Sandbox::new();
    host.configure("");
    let ran = deploys(&host);
    assert!(
        ran.stdout
            .contains("warning key.txt of the repository gives way to the secret of that name"),
        "{ran:?}"
    );
    fs::remove_file(host.path("repo/key.txt")).expect("a file");
    host.write("repo/key.txt/__init__.py", "");
    host.commit("a directory");
    stops(
        &host,
        "the repository has a directory key.txt, where the secret of that name belongs; rename one of them",
    );
}

#[test]
fn ansible_modules_core_5347_commands_find_the_virtualenv() {
    for (manager, mode) in [
        ("pip", "shared"),
        ("pip", "release"),
        ("uv", "shared"),
        ("uv", "release"),
    ] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
        for name in ["pip", "alembic", "uv"] {
            host.program(
                &format!("bin/{name}"),
                "#!/bin/sh\necho \"the wrong one\" >&2\nexit 1\n",
            );
        }
        let uv = if manager == "uv" {
            " && uv sync --frozen"
        } else {
            ""
        };
        host.configure(&format!(
            "framework: fastapi\npackage_manager: {manager}\nvenv_mode: {mode}\nstatic_files_command: 'true'\n\
             dependency_install_command: pip install -r requirements.txt && alembic --version{uv}\n\
             migration_command: alembic upgrade head\n"
        ));
        deploys(&host);
        assert_eq!(
            host.read("calls/pip"),
            "install\0-r\0requirements.txt\0",
            "{manager} {mode}"
        );
        assert_eq!(host.read("calls/alembic"), "--version\0upgrade\0head\0");
        if manager == "uv" {
            assert!(host.read("calls/uv").ends_with("sync\0--frozen\0"));
        }
        let environment = host.read("environments/pip");
        assert!(!environment.contains("GREETING"), "{environment}");
        assert!(
            environment.contains("\0PIP_REQUIRE_VIRTUALENV=1\0"),
            "{environment}"
        );
    }
}

#[test]
fn what_sends_pip_elsewhere_changes_nothing() {
    for mode in ["shared", "release"] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.configure(&format!("venv_mode: {mode}"));
        host.write("deploy.sh", host.script());
        let elsewhere = [
            ("PIP_TARGET", "/elsewhere"),
            ("PIP_PREFIX", "/elsewhere"),
            ("PIP_ROOT", "/elsewhere"),
            ("PIP_PYTHON", "/elsewhere"),
            ("PIP_USER", "1"),
            ("PYTHONPATH", "/elsewhere"),
            ("PYTHONHOME", "/elsewhere"),
            ("VIRTUAL_ENV", "/elsewhere"),
            ("UV_PYTHON", "/elsewhere"),
        ];
        let ran: Ran = host
            .command(&["sh", "deploy.sh"])
            .envs(elsewhere)
            .env("PIP_INDEX_URL", "https://pypi.example.com")
            .output()
            .expect("a shell")
            .into();
        assert_eq!(ran.status, 0, "{ran:?}");
        let environment = host.read("environments/pip");
        assert!(!environment.contains("/elsewhere"), "{environment}");
        assert!(environment.contains("\0PIP_USER=0\0"), "{environment}");
        assert!(
            environment.contains("\0PIP_INDEX_URL=https://pypi.example.com\0"),
            "{environment}"
        );

        host.write("repo/requirements.txt", "django==5.3\n");
        host.commit("upgrade");
        host.write(".config/pip/pip.conf", "[install]\nuser = true\n");
        deploys(&host);
        host.write("repo/requirements.txt", "django==5.4\n");
        host.commit("upgrade");
        host.write(".config/pip/pip.conf", "[install]\ntarget = /elsewhere\n");
        deploys(&host);
        assert!(
            host.read("calls/pip").contains("\0--target\0\0--prefix\0/"),
            "{mode}"
        );
    }
}

#[test]
fn no_human_ai_128_heroku_buildpack_python_345_a_shared_virtualenv_never_leads_into_a_release() {
    for (manager, file, refused) in [
        ("pip", "django==5.2\n-e .\n", Some(": .;")),
        (
            "pip",
            "--editable=./libs/core[extra]  # ours\n",
            Some(": ./libs/core;"),
        ),
        ("pip", "-e libs/core\n", Some(": ./libs/core;")),
        ("pip", ".\n", Some(": .;")),
        (
            "pip",
            "./libs/core[extra] ; python_version > '3'\n",
            Some("./libs/core"),
        ),
        ("pip", "libs/core\n", Some(": libs/core;")),
        ("pip", "core @ file:libs/core\n", Some(": ./libs/core;")),
        ("pip", "-r more/base.txt\n", Some(": .;")),
        ("pip", "--requirement=more/base.txt\n", Some(": .;")),
        ("uv", "-e .\n", Some(": .;")),
        ("pip", "-r circle.txt\n", None),
        (
            "pip",
            "wheels/core-1.0-py3-none-any.whl\n./wheels/core-1.0.tar.gz\n",
            None,
        ),
        (
            "pip",
            "# -e .\nthing[a]==1 # ./x\n-e git+https://example.com/app.git@v1#egg=app\n",
            None,
        ),
        (
            "pip",
            "--find-links ./wheels\n--extra-index-url https://example.com/a/b\ndjango>=5 ; os_name == 'a/b'\n",
            None,
        ),
        ("pip", "app @ https://example.com/app-1.0.zip\n", None),
        ("uv", "django==5.2\n", None),
    ] {
        let host = Sandbox::new();
        host.configure(&format!(
            "package_manager: {manager}\ndependency_file: requirements.txt"
        ));
        host.write("repo/requirements.txt", file);
        host.write("repo/more/base.txt", "-r deeper.txt\n");
        host.write("repo/more/deeper.txt", "-e .\n");
        host.write("repo/circle.txt", "-r circle.txt\n");
        host.write("repo/libs/core/setup.py", "");
        host.commit("dependencies");
        match refused {
            Some(line) => {
                let ran = stops(
                    &host,
                    "the virtualenv that releases share must not lead into one of them, and requirements.txt installs from it: ",
                );
                assert!(
                    ran.stderr.contains(line) && ran.stderr.contains("; set venv_mode: release\n"),
                    "{ran:?}"
                );
                assert!(!host.path("calls/pip").exists(), "{file}");
                host.makes_venvs();
                host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
                host.configure(&format!(
                    "package_manager: {manager}\ndependency_file: requirements.txt\nvenv_mode: release\nvenv_dir: {}",
                    host.path("link").display()
                ));
                deploys(&host);
            }
            None => {
                deploys(&host);
            }
        }
    }
}

#[test]
fn a_command_that_leads_the_shared_virtualenv_into_a_release_is_told() {
    let host = Sandbox::new();
    host.configure("dependency_install_command: pip install -e .");
    host.program(
        "venv/bin/pip",
        "#!/bin/sh\npackages=${0%/bin/pip}/lib/python3.11/site-packages\nmkdir -p \"$packages/app-1.0.dist-info\"\npwd >\"$packages/app.pth\"\n",
    );
    host.write(
        "venv/lib/python3.11/site-packages/Django-5.2.dist-info/METADATA",
        "",
    );
    let ran = stops(
        &host,
        "the virtualenv that releases share must not lead into one of them: ",
    );
    assert!(
        ran.stderr.contains("/app.pth; set venv_mode: release"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("The shared virtualenv was changed, and stays so: app-1.0 "),
        "{ran:?}"
    );
}

/// A uv that has this to install, and says so.
fn uv_of(host: &Sandbox, locked: &str) {
    let uv = host.read("venv/bin/uv");
    let export =
        format!("case \" $* \" in *' export '*) cat <<'END'\n# a comment\n{locked}\nEND\nesac\n");
    host.program(
        "venv/bin/uv",
        &uv.replacen("[ ! -e", &format!("{export}[ ! -e"), 1),
    );
}

#[test]
fn a_packaged_uv_project_is_refused_in_a_shared_virtualenv() {
    for (locked, refused) in [
        ("-e .\nidna==3.10", Some("-e .")),
        (
            "idna==3.10\n    # via x\n-e ./libs/core",
            Some("-e ./libs/core"),
        ),
        ("core @ file:///srv/core", Some("core @ file:///srv/core")),
        ("./libs/core", Some("./libs/core")),
        ("./wheels/core-1.0-py3-none-any.whl\nidna==3.10", None),
    ] {
        let host = Sandbox::new();
        host.configure("package_manager: uv");
        host.write("repo/uv.lock", "version = 1\n");
        host.commit("lock");
        uv_of(&host, locked);
        match refused {
            Some(line) => {
                stops(
                    &host,
                    &format!("and uv.lock installs from it: {line}; set venv_mode: release\n"),
                );
                assert!(!host.read("calls/uv").contains("sync"));
            }
            None => {
                deploys(&host);
                assert!(host.read("calls/uv").contains("sync"));
            }
        }
    }
}

#[test]
fn what_an_install_changed_before_a_stop_is_told() {
    let host = Sandbox::new();
    host.configure("");
    let packages = "venv/lib/python3.11/site-packages";
    host.write(&format!("{packages}/Django-5.2.dist-info/METADATA"), "");
    deploys(&host);
    let pip = host.read("venv/bin/pip");
    let upgrade = "packages=${0%/bin/pip}/lib/python3.11/site-packages\n\
                   [ ! -e \"$packages/Django-5.2.dist-info\" ] || mv \"$packages/Django-5.2.dist-info\" \"$packages/Django-6.0.dist-info\"\n";
    let said = "The shared virtualenv was changed, and stays so: Django-5.2 Django-6.0 ";
    for fault in ["pip", "python", "curl"] {
        host.program(
            "venv/bin/pip",
            &pip.replacen("[ ! -e", &format!("{upgrade}[ ! -e"), 1),
        );
        host.write("repo/requirements.txt", format!("django==6.0\n# {fault}\n"));
        host.commit("upgrade");
        host.fail(fault);
        let ran = host.deploy();
        assert_ne!(ran.status, 0, "{ran:?}");
        assert!(ran.stdout.contains(said), "{fault}: {ran:?}");
        // Once more nothing changes, and nothing is told.
        let ran = host.deploy();
        assert!(
            !ran.stdout.contains("The shared virtualenv"),
            "{fault}: {ran:?}"
        );
        host.mend(fault);
        fs::rename(
            host.path(packages).join("Django-6.0.dist-info"),
            host.path(packages).join("Django-5.2.dist-info"),
        )
        .expect("the older one");
    }
}

#[test]
fn a_lock_in_a_directory_is_a_lock() {
    for mode in ["shared", "release"] {
        let host = Sandbox::new();
        host.makes_venvs();
        host.program("root/.pystrano/uv/bin/uv", &host.read("venv/bin/uv"));
        host.write("repo/backend/uv.lock", "version = 1\n");
        host.write("repo/backend/pyproject.toml", "[project]\n");
        host.commit("lock");
        host.configure(&format!(
            "package_manager: uv\ndependency_file: backend/uv.lock\nvenv_mode: {mode}"
        ));
        deploys(&host);
        assert!(
            host.read("calls/uv")
                .contains("--project\0backend\0sync\0--frozen\0"),
            "{mode}"
        );
    }
}

#[test]
fn the_member_of_a_workspace_is_named_by_its_directory() {
    let host = Sandbox::new();
    host.write(
        "repo/uv.lock",
        "version = 1\n[manifest]\nmembers = [\n    \"core\",\n]\n",
    );
    host.write("repo/services/api/pyproject.toml", "[project]\n");
    host.commit("workspace");
    uv_of(&host, "");
    host.configure("package_manager: uv");
    stops(
        &host,
        "uv installs nothing for ., on which no member of the workspace depends; set dependency_file to a member's directory and uv.lock",
    );
    uv_of(&host, "idna==3.10");
    host.configure("package_manager: uv\ndependency_file: services/api/uv.lock");
    deploys(&host);
    assert!(
        host.read("calls/uv")
            .contains("--project\0services/api\0sync\0")
    );
    fs::remove_file(host.path("repo/uv.lock")).expect("a lock");
    host.commit("no lock");
    stops(
        &host,
        "the repository has no services/api/uv.lock, nor a uv.lock above it; correct dependency_file",
    );
}

#[test]
fn a_lock_that_is_older_than_the_project_is_told() {
    let host = Sandbox::new();
    host.write("repo/uv.lock", "version = 1\n");
    host.commit("lock");
    let uv = host.read("venv/bin/uv");
    host.program(
        "venv/bin/uv",
        &uv.replacen(
            "[ ! -e",
            "case \" $* \" in *' lock --check '*) exit 1 ;; esac\n[ ! -e",
            1,
        ),
    );
    host.configure("package_manager: uv");
    let ran = deploys(&host);
    assert!(
        ran.stdout.contains(
            "warning uv.lock is older than pyproject.toml, and was installed as it is; run uv lock"
        ),
        "{ran:?}"
    );
}

#[test]
fn trial_25_a_dependency_file_that_cannot_be_read_is_no_empty_one() {
    for mode in ["shared", "release"] {
        let host = Sandbox::new();
        host.makes_venvs();
        fs::remove_file(host.path("repo/requirements.txt")).expect("a file");
        symlink("/nowhere", host.path("repo/requirements.txt")).expect("a link");
        host.commit("a link to nowhere");
        host.configure(&format!("venv_mode: {mode}"));
        stops(
            &host,
            "the repository has no requirements.txt that can be read; correct dependency_file",
        );
        assert!(!host.path("calls/pip").exists());
    }
}

/// Of pip itself, which keeps these to itself.
#[test]
fn an_index_that_asks_for_a_login_is_told() {
    let host = Sandbox::new();
    fs::remove_dir_all(host.path("venv")).expect("the stand-ins");
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(host.path("venv"))
        .status();
    assert!(made.expect("python3").success());
    host.program("venv/bin/alembic", "#!/bin/sh\n");
    let web = Web::new(host.path("files"));
    host.configure("run_migrations: false\ncollect_static_files: false");
    let index = |login: &str| {
        let file = format!(
            "--index-url http://{login}127.0.0.1:{}/simple/\nshop-private==1.0\n",
            web.1
        );
        host.write("repo/requirements.txt", file);
        host.commit("index");
    };
    index("ada:wrong@");
    let ran = stops(
        &host,
        "dependencies, exit status 1: the package index takes no login that pip has here: http://127.0.0.1:",
    );
    assert!(
        ran.stderr
            .contains("/simple/shop-private/ answered 401; keep the login of an index in pip.conf or .netrc of "),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("wrong"), "{ran:?}");
    index("ada:${INDEX_TOKEN}@");
    stops(
        &host,
        "requirements.txt names variables that are not set here, where env_file does not reach: INDEX_TOKEN (http://127.0.0.1:",
    );
}

/// `-p 22` would win over what ssh_config says of the host.
#[test]
fn capistrano_1956_ssh_config_decides_the_port() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(
        dir.path().join("ssh_config"),
        "Host shop-web\nHostName 127.0.0.1\nPort 2322\n",
    )
    .expect("a file");
    fs::create_dir_all(dir.path().join("deploy/app/test")).expect("a directory");
    for (port, used) in [("", "port 2322"), (", port: 2022", "port 2022")] {
        let config = format!(
            "config_version: 2\ncommon: {{source_code_url: 'https://example.com/a.git', project_user: deploy, project_root: a, venv_dir: v}}\nservers:\n  - {{host: shop-web{port}}}\n"
        );
        fs::write(dir.path().join("deploy/app/test/deployment.yml"), config).expect("a file");
        let run = |command: &mut Command| {
            let output = command.current_dir(dir.path()).output().expect("a program");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let arguments = ["status", "test", "app", "--dry-run", "--json"];
        let plan = run(Command::new(env!("CARGO_BIN_EXE_pystrano")).args(arguments));
        let plan: serde_json::Value = serde_json::from_str(&plan).expect("an object");
        let words = plan["command"].as_array().expect("words").iter().skip(1);
        let words = words.map(|word| word.as_str().expect("a word"));
        let known = run(Command::new("ssh")
            .args(["-F", "ssh_config", "-G"])
            .args(words));
        assert!(
            known.lines().any(|line| line == used),
            "no {used:?} in {known}"
        );
    }
}
