//! Text that hurts where it is taken for more than text.

use proptest::prelude::*;

/// What a shell would act on, if it saw it bare.
const TRAPS: [&str; 18] = [
    "$(touch $PWNED)",
    "`touch $PWNED`",
    "'; touch $PWNED; '",
    "\"; touch $PWNED; \"",
    "&& touch $PWNED",
    "| touch $PWNED",
    "> $PWNED",
    "'",
    "\"",
    "\\",
    "$HOME",
    "${IFS}",
    "*",
    "~",
    "#",
    "-rf",
    "!!",
    "%s\\n",
];

pub fn text(lines: bool) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(&TRAPS[..]).prop_map(str::to_owned),
        2 => "[^\\p{Cc}]{1,6}",
        1 => Just(if lines { "\n".to_owned() } else { " ".to_owned() }),
        1 => Just(if lines { "\t".to_owned() } else { "é🦀".to_owned() }),
    ];
    // A field of blanks alone counts as not set.
    prop::collection::vec(piece, 1..5).prop_map(|pieces| format!("x{}", pieces.concat()))
}

/// What a dotenv file and a unit may hold besides; NUL is refused, and a dotenv file is read with
/// its line ends made one.
pub fn any_text() -> impl Strategy<Value = String> {
    let control = "[\\p{Cc}&&[^\\x00\r]]{0,3}";
    (text(true), control, text(true))
        .prop_map(|(before, control, after)| before + &control + &after)
}

/// A name in a path: no slash, nothing that stands for a directory, no space at an end.
pub fn name() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| {
        format!(
            "n{}n",
            text.replace(['/', ':'], "_")
                .replace(';', ",")
                .replace("..", "_")
        )
    })
}

/// What git takes for the name of a branch.
pub fn reference() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| {
        let text = text.replace(|c: char| c.is_whitespace() || "~^:?*[\\/".contains(c), "_");
        format!("r{}r", text.replace("@{", "_").replace("..", "_"))
    })
}

/// A part of an address, which has no blanks.
pub fn address() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| text.replace(char::is_whitespace, "_"))
}

#[derive(Debug, Clone)]
pub struct Paths {
    pub root: String,
    pub venv: String,
    pub secret: String,
}

pub fn paths() -> impl Strategy<Value = Paths> {
    (name(), name(), name()).prop_map(|(root, venv, secret)| Paths { root, venv, secret })
}
