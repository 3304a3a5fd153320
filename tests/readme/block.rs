//! The examples of the README and the manual.

/// The indented lines, and empty ones between them, after the first line of a text that begins so.
pub fn block<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(begin));
    let lines = lines.skip_while(|line| !line.starts_with("    "));
    let is_in_it = |line: &&str| line.is_empty() || line.starts_with("    ");
    let lines = lines.take_while(is_in_it);
    let mut lines: Vec<_> = lines.map(|line| line.get(4..).unwrap_or("")).collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines
}
