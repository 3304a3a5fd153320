//! A deploy asks pip only where pip could find something to do.

use crate::support::{App, deployed};

#[test]
fn pip_is_asked_when_its_answer_may_differ() {
    let fixture = deployed(App::Django);
    let release = || {
        let output = fixture.project.run(&["deploy", "--verbose"]).expect(0);
        let none = output
            .stderr
            .contains("Python dependencies are installed already");
        assert_ne!(
            none,
            output.stderr.contains("Installed Python dependencies")
        );
        none
    };
    fixture.own_venv();
    // Its packages were copied: it is not the one that pip left.
    assert!(!release());
    assert!(release());
    assert!(fixture.project.page(0).contains("idna=3.10"));

    // Somebody's hands were in it.
    let pip = "/home/deploy/.venv/bin/pip -q";
    fixture
        .host
        .root(&format!("runuser -u deploy -- {pip} install idna==3.9"));
    assert!(!release());
    assert!(release());
    fixture
        .host
        .root(&format!("runuser -u deploy -- {pip} uninstall -y idna"));
    assert!(!release());
    assert!(fixture.project.page(0).contains("idna=3.10"));

    // Another dependency file, and the first one again.
    fixture
        .repo
        .replace("requirements.txt", "idna==3.10", "idna==3.9");
    fixture.repo.commit("older");
    assert!(!release());
    assert!(fixture.project.page(0).contains("idna=3.9"));
    assert!(release());
    fixture
        .repo
        .replace("requirements.txt", "idna==3.9", "idna==3.10");
    fixture.repo.commit("newer");
    assert!(!release());
    assert!(fixture.project.page(0).contains("idna=3.10"));
}
