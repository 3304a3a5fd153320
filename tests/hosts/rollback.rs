//! `rollback` and `status` of a real application, by the controller and by running deploy.sh on the host.

use crate::support::{App, Deployed, deployed};
use serde_json::Value;

/// The event that `pystrano status --json` prints for the host.
fn status(fixture: &Deployed) -> Value {
    let output = fixture.project.run(&["status", "--json"]).expect(0);
    let mut lines = output.stdout.lines();
    let line = lines.find(|line| line.contains("\"event\":\"status\""));
    serde_json::from_str(line.expect("a status")).expect("an object")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn back_and_forth_through_the_controller_and_by_hand() {
    back_and_forth(deployed(App::Django));
}

/// Rolls back and forward, by the controller and by hand.
pub fn back_and_forth(mut fixture: Deployed) {
    let before = status(&fixture);
    let first = text(&before["current"]);

    let commit = fixture.repo.release("v2");
    let env = &mut fixture.project.env;
    env.insert("GREETING".into(), "second".into());
    fixture.project.run(&["deploy"]).expect(0);
    let seen = status(&fixture);
    let second = text(&seen["current"]);
    assert_eq!(seen["commit"], commit.as_str());
    assert_eq!(seen["units"][0]["name"], "demo.service");
    assert_eq!(seen["units"][0]["state"], "active");
    assert_eq!(seen["releases"], serde_json::json!([first]));
    let [since, _, _, by, _] = fixture.host.last_revision();
    assert_eq!((text(&seen["since"]), text(&seen["by"])), (since, by));

    // A rollback reverts code and env together, and runs no migrations.
    let output = fixture.project.run(&["rollback", "--verbose"]).expect(0);
    output.hides("Running migrations");
    let page = fixture.project.page(0);
    assert!(page.contains("version=v1\ngreeting=hello\n"), "{page}");
    let seen = status(&fixture);
    assert_eq!(seen["current"], first.as_str());
    assert_eq!(seen["commit"], before["commit"]);
    let [_, release, sha, _, result] = fixture.host.last_revision();
    assert_eq!((&*release, &*result), (&*first, "rolled-back"));
    assert_eq!(sha, text(&before["commit"]));

    // By hand, as the project user on the host.
    let words = ["render", "--output", "out"];
    fixture.project.run(&words).expect(0);
    let script = fixture.project.directory().join("out/127.0.0.1/deploy.sh");
    let script = std::fs::read(script).expect("a script");
    fixture.host.write("/srv/deploy.sh", script);
    let by_hand = |words: &str, code: i32| {
        let command = format!("sh /srv/deploy.sh {words}");
        fixture.host.ssh("deploy", &command).expect(code)
    };
    by_hand("rollback", 3).says("there is no earlier release to go back to");
    by_hand("rollback 20200101000000", 3).says("there is no release 20200101000000 to go back to");
    let output = by_hand(&format!("rollback {second}"), 0);
    output.hides("Running migrations");
    output.says(&format!("Rolled back to {second} ({commit})"));
    let page = fixture.project.page(0);
    assert!(page.contains("version=v2\ngreeting=second\n"), "{page}");
    let output = by_hand("status", 0);
    output.says(&format!("current   {second}\ncommit    {commit}\n"));
    output.says("unit      demo.service active\n");
    output.says(&format!("release   {first}\n"));
    output.hides("lock");

    // The log records that a release failed, and no rollback goes to it.
    fixture.repo.die_at_start();
    fixture.project.run(&["deploy"]).expect(1);
    let [_, failed, _, _, result] = fixture.host.last_revision();
    assert_eq!(result, "reverted");
    fixture.project.run(&["rollback", &failed]).expect(3);
    let page = fixture.project.page(0);
    assert!(page.contains("version=v2\n"), "{page}");

    // While a deploy runs, `status` names it as the holder of the lock.
    fixture.repo.write("gunicorn.conf.py", "");
    fixture.repo.release("v4");
    let deploy = fixture.project.start(&["deploy"]);
    let holder = (0..20).find_map(|_| {
        let output = fixture.host.ssh("deploy", "sh /srv/deploy.sh status");
        let line = output.stdout.lines().find(|line| line.starts_with("lock "));
        line.map(str::to_owned)
    });
    let holder = holder.expect("a lock");
    for part in [" deploy 20", " since 20", " pid "] {
        assert!(holder.contains(part), "{holder}");
    }
    let ended = deploy.wait_with_output().expect("an end");
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(status(&fixture)["lock"], Value::Null);
}
