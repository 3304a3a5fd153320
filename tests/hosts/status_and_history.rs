//! `status` and `history` of several hosts.

use crate::support::{App, Fleet, Host, fleet};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Holds up a host's static step until the test removes the file.
const HELD: &str = "while [ -e /home/deploy/held ]; do sleep 0.1; done";

/// The events of a kind in the output of `--json`.
fn events(stdout: &str, kind: &str) -> Vec<Value> {
    let events = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"));
    events
        .filter(|event: &Value| event["event"] == kind)
        .collect()
}

#[test]
fn status_and_history_tell_of_all_hosts_what_each_of_them_has() {
    let Fleet {
        hosts,
        repo,
        mut project,
    } = fleet(App::Django, 2);
    project
        .env
        .insert("API_TOKEN".into(), "canary-token".into());
    project.set_server(1, "static_files_command", HELD);
    let labels: Vec<String> = hosts
        .iter()
        .map(|host| format!("127.0.0.1:{}", host.port()))
        .collect();
    let link = |host: &Host| host.root("basename $(readlink /home/deploy/demo/current)");
    let commit = |host: &Host| host.root("cat /home/deploy/demo/current/.pystrano/commit");

    let first = link(&hosts[0]);

    // One host is deployed to alone, and the unit of the other one dies.
    let ahead = repo.release("v2");
    project
        .run(&["deploy", "--host", &labels[1]])
        .expect(0)
        .hides("canary");
    assert_eq!(commit(&hosts[1]), ahead);
    assert_ne!(commit(&hosts[0]), ahead);
    hosts[0].root("systemctl kill --signal=KILL demo; until systemctl is-failed --quiet demo; do sleep 0.05; done");
    let since = hosts[0].root("systemctl show --property=InactiveEnterTimestamp --value demo");
    let status = project.run(&["status"]).expect(5);
    status
        .says("✗ Servers run different releases, or different commits")
        .says(&format!(
            "\n{}: demo.service is failed since {since}\n",
            labels[0]
        ))
        .hides("canary");
    for (host, (label, state)) in hosts.iter().zip(labels.iter().zip(["failed", "active"])) {
        let [since, _, _, by, _] = host.last_revision();
        let row = status
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("{label} ")))
            .expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        let release = link(host);
        assert_eq!(
            cells[..7],
            [
                label,
                &release,
                &commit(host)[..12],
                &since,
                &by,
                "demo.service",
                state
            ],
            "{status}"
        );
    }
    let json = project.run(&["status", "--json", "--verbose"]).expect(5);
    json.hides("canary");
    for (answer, (host, state)) in events(&json.stdout, "status")
        .iter()
        .zip(hosts.iter().zip(["failed", "active"]))
    {
        assert_eq!(answer["current"], link(host).as_str());
        assert_eq!(answer["commit"], commit(host).as_str());
        assert_eq!(answer["units"][0]["state"], state);
        let is_down = answer["units"][0]["since"].as_str();
        assert_eq!(is_down, (state == "failed").then_some(since.as_str()));
    }

    // A host that is ready waits for the other one, and keeps its lock meanwhile.
    hosts[1].root("touch /home/deploy/held");
    let deploy = project.start(&["deploy"]);
    let begin = Instant::now();
    let locked = format!("{} is locked: ", labels[0]);
    let line = loop {
        let output = project.run(&["status"]);
        let mut lines = output
            .stdout
            .lines()
            .filter(|line| line.starts_with(&locked));
        match lines.next() {
            Some(line) if line.contains(" waits ") => break line.to_owned(),
            _ => assert!(begin.elapsed() < Duration::from_secs(60), "{output}"),
        }
    };
    let parts = [
        " deploy 20",
        " since 20",
        " waits for the controller (ready), pid ",
    ];
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    hosts[1].root("rm /home/deploy/held");
    let ended = deploy.wait_with_output().expect("an end");
    assert!(ended.status.success(), "{ended:?}");
    project
        .run(&["status"])
        .expect(0)
        .hides(" is failed")
        .hides(" is locked");
    project.run(&["rollback", &first]).expect(0).hides("canary");
    let restarted = project.run(&["restart", "--json", "--verbose"]).expect(0);
    restarted.hides("canary");

    // The expected history: the entries of the hosts' logs, ordered by time.
    let mut runs: Vec<Vec<String>> = Vec::new();
    for (host, label) in hosts.iter().zip(&labels) {
        let log = host.read("/home/deploy/demo/.pystrano/revisions.log");
        runs.extend(log.lines().map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            words.insert(1, label.clone());
            words
        }));
    }
    runs.sort_by(|one, other| one[0].cmp(&other[0]));
    let results: Vec<&str> = runs.iter().map(|run| &*run[5]).collect();
    assert!(
        ["deployed", "rolled-back", "restarted"]
            .iter()
            .all(|result| results.contains(result)),
        "{runs:?}"
    );
    let json = project.run(&["history", "--json"]).expect(0);
    let told: Vec<Vec<String>> = events(&json.stdout, "run")
        .iter()
        .map(|run| {
            let fields = ["time", "host", "release", "commit", "by", "result"];
            fields
                .map(|field| run[field].as_str().expect("a text").to_owned())
                .to_vec()
        })
        .collect();
    assert_eq!(told, runs, "{json}");
    json.hides("canary");
    let table = project.run(&["history"]).expect(0);
    assert_eq!(table.stderr, "", "{table}");
    table.hides("canary");
    let rows: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["TIME", "SERVER", "RELEASE", "COMMIT", "BY", "RESULT"]
    );
    for (row, run) in rows[1..].iter().zip(&runs) {
        let mut run = run.clone();
        run[3].truncate(12);
        assert_eq!(*row, run, "{table}");
    }
    assert_eq!(rows.len(), runs.len() + 1, "{table}");
    let of_one = project.run(&["history", "--host", &labels[0]]).expect(0);
    of_one.hides(&labels[1]);
    assert_eq!(
        of_one.stdout.matches(&labels[0]).count(),
        runs.iter().filter(|run| run[1] == labels[0]).count()
    );
}
