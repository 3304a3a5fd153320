//! The manual's CI jobs, run in an environment like that of a CI runner.

use crate::support::{App, Deployed, Output, client_home, deployed};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../src/manual/ci.md");

/// The indented block below a heading, without its indentation.
fn block(heading: &str) -> Vec<&'static str> {
    let lines = PAGE.lines().skip_while(|line| *line != heading).skip(2);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    lines
        .map(|line| line.strip_prefix("    ").unwrap_or(""))
        .collect()
}

/// The script of a job: the lines indented below `key`, each without its prefix `mark`.
fn script(block: &[&str], key: &str, mark: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let at = block.iter().position(|line| line.trim() == key).expect(key);
    let lines = block[at + 1..]
        .iter()
        .take_while(|line| indent(line) > indent(block[at]));
    let lines: Vec<&str> = lines
        .map(|line| line.trim_start().strip_prefix(mark).expect(mark))
        .collect();
    assert!(lines.len() >= 5, "{lines:?}");
    lines
        .join("\n")
        .replace("production shop", "production demo")
}

/// Runs a job's script in an empty home and a clean environment, without an ssh agent, and in a session of its own, so
/// that no program can prompt on the terminal.
fn runner(directory: &Path, shell: &[&str], script: &str, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_pystrano")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let job = home.path().join("job");
    fs::write(&job, script).unwrap();
    let copied = Command::new("cp")
        .args(["-r", "--"])
        .arg(directory)
        .arg(home.path().join("checkout"))
        .status();
    assert!(copied.unwrap().success());
    let output = Command::new("setsid")
        .args(["--wait", "unshare", "--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /root && cd /root/checkout && exec \"$@\" /root/job")
        .arg(home.path())
        .args(shell)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .env("HOME", "/root")
        .env("CI", "true")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output();
    output.unwrap().into()
}

#[test]
fn a_ci_job_deploys_the_commit_that_was_tested() {
    let Deployed {
        host,
        repo,
        mut project,
    } = deployed(App::Django);
    let tested = repo.release("tested");
    repo.release("pushed-since");
    project.unset("env_file");
    project.set("env_command", "printenv DOTENV");
    project.save();
    let key = fs::read_to_string(client_home().join(".ssh/id_ed25519")).unwrap();
    let host_key = host.read("/etc/ssh/ssh_host_ed25519_key.pub");
    let known = format!("[127.0.0.1]:{} {}", host.port(), host_key.trim_end());
    let env =
        "DATABASE=/home/deploy/demo/shared/db.sqlite3\nGREETING=from-ci\nAPI_TOKEN=canary-token";
    let variables = |commit| {
        [
            ("KEY", key.trim_end()),
            ("KNOWN_HOSTS", known.as_str()),
            ("DOTENV", env),
            commit,
        ]
    };
    let github = script(&block("## GitHub Actions"), "run: |", "");
    let gitlab = script(&block("## GitLab"), "script:", "- ");
    let commit = || host.root("cat /home/deploy/demo/current/.pystrano/commit");
    for (shell, script, commit_variable) in [
        (
            &["bash", "--noprofile", "--norc", "-eo", "pipefail"][..],
            &github,
            "GITHUB_SHA",
        ),
        (&["sh", "-e"], &gitlab, "CI_COMMIT_SHA"),
    ] {
        let output = runner(
            project.directory(),
            shell,
            script,
            &variables((commit_variable, &tested)),
        );
        let output = output.expect(0);
        output.hides("canary").hides("PRIVATE KEY").hides("\u{1b}");
        output.says("✓ Verified that the unit stays up");
        assert_eq!(commit(), tested);
        assert!(project.page(0).contains("version=tested"));
        assert!(project.page(0).contains("greeting=from-ci"));
    }
    // `--from` sends the scripts that were rendered and signed before, and refuses changed ones.
    let sign = "ssh-keygen -q -t ed25519 -N '' -f ada && echo \"ada $(cat ada.pub)\" >signers";
    let signer = Command::new("sh")
        .args(["-c", sign])
        .current_dir(project.directory())
        .status();
    assert!(signer.unwrap().success());
    let mut render = project.command(&["render", "--output", "ops", "--sign", "ada"]);
    Output::from(render.env("DOTENV", env).output().unwrap())
        .expect(0)
        .hides("canary");
    for words in [&["setup"][..], &["deploy"], &["rollback"]] {
        let from = ["--from", "ops", "--allowed-signers", "signers", "--json"];
        let mut command = project.command(&[words, &from[..]].concat());
        let output = Output::from(command.env("DOTENV", env).output().unwrap()).expect(0);
        output
            .hides("canary")
            .says("Good \"pystrano\" signature for ada with ED25519 key");
    }
    assert!(project.page(0).contains("greeting=from-ci"));
    fs::write(
        project.directory().join("ops/127.0.0.1/deploy.sh"),
        "#!/bin/sh\ntouch /home/deploy/changed\n",
    )
    .unwrap();
    let from = ["deploy", "--from", "ops", "--allowed-signers", "signers"];
    let output = Output::from(project.command(&from).env("DOTENV", env).output().unwrap());
    output.expect(2).says("deploy.sh is not as it was rendered");
    assert_eq!(host.exec("test -e /home/deploy/changed").code, 1);

    // A host whose key is not the one in known_hosts is refused.
    let other = known.replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ");
    let mut wrong = variables(("GITHUB_SHA", &tested));
    wrong[1].1 = &other;
    let output = runner(project.directory(), &["bash", "-e"], &github, &wrong);
    assert!(matches!(output.code, 3 | 4), "{output}");
    output.hides("canary").says("Host key verification failed");
}
