//! `logs`: the lines of all hosts sorted by time, and `--follow`.

use super::support::{Fleet, ran};
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

    // More lines were requested than the app user may read.
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

    // A host without the sudo rule explains what to do; the logs of the others are shown nevertheless.
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
    // Lines that were shown already are not repeated, even if a new line has the same time.
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
