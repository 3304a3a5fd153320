//! The launcher of a release under the units that `init` writes: one env for all, and nothing that
//! the app can exchange is opened for it by systemd.

use crate::init::Newcomer;
use crate::support::{App, Host, Image, Repo};
use std::collections::BTreeMap;
use std::fs;

const ROOT: &str = "/home/deploy/apps/shop-production";

/// The variables in the `/proc/PID/environ` that a file of the host has.
fn environ(host: &Host, path: &str) -> BTreeMap<String, String> {
    let bytes = fs::read(host.path(path)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let pairs = text.split_terminator('\0').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

/// What the process that systemd watches was started with.
fn environ_of_app(host: &Host, unit: &str) -> BTreeMap<String, String> {
    let pid = host.root(&format!("systemctl show -P MainPID {unit}"));
    host.root(&format!("cat /proc/{pid}/environ >/root/environ"));
    environ(host, "/root/environ")
}

/// A Django app whose `migrate` keeps the environment that it got in shared/migrate.
fn repo() -> Repo {
    let repo = Repo::new(App::Django);
    repo.replace(
        "manage.py",
        "    os.environ.setdefault",
        "    if sys.argv[1] == \"migrate\":\n        \
             open(\"../../shared/migrate\", \"wb\").write(open(\"/proc/self/environ\", \"rb\").read())\n    \
             os.environ.setdefault",
    );
    repo.commit("migrate keeps its environment");
    repo
}

/// Each line that systemd's EnvironmentFile reads in another way than python-dotenv, and each kind
/// that both read alike; the values are python-dotenv's.
#[test]
fn trial_5_systemd_2836_4416_migrate_and_the_app_get_the_same_env() {
    let cases: Vec<(String, BTreeMap<String, String>)> =
        serde_json::from_str(include_str!("env-values.json")).unwrap();
    assert_eq!(cases.len(), 105);
    // The last two have quotes that nothing closes, so all else comes before.
    let (open, whole) = (&cases[103..], &cases[..103]);
    let text = |cases: &[(String, _)]| cases.iter().map(|case| &*case.0).collect::<String>();
    let host = Host::boot(Image::Ready);
    let newcomer = Newcomer::new("env");
    let shop = newcomer.start_with("shop", &repo(), &host, &text(whole));
    let check = |cases: &[(String, BTreeMap<String, String>)]| {
        let migrate = environ(&host, &format!("{ROOT}/shared/migrate"));
        let app = environ_of_app(&host, &shop.unit());
        for (line, expected) in cases {
            for (name, value) in expected {
                assert_eq!(migrate.get(name), Some(value), "migrate: {line:?}");
                assert_eq!(app.get(name), Some(value), "the app: {line:?}");
            }
        }
        let own = |environment: BTreeMap<String, String>| -> Vec<(String, String)> {
            let of_the_file =
                |name: &str| name.starts_with(['V', 'W', 'A', 'N']) && name != "NOTIFY_SOCKET";
            let pairs = environment.into_iter();
            pairs.filter(|(name, _)| of_the_file(name)).collect()
        };
        assert_eq!(own(migrate), own(app));
    };
    check(whole);
    assert!(shop.page().contains("greeting=shop\n"));
    let env = newcomer.path("deploy/shop/production/.env");
    let known = fs::read_to_string(&env).unwrap();
    let known = known.strip_prefix(&text(whole)).unwrap();
    fs::write(&env, format!("{known}{}", text(open))).unwrap();
    shop.run("deploy").expect(0);
    check(open);
}

/// The app, in its sandbox, puts other things in the place of shared/.env. Its unit starts all the
/// same, without them, and a deploy puts the link back.
#[test]
fn trial_2_what_the_app_puts_in_place_of_its_env_is_not_opened() {
    let host = Host::boot(Image::Ready);
    let repo = repo();
    let newcomer = Newcomer::new("planted");
    let shop = newcomer.start("shop", &repo, &host);
    let unit = shop.unit();
    host.root("umask 077; echo STOLEN=canary >/root/only");
    let planted = [
        "ln -s /root/only .env",
        "mkfifo .env",
        "mkdir -p .env/full",
        "ln -s /dev/zero .env",
        "echo STOLEN=canary >.env",
    ];
    for plant in planted {
        let pid = host.root(&format!("systemctl show -P MainPID {unit}"));
        host.root(&format!(
            "nsenter --target {pid} --mount setpriv --reuid deploy --regid deploy --clear-groups -- \
             sh -c 'cd {ROOT}/shared && rm -rf .env && {plant}'"
        ));
        host.root(&format!("timeout 20 systemctl restart {unit}"));
        assert!(shop.page().contains("greeting=shop\n"), "{plant}");
        assert_eq!(environ_of_app(&host, &unit).get("STOLEN"), None, "{plant}");
        let output = shop.run("deploy").expect(0);
        output.says("/shared/.env had been replaced");
        let link = host.root(&format!("readlink {ROOT}/shared/.env"));
        assert_eq!(link, "../current/.pystrano/env", "{plant}");
        assert_eq!(environ_of_app(&host, &unit).get("STOLEN"), None, "{plant}");
    }
    shop.run("deploy").expect(0).hides("had been replaced");
    assert!(shop.page().contains("greeting=shop\n"));
}
