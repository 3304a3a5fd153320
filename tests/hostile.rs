//! Any string, in any field that takes free text and in any value of the env file, arrives as that
//! string: in the arguments, the environment and the files that the commands of a deploy get.
//! `PYSTRANO_CASES=10000` tries that many; the quick part tries fewer.

mod sandbox;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sandbox::Sandbox;
use std::fs;

/// What a shell would act on, if it saw it bare.
const TRAPS: [&str; 18] = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "&& touch pwned",
    "| touch pwned",
    "> pwned",
    "'",
    "\"",
    "\\",
    "$HOME",
    "${IFS}",
    "*",
    "~",
    "#",
    "-rf",
    "!!",
    "%s\\n",
];

fn text(lines: bool) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(&TRAPS[..]).prop_map(str::to_owned),
        2 => "[^\\p{Cc}]{1,6}",
        1 => Just(if lines { "\n".to_owned() } else { " ".to_owned() }),
        1 => Just(if lines { "\t".to_owned() } else { "é🦀".to_owned() }),
    ];
    // A field of blanks alone counts as not set.
    prop::collection::vec(piece, 1..5).prop_map(|pieces| format!("x{}", pieces.concat()))
}

/// A name in a path: no slash, nothing that stands for a directory, no space at an end.
fn name() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| {
        format!(
            "n{}n",
            text.replace(['/', ':'], "_")
                .replace(';', ",")
                .replace("..", "_")
        )
    })
}

#[derive(Debug, Clone)]
struct Case {
    root: String,
    venv: String,
    dependency_file: String,
    secret: String,
    install: String,
    statics: String,
    migration: String,
    value: String,
    url: String,
}

fn case() -> impl Strategy<Value = Case> {
    (
        name(),
        name(),
        name(),
        name(),
        text(true),
        text(true),
        text(true),
        text(true),
        name(),
    )
        .prop_map(
            |(root, venv, dependency_file, secret, install, statics, migration, value, url)| Case {
                root,
                venv,
                dependency_file,
                secret,
                install,
                statics,
                migration,
                value,
                url,
            },
        )
}

/// A git that makes the smallest repository there can be.
const GIT: &str = r#"#!/bin/sh
for word in "$@"; do printf '%s\0' "$word"; done >>"$SANDBOX/calls/git"
case $1 in
clone) for to; do :; done; mkdir "$to" ;;
-C) echo 0123456789abcdef0123456789abcdef01234567 ;;
esac
"#;

const BASH: &str = r#"#!/bin/sh
for word in "$@"; do printf '%s\0' "$word"; done >>"$SANDBOX/calls/bash"
printf '%s\0' "$VALUE" >>"$SANDBOX/values"
"#;

