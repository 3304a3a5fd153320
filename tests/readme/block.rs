//! The examples of the README and the manual.

/// The indented block, with empty lines, that follows the first line that starts with `begin`.
pub fn block<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(begin));
    let lines = lines.skip_while(|line| !line.starts_with("    "));
    let is_in_it = |line: &&str| line.is_empty() || line.starts_with("    ");
    let lines = lines.take_while(is_in_it);
    let mut lines: Vec<_> = lines.map(|line| line.get(4..).unwrap_or("")).collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines
}
