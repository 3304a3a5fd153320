//! The Askama escapers of the files that `init` writes. As with `script::escape`, a value must come
//! in one piece.

use askama::filters::Escaper;
use std::fmt;

/// A value becomes one double-quoted YAML scalar. JSON's escapes are YAML's too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Yaml;

impl Escaper for Yaml {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_char('"')?;
        for character in text.chars() {
            match character {
                '"' | '\\' => write!(out, "\\{character}")?,
                '\n' => out.write_str("\\n")?,
                '\t' => out.write_str("\\t")?,
                // YAML takes the separators for line breaks.
                _ if character.is_control() || "\u{2028}\u{2029}\u{feff}".contains(character) => {
                    write!(out, "\\u{:04x}", u32::from(character))?;
                }
                _ => out.write_char(character)?,
            }
        }
        out.write_char('"')
    }
}

/// A value stands in a unit as it is: `%` is no specifier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unit;

impl Escaper for Unit {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&text.replace('%', "%%"))
    }
}