/// Gives the arguments that a stand-in got.
fn calls(host: &Sandbox, name: &str) -> Vec<String> {
    let text = host.read(&format!("calls/{name}"));
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn arrives(host: &Sandbox, case: &Case, custom: bool) {
    let json = |text: &str| serde_json::to_string(text).expect("JSON");
    let at = host.dir.path().display();
    let root = format!("{at}/{}", case.root);
    let venv = format!("{at}/v{}", case.venv);
    for directory in [
        format!("{root}/releases"),
        format!("{root}/shared"),
        format!("{venv}/bin"),
    ] {
        fs::create_dir_all(directory).expect("a directory");
    }
    fs::write(format!("{root}/shared/{}", case.secret), "").expect("a secret");
    for program in ["python", "pip"] {
        let text = host.read(&format!("venv/bin/{program}"));
        host.program(&format!("v{}/bin/{program}", case.venv), &text);
    }
    // Quotes and backslashes mean something between single quotes in a dotenv file.
    let value = case.value.replace('\\', "\\\\").replace('\'', "\\'");
    host.write("files/.env", format!("VALUE='{value}'\n"));
    host.write(&format!("files/{}", case.secret), "");
    host.configure(&format!(
        "framework: fastapi\nproject_root: {}\nvenv_dir: {}\nsecrets: [{}]\nhealth_check_url: -\n\
         source_code_url: {}\nstatic_files_command: {}\nmigration_command: {}\n{}: {}",
        json(&root),
        json(&venv),
        json(&format!("{at}/files/{}", case.secret)),
        json(&format!("https://git.example.com/{}", case.url)),
        json(&case.statics),
        json(&case.migration),
        if custom {
            "dependency_install_command"
        } else {
            "dependency_file"
        },
        json(if custom {
            &case.install
        } else {
            &case.dependency_file
        }),
    ));
    host.write("deploy.sh", host.script().replace("sleep 3 #", ": #"));
    let ran = host
        .command(&["sh", "deploy.sh", "deploy", "r1"])
        .output()
        .expect("sh");
    assert!(
        ran.status.success(),
        "{case:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );

    let git = calls(host, "git");
    assert_eq!(
        git[8],
        format!("https://git.example.com/{}", case.url),
        "{git:?}"
    );
    assert_eq!(git[9], format!("{root}/releases/.new-r1"), "{git:?}");
    let mut commands = vec!["-c", &case.statics, "-c", &case.migration];
    if custom {
        commands.splice(0..0, ["-c", case.install.as_str()]);
    } else {
        assert_eq!(calls(host, "pip").last(), Some(&case.dependency_file));
    }
    assert_eq!(calls(host, "bash"), commands);
    let values = host.read("values");
    let values: Vec<&str> = values.split_terminator('\0').collect();
    assert_eq!(values[values.len() - 2..], [case.value.as_str(); 2]);
    let link = fs::read_link(format!("{root}/releases/r1/{}", case.secret)).expect("a link");
    assert_eq!(
        link.to_str(),
        Some(format!("../../shared/{}", case.secret).as_str())
    );
    for place in [
        host.path("pwned"),
        format!("{root}/releases/r1/pwned").into(),
    ] {
        assert!(!place.exists(), "{case:?} was executed");
    }
}

#[test]
fn any_string_arrives_as_that_string() {
    let cases =
        std::env::var("PYSTRANO_CASES").map_or(60, |cases| cases.parse().expect("a number"));
    let template = Sandbox::new();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(case(), any::<bool>()), |(case, custom)| {
            // In a dotenv file this means a value of an earlier line, however it is quoted.
            prop_assume!(!case.value.contains("${"));
            // A fresh place for each: what one run leaves must not help the next.
            let host = Sandbox::bare(&template);
            host.program("bin/git", GIT);
            host.program("bin/bash", BASH);
            arrives(&host, &case, custom);
            Ok(())
        })
        .expect("all strings arrive");
}

/// A value of the env file and a secret show up nowhere but in the files meant for them.
#[test]
fn secrets_stay_where_they_belong() {
    let host = Sandbox::new();
    host.write("files/.env", "TOKEN=canary-token\n");
    host.configure("");
    // Every command writes down what all processes were started with.
    host.program(
        "venv/bin/python",
        "#!/bin/sh\nfor p in /proc/[0-9]*; do cat $p/cmdline; echo; done >>\"$SANDBOX/argv\" 2>/dev/null\nexit 0\n",
    );
    for release in ["20260101000000", "20260102000000"] {
        let ran = host.run(&["sh"], &["deploy", release]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    }
    host.fail("pip");
    let ran = host.deploy();
    assert_eq!(ran.status, 3);
    assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    let argv = String::from_utf8_lossy(&fs::read(host.path("argv")).expect("argv")).into_owned();
    assert!(
        argv.contains("deploy.sh") && !argv.contains("canary"),
        "a secret in ps"
    );
    let snapshot = host.snapshot();
    let token = format!("{:?}", b"canary-token");
    let token = token.trim_matches(&['[', ']'][..]).to_owned();
    for line in snapshot.lines().filter(|line| line.contains(&token)) {
        assert!(
            line.contains("/shared/.env.2") && line.contains(" 100600 "),
            "{line}"
        );
    }
    assert!(snapshot.contains(&token));
}
