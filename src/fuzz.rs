//! Fuzz targets: properties that parsers of untrusted text must have for any input. tests/fuzz runs them with
//! libFuzzer; `cargo test` runs them with a few mutations of known texts.

use crate::config::{self, ConfigError, KnownHost};
use crate::protocol::Event;
use crate::script::{self, ScriptKind, Secrets};
use crate::ssh::{Lines, Piece, Redactor, strip_terminal_codes};
use std::collections::HashMap;
use std::path::Path;

/// A config either renders to scripts, or yields mistakes whose positions are in the text and whose messages are
/// safe to print.
pub fn yaml(bytes: &[u8]) {
    let mistakes = match config::parse_bytes(bytes) {
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

/// A dotenv file is either rejected, or all its variables can be exported by a shell.
pub fn dotenv(bytes: &[u8]) {
    const TEXT: &str = "config_version: 2\ncommon: {source_code_url: \"https://h/u.git\", project_root: r, \
                        project_user: p, venv_dir: v, env_file: env}\nservers: [{host: h}]\n";
    let env = String::from_utf8_lossy(bytes);
    let drafts = HashMap::from([("env", &*env)]);
    let Ok(config) = config::parse_draft(Path::new("deployment.yml"), "a/b", TEXT, drafts) else {
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

/// The output of a host is split into the same pieces however its bytes are chunked, and what is shown of it has no
/// control characters.
pub fn events(bytes: &[u8]) {
    let Some((&first, stream)) = bytes.split_first() else {
        return;
    };
    let nonce = (first & 1 == 0).then_some("n");
    let read = |size: usize| {
        let mut lines = Lines::new(nonce);
        let mut pieces: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut collect = |piece: Piece| match piece {
            Piece::Output(text) => pieces.push((false, text.to_vec())),
            Piece::Event(text) => pieces.push((true, text.to_vec())),
        };
        for chunk in stream.chunks(size) {
            lines.feed(chunk, &mut collect);
        }
        lines.finish(&mut collect);
        pieces
    };
    let pieces = read(stream.len().max(1));
    // Where an overlong line is cut depends on the chunks.
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

/// No line of a secret appears in redacted output. The input is the secret, a NUL, and the text around it.
pub fn redactor(bytes: &[u8]) {
    let nul = bytes.iter().position(|byte| *byte == 0);
    let (secret, text) = bytes.split_at(nul.unwrap_or(bytes.len()));
    let secret = String::from_utf8_lossy(secret);
    let redactor = Redactor::from_values(&[&secret], true);
    // The first line of the secret in the middle of other text.
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

/// An entry of `ssh_known_hosts` is a single line for the file, or a host that programs cannot mistake for an option.
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

    /// Edits of a text: where, how many bytes to remove, and what to insert.
    type Changes = Vec<(Index, usize, Vec<u8>)>;

    fn changes() -> impl Strategy<Value = Changes> {
        let text = prop_oneof![
            r#"[:\-\[\]{}'"&*<|>#!?%@ \t\r\n,~;=.0x$\\]{1,3}"#,
            r"\PC{1,3}",
            r"(\x1b\[1m|\x1b\]0;|@n |export |\$\{A\}|[|]1[|]|\x00|\u{200b}|\u{feff})",
            r"(<<: \*a|&a |\*a|!!str|!!int|- \[|x-a:|\n  - host: b\n|\u{85}|\u{2028})",
        ];
        let piece = prop_oneof![
            1 => prop::collection::vec(any::<u8>(), 0..4),
            4 => text.prop_map(String::into_bytes),
        ];
        prop::collection::vec((any::<Index>(), 0..4usize, piece), 1..6)
    }

    fn mutate(text: &str, changes: Changes) -> Vec<u8> {
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
        fn targets_hold_for_mutated_texts(changes in changes()) {
            for (target, text) in [
                (yaml as fn(&[u8]), include_str!("../tests/fuzz/corpus/yaml/config")),
                (yaml, include_str!("../tests/wrong/many.yml")),
                (dotenv, include_str!("../tests/fuzz/corpus/dotenv/env")),
                (events, include_str!("../tests/fuzz/corpus/events/deploy")),
                (redactor, "hunter2222\nsecond line\u{0}it is hunter2222\n"),
                (known_hosts, include_str!("../tests/fuzz/corpus/known_hosts/pinned")),
            ] {
                target(&mutate(text, changes.clone()));
            }
        }
    }
}
