//! Colors of messages on stderr.

use anstyle::{AnsiColor, Style};
use std::borrow::Cow;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const WARNING: Style = AnsiColor::Yellow.on_default();
pub const DIM: Style = Style::new().dimmed();

/// Styles the text if stderr is colored.
pub fn paint(style: Style, text: &str) -> Cow<'_, str> {
    if super::stderr_is_colored() {
        Cow::Owned(format!("{style}{text}{style:#}"))
    } else {
        Cow::Borrowed(text)
    }
}
