//! The lines of `logs`, of many hosts.

use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// What has come of the log and is not shown yet.
pub struct Log {
    /// Lines are shown as they come. Otherwise at the end, all of them, by their time.
    follow: bool,
    lines: Vec<Line>,
    /// The time of the last line of each host, and how much of that host is kept, in bytes.
    hosts: HashMap<usize, (i64, usize)>,
}

/// So much of one host is kept to be sorted: some units with as many lines as `logs.sh` gives of each. A host may print
/// what it likes.
const MOST: usize = 64 << 20;

/// One line, of an entry or of what follows the first line of an entry; that begins with spaces.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub host: usize,
    /// Microseconds of Unix.
    time: i64,
    text: String,
}

/// A line as `--json` writes it.
#[derive(Serialize)]
#[serde(tag = "event", rename = "log")]
pub struct LogEvent<'a> {
    time: String,
    line: &'a str,
}

impl Log {
    pub fn new(follow: bool) -> Self {
        Log {
            follow,
            lines: Vec::new(),
            hosts: HashMap::new(),
        }
    }

    /// Takes a line of a host as `journalctl --output=short-unix` writes it. False for what is none, or too much.
    pub fn take(&mut self, host: usize, line: &str) -> bool {
        let first = parse(line);
        let (last, kept) = self.hosts.get(&host).copied().unzip();
        let time = match first {
            Some((time, _)) => Some(time),
            // A message may have several lines.
            None if line.starts_with(' ') => last,
            None => None,
        };
        let size = size_of::<Line>() + line.len();
        let kept = if self.follow {
            0
        } else {
            kept.unwrap_or(0) + size
        };
        let Some(time) = time.filter(|_| kept <= MOST) else {
            return false;
        };
        self.hosts.insert(host, (time, kept));
        self.lines.push(Line {
            host,
            time,
            text: first.map_or(line, |(_, text)| text).to_owned(),
        });
        true
    }

    /// The lines that can be shown now; `ended` where nothing more comes.
    pub fn due(&mut self, ended: bool) -> Vec<Line> {
        if !self.follow && !ended {
            return Vec::new();
        }
        let mut lines = std::mem::take(&mut self.lines);
        if !self.follow {
            lines.sort_by_key(|line| line.time);
        }
        lines
    }
}

impl Line {
    pub fn event(&self) -> LogEvent<'_> {
        LogEvent {
            time: self.utc(),
            line: &self.text,
        }
    }

    fn utc(&self) -> String {
        let time = jiff::Timestamp::from_microsecond(self.time).unwrap_or_default();
        time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.starts_with(' ') {
            out.write_str(&self.text)
        } else {
            write!(out, "{} {}", self.utc(), self.text)
        }
    }
}

/// The time of an entry, and its text without time and host.
fn parse(line: &str) -> Option<(i64, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let (seconds, fraction) = time.split_once('.')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() != 6 || !is_number(fraction) || seconds.is_empty() || !is_number(seconds) {
        return None;
    }
    let time = format!("{seconds}{fraction}").parse().ok()?;
    let (_, text) = rest.split_once(' ')?;
    Some((time, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [(usize, &str); 6] = [
        (0, "1795691736.417513 app1 gunicorn[7]: one"),
        (0, "1795691738.000001 app1 gunicorn[7]: four"),
        (0, "    and more"),
        (1, "1795691737.000000 app2 systemd[1]: two"),
        (1, "1795691737.000000 app2 systemd[1]: three"),
        (1, "1795691739.5 app2 systemd[1]: of another form"),
    ];

    fn shown(follow: bool) -> Vec<String> {
        let mut log = Log::new(follow);
        let mut shown = Vec::new();
        for (host, line) in LINES {
            assert_eq!(log.take(host, line), !line.contains("another"), "{line}");
            shown.extend(log.due(false));
        }
        shown.extend(log.due(true));
        let text = |line: Line| format!("{} {line}", line.host);
        shown.into_iter().map(text).collect()
    }

    #[test]
    fn lines_come_by_their_time_or_as_they_come() {
        let [one, two, three, four, more] = [
            "0 2026-11-26T11:15:36.417Z gunicorn[7]: one",
            "1 2026-11-26T11:15:37.000Z systemd[1]: two",
            "1 2026-11-26T11:15:37.000Z systemd[1]: three",
            "0 2026-11-26T11:15:38.000Z gunicorn[7]: four",
            "0     and more",
        ];
        assert_eq!(shown(false), [one, two, three, four, more]);
        assert_eq!(shown(true), [one, four, more, two, three]);
        assert!(!Log::new(true).take(0, "    a line without an entry"));
    }

    #[test]
    fn a_host_that_floods_its_log_is_kept_in_bounds() {
        let mut log = Log::new(false);
        let line = format!("1795691736.417513 app1 {}", "x".repeat(2000));
        let kept = (0..100_000).filter(|_| log.take(0, &line)).count();
        assert!((10_000..40_000).contains(&kept), "{kept}");
        assert!(log.take(1, &line), "of another host there is room");
    }
}
