//! Formats values, paths and source lines for messages.

use crate::credentials;
use std::path::{Component, Path, PathBuf};
use unicode_width::UnicodeWidthChar;

/// Quotes a value for a message: truncated, on one line, control characters escaped, passwords in URLs masked.
pub fn quoted(value: &str) -> String {
    const MAX_CHARS: usize = 60;
    let value = credentials::mask(value);
    let mut shown: String = value.chars().take(MAX_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    format!(
        "\"{}\"",
        shown.escape_debug().to_string().replace("\\'", "'")
    )
}

/// Replaces control characters, zero-width characters and bidirectional overrides with U+FFFD, so that untrusted
/// text cannot control or mislead a terminal. Line breaks and tabs stay.
pub fn sanitize(text: &str) -> String {
    let is_safe = |character: char| match character {
        '\n' | '\t' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => false,
        other => !other.is_control(),
    };
    let shown = |character| {
        if is_safe(character) {
            character
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(shown).collect()
}

/// A path for messages, without a leading `./`.
pub fn shown_path(path: &Path) -> PathBuf {
    path.components()
        .skip_while(|component| *component == Component::CurDir)
        .collect()
}

/// Joins names with commas, and abbreviates a long list as `…, N more`.
pub fn join_names(names: &[String]) -> String {
    const MAX_NAMES: usize = 20;
    match names.get(MAX_NAMES..) {
        None | Some([]) => names.join(", "),
        Some(more) => format!("{}, {} more", names[..MAX_NAMES].join(", "), more.len()),
    }
}

/// Whether YAML forbids the character in a stream.
pub fn is_disallowed_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}')
}

/// Maximum width of an excerpt, in terminal columns.
const WIDTH: usize = 110;

/// Cuts out the part of a line around the character at the 0-based `index`. Returns the excerpt and the number of
/// terminal columns before that character, where the caret goes.
pub fn excerpt(line: &str, index: usize) -> (String, usize) {
    let cell = |character: char| match (character, character.width()) {
        ('\t', _) => (' ', 1),
        (_, Some(width)) => (character, width),
        (_, None) => (char::REPLACEMENT_CHARACTER, 1),
    };
    // Bounds the work on a very long line: characters further away cannot be in the excerpt.
    let skipped = index.saturating_sub(WIDTH);
    let cells: Vec<(char, usize)> = line
        .chars()
        .skip(skipped)
        .take(2 * WIDTH + 1)
        .map(cell)
        .collect();
    let index = (index - skipped).min(cells.len());
    let mut start = 0;
    if skipped > 0 || columns(&cells) > WIDTH {
        while columns(&cells[start..index]) > WIDTH / 2 {
            start += 1;
        }
    }
    let mut end = cells.len();
    while columns(&cells[start..end]) > WIDTH {
        end -= 1;
    }
    let ellipsis = |is_cut: bool| if is_cut { "…" } else { "" };
    let is_cut = skipped + start > 0;
    let shown: String = cells[start..end].iter().map(|(shown, _)| shown).collect();
    (
        format!("{}{shown}{}", ellipsis(is_cut), ellipsis(end < cells.len())),
        usize::from(is_cut) + columns(&cells[start..index]),
    )
}

/// The total width of the cells, in terminal columns.
fn columns(cells: &[(char, usize)]) -> usize {
    cells.iter().map(|(_, width)| width).sum()
}
