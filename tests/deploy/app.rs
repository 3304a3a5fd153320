//! The layout of an app in its repository: subdirectories, shared paths, hooks, custom commands.

use crate::sandbox::{Sandbox, names};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn shared_may_lie_on_another_volume() {
    let host = Sandbox::new();
    host.configure("");
    fs::create_dir(host.path("volume")).expect("a directory");
    fs::rename(host.path("root/shared"), host.path("volume/app-shared")).expect("moved");
    symlink(host.path("volume/app-shared"), host.path("root/shared")).expect("a link");
    host.deployed("20260101000000");
    assert_eq!(host.read("root/shared/.env"), "GREETING='hello world'\n");
    assert_eq!(host.read("root/current/key.txt"), "canary-key\n");
}

/// An app in a subdirectory of its repository, with shared paths and hooks.
#[test]
fn an_app_below_the_top_shares_paths_and_runs_hooks() {
    let host = Sandbox::new();
    host.write("repo/backend/manage.py", "# version 1\n");
    host.write("repo/backend/requirements.txt", "django==5.2\n");
    host.write(
        "repo/backend/config/local.toml",
        "from = 'the repository'\n",
    );
    host.write("repo/backend/var/exports/first", "1");
    host.commit("below");
    let note = |point: &str| {
        format!(
            "    {point}: 'printf \"%s %s %s\\n\" {point} \"$GREETING\" \"${{PWD##*/}}\" >>\"$SANDBOX/hooks\"'\n"
        )
    };
    let configure = |more: &str| {
        let points = [
            "after_dependencies",
            "before_static",
            "after_static",
            "before_migrate",
            "before_promote",
        ];
        let hooks: String = points.map(note).concat();
        host.configure(
            "app_dir: ./backend/\nshared_dirs: var/exports; logs\nshared_files: config/local.toml",
        );
        let config = host.read("deploy/app/test/deployment.yml");
        let config = config.replace("servers:", &format!("  hooks:\n{hooks}{more}servers:"));
        host.write("deploy/app/test/deployment.yml", config);
    };
    configure("    after_promote: [echo done, 'exit 7']\n");
    let ran = host.run(&["sh"], &["deploy", "20260101000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let warning = "warning The hook after_promote failed; 20260101000000 stays";
    assert!(ran.stdout.contains(warning), "{ran:?}");
    let hooks = host.read("hooks");
    assert_eq!(
        hooks.lines().collect::<Vec<_>>(),
        [
            "after_dependencies hello world backend",
            "before_static hello world backend",
            "after_static hello world backend",
            "before_migrate hello world backend",
            "before_promote hello world backend",
        ]
    );
    assert!(
        host.read("calls/pip")
            .contains("/backend/requirements.txt\0")
    );
    for (path, shared) in [
        ("config/local.toml", "config/local.toml"),
        ("var/exports", "var/exports"),
        ("logs", "logs"),
        ("media", "media"),
        ("key.txt", "key.txt"),
    ] {
        let link = host.path("root/current/backend").join(path);
        assert!(link.is_symlink(), "{path}");
        assert_eq!(
            fs::canonicalize(link).expect(path),
            fs::canonicalize(host.path("root/shared").join(shared)).expect(shared)
        );
    }
    // Files in `shared` are not overwritten; a warning names the repository's file that they replace.
    host.write("root/shared/config/local.toml", "from = 'the host'\n");
    host.write("root/shared/var/exports/first", "2");
    let ran = host.run(&["sh"], &["deploy", "20260102000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        host.read("root/current/backend/config/local.toml"),
        "from = 'the host'\n"
    );
    assert_eq!(host.read("root/current/backend/var/exports/first"), "2");
    let told = "config/local.toml of the repository is replaced by shared/config/local.toml";
    assert!(ran.stdout.contains(told), "{ran:?}");

    // Errors before promotion, each with advice.
    let before = host.snapshot();
    configure("");
    for (from, to, told) in [
        (
            "before_promote: '",
            "before_promote: 'exit 9; ",
            "failed  before_promote, exit status 9",
        ),
        (
            "app_dir: ./backend/",
            "app_dir: frontend",
            "the repository has no directory frontend; correct app_dir",
        ),
        (
            "shared_files: config/local.toml",
            "shared_files: config/none.toml",
            "shared/config/none.toml, which shared_files names; put it there",
        ),
    ] {
        configure("");
        let config = host.read("deploy/app/test/deployment.yml");
        assert!(config.contains(from), "{config}");
        host.write("deploy/app/test/deployment.yml", config.replace(from, to));
        let ran = host.deploy();
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
        assert_eq!(host.snapshot(), before, "{told}");
    }
    // A parent directory of the shared path is a link that points elsewhere.
    fs::remove_dir_all(host.path("repo/backend/config")).expect("removed");
    host.write("elsewhere/local.toml", "of somebody else");
    std::os::unix::fs::symlink(host.path("elsewhere"), host.path("repo/backend/config"))
        .expect("a link");
    host.commit("leads elsewhere");
    configure("");
    let ran = host.deploy();
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("config of the repository is a link"),
        "{ran:?}"
    );
    assert_eq!(host.snapshot(), before);
    assert_eq!(host.read("elsewhere/local.toml"), "of somebody else");
}

/// Custom commands replace Django's own.
#[test]
fn commands_of_the_config_run_with_django_too() {
    let host = Sandbox::new();
    host.configure("migration_command: echo migrated >>\"$SANDBOX/own\"\nstatic_files_command: echo collected >>\"$SANDBOX/own\"");
    host.deployed("20260101000000");
    assert_eq!(host.read("own"), "collected\nmigrated\n");
    assert!(!host.path("calls/python").exists());
}

/// The app can write in `shared`, whatever else its unit forbids: links that it plants there must neither make a
/// deploy write elsewhere nor block deploys for good.
#[test]
fn what_the_app_plants_in_shared_leads_nowhere() {
    let host = Sandbox::new();
    for name in ["first", "second", "sub/third"] {
        host.write(&format!("repo/media/{name}"), name);
    }
    host.write("repo/local.toml", "ours");
    host.write("repo/config/local.toml", "ours");
    host.commit("shared files");
    host.configure("shared_files: local.toml; config/local.toml");
    host.write("keys/authorized_keys", "theirs");
    for (link, to) in [
        ("root/shared/.pystrano-copy", "keys/authorized_keys"),
        ("root/shared/media/.pystrano-copy", "keys/authorized_keys"),
        ("root/shared/media/sub", "keys"),
    ] {
        symlink(host.path(to), host.path(link)).expect("a link");
    }
    let made = std::process::Command::new("mkfifo")
        .arg(host.path("root/shared/media/second"))
        .status();
    assert!(made.expect("mkfifo").success());
    let ran = host.run(&["sh"], &["deploy", "20260101000000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let told =
        "shared/media lacks these files or has others, and is left as it is: second sub/third ";
    assert!(ran.stdout.contains(told), "{ran:?}");
    assert_eq!(host.read("root/current/media/first"), "first");
    assert_eq!(host.read("root/current/local.toml"), "ours");

    // Links planted later, in place of what an earlier deploy copied.
    fs::remove_dir_all(host.path("root/shared/config")).expect("a directory");
    symlink(host.path("keys"), host.path("root/shared/config")).expect("a link");
    let ran = host.run(&["sh"], &["deploy", "20260101000001"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(
        ran.stderr.contains(
            "config/local.toml of the repository cannot be copied to shared/config/local.toml"
        ),
        "{ran:?}"
    );
    fs::remove_file(host.path("root/shared/config")).expect("a link");
    fs::remove_file(host.path("root/shared/.env")).expect("a link");
    fs::create_dir(host.path("root/shared/.env")).expect("a directory");
    symlink(
        host.path("keys"),
        host.path("root/shared/.env.replaced-by-20260101000002"),
    )
    .expect("a link");
    let ran = host.run(&["sh"], &["deploy", "20260101000002"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    let ran = host.run(&["sh"], &["deploy", "20260101000003"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(names(&host.path("keys")), ["authorized_keys"]);
    assert_eq!(host.read("keys/authorized_keys"), "theirs");
}
