//! The Askama escaper of `.sh` templates: every `{{ }}` becomes one shell word.

use askama::filters::Escaper;
use shell_escape::unix::escape;
use std::borrow::Cow;
use std::fmt;

/// Quotes words and joins them into a command line for a POSIX shell.
pub fn shell_line(words: impl IntoIterator<Item = String>) -> String {
    let words = words.into_iter();
    let words: Vec<_> = words.map(|word| escape(word.into())).collect();
    words.join(" ")
}

/// Quotes for a POSIX shell. Askama calls it once per write, so give templates `&str` and integers, never a type whose
/// `Display` writes in parts: each part would be quoted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sh;

impl Escaper for Sh {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&escape(Cow::Borrowed(text)))
    }
}
