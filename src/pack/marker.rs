//! PEP 508 environment markers. `uv export` leaves them unevaluated in its output, and uv evaluates them only in commands
//! that contact the package index.

use super::target::Target;
use std::cmp::Ordering;

/// A target names no patch release of Python, so a marker holds if it does for any of these.
const PATCHES: std::ops::Range<u32> = 0..100;

/// Whether a marker holds for a target. `None` for syntax errors, unknown variables and unknown operators.
pub fn evaluate(marker: &str, target: &Target) -> Option<bool> {
    let tokens = tokens(marker)?;
    let mut holds = false;
    for patch in PATCHES {
        let mut parser = Parser {
            tokens: &tokens,
            target,
            patch,
        };
        holds |= parser.or_expression()?;
        if !parser.tokens.is_empty() {
            return None;
        }
    }
    Some(holds)
}

/// Splits a marker into words, operators, parentheses, and strings with their quotes.
fn tokens(text: &str) -> Option<Vec<&str>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end_of = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let length = match first {
            '\'' | '"' => rest[1..].find(first)? + 2,
            '(' | ')' => 1,
            '<' | '>' | '=' | '!' | '~' => end_of(|c| "<>=!~".contains(c)),
            c if c.is_ascii_alphabetic() => {
                end_of(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
            }
            _ => return None,
        };
        let (token, more) = rest.split_at(length);
        tokens.push(token);
        rest = more.trim_start();
    }
    Some(tokens)
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    target: &'a Target,
    patch: u32,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Consumes the next token if it is `token`.
    fn accept(&mut self, token: &str) -> bool {
        let is_next = self.tokens.first() == Some(&token);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn or_expression(&mut self) -> Option<bool> {
        let mut holds = self.and_expression()?;
        while self.accept("or") {
            holds |= self.and_expression()?;
        }
        Some(holds)
    }

    fn and_expression(&mut self) -> Option<bool> {
        let mut holds = self.comparison()?;
        while self.accept("and") {
            holds &= self.comparison()?;
        }
        Some(holds)
    }

    fn comparison(&mut self) -> Option<bool> {
        if self.accept("(") {
            let holds = self.or_expression()?;
            return self.accept(")").then_some(holds);
        }
        let (left, is_left_version) = self.operand()?;
        let operator = match self.next()? {
            "not" => self.accept("in").then_some("not in")?,
            operator => operator,
        };
        let (right, is_right_version) = self.operand()?;
        match operator {
            "in" => Some(right.contains(&left)),
            "not in" => Some(!right.contains(&left)),
            operator if is_left_version || is_right_version => {
                compare_versions(&left, operator, &right)
            }
            operator => compare(operator, left.cmp(&right)),
        }
    }

    /// The value of one side of a comparison, and whether it is a version.
    fn operand(&mut self) -> Option<(String, bool)> {
        let token = self.next()?;
        if let Some(text) = token.strip_prefix(['\'', '"']) {
            return Some((text[..text.len() - 1].to_owned(), false));
        }
        let is_version = matches!(
            token,
            "python_version" | "python_full_version" | "implementation_version"
        );
        Some((self.target.marker_variable(token, self.patch)?, is_version))
    }
}

fn compare(operator: &str, order: Ordering) -> Option<bool> {
    Some(match operator {
        "==" | "===" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        _ => return None,
    })
}

/// Compares dotted version numbers, ignoring suffixes such as `rc1`. `==` and `!=` accept a trailing `.*`.
fn compare_versions(left: &str, operator: &str, right: &str) -> Option<bool> {
    let numbers = |text: &str| -> Option<Vec<u32>> {
        let numbers = text.split('.').map(|part| {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        numbers.collect()
    };
    let (right, is_prefix) = match right.strip_suffix(".*") {
        Some(prefix) => (prefix, true),
        None => (right, false),
    };
    let (mut left, mut right) = (numbers(left)?, numbers(right)?);
    let length = left.len().max(right.len());
    let precision = right.len();
    left.resize(length, 0);
    right.resize(length, 0);
    match operator {
        "~=" => {
            let fixed = precision.checked_sub(1)?;
            Some(left >= right && left[..fixed] == right[..fixed])
        }
        "==" if is_prefix => Some(left[..precision] == right[..precision]),
        "!=" if is_prefix => Some(left[..precision] != right[..precision]),
        operator => compare(operator, left.cmp(&right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_evaluated_for_the_target() {
        let target = Target {
            python: 11,
            machine: "aarch64".to_owned(),
            glibc: 36,
        };
        for (marker, expected) in [
            ("python_version < '3.9'", false),
            ("python_version >= \"3.9\"", true),
            ("python_version == '3.11'", true),
            ("python_full_version == '3.11.*'", true),
            ("python_full_version < '3.11.3'", true),
            ("python_full_version >= '3.11.3'", true),
            ("python_full_version == '3.11.5'", true),
            (
                "python_full_version > '3.11.3' and python_full_version < '3.11.9'",
                true,
            ),
            ("python_full_version >= '3.12'", false),
            ("python_version ~= '3.9'", true),
            ("python_full_version ~= '3.10.2'", false),
            ("'3.12' > python_version", true),
            (
                "sys_platform == 'win32' or platform_system == 'Windows'",
                false,
            ),
            ("os_name != 'nt' and sys_platform == 'linux'", true),
            (
                "(platform_machine == 'x86_64' or platform_machine == 'aarch64') and implementation_name == 'cpython'",
                true,
            ),
            ("platform_machine in 'x86_64 amd64'", false),
            ("platform_machine not in 'x86_64 amd64'", true),
            ("platform_python_implementation == 'PyPy'", false),
            ("extra == 'dev'", false),
        ] {
            assert_eq!(evaluate(marker, &target), Some(expected), "{marker}");
        }
        for invalid in [
            "",
            "color == 'red'",
            "python_version",
            "os_name == 'posix' or",
            "os_name <> 'nt'",
        ] {
            assert_eq!(evaluate(invalid, &target), None, "{invalid}");
        }
    }
}
