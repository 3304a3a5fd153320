//! Package indexes: which are used, with which credentials, and how their responses are handled.

use super::project::{Project, git, make_repository, said};
use super::{packages, requirements};
use std::fs;
use std::process::{Command, Output};

const LOGIN: &str = "ada:s3cr%40t";

fn private(project: &Project) -> String {
    project.index().replace("/simple/", "/private/simple/")
}

fn with(url: &str, login: &str) -> String {
    url.replace("//", &format!("//{login}@"))
}

/// A render without pip settings, and with an empty cache.
fn rendering(project: &Project, output: &str) -> Command {
    let mut command = project.rendering(&format!("cache-{output}"), output);
    command
        .env("HOME", project.path("home"))
        .env_remove("PIP_INDEX_URL");
    command
}

/// The packages of the rendered payload; fails if a password is in it or was printed.
fn well(project: &Project, output: &Output, name: &str) -> Vec<String> {
    let told = said(output);
    assert!(output.status.success(), "{name}: {told}");
    assert!(!told.contains("s3cr"), "{told}");
    let unpacked = project.unpack(&project.payload_in(name), &format!("unpacked-{name}"));
    let list = requirements(&unpacked);
    assert!(!list.contains("s3cr"), "{list}");
    packages(&unpacked)
}

/// Credentials from the URL, from netrc and from pip's settings; packages that are built use the index, too.
#[test]
fn a_private_index_gets_the_login_that_pip_would_give() {
    let project = Project::new("alpha\npure\n");
    let private = private(&project);
    fs::create_dir(project.path("home")).expect("a directory");
    let render = |index: Option<&str>, name: &str| {
        let mut command = rendering(&project, name);
        command.envs(index.map(|index| ("PIP_INDEX_URL", index)));
        command.output().expect("pystrano")
    };
    for url in [&private, &with(&private, "ada:wr0ng")] {
        let refused = render(Some(url), "refused");
        let told = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(
            told.contains("the package index wants a login: ") && !told.contains("wr0ng"),
            "{told}"
        );
    }
    let well = |index: Option<&str>, name: &str| {
        let found = well(&project, &render(index, name), name);
        assert_eq!(found, ["alpha==1.0", "beta==2.5", "pure==0.6"], "{name}");
    };
    let url = with(&private, LOGIN);
    well(Some(&url), "url");
    let settings = format!("[global]\nindex-url = {url}\n");
    project.write("home/.config/pip/pip.conf", &settings);
    well(None, "settings");
    fs::remove_dir_all(project.path("home/.config")).expect("a directory");
    let netrc = "machine 127.0.0.1 login ada password s3cr@t\n";
    project.write("home/.netrc", netrc);
    well(Some(&private), "netrc");
    well(Some(&with(&private, "ada")), "user");
}

/// As with uv, the credentials of an index that the project names are in variables with the index's name. They are
/// not passed to the build backends of packages.
#[test]
fn the_login_of_a_named_index_is_in_variables() {
    let project = Project::new("");
    let index = format!(
        "[tool.uv]\npackage = false\n[[tool.uv.index]]\nname = \"my-own\"\ndefault = true\nurl = \"{}\"\n",
        private(&project)
    );
    project.write_project("repo", "shop", "\"alpha\", \"pure\"", &index);
    let login = [
        ("UV_INDEX_MY_OWN_USERNAME", "ada"),
        ("UV_INDEX_MY_OWN_PASSWORD", "s3cr@t"),
    ];
    project.lock(&[], &login);
    project.commit();
    project.configure("  package_manager: uv\n");
    let refused = rendering(&project, "refused").output().expect("pystrano");
    assert!(
        said(&refused).contains("packages cannot be fetched: "),
        "{}",
        said(&refused)
    );
    let output = rendering(&project, "out").envs(login).output();
    let found = well(&project, &output.expect("pystrano"), "out");
    assert_eq!(found, ["alpha==1.0", "beta==2.5", "pure==0.6"]);
}

/// Credentials in requirements files: those of an index, and of a file's URL.
#[test]
fn logins_in_a_list_are_used_and_stay_there() {
    let project = Project::new("");
    let simple = private(&project);
    let index = with(&simple, "ada:${SHOP_PASSWORD}");
    project.write(
        "repo/requirements.txt",
        &format!("--index-url {index}\nalpha\n"),
    );
    project.commit();
    let output = rendering(&project, "list")
        .env("SHOP_PASSWORD", "s3cr%40t")
        .output();
    let found = well(&project, &output.expect("pystrano"), "list");
    assert_eq!(found, ["alpha==1.0", "beta==2.5"]);

    let file = with(&simple, LOGIN).replace("/simple/", "/files/old-1.0-py3-none-any.whl");
    project.write("repo/requirements.txt", &format!("old @ {file}\n"));
    project.commit();
    let output = rendering(&project, "file").output();
    let found = well(&project, &output.expect("pystrano"), "file");
    assert_eq!(found, ["old==1.0"]);
}

/// The password is on no command line and is not sent to the host. The repository is served over git's dumb HTTP
/// protocol, as by any web server.
#[test]
fn the_login_of_a_dependency_in_git_stays_here() {
    let project = Project::new("");
    project.write_project("part", "part", "", "");
    let part = project.path("part");
    make_repository(&part);
    let served = project.path("index/part.git").display().to_string();
    git(&part, &["clone", "--quiet", "--bare", ".", &served]);
    git(served.as_ref(), &["update-server-info"]);
    let calls = project.path("calls");
    let path = project.path_with(
        "git",
        &format!(
            "case \" $* \" in *' --no-checkout '*) echo \"$*\" >>'{}' ;; esac",
            calls.display()
        ),
    );
    let url = with(&private(&project), LOGIN).replace("/simple/", "/part.git");
    project.write("repo/requirements.txt", &format!("part @ git+{url}\n"));
    project.commit();
    let output = rendering(&project, "git").env("PATH", path).output();
    let found = well(&project, &output.expect("pystrano"), "git");
    assert_eq!(found, ["part==1.0"]);
    let calls = fs::read_to_string(calls).expect("calls of git");
    assert!(
        calls.contains("/part.git") && !calls.contains("s3cr"),
        "{calls}"
    );
}

