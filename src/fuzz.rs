//! What must hold for any bytes, of readers of foreign text: for tests/fuzz and, with a few mutations of known
//! texts each, for `cargo test`.

use crate::config::{self, ConfigError, KnownHost};
use crate::protocol::Event;
use crate::script::{self, ScriptKind, Secrets};
use crate::ssh::{Lines, Piece, Redactor, strip_terminal_codes};
use std::collections::HashMap;
use std::path::Path;

/// A config is read whole, and gives scripts; or each mistake has a place in the text, and can be printed.
pub fn yaml(bytes: &[u8]) {
    let mistakes = match config::read(bytes) {
        Ok(config) => {
            for server in config.servers.iter().take(2) {
                for kind in [ScriptKind::Setup, ScriptKind::Deploy] {
                    script::render(kind, server, Secrets::Redact).expect("a script");
                }
            }
            return;
        }
        Err(ConfigError::Mistakes { mistakes, .. }) => mistakes,
        Err(error) => panic!("{error:?}"),
    };
    assert!(!mistakes.is_empty());
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    for mistake in mistakes {
        assert!((1..=lines.len()).contains(&mistake.line), "{mistake}");
        let length = lines[mistake.line - 1].chars().count();
        assert!((1..=length + 1).contains(&mistake.column), "{mistake}");
        assert!(!mistake.to_string().contains(['\0', '\r', '\x1b']));
    }
}

/// A dotenv file that a config names is read, or refused; what is read can be exported by a shell.
pub fn dotenv(bytes: &[u8]) {
    const TEXT: &str = "config_version: 2\ncommon: {source_code_url: \"https://h/u.git\", project_root: r, \
                        project_user: p, venv_dir: v, env_file: env}\nservers: [{host: h}]\n";
    let env = String::from_utf8_lossy(bytes);
    let drafts = HashMap::from([("env", &*env)]);
    let Ok(config) = config::review(Path::new("deployment.yml"), "a/b", TEXT, drafts) else {
        return;
    };
    let file = config.servers[0].env_file.as_deref().expect("its env");
    for (name, value) in &file.variables {
        assert!(!name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()));
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{name:?}"
        );
        assert!(!value.contains('\0'), "{value:?}");
    }
    let lines = env.split(['\n', '\r']).count();
    assert!(
        file.differing_lines
            .iter()
            .all(|line| (1..=lines).contains(line))
    );
}

/// However the bytes of a host are cut on their way, the same pieces come of them; what is shown of
/// them is nothing that a terminal acts on.
pub fn events(bytes: &[u8]) {
    let Some((&first, stream)) = bytes.split_first() else {
        return;
    };
    let nonce = (first & 1 == 0).then_some("n");
    let read = |size: usize| {
        let mut lines = Lines::new(nonce);
        let mut pieces: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut give = |piece: Piece| match piece {
            Piece::Output(text) => pieces.push((false, text.to_vec())),
            Piece::Event(text) => pieces.push((true, text.to_vec())),
        };
        for chunk in stream.chunks(size) {
            lines.feed(chunk, &mut give);
        }
        lines.finish(&mut give);
        pieces
    };
    let pieces = read(stream.len().max(1));
    // Of a line that is cut, the place depends on what came at once.
    if stream
        .split(|byte| *byte == b'\n')
        .all(|line| line.len() < 8000)
    {
        assert_eq!(read(usize::from(first / 2) + 1), pieces);
    }
    for (is_event, piece) in pieces {
        assert!(!is_event || nonce.is_some());
        let shown = strip_terminal_codes(&piece);
        assert!(!shown.contains(char::is_control), "{shown:?}");
        Event::parse(&shown);
    }
}

/// The lines of a secret are in nothing that is shown. The secret ends at the first NUL.
pub fn redactor(bytes: &[u8]) {
    let place = bytes.iter().position(|byte| *byte == 0);
    let (secret, text) = bytes.split_at(place.unwrap_or(bytes.len()));
    let secret = String::from_utf8_lossy(secret);
    let redactor = Redactor::of(&[&secret], true);
    // Amid the text, too.
    let line = [
        text,
        secret.lines().next().unwrap_or_default().as_bytes(),
        text,
    ]
    .concat();
    for line in line
        .split(|byte| *byte == b'\n')
        .filter(|line| line.len() < 1000)
    {
        let shown = redactor.clean(line).replace('\u{fffd}', "");
        let shown: Vec<&str> = shown.split("[redacted]").collect();
        for secret in redactor.secrets() {
            assert!(
                !shown.iter().any(|shown| shown.contains(secret)),
                "{secret:?} {shown:?}"
            );
        }
    }
}

/// An entry of `ssh_known_hosts` is one line of a file, or a host that no program takes for an option.
pub fn known_hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for known in KnownHost::parse(&text).unwrap_or_default() {
        match known {
            KnownHost::Pinned(line) => assert!(!line.contains(char::is_control), "{line:?}"),
            KnownHost::Scan { host, .. } => {
                assert!(!host.is_empty() && !host.starts_with('-'), "{host:?}");
                assert!(
                    !host.contains(|c: char| c.is_whitespace() || c.is_control()),
                    "{host:?}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// Changes of a text that is known: places, how many bytes go, and what comes there.
    type Changes = Vec<(Index, usize, Vec<u8>)>;

    fn changes() -> impl Strategy<Value = Changes> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4),
            r#"[:\-\[\]{}'"&*<|>#!?%@ \t\r\n,~;=.0x$\\]{1,3}"#.prop_map(String::into_bytes),
            r"(\x1b\[1m|\x1b\]0;|@n |export |\$\{A\}|[|]1[|]|\x00|\u{200b}|\u{feff})"
                .prop_map(String::into_bytes),
        ];
        prop::collection::vec((any::<Index>(), 0..4usize, piece), 1..6)
    }

    fn changed(text: &str, changes: Changes) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for (place, removed, added) in changes {
            let start = place.index(bytes.len() + 1);
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, added);
        }
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_failure_persistence(
            proptest::test_runner::FileFailurePersistence::Direct("tests/proptest/fuzz.txt")
        ))]

        #[test]
        fn smoke(changes in changes()) {
            for (target, text) in [
                (yaml as fn(&[u8]), include_str!("../tests/fuzz/corpus/yaml/config")),
                (dotenv, include_str!("../tests/fuzz/corpus/dotenv/env")),
                (events, include_str!("../tests/fuzz/corpus/events/deploy")),
                (redactor, "hunter2222\nsecond line\u{0}it is hunter2222\n"),
                (known_hosts, include_str!("../tests/fuzz/corpus/known_hosts/pinned")),
            ] {
                target(&changed(text, changes.clone()));
            }
        }
    }
}
