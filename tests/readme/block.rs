//! The examples of the README.

pub const README: &str = include_str!("../../README.md");

/// The indented lines after the first line that begins so.
pub fn block(begin: &str) -> Vec<&'static str> {
    let lines = README.lines().skip_while(|line| !line.starts_with(begin));
    let lines = lines.skip_while(|line| !line.starts_with("    "));
    lines.map_while(|line| line.strip_prefix("    ")).collect()
}
