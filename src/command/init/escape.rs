//! Askama escapers for the files that `init` writes. As in `script::escape`, a value must be written in one piece, as a
//! string.

use askama::filters::Escaper;
use std::fmt;

/// Writes a value as a double-quoted YAML scalar.
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
                // YAML 1.1 treats U+2028 and U+2029 as line breaks.
                _ if character.is_control() || "\u{2028}\u{2029}\u{feff}".contains(character) => {
                    write!(out, "\\u{:04x}", u32::from(character))?;
                }
                _ => out.write_char(character)?,
            }
        }
        out.write_char('"')
    }
}

/// Escapes `%`, which systemd would expand as a specifier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unit;

impl Escaper for Unit {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&text.replace('%', "%%"))
    }
}
