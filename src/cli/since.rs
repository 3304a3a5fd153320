//! Parsing of `logs --since`.

use std::str::FromStr;

/// The start of the period that `logs` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// This many seconds ago, by the host's clock.
    Ago(i64),
    /// Seconds since the Unix epoch.
    At(i64),
}

impl Since {
    /// The `since=SECONDS` argument for `logs.sh`; negative seconds are relative to now.
    pub fn script_argument(self) -> String {
        match self {
            Since::Ago(seconds) => format!("since=-{seconds}"),
            Since::At(seconds) => format!("since={seconds}"),
        }
    }
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = text.parse::<jiff::Timestamp>();
        if let Some(seconds) = time.ok().map(jiff::Timestamp::as_second) {
            return (seconds >= 0)
                .then_some(Since::At(seconds))
                .ok_or("before 1970");
        }
        parse_duration(text).map(Since::Ago).ok_or(
            "write `90s`, `15m`, `2h30m`, `1d`, or a time with its zone, like 2026-11-26T12:00:00Z",
        )
    }
}

/// The length of a duration such as `2h30m` in seconds; `None` if it is malformed or 2^32 seconds or more.
fn parse_duration(text: &str) -> Option<i64> {
    let mut seconds: i64 = 0;
    let mut number = String::new();
    for character in text.chars() {
        let unit = match character {
            '0'..='9' => {
                number.push(character);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let count: i64 = std::mem::take(&mut number).parse().ok()?;
        seconds = seconds.checked_add(count.checked_mul(unit)?)?;
    }
    (number.is_empty() && !text.is_empty() && seconds < 1 << 32).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_and_durations() {
        for (text, since) in [
            ("90s", Some(Since::Ago(90))),
            ("2h30m", Some(Since::Ago(9000))),
            ("1d", Some(Since::Ago(86_400))),
            ("2026-11-26T12:00:00Z", Some(Since::At(1_795_694_400))),
            ("2026-11-26 14:00:00+02:00", Some(Since::At(1_795_694_400))),
            ("", None),
            ("5", None),
            ("h", None),
            ("-5m", None),
            ("yesterday", None),
            ("2026-11-26T12:00:00", None),
            ("99999999999999999999d", None),
            ("999999999999999d", None),
        ] {
            assert_eq!(text.parse().ok(), since, "{text}");
        }
    }
}
