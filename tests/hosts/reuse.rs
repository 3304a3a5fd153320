//! A deploy runs pip only if the virtualenv may not match the requirements.

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
    // The virtualenv was copied, so it is not recognized as the one that pip installed.
    assert!(!release());
    assert!(release());
    assert!(fixture.project.page(0).contains("idna=3.10"));

    // Packages were changed by hand.
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

    // The requirements change, and change back.
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
