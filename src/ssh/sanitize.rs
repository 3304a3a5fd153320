//! What hosts print reaches no terminal as a command, and hides nothing.

/// A shown line is cut after this many characters.
const SHOWN: usize = 2000;

/// One line without escape sequences and without what a carriage return overwrote; every other character
/// that a terminal could act on, or that hides the order of the text, becomes U+FFFD.
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

/// The text in a length that can be shown.
pub fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Skips the rest of an escape sequence: CSI to its final byte, OSC and the like to BEL or ST.
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

/// Characters that change how others are shown: direction marks and overrides, line separators.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_nothing_to_act_on() {
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
    fn long_lines_are_cut() {
        assert_eq!(shorten("x".repeat(9000)).chars().count(), SHOWN + 1);
        assert_eq!(shorten("x".repeat(SHOWN)).len(), SHOWN);
    }
}
