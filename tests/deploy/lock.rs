//! Waiting for a lock that another run holds.

use crate::sandbox::Sandbox;

/// A process that holds the lock of a sandbox, as a run does, until its stdin is closed.
fn holder(sandbox: &Sandbox) -> std::process::Child {
    use std::io::BufRead;
    let lock = sandbox.path("root/.pystrano/lock");
    let script = "exec 9>>\"$0\"; flock 9; echo \"bob@desk deploy 9 since now pid $$\" >\"$0\"; echo held; read -r _; exit 0";
    let mut holder = sandbox
        .command(&["bash", "-c", script])
        .arg(lock)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut line = String::new();
    let output = holder.stdout.as_mut().expect("stdout");
    std::io::BufReader::new(output)
        .read_line(&mut line)
        .expect("a line");
    assert_eq!(line, "held\n");
    holder
}

#[test]
fn a_lock_is_waited_for_when_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.configure("");
    sandbox.deployed("1");
    let mut other = holder(&sandbox);
    let held = "failed  lock, exit status 3: another run holds the lock on ";
    let ran = sandbox.run(&["sh"], &["deploy", "2"]);
    assert!(ran.status == 3 && ran.stderr.starts_with(held), "{ran:?}");
    let ran = sandbox.run(&["sh"], &["deploy", "2", "lock-wait=1"]);
    assert!(ran.status == 3 && ran.stderr.starts_with(held), "{ran:?}");
    assert!(ran.stderr.contains("bob@desk deploy 9"), "{ran:?}");
    let waits = "warning Waiting up to 1 s for another run, which holds the lock: bob@desk deploy 9 since now pid ";
    assert!(ran.stdout.starts_with(waits), "{ran:?}");
    for wrong in ["lock-wait=", "lock-wait=1m", "lock-wait=-1"] {
        assert_eq!(
            sandbox.run(&["sh"], &["deploy", wrong]).status,
            2,
            "{wrong}"
        );
    }

    // The wait ends when the controller disconnects, and on a signal.
    let mut session = sandbox.controlled(&["deploy", "2", "lock-wait=600"]);
    session.wait_for("done lock warning Waiting up to 600 s");
    session.hang_up();
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));
    let mut session = sandbox.controlled(&["rollback", "lock-wait=600"]);
    session.wait_for("done lock warning Waiting up to 600 s");
    let id = session.child.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(kill.expect("kill").success());
    assert_eq!(session.end(), ("end 3 stopped".to_owned(), 3));

    // The run continues when the lock is released, and then reads its orders.
    let mut session = sandbox.controlled(&["deploy", "2", "lock-wait=600", "barrier=20"]);
    session.wait_for("done lock warning Waiting up to 600 s");
    session.say("wait");
    other.stdin = None;
    session.wait_for("phase ready");
    session.say("migrate");
    session.wait_for("phase migrated");
    session.say("go");
    session.wait_for("phase promoted");
    session.say("keep");
    assert_eq!(session.end(), ("end 0 deployed".to_owned(), 0));
    assert_eq!(sandbox.current().as_deref(), Some("2"));
    assert_eq!(other.wait().expect("an end").code(), Some(0));
}
