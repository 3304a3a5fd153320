//! The examples of the README and the manual.

/// The indented lines after the first line of a text that begins so.
pub fn block<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(begin));
    let lines = lines.skip_while(|line| !line.starts_with("    "));
    lines.map_while(|line| line.strip_prefix("    ")).collect()
}
