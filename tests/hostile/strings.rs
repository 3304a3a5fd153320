//! Strings that break programs which interpret them.

use proptest::prelude::*;

/// Text that a shell would execute or expand if it were not quoted.
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
    // A value that consists of blanks counts as unset.
    prop::collection::vec(piece, 1..5).prop_map(|pieces| format!("x{}", pieces.concat()))
}

/// Text of env values and units, which may contain control characters. NUL is refused, and carriage returns are left
/// out because a dotenv file is read with its line ends normalized.
pub fn any_text() -> impl Strategy<Value = String> {
    let control = "[\\p{Cc}&&[^\\x00\r]]{0,3}";
    (text(true), control, text(true))
        .prop_map(|(before, control, after)| before + &control + &after)
}

/// A path component: no slash, neither `.` nor `..`, no space at an end.
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

/// A valid name of a git branch.
pub fn reference() -> impl Strategy<Value = String> {
    text(false).prop_map(|text| {
        let text = text.replace(|c: char| c.is_whitespace() || "~^:?*[\\/".contains(c), "_");
        format!("r{}r", text.replace("@{", "_").replace("..", "_"))
    })
}

/// Part of an address, which has no blanks.
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
