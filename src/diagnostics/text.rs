//! Values and lines as messages show them.

use crate::credentials;
use std::path::{Component, Path, PathBuf};
use unicode_width::UnicodeWidthChar;

/// A value as messages quote it: short, on one line, without control characters, the passwords
/// of URLs masked.
pub fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    let value = credentials::mask(value);
    let mut shown: String = value.chars().take(LONGEST).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!(
        "\"{}\"",
        shown.escape_debug().to_string().replace("\\'", "'")
    )
}

/// The text without what a terminal would act on, or what changes the order in which it shows a text; lines stay lines.
pub fn plain(text: &str) -> String {
    let is_plain = |character: char| match character {
        '\n' | '\t' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => false,
        other => !other.is_control(),
    };
    let shown = |character| {
        if is_plain(character) {
            character
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(shown).collect()
}

/// A path as messages print it: without a leading `./`.
pub fn shown_path(path: &Path) -> PathBuf {
    path.components()
        .skip_while(|component| *component == Component::CurDir)
        .collect()
}

/// Names for people, as long as they are not too many.
pub fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names.get(SHOWN..) {
        None | Some([]) => names.join(", "),
        Some(more) => format!("{}, {} more", names[..SHOWN].join(", "), more.len()),
    }
}

/// A control character that no YAML may hold.
pub fn is_disallowed_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}')
}

/// Terminal columns of a source line that are shown at most.
const WIDTH: usize = 110;

/// The part of a line around a character, fit for a terminal, and the columns before that character.
pub fn excerpt(source: &str, place: usize) -> (String, usize) {
    let cell = |character: char| match (character, character.width()) {
        ('\t', _) => (' ', 1),
        (_, Some(width)) => (character, width),
        (_, None) => (char::REPLACEMENT_CHARACTER, 1),
    };
    // What is further away is never shown, however long the line is.
    let skipped = place.saturating_sub(WIDTH);
    let cells: Vec<(char, usize)> = source
        .chars()
        .skip(skipped)
        .take(2 * WIDTH + 1)
        .map(cell)
        .collect();
    let place = (place - skipped).min(cells.len());
    let mut start = 0;
    if skipped > 0 || columns(&cells) > WIDTH {
        while columns(&cells[start..place]) > WIDTH / 2 {
            start += 1;
        }
    }
    let mut end = cells.len();
    while columns(&cells[start..end]) > WIDTH {
        end -= 1;
    }
    let cut = |cut: bool| if cut { "…" } else { "" };
    let is_cut = skipped + start > 0;
    let shown: String = cells[start..end].iter().map(|(shown, _)| shown).collect();
    (
        format!("{}{shown}{}", cut(is_cut), cut(end < cells.len())),
        usize::from(is_cut) + columns(&cells[start..place]),
    )
}

/// The columns of a terminal that characters take.
fn columns(cells: &[(char, usize)]) -> usize {
    cells.iter().map(|(_, width)| width).sum()
}
