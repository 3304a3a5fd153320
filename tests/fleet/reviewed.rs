//! `render --sign` and `deploy --from`: reviewed scripts are sent unchanged.

use super::support::{Fleet, OLD};
use std::fs;

/// Makes a signing key, and an allowed signers file for it.
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
    // Later changes of the config do not affect the scripts; hosts and arguments still come from the config.
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
        "ops/SHA256SUMS.sig signs these scripts; name the allowed signers",
    );
    refused(
        &["--from", "ops", "--allowed-signers", &others],
        "ops/SHA256SUMS.sig was not made by one of eve.allowed",
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
        "was not made by one of other.allowed",
    );
    // Changing a script together with its checksum invalidates the signature, and so does removing its checksum.
    let changed = reviewed.replace("keep_releases=5", "keep_releases=6");
    assert_ne!(changed, reviewed);
    fleet.write("ops/h2/deploy.sh", fleet.read("ops/h2/deploy.sh") + "\n");
    refused(&from, "ops/h2/deploy.sh is not as it was rendered");
    fleet.write(
        "ops/SHA256SUMS",
        sums.replace("h2/deploy.sh", "h3/deploy.sh"),
    );
    refused(
        &from,
        "ops/SHA256SUMS.sig was not made by one of ada.allowed",
    );
    // A render without a key removes the old signature, which would not match.
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
    // Files without an end, and FIFOs without a writer.
    for (file, make) in [
        ("h1/deploy.sh", "ln -s /dev/zero"),
        ("h1/deploy.sh", "mkfifo"),
        ("SHA256SUMS", "ln -s /dev/zero"),
        ("SHA256SUMS", "mkfifo"),
    ] {
        let script = format!("rm ops/{file} && {make} ops/{file}");
        let made = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(fleet.path(""))
            .status();
        assert!(made.expect("sh").success());
        refused(&["--from", "ops"], &format!("cannot read ops/{file}: "));
        fleet.run(&["render", "--output", "ops"]);
    }
    let unsigned = fleet.run(&["render", "--output", "ops", "--sign", "no-such-key"]);
    assert!(
        unsigned.code() == 2 && unsigned.stderr.contains("could not sign with no-such-key"),
        "{unsigned:?}"
    );
}

/// Another app of the same servers has scripts with the same names.
#[test]
fn scripts_of_another_app_are_not_sent() {
    let fleet = Fleet::new(2);
    assert_eq!(fleet.run(&["render", "--output", "ops"]).code(), 0);
    let others = std::process::Command::new("sh")
        .args(["-c", "sed -i 's|app=app/test$|app=other/test|' ops/h*/*.sh && cd ops && sha256sum h*/*.sh >SHA256SUMS"])
        .current_dir(fleet.path(""))
        .status();
    assert!(others.expect("sh").success());
    let ran = fleet.run(&["deploy", "--from", "ops"]);
    assert_eq!(ran.code(), 2, "{ran:?}");
    let told = "ops/h1/deploy.sh is not of app/test; name the directory that was rendered for it";
    assert!(ran.stderr.contains(told), "{ran:?}");
    assert_eq!(fleet.all_current(), [OLD; 2]);
}
