//! What a hostile repository or working directory can do to the machine where payloads are built.

use crate::project::{Project, git, make_repository, said};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Plants a program in the repository that records that it ran.
fn plant(project: &Project, name: &str) {
    let ran = project.path(&format!("ran-{}", name.replace('/', "-")));
    let text = format!(
        "#!/bin/sh\ntouch '{}'\nexec python3 \"$@\"\n",
        ran.display()
    );
    project.write(name, &text);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(project.path(name), mode).expect("a mode");
}

/// Traces of planted programs that ran, and of files that were created in the wrong place.
fn traces(project: &Project) -> Vec<String> {
    let mut names = super::names(&project.path(""));
    names.retain(|name| name.starts_with("ran") || name.starts_with("planted"));
    names
}

/// uv runs Python interpreters to query them, but not those in the repository.
#[test]
fn no_program_of_the_repository_runs_when_it_is_only_looked_at() {
    let project = Project::new("alpha\n");
    for name in [".venv/bin/python", "python3", "evil/python3.13"] {
        plant(&project, &format!("repo/{name}"));
    }
    project.write("repo/.venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.13\n");
    let planted = project.path("planted").display().to_string();
    let mut out = 0;
    for python in ["evil/python3.13", "python3", "3.13"] {
        let settings = format!("cache-dir = \"{planted}\"\n[pip]\npython = \"{python}\"\n");
        project.write("repo/uv.toml", &settings);
        project.write("repo/.python-version", "3.13\n");
        for manager in ["pip", "uv"] {
            project.commit();
            project.configure(&format!(
                "  package_manager: {manager}\n  dependency_file: requirements.txt\n  venv_mode: release\n"
            ));
            out += 1;
            project.payload(&format!("out-{out}"));
            assert_eq!(traces(&project), [""; 0], "{manager} {python}");
        }
    }
    // When packages have no wheel, another uv command looks for all of them.
    project.write("repo/requirements.txt", "late\n");
    project.commit();
    project.refused();
    assert_eq!(traces(&project), [""; 0]);
    fs::remove_file(project.path("repo/uv.toml")).expect("a file");
    project.write("repo/pyproject.toml", &format!("[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"alpha\"]\n[tool.uv]\ncache-dir = \"{planted}\"\n[tool.uv.pip]\npython = \"evil/python3.13\"\n"));
    project.lock(&["--no-config"], &[("UV_DEFAULT_INDEX", &project.index())]);
    for trace in traces(&project) {
        fs::remove_file(project.path(&trace)).expect("that of making the lock");
    }
    project.commit();
    project.configure("  package_manager: uv\n  dependency_file: uv.lock\n  venv_mode: release\n");
    project.payload("locked");
    assert_eq!(traces(&project), [""; 0]);
}

/// Users often deploy from a checkout of the app.
#[test]
fn no_code_of_the_current_directory_runs() {
    let project = Project::new("alpha\npure\n");
    for module in [
        "platform",
        "json",
        "netrc",
        "sys",
        "ssl",
        "pip/__init__",
        "pip/__main__",
    ] {
        let ran = project.path(&format!("ran-{}", module.replace('/', "-")));
        project.write(
            &format!("{module}.py"),
            &format!("open({:?}, 'w')\n", ran.display().to_string()),
        );
    }
    let top = project.path("");
    git(&top, &["init", "--quiet"]);
    let ran = project.path("ran-git").display().to_string();
    let (url, touch) = (project.repo().display().to_string(), format!("touch {ran}"));
    project.write(
        ".git/config",
        &format!(
            "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {touch}\n\tsshCommand = {touch}\n[protocol \"ext\"]\n\tallow = always\n\
             [url \"ext::sh -c touch% {ran} \"]\n\tinsteadOf = {url}\n[credential]\n\thelper = !{touch}\n"
        ),
    );
    project.payload("out");
    assert_eq!(traces(&project), [""; 0]);
}

