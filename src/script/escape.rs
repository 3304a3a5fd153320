//! The Askama escaper of `.sh` templates: every `{{ }}` becomes one shell word.

use askama::filters::Escaper;
use std::borrow::Cow;
use std::fmt;

/// Quotes for a POSIX shell. Askama calls it once for each write, so a value must come in one
/// piece: give templates `&str` and integers, never a `Display` that writes in parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sh;

impl Escaper for Sh {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&shell_escape::unix::escape(Cow::Borrowed(text)))
    }
}
