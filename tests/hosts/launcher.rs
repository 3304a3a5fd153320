//! The launcher of a release (`.pystrano/run`) in the units that `init` writes: every process gets the same env,
//! and systemd opens no file for the app that the app could replace.

use crate::init::Newcomer;
use crate::support::{App, Host, Image, Release, Repo};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const ROOT: &str = "/home/deploy/apps/shop-production";

/// Parses a file on the host in the format of `/proc/PID/environ`.
fn environ(host: &Host, path: &str) -> BTreeMap<String, String> {
    let bytes = fs::read(host.path(path)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let pairs = text.split_terminator('\0').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

/// The initial environment of the unit's main process.
fn environ_of_app(host: &Host, unit: &str) -> BTreeMap<String, String> {
    let pid = host.root(&format!("systemctl show -P MainPID {unit}"));
    host.root(&format!("cat /proc/{pid}/environ >/root/environ"));
    environ(host, "/root/environ")
}

/// A Django app whose `migrate` saves its environment to shared/migrate.
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

/// Lines of env files, both those that systemd's EnvironmentFile parses differently from python-dotenv and those that
/// both parse alike. The expected values are python-dotenv's.
#[test]
fn trial_5_systemd_2836_4416_migrate_and_the_app_get_the_same_env() {
    get_the_same_env(Release::DEFAULT);
}

/// A line and the variables that python-dotenv parses from it; their names contain the number of the case.
type Case = (String, BTreeMap<String, String>);

pub fn get_the_same_env(release: Release) {
    let cases: Vec<Case> = serde_json::from_str(include_str!("env-values.json")).unwrap();
    assert_eq!(cases.len(), 105);
    // The last two lines have unterminated quotes, which would swallow any lines after them.
    let (open, whole) = (&cases[103..], &cases[..103]);
    let text = |cases: &[(String, _)]| cases.iter().map(|case| &*case.0).collect::<String>();
    let host = Host::boot_release(release, Image::Ready);
    let newcomer = Newcomer::new(&format!("env-{release:?}"));
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

    let differing = read_otherwise(&host, &cases);
    let mut warned = warned_of(&newcomer, &cases);
    if release != Release::Bookworm {
        // systemd 252 continues a comment that ends with a backslash on the next line; 257 does not.
        warned.retain(|number| !cases[*number].0.starts_with('#'));
    }
    assert!(differing.len() >= 40, "{differing:?}");
    assert_eq!(warned, differing);
}

/// The cases that systemd, given each in a file of its own, parses differently from python-dotenv.
fn read_otherwise(host: &Host, cases: &[Case]) -> BTreeSet<usize> {
    let mut unit = String::from("[Service]\nType=oneshot\n");
    for (number, (line, _)) in cases.iter().enumerate() {
        host.write(&format!("/root/env/{number}"), line);
        writeln!(unit, "EnvironmentFile=/root/env/{number}").unwrap();
    }
    unit += "ExecStart=/bin/cp /proc/self/environ /root/environ\n";
    host.write("/etc/systemd/system/seen.service", unit);
    host.root("systemctl daemon-reload && systemctl start seen");
    let seen = environ(host, "/root/environ");
    let differs = |(number, (line, expected)): (usize, &Case)| {
        let own = |name: &str| {
            line.starts_with(&format!("{name}="))
                || name.trim_start_matches(|c: char| c.is_ascii_alphabetic()) == number.to_string()
        };
        let seen: BTreeMap<_, _> = seen.iter().filter(|(name, _)| own(name)).collect();
        (seen != expected.iter().collect()).then_some(number)
    };
    cases.iter().enumerate().filter_map(differs).collect()
}

/// The cases for which `check` warns of the difference, if the unit has shared/.env as its EnvironmentFile.
fn warned_of(newcomer: &Newcomer, cases: &[Case]) -> BTreeSet<usize> {
    let root = "/home/deploy/seen";
    let put = |path: &str, text: &str| {
        let path = newcomer.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(
        "seen.service",
        &format!(
            "[Service]\nUser=deploy\nEnvironmentFile={root}/shared/.env\nExecStart=/bin/true\n"
        ),
    );
    let mut config = format!(
        "config_version: 2\ncommon:\n  source_code_url: git://example.com/seen.git\n  project_root: {root}\n\
         \x20 project_user: deploy\n  venv_dir: .venv\n  service_file: seen.service\nservers:\n"
    );
    for (number, (line, _)) in cases.iter().enumerate() {
        put(&format!("{number}.env"), line);
        writeln!(config, "  - {{host: h{number}, env_file: {number}.env}}").unwrap();
    }
    put("deploy/seen/production/deployment.yml", &config);
    let output = newcomer.run(&["check", "production", "seen"]).expect(0);
    let numbers = output.stderr.lines().filter_map(|line| {
        let (number, said) = line.strip_prefix("warning: ")?.split_once(".env:")?;
        said.contains("reads this line differently")
            .then(|| number.parse().unwrap())
    });
    numbers.collect()
}

/// From its sandbox, the app replaces shared/.env, and an earlier tool's log, by links, FIFOs, directories and devices.
/// Its unit still starts, without reading them, and a deploy restores the link. Read-only directories of a release are
/// removed with it.
#[test]
fn trial_2_what_the_app_puts_in_place_of_its_env_is_not_opened() {
    let host = Host::boot(Image::Ready);
    let repo = repo();
    let newcomer = Newcomer::new("planted");
    let shop = newcomer.start("shop", &repo, &host);
    let unit = shop.unit();
    host.root("umask 077; echo STOLEN=canary >/root/only");
    let planted = [
        ("ln -s /root/only .env", "mkfifo"),
        ("mkfifo .env", "mkdir"),
        ("mkdir -p .env/full", "ln -s /root/only"),
        ("ln -s /dev/zero .env", "ln -s /dev/zero"),
        ("echo STOLEN=canary >.env", "mkfifo"),
    ];
    for (plant, log) in planted {
        let pid = host.root(&format!("systemctl show -P MainPID {unit}"));
        host.root(&format!(
            "nsenter --target {pid} --mount setpriv --reuid deploy --regid deploy --clear-groups -- \
             sh -c 'cd {ROOT}/shared && rm -rf .env revisions.log && {plant} && {log} revisions.log'"
        ));
        host.root(&format!(
            "cd {ROOT}/current && runuser -u deploy -- sh -c 'mkdir -p cache/deep && touch cache/deep/file && chmod -R a-w cache'"
        ));
        host.root(&format!("timeout 20 systemctl restart {unit}"));
        assert!(shop.page().contains("greeting=shop\n"), "{plant}");
        assert_eq!(environ_of_app(&host, &unit).get("STOLEN"), None, "{plant}");
        let output = shop.run("deploy").expect(0);
        output.says("/shared/.env had been replaced");
        let link = host.root(&format!("readlink {ROOT}/shared/.env"));
        assert_eq!(link, "../current/.pystrano/env", "{plant}");
        let log = host.read(&format!("{ROOT}/.pystrano/revisions.log"));
        assert!(log.ends_with(" deployed\n"), "{log}");
        assert_eq!(environ_of_app(&host, &unit).get("STOLEN"), None, "{plant}");
    }
    shop.run("deploy").expect(0).hides("had been replaced");
    let log = host.read(&format!("{ROOT}/.pystrano/revisions.log"));
    assert_eq!(log.lines().count(), 7, "{log}");
    assert_eq!(host.root(&format!("ls {ROOT}/releases | wc -l")), "5");
    assert!(shop.page().contains("greeting=shop\n"));
}