/// A link may be right on a host, but here it would point to files of the user who builds the payload.
#[test]
fn links_out_of_the_repository_are_not_followed() {
    let project = Project::new("");
    let secret = project.path("secret").display().to_string();
    project.write("secret", "keys of the operator\n");
    let repo = project.repo();
    let relink = |target: &str, name: &str| {
        let link = repo.join(name);
        fs::create_dir_all(link.parent().expect("a parent")).expect("a directory");
        let _ = fs::remove_file(&link);
        symlink(target, link).expect("a link");
    };
    let lock = |source: &str| {
        project.write("repo/pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"keys\"]\n");
        project.write("repo/uv.lock", &format!(
            "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n[[package]]\nname = \"shop\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"keys\" }}]\n[[package]]\nname = \"keys\"\nversion = \"1.0\"\n{source}\n"
        ));
        project.commit();
        project
            .configure("  package_manager: uv\n  dependency_file: uv.lock\n  venv_mode: release\n");
        project.refused()
    };
    let wheel = "keys-1.0-py3-none-any.whl";
    relink(&secret, &format!("vendor/{wheel}"));
    let by_index =
        format!("source = {{ registry = \"vendor\" }}\nwheels = [{{ path = \"{wheel}\" }}]");
    lock(&by_index);
    relink("/dev/zero", &format!("vendor/{wheel}"));
    lock(&by_index);
    // A real wheel with this name outside of the repository.
    fs::copy(&secret, project.path(wheel)).expect("a file");
    let outside = project.path(wheel).display().to_string();
    let sum = "c4f0aa5b6f24c92fb43a1e9ea5e2a3ea01f1d68b64b3d2e2bd8a5ba2f2c2f2a0";
    for source in [
        format!(
            "source = {{ registry = \"https://pypi.org/simple\" }}\nwheels = [{{ url = \"file://{outside}\" }}]"
        ),
        format!(
            "source = {{ registry = \"https://pypi.org/simple\" }}\nwheels = [{{ url = \"FILE:{outside}\" }}]"
        ),
        format!(
            "source = {{ path = \"{outside}\" }}\nwheels = [{{ filename = \"{wheel}\", hash = \"sha256:{sum}\" }}]"
        ),
    ] {
        let told = lock(&source);
        assert!(told.contains("outside of the repository"), "{told}");
    }
    // Files that uv reads, as links to an endless file and, later, to a secret.
    for name in ["uv.lock", "pyproject.toml"] {
        fs::remove_file(repo.join(name)).expect("a file");
    }
    project.write("repo/requirements.txt", "alpha\n");
    for name in ["uv.toml", ".python-version", "pyproject.toml"] {
        relink("/dev/zero", name);
    }
    relink(&project.path("").display().to_string(), "app");
    project.commit();
    for manager in ["pip", "uv"] {
        project.configure(&format!(
            "  package_manager: {manager}\n  dependency_file: requirements.txt\n  venv_mode: release\n"
        ));
        let unpacked = project.unpack(&project.payload(manager), &format!("unpacked-{manager}"));
        let link = fs::read_link(unpacked.join("source/uv.toml"));
        assert_eq!(link.expect("a link"), Path::new("/dev/zero"));
    }
    project.configure("  app_dir: app\n");
    project.refuses(&["the repository has no directory app"]);
    relink(&secret, "requirements.txt");
    project.commit();
    project.configure("");
    let told = project.refused();
    assert!(!told.contains("keys of"), "{told}");
}

/// uv removes quotes and backslashes, joins continued lines and expands variables; a path that could mean another one
/// is refused.
#[test]
fn an_include_is_refused_however_its_path_is_written() {
    let project = Project::new("");
    project.write("secret", "token-of-the-operator\n");
    let path = project.path("secret").display().to_string();
    let (directory, name) = path.rsplit_once('/').expect("a path");
    project.write("repo/more.toml", &format!("-r {path}\n"));
    for line in [
        format!("-r {path}"),
        format!("-c={path}"),
        format!("-r \"{path}\""),
        format!("--requirement '{directory}/'{name}"),
        format!("-r \\{path}"),
        format!("-r \\\n{path}"),
        format!("--requirement\\\n {path}"),
        format!("-r ${{PWD}}/../../../../../../../../../..{path}"),
        format!("-r file://{path}"),
        format!("--constraint FILE:{path}"),
        // Includes in a file at a URL would not be inspected.
        format!("-r {}secret", project.index()),
        format!("-r {path}#c"),
        format!("-r {path}\t# c"),
        format!("alpha\r-r {path}"),
        format!("\u{feff}-r {path}"),
        format!("UTF-16 -r {path}"),
        "-r more.toml".to_owned(),
    ] {
        let text = line.strip_prefix("UTF-16 ").map_or_else(
            || format!("{line}\nalpha\n").into_bytes(),
            |line| {
                format!("\u{feff}{line}\n")
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect()
            },
        );
        fs::write(project.repo().join("requirements.txt"), text).expect("a file");
        project.commit();
        for manager in ["pip", "uv"] {
            project.configure(&format!(
                "  package_manager: {manager}\n  dependency_file: requirements.txt\n  venv_mode: release\n"
            ));
            let told = project.refused();
            assert!(!told.contains("token-of-the-operator"), "{line}: {told}");
            assert!(told.contains("requirements.txt"), "{line}: {told}");
        }
    }
    // Quotes alone do not change a path.
    project.write("repo/with space.txt", "alpha\n");
    project.write("repo/requirements.txt", "-r \"with space.txt\"\n");
    project.commit();
    project.configure("");
    project.payload("out");
}

