//! `init` on a terminal, with answers and without.

use crate::terminal::{Terminal, is_colored};
use crate::{pystrano, read};
use assert_cmd::Command;
use std::fs;
use tempfile::TempDir;

/// Answers all questions in order; `\r` alone accepts the default.
fn answer(terminal: &mut Terminal, unit: &str) {
    for (question, keys) in [
        ("? Framework", "\r"),
        ("? App directory", "\r"),
        ("? Project user", "\r"),
        ("? Virtualenv directory", "\r"),
        ("? Package manager", "\u{1b}[B\r"),
        ("? Dependency file (uv.lock)", "\r"),
        ("? Python version", "\r"),
        ("? Application import path (shop.wsgi:application)", "\r"),
        ("? Service port", "eight\r"),
        (
            "is not a number from 1 to 65535",
            "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}8123\r",
        ),
        ("? Git repository URL", "\r"),
        ("it needs an answer", "git@code.example.com:you/shop.git\r"),
        ("? Remote project root", "\r"),
        ("? Releases to keep", "\r"),
        ("? Custom dependency install command", "\r"),
        ("? System packages", "\r"),
        ("? Local dotenv file", "\r"),
        ("? SSH known hosts", "\r"),
        ("? Local systemd service file", unit),
        ("? Celery application", "\r"),
        ("? Worker command", "\r"),
        ("? Git branch", "\r"),
        ("? Git clone depth", "\r"),
        ("? Secret files", "\r"),
        ("? Run migrations", "\r"),
        ("? Collect/build static files", "n\r"),
        ("? Server host", "you@www.example.com\r"),
        ("names a user", ""),
    ] {
        terminal.expect(question).send(keys);
    }
    for _ in 0.."you@www.example.com".len() {
        terminal.send("\u{7f}");
    }
    terminal
        .send("www.example.com\r")
        .expect("? SSH port (optional)")
        .send("\r");
}

