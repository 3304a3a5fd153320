//! Collects the log lines of many hosts for `logs`.

use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// Log lines that are not shown yet.
pub struct Log {
    /// Whether lines are shown as they come, rather than all at the end, sorted by time.
    follow: bool,
    lines: Vec<Line>,
    /// For each host, the time of its last line, and the bytes that are kept of it.
    hosts: HashMap<usize, (i64, usize)>,
}

/// Limit on what is kept of one host until the end, enough for several units with all lines that `logs.sh` prints of
/// each. A host may print anything.
const MAX_BYTES: usize = 64 << 20;

/// The first line of an entry, or an indented further one.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub host: usize,
    /// Microseconds since the Unix epoch.
    time: i64,
    text: String,
}

/// The `log` event.
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

    /// Adds a line in the format of `journalctl --output=short-unix`. Returns false, without adding it, if the line has
    /// another format or exceeds the limit.
    pub fn push(&mut self, host: usize, line: &str) -> bool {
        let (last_time, kept) = self.hosts.get(&host).copied().unzip();
        // Further lines of a message are indented and have no time.
        let further = last_time.filter(|_| line.starts_with(' '));
        let Some((time, text)) = parse(line).or(further.map(|time| (time, line))) else {
            return false;
        };
        let kept = if self.follow {
            0
        } else {
            kept.unwrap_or(0) + size_of::<Line>() + line.len()
        };
        if kept > MAX_BYTES {
            return false;
        }
        self.hosts.insert(host, (time, kept));
        let text = text.to_owned();
        self.lines.push(Line { host, time, text });
        true
    }

    /// Takes the lines to be shown now; `ended` if no more will come.
    pub fn take_due(&mut self, ended: bool) -> Vec<Line> {
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

/// Splits the first line of an entry into its time, and its text without the host.
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
            assert_eq!(log.push(host, line), !line.contains("another"), "{line}");
            shown.extend(log.take_due(false));
        }
        shown.extend(log.take_due(true));
        let text = |line: Line| format!("{} {line}", line.host);
        shown.into_iter().map(text).collect()
    }

    #[test]
    fn lines_are_sorted_by_time_unless_followed() {
        let [one, two, three, four, more] = [
            "0 2026-11-26T11:15:36.417Z gunicorn[7]: one",
            "1 2026-11-26T11:15:37.000Z systemd[1]: two",
            "1 2026-11-26T11:15:37.000Z systemd[1]: three",
            "0 2026-11-26T11:15:38.000Z gunicorn[7]: four",
            "0     and more",
        ];
        assert_eq!(shown(false), [one, two, three, four, more]);
        assert_eq!(shown(true), [one, four, more, two, three]);
        assert!(!Log::new(true).push(0, "    a line without an entry"));
    }

    #[test]
    fn a_host_that_floods_its_log_is_kept_in_bounds() {
        let mut log = Log::new(false);
        let line = format!("1795691736.417513 app1 {}", "x".repeat(2000));
        let kept = (0..100_000).filter(|_| log.push(0, &line)).count();
        assert!((10_000..40_000).contains(&kept), "{kept}");
        assert!(log.push(1, &line), "each host has its own limit");
    }
}
