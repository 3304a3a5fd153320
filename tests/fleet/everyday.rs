//! `logs`, `restart`, `run` and what `deploy` takes for one time, on hosts that are directories.

use super::support::{Fleet, OLD, ran};
use std::fs;
use std::time::{Duration, Instant};

fn journal(fleet: &Fleet) {
    for (host, lines) in [
        (
            "h1",
            "1795691736.417513 app1 gunicorn[7]: one\n1795691738.000001 app1 gunicorn[7]: three is correct horse\n    and \x1b[31mmore\n",
        ),
        (
            "h2",
            "-- Boot 1 --\n1795691737.000000 app2 systemd[1]: two\n",
        ),
    ] {
        fleet.write(&format!("{host}/journal"), lines);
    }
}

const MERGED: &str = "\
h1 | 2026-11-26T11:15:36.417Z gunicorn[7]: one
h2 | 2026-11-26T11:15:37.000Z systemd[1]: two
h1 | 2026-11-26T11:15:38.000Z gunicorn[7]: three is [redacted]
h1 |     and more
";

#[test]
fn logs_of_all_hosts_come_by_their_time() {
    let fleet = Fleet::new(2);
    journal(&fleet);
    let all = fleet.run(&["logs"]);
    assert_eq!(
        (all.code(), all.stdout.as_str(), all.stderr.as_str()),
        (0, MERGED, "")
    );
    let one = fleet.run(&[
        "logs",
        "--host",
        "h1",
        "--lines",
        "2",
        "--unit",
        "app.service",
    ]);
    assert_eq!(
        one.stdout, "2026-11-26T11:15:38.000Z gunicorn[7]: three is [redacted]\n    and more\n",
        "{one:?}"
    );
    let since = fleet.run(&["logs", "--since", "2026-11-26T11:15:37Z"]);
    assert_eq!(
        since.stdout,
        MERGED.split_once('\n').expect("lines").1,
        "{since:?}"
    );
    let none = fleet.run(&["logs", "--since", "1m"]);
    assert_eq!(
        (none.code(), none.stdout.as_str(), none.stderr.as_str()),
        (0, "", "")
    );
    let json = fleet.run(&["logs", "--json", "--host", "h2"]);
    assert!(json.stdout.contains(r#""host":"h2","event":"log","time":"2026-11-26T11:15:37.000Z","line":"systemd[1]: two""#), "{json:?}");
    assert!(
        !json.stdout.contains("short-unix") && json.code() == 0,
        "{json:?}"
    );
    for (words, told) in [
        (
            &["logs", "--unit", "other.service"][..],
            "h1 has no unit \"other.service\"; it has app.service",
        ),
        (&["logs", "--lines", "0"], "0 is not in 1..=10000"),
        (&["logs", "--since", "yesterday"], "write `90s`"),
    ] {
        let wrong = fleet.run(words);
        assert!(
            wrong.code() == 2 && wrong.stderr.contains(told),
            "{wrong:?}"
        );
    }
    let dry = fleet.run(&["logs", "--dry-run", "--follow", "--since", "2h"]);
    assert!(
        dry.stdout.contains("  logs.sh follow since=-7200 who=ada@"),
        "{dry:?}"
    );

    // More was asked for than the app user may read.
    let long = "1795691736.417513 app2 gunicorn[7]: one of many\n".repeat(10_000);
    fleet.write("h2/journal", long);
    let cut = fleet.run(&[
        "logs",
        "--host",
        "h2",
        "--lines",
        "1",
        "--since",
        "2026-01-01T00:00:00Z",
    ]);
    assert!(
        cut.code() == 0
            && cut
                .stderr
                .contains("! The log of app.service has more since then"),
        "{cut:?}"
    );
    assert_eq!(cut.stdout.lines().count(), 1);
    journal(&fleet);

    // A host that has no such right says what to do; the others' logs are there all the same.
    fleet.write("h1/fail/journalctl-rule", "");
    let denied = fleet.run(&["logs"]);
    assert_eq!(denied.code(), 1, "{denied:?}");
    assert_eq!(
        denied.stdout,
        "h2 | 2026-11-26T11:15:37.000Z systemd[1]: two\n"
    );
    assert!(
        denied
            .stderr
            .contains("may not read the log of app.service here; run setup.sh again"),
        "{denied:?}"
    );
}

#[test]
fn logs_are_followed_until_they_are_interrupted() {
    let fleet = Fleet::new(2);
    journal(&fleet);
    let output = fs::File::create(fleet.path("shown")).expect("a file");
    let mut command = fleet.command(&["logs", "--follow", "--lines", "1"]);
    let follower = command.stdout(output).spawn().expect("pystrano");
    fleet.wait_for("shown", "two\n");
    // Of the lines that are there already none comes again, not even of one time.
    let more = |host: &str, lines: &str| {
        fleet.write(&format!("{host}/new"), lines);
        let at = |name: &str| fleet.path(&format!("{host}/{name}"));
        fs::rename(at("new"), at("more")).expect("a file");
    };
    more(
        "h1",
        "1795691738.000001 app1 gunicorn[7]: of the same time\n1795691739.000000 app1 gunicorn[7]: four\n",
    );
    more(
        "h2",
        "1795691740.000000 app2 gunicorn[8]: pass: correct horse\n",
    );
    fleet.wait_for("shown", "four\n");
    fleet.wait_for("shown", "pass: [redacted]\n");
    let began = Instant::now();
    let id = rustix::process::Pid::from_child(&follower);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("a signal");
    let followed = ran(follower);
    assert_eq!((followed.code(), followed.stderr.as_str()), (130, ""));
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    let shown = fleet.read("shown");
    let mut lines: Vec<_> = shown.lines().collect();
    lines.sort_unstable();
    let expected = [
        "h1 |     and more",
        "h1 | 2026-11-26T11:15:38.000Z gunicorn[7]: of the same time",
        "h1 | 2026-11-26T11:15:39.000Z gunicorn[7]: four",
        "h2 | 2026-11-26T11:15:37.000Z systemd[1]: two",
        "h2 | 2026-11-26T11:15:40.000Z gunicorn[8]: pass: [redacted]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_restart_is_of_all_hosts_and_makes_no_release() {
    let fleet = Fleet::new(3);
    let restarted = fleet.run(&["restart", "--lock-wait", "5"]);
    assert_eq!(restarted.code(), 0, "{restarted:?}");
    assert!(
        restarted
            .stderr
            .contains(&format!("✓ Restarted {OLD} on 3 servers in ")),
        "{restarted:?}"
    );
    let mut order = fleet.order("restart");
    order.sort();
    assert_eq!(order, ["h1", "h2", "h3"]);
    assert!(fleet.read("h1/calls").contains("restart lock-wait=5 "));
    fleet.write("h2/fail/old", "");
    fleet.write("h2/fail/curl", "");
    fleet.write(
        "h2/journal",
        "9999999999.000000 app2 gunicorn[8]: it is correct horse\n",
    );
    let failed = fleet.run(&["restart"]);
    assert_eq!(failed.code(), 1, "{failed:?}");
    assert!(
        failed
            .stderr
            .contains("h2 | ✗ verify failed with exit status 1"),
        "{failed:?}"
    );
    assert!(
        failed
            .stderr
            .contains("h2 |     gunicorn[8]: it is [redacted]\n"),
        "{failed:?}"
    );
    assert_eq!(fleet.all_current(), [OLD; 3].map(str::to_owned));
    fleet.configure("");
    let text = fleet.read("deploy/app/test/deployment.yml");
    let unit = text
        .lines()
        .find(|line| line.contains("service_file"))
        .expect("a unit");
    fleet.write(
        "deploy/app/test/deployment.yml",
        text.replace(&format!("{unit}\n"), ""),
    );
    for command in ["restart", "logs"] {
        let none = fleet.run(&[command]);
        assert!(
            none.code() == 2
                && none
                    .stderr
                    .contains("h1 has no unit; name its `service_file`"),
            "{none:?}"
        );
    }
}

#[test]
fn a_revision_or_branch_is_for_one_time() {
    let fleet = Fleet::new(1);
    fleet.configure("  revision: v1\n");
    let script = |words: &[&str]| {
        let ran = fleet.run(&[&["deploy", "--dry-run", "--verbose"], words].concat());
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran.stdout
    };
    let other = script(&["--revision", "v2"]);
    assert!(
        other.contains("\trevision=v2\n") && other.contains("\tbranch=main\n"),
        "{other}"
    );
    let branch = script(&["--branch", "topic/x"]);
    assert!(
        branch.contains("\tbranch=topic/x\n") && !branch.contains("\trevision="),
        "{branch}"
    );
    fleet.configure("");
    let pinned = script(&["--revision", "v2"]);
    assert!(
        pinned.contains("\trevision=v2\n") && !pinned.contains("--depth"),
        "{pinned}"
    );
    assert!(!script(&[]).contains("\trevision="));
    for (words, told) in [
        (["--revision", "-x"], "starts with `-`"),
        (["--revision", "a b"], "revision"),
        (["--branch", "a..b"], "it has `..`"),
        (
            ["--branch", "0123456789abcdef0123456789abcdef01234567"],
            "is a commit, not a branch",
        ),
    ] {
        let wrong = fleet.run(&["deploy", &format!("{}={}", words[0], words[1])]);
        assert!(
            wrong.code() == 2 && wrong.stderr.contains(told),
            "{wrong:?}"
        );
    }
    assert!(!fleet.path("h1/ssh").exists(), "nothing is contacted");
}

#[test]
fn a_command_runs_in_the_current_release_of_one_host() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;
    let fleet = Fleet::new(2);
    for host in ["h1", "h2"] {
        let launcher = format!("{host}/root/releases/{OLD}/.pystrano/run");
        fleet.write(
            &launcher,
            format!("#!/bin/sh\nHOST_OF_RUN={host} exec \"$@\"\n"),
        );
        fs::set_permissions(fleet.path(&launcher), fs::Permissions::from_mode(0o700))
            .expect("a mode");
    }
    let odd = [
        "",
        "a b",
        "it's",
        "$HOME `id` \\ \"",
        "*",
        "-- -x",
        "new\nline",
        "!1 ä",
    ];
    let mut words = vec![
        "run",
        "--",
        "sh",
        "-c",
        "cat; printf '<%s>' \"$HOST_OF_RUN\" \"$@\"; echo told >&2; exit 42",
        "sh",
    ];
    words.extend(odd);
    let mut child = fleet
        .command(&words)
        .stdin(Stdio::piped())
        .spawn()
        .expect("pystrano");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(b"in\0put")
        .expect("input");
    let output = ran(child);
    let said: String = odd.iter().map(|word| format!("<{word}>")).collect();
    assert_eq!((output.code(), output.stderr.as_str()), (42, "told\n"));
    assert_eq!(output.stdout, format!("in\0put<h1>{said}"));
    let other = fleet.run(&[
        "run",
        "--host",
        "h2",
        "--",
        "sh",
        "-c",
        "echo $HOST_OF_RUN; kill -KILL $$",
    ]);
    assert_eq!(
        (other.code(), other.stdout.as_str()),
        (137, "h2\n"),
        "{other:?}"
    );
    let dry = fleet.run(&["run", "--dry-run", "--", "true"]);
    assert!(dry.stdout.contains(" -T -o BatchMode=yes -a "), "{dry:?}");
    fs::remove_file(fleet.path(&format!("h1/root/releases/{OLD}/.pystrano/run"))).expect("a file");
    let none = fleet.run(&["run", "--", "true"]);
    assert!(
        none.code() == 3 && none.stderr.contains("no release runs here"),
        "{none:?}"
    );
    let long = fleet.run(&["run", "--", &"x".repeat(100_000)]);
    assert!(
        long.code() == 2 && long.stderr.contains("the command is too long"),
        "{long:?}"
    );
    let unknown = fleet.run(&["run", "--host", "h3", "--", "true"]);
    assert!(
        unknown.code() == 2 && unknown.stderr.contains("no server is called \"h3\""),
        "{unknown:?}"
    );
}

/// A config whose env comes from a command; it is said how often that ran.
fn with_env_command(fleet: &Fleet, command: &str) {
    fleet.configure("");
    let text = fleet.read("deploy/app/test/deployment.yml");
    let file = text
        .lines()
        .find(|line| line.contains("env_file"))
        .expect("an env file");
    let text = text.replace(file, &format!("  env_command: {command}"));
    fleet.write("deploy/app/test/deployment.yml", text);
}

#[test]
fn an_env_command_gives_the_env_and_shows_it_to_nobody() {
    let fleet = Fleet::new(2);
    fleet.write("vault", "PASSWORD='canary horse'\nGREETING=hello\n");
    with_env_command(&fleet, "echo ran >>runs; cat vault; echo noticed >&2");
    let checked = fleet.run(&["check"]);
    assert!(
        checked.code() == 0 && !fleet.path("runs").exists(),
        "{checked:?}"
    );
    let deployed = fleet.run(&["deploy", "--verbose"]);
    assert_eq!(deployed.code(), 0, "{deployed:?}");
    assert_eq!(fleet.read("runs"), "ran\n", "once for both servers");
    assert!(deployed.stderr.starts_with("noticed\n"), "{deployed:?}");
    for host in fleet.hosts() {
        let release = fleet.current(&host);
        let env = fleet.read(&format!("{host}/root/releases/{release}/.pystrano/env"));
        assert_eq!(env, "PASSWORD='canary horse'\nGREETING=hello\n");
    }
    fleet.write(
        "h1/journal",
        "1795691736.417513 app1 gunicorn[7]: canary horse\n",
    );
    for words in [
        &["logs"][..],
        &["status"],
        &["restart"],
        &["deploy", "--dry-run", "--verbose"],
        &["render"],
        &["rollback", "--json"],
    ] {
        let ran = fleet.run(words);
        assert_eq!(ran.code(), 0, "{ran:?}");
        let said = ran.stdout + &ran.stderr;
        assert!(
            !said.contains("canary") && !said.contains("Y2FuYXJ5"),
            "{words:?}: {said}"
        );
    }
    assert!(deployed.stdout.is_empty() && !deployed.stderr.contains("canary"));
    for (command, told) in [
        (
            "echo canary=horse; exit 3",
            "error: env_command: \"echo canary=horse; exit 3\" failed with exit status: 3; run it by hand",
        ),
        ("'true'", "error: env_command: \"true\" printed nothing"),
        (
            "printf 'A=1\\0'",
            "\"output of env_command\" has a NUL character in its line 1",
        ),
        (
            "cat https://ada:hunter22@vault.example.com/",
            "\"cat https://ada:",
        ),
    ] {
        with_env_command(&fleet, command);
        let failed = fleet.run(&["deploy"]);
        assert!(
            failed.code() == 2 && failed.stderr.contains(told),
            "{command}: {failed:?}"
        );
        assert!(!failed.stderr.contains("hunter22 "), "{failed:?}");
    }
}

/// The key of a signer, and a file that allows it.
fn key(fleet: &Fleet, name: &str) -> String {
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(fleet.path(name))
        .status();
    assert!(made.expect("ssh-keygen").success());
    let public = fleet.read(&format!("{name}.pub"));
    let words: Vec<&str> = public.split(' ').collect();
    fleet.write(
        &format!("{name}.allowed"),
        format!(
            "{name}@example.com namespaces=\"pystrano\" {} {}\n",
            words[0], words[1]
        ),
    );
    format!("{name}.allowed")
}

#[test]
fn reviewed_scripts_are_sent_as_they_were_reviewed_or_not_at_all() {
    let fleet = Fleet::new(2);
    let signers = key(&fleet, "ada");
    let others = key(&fleet, "eve");
    let rendered = fleet.run(&["render", "--output", "ops", "--sign", "ada"]);
    assert!(
        rendered.code() == 0 && fleet.path("ops/SHA256SUMS.sig").exists(),
        "{rendered:?}"
    );
    let by_hand = std::process::Command::new("sh")
        .args(["-c", "ssh-keygen -Y verify -f ada.allowed -I ada@example.com -n pystrano -s ops/SHA256SUMS.sig <ops/SHA256SUMS && cd ops && sha256sum -c --quiet SHA256SUMS"])
        .current_dir(fleet.path(""))
        .status();
    assert!(by_hand.expect("ssh-keygen").success());
    // What the config says since then is not in the scripts; hosts and arguments come from it.
    fleet.configure("  keep_releases: 1\n");
    let reviewed = fleet.read("ops/h1/deploy.sh");
    let from = ["--from", "ops", "--allowed-signers", &signers];
    let deploy = |words: &[&str]| fleet.run(&[&["deploy"], words].concat());
    let deployed = deploy(&[&from[..], &["--lock-wait", "3"]].concat());
    assert_eq!(deployed.code(), 0, "{deployed:?}");
    assert!(
        deployed.stderr.starts_with(
            "Good \"pystrano\" signature for ada@example.com with ED25519 key SHA256:"
        ),
        "{deployed:?}"
    );
    assert_eq!(
        fleet.releases("h1").len(),
        3,
        "the reviewed script keeps five"
    );
    let dry = deploy(&[&from[..], &["--dry-run", "--verbose"]].concat());
    let sums = fleet.read("ops/SHA256SUMS");
    let sum = sums
        .lines()
        .find(|line| line.ends_with("h1/deploy.sh"))
        .expect("a sum");
    assert!(
        dry.stdout.contains(sum.split(' ').next().expect("a sum"))
            && !dry.stdout.contains("#!/bin/sh"),
        "{dry:?}"
    );
    let back = fleet.run(&[&["rollback"], &from[..]].concat());
    assert!(
        back.code() == 0 && fleet.all_current() == [OLD; 2],
        "{back:?}"
    );
    let heard = fleet
        .hosts()
        .map(|host| fs::remove_file(fleet.path(&format!("{host}/ssh"))));
    assert!(heard.into_iter().all(|removed| removed.is_ok()));

    let refused = |words: &[&str], told: &str| {
        let ran = deploy(words);
        assert!(
            ran.code() == 2 && ran.stderr.contains(told),
            "{words:?}: {ran:?}"
        );
        assert!(
            fleet
                .hosts()
                .all(|host| !fleet.path(&format!("{host}/ssh")).exists()),
            "{words:?}"
        );
    };
    refused(
        &["--from", "ops"],
        "ops/SHA256SUMS.sig is there to be checked; name who may have signed",
    );
    refused(
        &["--from", "ops", "--allowed-signers", &others],
        "ops/SHA256SUMS.sig is not by one of eve.allowed",
    );
    refused(
        &["--from", "ops", "--revision", "v1"],
        "cannot be used with",
    );
    fleet.write(
        "other.allowed",
        fleet.read(&signers).replace("pystrano", "file"),
    );
    refused(
        &["--from", "ops", "--allowed-signers", "other.allowed"],
        "is not by one of other.allowed",
    );
    // Somebody who changes a script and its sum has no signature for that; without the sum it is no different.
    let changed = reviewed.replace("keep_releases=5", "keep_releases=6");
    assert_ne!(changed, reviewed);
    fleet.write("ops/h2/deploy.sh", fleet.read("ops/h2/deploy.sh") + "\n");
    refused(&from, "ops/h2/deploy.sh is not as it was rendered");
    fleet.write(
        "ops/SHA256SUMS",
        sums.replace("h2/deploy.sh", "h3/deploy.sh"),
    );
    refused(&from, "ops/SHA256SUMS.sig is not by one of ada.allowed");
    // Rendered again without a key, there is no signature that could be of something else.
    assert_eq!(
        fleet
            .run(&["render", "--output", "ops", "--host", "h1"])
            .code(),
        0
    );
    assert!(!fleet.path("ops/SHA256SUMS.sig").exists());
    refused(&from, "ops/SHA256SUMS is not signed");
    refused(&["--from", "ops"], "ops/SHA256SUMS has no h2/deploy.sh");
    assert_eq!(
        fleet.run(&["render", "--output", "ops", "--redact"]).code(),
        0
    );
    refused(
        &["--from", "ops"],
        "ops/h1/deploy.sh has no secrets and refuses to run",
    );
    refused(&["--from", "none"], "cannot read none/SHA256SUMS");
    let unsigned = fleet.run(&["render", "--output", "ops", "--sign", "no-such-key"]);
    assert!(
        unsigned.code() == 2 && unsigned.stderr.contains("could not sign with no-such-key"),
        "{unsigned:?}"
    );
}