#[test]
fn a_person_answers_on_a_terminal() {
    let directory = TempDir::new().unwrap();
    let words = ["init", "production", "shop"];
    let mut terminal = Terminal::start(directory.path(), &words);
    answer(&mut terminal, "\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("wrote ./deploy/shop/production/deployment.yml"),
        "{shown}"
    );
    let config = read(&directory, "deploy/shop/production/deployment.yml");
    for line in [
        "package_manager: \"uv\"",
        "dependency_file: \"uv.lock\"",
        "- host: \"www.example.com\"",
        "- \"code.example.com\"",
        "collect_static_files: false",
    ] {
        assert!(config.contains(line), "{line} is not in\n{config}");
    }
    pystrano(&directory, &["check", "production", "shop"]).success();

    // If the config is not to be overwritten, nothing else is asked.
    let mut terminal = Terminal::start(directory.path(), &words);
    terminal
        .expect("? Overwrite ./deploy/shop/production/deployment.yml?")
        .send("\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("nothing was written"), "{shown}");

    // The config is overwritten, and a unit that was edited is kept.
    let unit = "deploy/shop/production/shop-production.service";
    fs::write(directory.path().join(unit), "changed\n").unwrap();
    let mut terminal = Terminal::start(directory.path(), &words);
    terminal
        .expect("? Overwrite ./deploy/shop/production/deployment.yml?")
        .send("y\r");
    answer(&mut terminal, "\r");
    terminal
        .expect("? Overwrite ./deploy/shop/production/shop-production.service?")
        .send("n\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(&format!("kept ./{unit}")), "{shown}");
    assert_eq!(read(&directory, unit), "changed\n");
}

/// The defaults come from the app's files.
#[test]
fn a_person_is_offered_what_the_checkout_shows() {
    let directory = TempDir::new().unwrap();
    for (file, text) in [
        (".git/HEAD", "ref: refs/heads/develop\n"),
        ("app/web.py", "api = FastAPI()\n"),
        ("uv.lock", "name = \"uvicorn\"\n"),
    ] {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let words = ["init", "production", "shop", "--user", "shop"];
    let mut terminal = Terminal::start(directory.path(), &words);
    terminal.expect("found app/web.py, uv.lock, the branch develop");
    for (question, keys) in [
        ("> fastapi", "\r"),
        ("? App directory (optional)", "\r"),
        ("? Virtualenv directory", "\r"),
        ("> uv", "\u{1b}[A\r"),
        ("? Dependency file (requirements.txt)", "uv.lock\r"),
        ("? Python version", "\r"),
        ("? Application import path (app.web:api)", "\u{3}"),
    ] {
        terminal.expect(question).send(keys);
    }
    assert_eq!(terminal.end().0, 130);
}

/// Invalid options are reported before the first question, so that no answers are lost.
#[test]
fn wrong_options_are_told_on_a_terminal_at_once() {
    let directory = TempDir::new().unwrap();
    let options = [
        "--port",
        "022",
        "--branch",
        "a..b",
        "--migration-command",
        "x",
    ];
    let words = [&["init", "production", "shop"][..], &options].concat();
    let terminal = Terminal::start(directory.path(), &words);
    let (code, shown) = terminal.end();
    assert_eq!(code, 2, "{shown}");
    for says in [
        "error: --branch: git does not take",
        "error: --port: \"022\"",
    ] {
        assert!(shown.contains(says), "{shown}");
    }
    assert!(!shown.contains('?'), "{shown}");
}

#[test]
fn ctrl_c_leaves_nothing() {
    for answered in [0, 1, 5] {
        let directory = TempDir::new().unwrap();
        let mut terminal = Terminal::start(directory.path(), &["init", "production", "shop"]);
        let questions = [
            "? Framework",
            "? App directory",
            "? Project user",
            "? Virtualenv",
            "? Package",
            "? Dependency",
            "? Python",
            "? Application",
        ];
        for question in &questions[..answered] {
            terminal.expect(question).send("\r");
        }
        terminal.expect(questions[answered]).send("\u{3}");
        let (code, shown) = terminal.end();
        assert_eq!(code, 130, "{shown}");
        assert!(shown.contains("nothing was written"), "{shown}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

/// Prompts, help and errors are colored by the same rules as all other output.
#[test]
fn colors_are_decided_once() {
    let directory = TempDir::new().unwrap();
    for (environment, color, colored) in [
        (&[][..], "auto", true),
        (&[], "never", false),
        (&[("NO_COLOR", "1")], "auto", false),
        (&[("NO_COLOR", "1")], "always", true),
        (&[("NO_COLOR", "")], "auto", true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], "auto", false),
        (&[("CLICOLOR_FORCE", "0")], "never", false),
    ] {
        let color = format!("--color={color}");
        for words in [
            &["--help"][..],
            &["init", "--help"],
            &["init", "--nonsense"],
        ] {
            let words = [&[color.as_str()], words].concat();
            let terminal = Terminal::start_in(directory.path(), &words, environment);
            let (_, shown, found) = terminal.end_with_color();
            assert_eq!(found, colored, "{environment:?} {words:?}\n{shown}");
        }
        let words = [color.as_str(), "init", "production", "shop"];
        let mut terminal = Terminal::start_in(directory.path(), &words, environment);
        terminal.expect("? Framework").send("\u{3}");
        let (_, shown, found) = terminal.end_with_color();
        assert_eq!(found, colored, "{environment:?} {words:?}\n{shown}");
    }
    for (environment, color, colored) in [
        (&[][..], "auto", false),
        (&[], "always", true),
        (&[("CLICOLOR_FORCE", "1")], "auto", true),
        (&[("CLICOLOR_FORCE", "")], "auto", false),
        (&[("CLICOLOR_FORCE", "1")], "never", false),
    ] {
        for words in [&["--help"][..], &["init", "--nonsense"]] {
            let output = Command::cargo_bin("pystrano")
                .unwrap()
                .args(["--color", color])
                .args(words)
                .env_remove("NO_COLOR")
                .env_remove("CLICOLOR_FORCE")
                .envs(environment.iter().copied())
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert_eq!(
                is_colored(&said),
                colored,
                "{environment:?} {words:?}\n{said}"
            );
        }
    }
}
