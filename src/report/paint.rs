//! The few colors of talk on stderr.

use std::borrow::Cow;

#[derive(Debug, Clone, Copy)]
pub enum Paint {
    Good,
    Bad,
    Warning,
    Dim,
}

/// The text, in color where stderr has colors.
pub fn paint(paint: Paint, text: &str) -> Cow<'_, str> {
    if !super::talk_is_colored() {
        return Cow::Borrowed(text);
    }
    let code = match paint {
        Paint::Good => 32,
        Paint::Bad => 31,
        Paint::Warning => 33,
        Paint::Dim => 2,
    };
    Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
}
