//! Modes and contents of a release's files, and what shared files replace.

use crate::repository::with_submodules;
use crate::sandbox::{Ran, Sandbox, names};
use crate::{deploys, git, stops};
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
    host.write("repo/.pystrano/notes", "of the repository");
    host.commit("media");
    let ran = deploys(&host);
    assert!(
        ran.stdout
            .contains("warning .pystrano of the repository is replaced"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("Copied what the repository has in media to shared/media"),
        "{ran:?}"
    );
    assert_eq!(host.read("root/current/media/it's/deep er.png"), "deep");
    assert_eq!(host.read("root/current/media/uploaded.png"), "uploaded");

    // Files are copied only once: existing ones are never overwritten, and deleted ones do not come back.
    host.write("repo/media/default-avatar.png", "second");
    host.commit("another avatar");
    fs::remove_file(host.path("root/shared/media/it's/deep er.png")).expect("a file");
    let ran = deploys(&host);
    assert!(
        ran.stdout.contains(
            "warning shared/media lacks these files or has others, and is left as it is: default-avatar.png it's/deep er.png "
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
            .contains("warning key.txt of the repository is replaced by the secret of that name"),
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
