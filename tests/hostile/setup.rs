//! The fields of `setup.sh`, its units and its secrets.

use crate::sandbox::setup::SetupHost;
use crate::strings::{Paths, any_text, paths, text};
use crate::{hold, json};
use proptest::prelude::*;
use std::fs;

#[derive(Debug, Clone)]
struct Server {
    paths: Paths,
    secret: Vec<u8>,
    unit: String,
    comment: String,
    uv: bool,
}

fn server() -> impl Strategy<Value = Server> {
    (
        paths(),
        prop::collection::vec(any::<u8>(), 0..300),
        any_text(),
        text(false),
        any::<bool>(),
    )
        .prop_map(|(paths, secret, unit, comment, uv)| Server {
            paths,
            secret,
            unit,
            comment,
            uv,
        })
}

const HOST_KEY: &str = "pinned.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHfR2ZFwhrJ1vNNRJ1NQjXNkRwXW4W7yCtcAoCz8G++W";

fn sets_up(shell: &str, case: &Server) {
    let host = SetupHost::new(shell);
    let home = host.path("home");
    let secret = format!("files/{}", case.paths.secret);
    host.write(&secret, &case.secret);
    let unit = format!("[Service]\nExecStart=/bin/true\n# {}", case.unit);
    host.write("files/app.service", &unit);
    let root = home.join(&case.paths.root).join("app");
    let venv = home.join(format!("v{}", case.paths.venv));
    let line = format!("{HOST_KEY} {}", case.comment.trim_end());
    host.write(
        "deploy/app/test/deployment.yml",
        format!(
            "config_version: 2\ncommon:\n  source_code_url: https://git.example.com/app\n  project_user: root\n  \
             project_root: {}\n  venv_dir: {}\n  secrets: [{}]\n  service_file: files/app.service\n  \
             package_manager: {}\n  ssh_known_hosts: [{}]\nservers:\n  - host: host.example.com\n",
            json(root.to_str().expect("UTF-8")),
            json(venv.to_str().expect("UTF-8")),
            json(&secret),
            if case.uv { "uv" } else { "pip" },
            json(&line),
        ),
    );
    let script = host.rendered();
    let script = format!(
        "PWNED={} export PWNED\n{script}",
        host.path("pwned").display()
    );
    host.set_up(&script);
    // A second run changes nothing.
    let again = host.run(&script, &[]);
    let last = again.stdout.lines().last();
    assert_eq!(last, Some("setup: 0 changed, 10 ok"), "{case:?}: {again:?}");

    let put = fs::read(root.join("shared").join(&case.paths.secret)).expect("a secret");
    assert_eq!(put, case.secret, "{case:?}");
    assert_eq!(host.read("etc/systemd/system/app.service"), unit);
    assert_eq!(host.read("home/.ssh/known_hosts"), line + "\n");
    assert!(venv.join("bin/python").exists(), "{case:?}");
    assert!(!host.path("pwned").exists(), "{case:?} was executed");
}

#[test]
fn any_string_arrives_in_a_setup() {
    hold(server(), |case| sets_up("/bin/sh", &case));
}