/// uv accepts a package whose file name at its index is a path, but no file is written there; and a lock cannot refer
/// to a git repository on this machine.
#[test]
fn a_package_keeps_the_name_of_its_file() {
    let project = Project::new("");
    project.write("repo/pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"evil\"]\n");
    project.write("index/evil.tar.gz", "not yours\n");
    let sum = Command::new("sha256sum")
        .arg(project.path("index/evil.tar.gz"))
        .output()
        .expect("sha256sum");
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    let host = project.index().replace("/simple/", "");
    let up = "..%2F".repeat(4);
    project.configure("  package_manager: uv\n  dependency_file: uv.lock\n");
    for (source, reason) in [
        (
            format!(
                "source = {{ registry = \"{host}/simple/\" }}\nsdist = {{ url = \"{host}/x/{up}evil.tar.gz\", hash = \"sha256:{sum}\" }}"
            ),
            "evil 1.0 has a file with the name \"../../../../evil.tar.gz\"",
        ),
        (
            format!(
                "source = {{ git = \"file://{}?rev=main#{}\" }}",
                project.repo().display(),
                "0".repeat(40)
            ),
            "evil 1.0 lies outside of the repository",
        ),
    ] {
        project.write("repo/uv.lock", &format!(
            "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n[[package]]\nname = \"shop\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"evil\" }}]\n[[package]]\nname = \"evil\"\nversion = \"1.0\"\n{source}\n"
        ));
        project.commit();
        project.refuses(&[reason]);
    }
    assert!(!project.path("cache/pystrano/evil.tar.gz").exists());
}

/// Names from the repository are shown as plain text, without control or bidirectional formatting characters.
#[test]
fn what_a_repository_names_reaches_no_terminal_as_it_is() {
    let project = Project::new("");
    let name = "\u{1b}]0;title\u{7}part\u{202e}txt";
    project.write_project(&format!("repo/{name}"), "part", "", "");
    project.write("repo/requirements.txt", &format!("./{name}\n"));
    project.commit();
    let plain = |told: &str| {
        let is_plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(
            told.contains("title") && told.chars().all(is_plain),
            "{told:?}"
        );
    };
    plain(&project.refused());
    project.configure("  venv_mode: release\n");
    let made = project.render("out");
    assert!(made.status.success(), "{}", said(&made));
    plain(&said(&made));
}

