//! What comes from elsewhere: package indexes that want a login, repositories, files of the app's own repository.

use super::project::{Project, git, said};
use super::{packages, requirements};
use std::fs;
use std::process::Output;

fn render(project: &Project, index: &str, cache: &str) -> Output {
    let mut command = project.pystrano(cache);
    let arguments = ["render", "production", "shop", "--payload", "--output"];
    command
        .args(arguments)
        .arg(format!("out-{cache}"))
        .env("HOME", project.path("home"))
        .env("PIP_INDEX_URL", index);
    if index.is_empty() {
        command.env_remove("PIP_INDEX_URL");
    }
    command.output().expect("pystrano")
}

/// In the URL, in netrc, in pip's settings; packages that are built ask there, too.
#[test]
fn a_private_index_gets_the_login_that_pip_would_give() {
    let project = Project::new("alpha\npure\n");
    let private = project.index().replace("/simple/", "/private/simple/");
    let with = |login: &str| private.replace("//", &format!("//{login}@"));
    fs::create_dir(project.path("home")).expect("a directory");
    for url in [private.clone(), with("ada:wr0ng")] {
        let refused = render(&project, &url, "refused");
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(
            said(&refused).contains("the package index wants a login: "),
            "{}",
            said(&refused)
        );
        assert!(!said(&refused).contains("wr0ng"), "{}", said(&refused));
    }
    let well = |output: Output, cache: &str| {
        let told = said(&output);
        assert!(output.status.success(), "{cache}: {told}");
        assert!(!told.contains("s3cr"), "{told}");
        let payload = project.payload_in(&format!("out-{cache}"));
        let unpacked = project.unpack(&payload, &format!("unpacked-{cache}"));
        assert_eq!(
            packages(&unpacked),
            ["alpha==1.0", "beta==2.5", "pure==0.6"]
        );
        assert!(!requirements(&unpacked).contains("s3cr"));
    };
    well(render(&project, &with("ada:s3cr%40t"), "url"), "url");
    project.write(
        "home/.config/pip/pip.conf",
        &format!("[global]\nindex-url = {}\n", with("ada:s3cr%40t")),
    );
    well(render(&project, "", "settings"), "settings");
    fs::remove_dir_all(project.path("home/.config")).expect("a directory");
    project.write(
        "home/.netrc",
        "machine 127.0.0.1 login ada password s3cr@t\n",
    );
    well(render(&project, &private, "netrc"), "netrc");
    well(render(&project, &with("ada"), "user"), "user");
}

/// Dependencies from repositories and from the app's own one.
#[test]
fn dependencies_that_are_no_packages_of_an_index() {
    let project = Project::new("");
    project.write_project("part", "part", "\"beta\"", "");
    let part = project.path("part");
    git(&part, &["init", "--quiet", "--initial-branch=main"]);
    git(&part, &["add", "--all"]);
    git(&part, &["commit", "--quiet", "--message=Part"]);
    let url = format!("git+file://{}", part.display());
    project.write("repo/requirements.txt", &format!("part @ {url}\n"));
    project.commit();
    let unpacked = project.unpack(&project.payload("vcs"), "unpacked-vcs");
    assert_eq!(packages(&unpacked), ["beta==2.5", "part==1.0"]);
    let sha = git(&part, &["rev-parse", "HEAD"]);
    let built = format!("# built of file://{} at {sha}", part.display());
    assert!(
        requirements(&unpacked).contains(&built),
        "{}",
        requirements(&unpacked)
    );

    project.write_project("repo/lib/tool", "tool", "\"beta\"", "");
    project.write("repo/lib/tool/dated", "");
    project.write("repo/requirements.txt", "./lib/tool\n");
    project.commit();
    let stopped = project.refused();
    assert!(
        stopped.contains("requirements.txt installs from the repository: lib/tool"),
        "{stopped}"
    );
    project.configure("  venv_mode: release\n");
    let unpacked = project.unpack(&project.payload("local"), "unpacked-local");
    assert_eq!(packages(&unpacked), ["beta==2.5"]);
    // Whenever it was checked out, the build sees the same times.
    let script =
        "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).getinfo('dated').date_time)";
    let times = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(unpacked.join("source/.pystrano/wheels/tool-1.0-py3-none-any.whl"))
        .output()
        .expect("python3");
    assert_eq!(
        String::from_utf8_lossy(&times.stdout),
        "(1980, 1, 1, 0, 0, 0)\n"
    );

    project.write("repo/requirements.txt", &format!("{}\n", part.display()));
    project.commit();
    let stopped = project.refused();
    assert!(
        stopped.contains("part lies outside of the repository, in "),
        "{stopped}"
    );
    project.write(
        "repo/requirements.txt",
        "git+https://127.0.0.1:1/part.git\n",
    );
    project.commit();
    let stopped = project.refused();
    assert!(
        stopped.contains("requirements.txt cannot be resolved for Python 3.13"),
        "{stopped}"
    );
    assert!(
        stopped.contains("https://127.0.0.1:1/part.git"),
        "{stopped}"
    );
}

/// The Python that the project asks uv for is the target's, where the config names none.
#[test]
fn the_python_of_a_project_is_that_of_its_payload() {
    let project = Project::new("");
    project.write_project("repo", "shop", "\"fast\"", "[tool.uv]\npackage = false\n");
    let lock = std::process::Command::new(super::project::uv())
        .args(["lock", "--quiet", "--python", "3"])
        .current_dir(project.repo())
        .env("UV_DEFAULT_INDEX", project.index())
        .env("UV_PYTHON_DOWNLOADS", "never")
        .output()
        .expect("uv");
    assert!(lock.status.success(), "{}", said(&lock));
    project.configure("  package_manager: uv\n");
    project.replace_config("  python: \"3.13\"\n", "");
    for minor in [11, 13] {
        let text = format!("# ours\n3.{minor}.4\n3.12\n");
        project.write("repo/.python-version", &text);
        project.commit();
        let name = format!("out-{minor}");
        let unpacked = project.unpack(&project.payload(&name), &format!("unpacked-{minor}"));
        let wheels = super::names(&unpacked.join("dependencies/wheels"));
        let tag = format!("cp3{minor}-cp3{minor}");
        let wheel = format!("fast-3.1-{tag}-manylinux_2_17_x86_64.manylinux2014_x86_64.whl");
        assert_eq!(wheels[0], wheel);
    }
}
