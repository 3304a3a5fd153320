//! Makes output of hosts safe for a terminal: it can neither control it nor hide text.

/// Limit on the length of a shown line.
const MAX_SHOWN_CHARS: usize = 2000;

/// Removes escape sequences, and text that a carriage return overwrites, from one line. Other control characters, and
/// those that are invisible or reorder text, become U+FFFD.
pub fn strip_terminal_codes(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\t' => clean.push(' '),
            _ if character.is_control() || is_invisible(character) => clean.push('\u{fffd}'),
            _ => clean.push(character),
        }
    }
    clean
}

/// Truncates a line that is too long to be shown.
pub fn truncate(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Skips the rest of an escape sequence: CSI up to its final byte, OSC and other strings up to BEL or ST.
fn skip_escape(characters: &mut std::str::Chars) {
    match characters.next() {
        Some('[') => {
            let _ = characters.find(|character| ('@'..='~').contains(character));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let end = characters.find(|end| matches!(end, '\u{7}' | '\u{1b}' | '\u{9c}'));
            if end == Some('\u{1b}') {
                characters.next();
            }
        }
        _ => {}
    }
}

/// Whether a character is invisible or changes how others are shown: bidi controls, line separators.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_codes_are_removed() {
        for (raw, shown) in [
            (&b"plain"[..], "plain"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link", "link"),
            (b"10%\r50%\r100%\r", "100%"),
            (b"a\0b\x07c", "a\u{fffd}b\u{fffd}c"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("a\u{202e}b\u{9b}31m".as_bytes(), "a\u{fffd}b\u{fffd}31m"),
            (b"a\tb", "a b"),
            (b"\x1b", ""),
        ] {
            assert_eq!(strip_terminal_codes(raw), shown);
        }
    }

    #[test]
    fn long_lines_are_truncated() {
        assert_eq!(
            truncate("x".repeat(9000)).chars().count(),
            MAX_SHOWN_CHARS + 1
        );
        assert_eq!(truncate("x".repeat(MAX_SHOWN_CHARS)).len(), MAX_SHOWN_CHARS);
    }
}