/// pip's variables take precedence over its configuration files, which are read even if Python has no pip.
#[test]
fn the_index_is_the_one_that_pip_would_ask() {
    let project = Project::new("beta\n");
    let nowhere = "http://127.0.0.1:9/simple/";
    project.write(
        "home/.config/pip/pip.conf",
        &format!("[global]\nindex-url = {nowhere}\n[download]\nindex-url = {nowhere}\n"),
    );
    let render = |output: &str| {
        let mut command = rendering(&project, output);
        command.env("PIP_INDEX_URL", project.index());
        command
    };
    let output = render("variable").output().expect("pystrano");
    assert_eq!(well(&project, &output, "variable"), ["beta==2.5"]);

    project.write(
        "home/.config/pip/pip.conf",
        &format!(
            "[global]\nindex-url = {}\n[wheel]\nindex-url = {nowhere}\n",
            project.index()
        ),
    );
    project.write("repo/requirements.txt", "beta==2.0\n");
    project.commit();
    let output = rendering(&project, "file").output().expect("pystrano");
    assert_eq!(well(&project, &output, "file"), ["beta==2.0"]);

    let script = "case $* in '-m pip '*) exit 1 ;; esac";
    let path = project.path_with("python3", script);
    project.write("repo/requirements.txt", "alpha\n");
    project.commit();
    let output = render("no-pip").env("PATH", path).output();
    let output = output.expect("pystrano");
    let found = well(&project, &output, "no-pip");
    assert_eq!(found, ["alpha==1.0", "beta==2.5"]);
}

/// A download that is cut off in the middle of the file is repeated.
#[test]
fn half_a_package_is_fetched_again() {
    let project = Project::new("beta\n");
    let output = rendering(&project, "out")
        .env(
            "PIP_INDEX_URL",
            project.index().replace("/simple/", "/cut/simple/"),
        )
        .output()
        .expect("pystrano");
    assert_eq!(well(&project, &output, "out"), ["beta==2.5"]);
}

/// Packages are resolved again after any change that affects what is installed.
#[test]
fn settings_and_included_files_count() {
    let project = Project::new("-r\tbase.txt\n");
    project.configure(
        "  package_manager: uv\n  dependency_file: requirements.txt\n  venv_mode: release\n",
    );
    project.write("repo/base.txt", "beta\n");
    let resolved = |name: &str| {
        project.commit();
        let unpacked = project.unpack(&project.payload(name), &format!("unpacked-{name}"));
        packages(&unpacked)
    };
    assert_eq!(resolved("first"), ["beta==2.5"]);
    project.write("repo/base.txt", "beta\nold\n");
    assert_eq!(resolved("included"), ["beta==2.5", "old==1.0"]);
    project.write(
        "repo/pyproject.toml",
        "[tool.uv]\nconstraint-dependencies = [\"beta<2.5\"]\n",
    );
    assert_eq!(resolved("settings"), ["beta==2.0", "old==1.0"]);
}

/// Files cached from one index are not used for another.
#[test]
fn another_index_is_asked_anew() {
    let project = Project::new("beta\n");
    project.payload("first");
    let file = "beta-2.0-py3-none-any.whl";
    let page = format!("<a href=\"../../files/{file}\">{file}</a>\n");
    project.write("index/other/beta/index.html", &page);
    let output = project
        .rendering("cache", "second")
        .env("PIP_INDEX_URL", project.index().replace("simple", "other"))
        .output()
        .expect("pystrano");
    assert_eq!(well(&project, &output, "second"), ["beta==2.0"]);
}

/// uv resolves in pip's place, but its configuration files and variables do not affect pip projects.
#[test]
fn settings_of_uv_change_nothing_for_pip() {
    let project = Project::new("beta\n");
    let constraint = "constraint-dependencies = [\"beta<2.5\"]\n";
    project.write("repo/uv.toml", constraint);
    project.write("home/.config/uv/uv.toml", "resolution = \"lowest\"\n");
    project.write("constraints.txt", "beta<2.5\n");
    project.commit();
    let output = rendering(&project, "out")
        .env("PIP_INDEX_URL", project.index())
        .env("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
        .env("UV_CONSTRAINT", project.path("constraints.txt"))
        .output()
        .expect("pystrano");
    assert_eq!(well(&project, &output, "out"), ["beta==2.5"]);
}

/// Hashes in an included file are checked.
#[test]
fn hashes_of_an_included_file_count() {
    let project = Project::new("-r base.txt\n");
    let hash = "0".repeat(64);
    let list = format!("beta==2.0 --hash=sha256:{hash}\n");
    project.write("repo/base.txt", &list);
    project.commit();
    project.refuses(&["requirements.txt has no hash of beta-2.0-py3-none-any.whl"]);
}

/// An installed uv that is too old lacks options that are needed.
#[test]
fn an_old_uv_is_left_alone() {
    let project = Project::new("beta\n");
    let old = "case $* in --version) echo uv 0.9.18; exit ;; esac; exit 2";
    let path = project.path_with("uv", old);
    let output = rendering(&project, "out")
        .env("PIP_INDEX_URL", project.index())
        .env("PATH", path)
        .output()
        .expect("pystrano");
    assert_eq!(well(&project, &output, "out"), ["beta==2.5"]);
}