/// Submodules whose URL is a command, an option or another user's files, and trees whose paths lie outside.
#[test]
fn git_runs_nothing_that_a_repository_brings() {
    let project = Project::new("");
    let repo = project.repo();
    let ran = project.path("ran-submodule").display().to_string();
    project.write("private/keys.txt", "keys of the operator\n");
    let private = project.path("private");
    make_repository(&private);
    let private_sha = git(&private, &["rev-parse", "HEAD"]);
    // With this user's git protections, which the tests otherwise relax.
    let render = || {
        let mut command = project.rendering("cache", "out");
        for name in ["GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"] {
            command.env_remove(name);
        }
        let output = command.output().expect("pystrano");
        assert_eq!(traces(&project), [""; 0], "{}", said(&output));
        assert!(!said(&output).contains("keys of"), "{}", said(&output));
        output
    };
    let own = private.display().to_string();
    for (name, url, update, reason) in [
        (
            "part",
            &*format!("ext::sh -c touch% {ran}"),
            "",
            "transport 'ext' not allowed",
        ),
        ("part", &own, "", "transport 'file' not allowed"),
        (
            "part",
            &format!("-u touch {ran}; true"),
            "",
            "may be interpreted as a command-line option",
        ),
        (
            "part",
            &own,
            "\tupdate = !touch\n",
            "invalid value for 'submodule.part.update'",
        ),
        (
            "../../hooks",
            &own,
            "",
            "ignoring suspicious submodule name",
        ),
    ] {
        let text = format!("[submodule \"{name}\"]\n\tpath = part\n\turl = {url}\n{update}");
        project.write("repo/.gitmodules", &text);
        let entry = format!("160000,{},part", private_sha.trim());
        git(&repo, &["add", "--all"]);
        git(&repo, &["update-index", "--add", "--cacheinfo", &entry]);
        git(
            &repo,
            &["commit", "--quiet", "--allow-empty", "--message=Submodule"],
        );
        let told = said(&render());
        assert!(told.contains(reason), "{name} {url} {update}: {told}");
    }
    git(
        &repo,
        &["rm", "--quiet", "-f", "--cached", "part", ".gitmodules"],
    );
    fs::remove_file(repo.join(".gitmodules")).expect("a file");
    // Trees that git itself would refuse to create.
    let script = "blob=$(echo '[core] fsmonitor = touch ran' | git hash-object -w --stdin)
        link=$(printf %s \"$2\" | git hash-object -w --stdin)
        raw() { printf \"$1 $2\\0\"; python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))' \"$3\"; }
        tree() { git hash-object -t tree -w --literally --stdin; }
        below() { raw 100644 \"$1\" \"$blob\" | tree; }
        case $1 in
        up) top=$(raw 40000 .. \"$(below planted)\" | tree) ;;
        git) top=$(raw 40000 .git \"$(below planted)\" | tree) ;;
        GIT) top=$(raw 40000 .GIT \"$(below planted)\" | tree) ;;
        link) top=$({ raw 120000 out \"$link\"; raw 40000 out \"$(below planted)\"; } | tree) ;;
        esac
        git update-ref refs/heads/main \"$(git commit-tree -m Hostile \"$top\")\"";
    for kind in ["up", "git", "GIT", "link"] {
        let made = Command::new("sh")
            .args(["-c", script, "sh", kind])
            .arg(project.path(""))
            .envs([
                ("GIT_AUTHOR_NAME", "Eve"),
                ("GIT_AUTHOR_EMAIL", "eve@example.com"),
            ])
            .envs([
                ("GIT_COMMITTER_NAME", "Eve"),
                ("GIT_COMMITTER_EMAIL", "eve@example.com"),
            ])
            .current_dir(&repo)
            .output()
            .expect("sh");
        assert!(made.status.success(), "{kind}: {}", said(&made));
        let told = said(&render());
        if kind != "link" {
            assert!(told.contains("invalid path '"), "{kind}: {told}");
        }
        let found = Command::new("find")
            .arg(project.path(""))
            .args(["-name", "planted"])
            .output();
        assert_eq!(found.expect("find").stdout, b"", "{kind}");
    }
}

/// In a directory that everybody can write, another user may have created the cache or a part of it.
#[test]
fn a_cache_of_another_user_is_refused() {
    let project = Project::new("beta\n");
    let cache = project.path("cache/pystrano");
    fs::create_dir_all(&cache).expect("a directory");
    let mode = |mode| fs::set_permissions(&cache, fs::Permissions::from_mode(mode));
    mode(0o775).expect("a mode");
    project.refuses(&["others can write to ", "run `chmod go-w "]);
    mode(0o755).expect("a mode");
    std::os::unix::fs::chown(&cache, Some(65534), Some(65534)).expect("root's rights");
    project.refuses(&["/cache/pystrano belongs to another user; name"]);
}

/// Build backends of the repository's projects run to list dependencies that are not declared statically: they get
/// none of the operator's variables, and the files that they leave behind are not deployed.
#[test]
fn code_that_is_asked_what_it_needs_changes_nothing() {
    let project = Project::new("./lib/tool\n");
    project.write_project("repo/lib/tool", "tool", "", "");
    let file = project.path("repo/lib/tool/pyproject.toml");
    let text = fs::read_to_string(&file).expect("a file");
    let text = text.replace("dependencies = []", "dynamic = [\"dependencies\"]");
    fs::write(&file, text).expect("a file");
    project.commit();
    project.configure("  venv_mode: release\n");
    let output = project
        .rendering("cache", "out")
        .env("SSH_AUTH_SOCK", "/agent")
        .env("CANARY", "1")
        .output()
        .expect("pystrano");
    assert!(output.status.success(), "{}", said(&output));
    let unpacked = project.unpack(&project.payload_in("out"), "unpacked");
    assert_eq!(
        super::names(&unpacked.join("source/lib/tool")),
        ["backend.py", "pyproject.toml"]
    );
    // A variable that the requirements file names is passed on; a comment does not count.
    project.write("repo/requirements.txt", "./lib/tool # ${CANARY}\n");
    project.commit();
    let output = project
        .rendering("cache", "named")
        .env("CANARY", "1")
        .output()
        .expect("pystrano");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

/// In a git hook GIT_DIR and other variables name another repository, which must not be changed.
#[test]
fn the_repository_of_a_hook_stays_as_it_is() {
    let project = Project::new("");
    for name in ["part", "other"] {
        project.write_project(name, name, "", "");
        make_repository(&project.path(name));
    }
    let list = format!("part @ git+file://{}\n", project.path("part").display());
    project.write("repo/requirements.txt", &list);
    project.commit();
    let output = project
        .rendering("cache", "out")
        .env("GIT_DIR", project.path("other/.git"))
        .output()
        .expect("pystrano");
    assert!(output.status.success(), "{}", said(&output));
    let head = fs::read_to_string(project.path("other/.git/HEAD")).expect("a file");
    assert_eq!(head, "ref: refs/heads/main\n");
}
