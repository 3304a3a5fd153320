//! The live view: one line for each host, redrawn in place.

use super::paint::{BAD, DIM, GOOD, WARNING, paint};
use super::plain::transfer_progress;
use super::{spaces, write_stderr};
use crate::protocol::{Event, Outcome, Phase, primary_reason};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

/// The state of all hosts, and what is on the screen.
pub struct Live {
    rows: Vec<Row>,
    began: Instant,
    drawn: Option<Instant>,
    /// The number of lines on the screen, and the width of each.
    on_screen: (usize, usize),
}

#[derive(Clone)]
struct Row {
    state: RowState,
    text: String,
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RowState {
    Failed,
    Running,
    Connecting,
    Waiting,
    Queued,
    NotDone,
    Done,
}

impl RowState {
    fn name(self) -> &'static str {
        match self {
            RowState::Failed => "failed",
            RowState::Running => "at work",
            RowState::Connecting => "connecting",
            RowState::Waiting => "waiting",
            RowState::Queued => "queued",
            RowState::NotDone => "not done",
            RowState::Done => "done",
        }
    }
}

impl Live {
    /// The minimum time between two drawings.
    pub const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

    pub fn new(hosts: usize) -> Self {
        let began = Instant::now();
        let row = Row {
            state: RowState::Queued,
            text: String::new(),
            since: began,
        };
        Live {
            rows: vec![row; hosts],
            began,
            drawn: None,
            on_screen: (0, 0),
        }
    }

    pub fn on_event(&mut self, host: usize, event: &Event) {
        let row = &mut self.rows[host];
        let (state, text) = match event {
            Event::Opening { .. } => (RowState::Connecting, String::new()),
            Event::Retry { reason, .. } => (
                RowState::Connecting,
                format!("again, after: {}", primary_reason(reason)),
            ),
            Event::Start => (RowState::Running, String::new()),
            Event::Step { step } => (RowState::Running, step.clone()),
            Event::Sent { part, bytes, size } => {
                (RowState::Running, transfer_progress(part, *bytes, *size))
            }
            Event::Phase {
                phase: Phase::Cloned,
            }
            | Event::Need { .. }
            | Event::Done { .. }
            | Event::Fact { .. }
            | Event::Output { .. }
            | Event::End { .. } => return,
            Event::Phase { phase } => (
                RowState::Waiting,
                format!("{}, waits for the others", phase.name()),
            ),
            Event::Order { order } => (RowState::Running, order.to_string()),
            Event::Failed { step, status, .. } => (
                RowState::Failed,
                format!("{step} failed with exit status {status}"),
            ),
            Event::NotStarted { .. } => (RowState::Failed, event.problem()),
            Event::Lost { .. } => (
                RowState::Failed,
                "the connection was lost; probing".to_owned(),
            ),
            Event::Finished { outcome }
                if *outcome != Outcome::Done && row.state == RowState::Failed =>
            {
                return;
            }
            Event::Finished { outcome } => {
                let word = || format!("{outcome:?}").to_lowercase();
                match outcome {
                    Outcome::Done => (RowState::Done, String::new()),
                    Outcome::Stopped | Outcome::Reverted | Outcome::Untouched => {
                        (RowState::NotDone, word())
                    }
                    Outcome::Failed | Outcome::Unreachable | Outcome::Broken | Outcome::Unknown => {
                        (RowState::Failed, word())
                    }
                }
            }
        };
        if row.state == RowState::Failed && state == RowState::Running {
            return; // the host cleans up or reverts; keep showing what failed
        }
        *row = Row {
            state,
            text,
            since: match event {
                Event::Sent { bytes: 1.., .. } => row.since, // the same transfer
                _ => Instant::now(),
            },
        };
    }

    /// Prints lines that stay, above those that are redrawn.
    pub fn print_above(&mut self, text: &str) {
        write_stderr(&(self.clear_sequence(terminal_size().0) + text));
        self.on_screen = (0, 0);
        self.drawn = None;
    }

    /// Redraws the lines that fit on the screen, at most once per `REDRAW_INTERVAL`.
    pub fn draw(&mut self, labels: &[String]) {
        if self
            .drawn
            .is_some_and(|drawn| drawn.elapsed() < Self::REDRAW_INTERVAL)
        {
            return;
        }
        self.drawn = Some(Instant::now());
        let (width, height) = terminal_size();
        let columns = usable_columns(width);
        let lines = self.lines(labels, columns, height);
        let text = self.clear_sequence(width) + &lines.join("\n") + "\n";
        self.on_screen = (lines.len(), columns);
        write_stderr(&text);
    }

    /// The control sequence that moves to the first line on the screen and clears from there. A terminal that was made
    /// narrower has wrapped each line.
    fn clear_sequence(&self, width: usize) -> String {
        let (lines, columns) = self.on_screen;
        match lines * columns.div_ceil(width) {
            0 => String::new(),
            rows => format!("\r\x1b[{rows}A\x1b[J"),
        }
    }

    /// Formats the lines, each `width` columns wide.
    fn lines(&self, labels: &[String], width: usize, height: usize) -> Vec<String> {
        let now = Instant::now();
        let room = height.saturating_sub(3).max(1);
        let longest = labels.iter().map(|label| label.width()).max().unwrap_or(0);
        let label_width = longest.min(width / 3);
        let mut lines: Vec<_> = self
            .visible_hosts(room)
            .into_iter()
            .map(|host| self.line(host, &labels[host], label_width, width, now))
            .collect();
        let mut counts: BTreeMap<RowState, usize> = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.state).or_default() += 1;
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(state, count)| format!("{count} {}", state.name()))
            .collect();
        let hidden = match self.rows.len() - lines.len() {
            0 => String::new(),
            hidden => format!(" ({hidden} not shown)"),
        };
        let total = format!("{} servers{hidden}: {}", self.rows.len(), counts.join(", "));
        let clock = clock(now - self.began);
        let total = truncate(&total, width - clock.len() - 1);
        let gap = spaces(width, total.width() + clock.len());
        lines.push(format!("{total}{gap}{clock}"));
        lines
    }

    /// The hosts that get a line if not all fit, in config order: failed ones, then those at work for the longest.
    fn visible_hosts(&self, room: usize) -> Vec<usize> {
        let mut hosts: Vec<usize> = (0..self.rows.len()).collect();
        if hosts.len() > room {
            hosts.sort_by_key(|host| (self.rows[*host].state, self.rows[*host].since, *host));
            hosts.truncate(room);
            hosts.sort_unstable();
        }
        hosts
    }

    fn line(
        &self,
        host: usize,
        label: &str,
        label_width: usize,
        width: usize,
        now: Instant,
    ) -> String {
        let row = &self.rows[host];
        let (symbol, color) = match row.state {
            RowState::Failed => ("✗", BAD),
            RowState::Running | RowState::Connecting => ("•", WARNING),
            RowState::Waiting => ("=", DIM),
            RowState::Queued => (" ", DIM),
            RowState::NotDone => ("-", DIM),
            RowState::Done => ("✓", GOOD),
        };
        let state = match (row.state, row.text.as_str()) {
            (RowState::Running, "") => "started",
            (state @ (RowState::Connecting | RowState::Queued | RowState::Done), "") => {
                state.name()
            }
            (_, text) => text,
        };
        let clock = match row.state {
            RowState::Running | RowState::Connecting | RowState::Waiting => clock(now - row.since),
            RowState::Failed | RowState::Queued | RowState::NotDone | RowState::Done => {
                String::new()
            }
        };
        let label = truncate(label, label_width);
        let pad = spaces(label_width, label.width());
        let state = truncate(state, width - label_width - 3 - clock.len() - 1);
        let gap = spaces(width, label_width + 3 + state.width() + clock.len());
        let symbol = paint(color, symbol);
        format!("{label}{pad} {symbol} {state}{gap}{clock}")
    }
}

/// Formats a duration as `8.1s` or `12m03s`.
fn clock(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1}s", elapsed.as_secs_f32()),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

/// Truncates the text to at most `columns`, with an ellipsis.
fn truncate(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        // Measured as a whole: a character can make the one before it wider.
        if kept.width() >= columns {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// The columns of a line: all but the last, after which some terminals wrap.
fn usable_columns(width: usize) -> usize {
    width.saturating_sub(1).max(20)
}

/// Columns and lines of the terminal.
fn terminal_size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_hosts_is_truncated_to_its_column() {
        for text in [
            "plain text",
            "❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}",
            "👩\u{200d}👩\u{200d}👧 宽宽宽宽宽宽",
            "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}",
        ] {
            for columns in 1..20 {
                let shown = truncate(text, columns);
                assert!(shown.width() <= columns, "{shown:?} in {columns}");
            }
        }
        let hearts = "❤\u{fe0f}".repeat(60);
        let labels = [hearts.clone()];
        let mut live = Live::new(1);
        live.on_event(0, &Event::Step { step: hearts });
        for width in 1..130 {
            assert_eq!(live.lines(&labels, usable_columns(width), 24).len(), 2);
        }
    }

    #[test]
    fn only_done_hosts_count_as_done() {
        let outcomes = [
            Outcome::Done,
            Outcome::Stopped,
            Outcome::Reverted,
            Outcome::Untouched,
            Outcome::Broken,
            Outcome::Unreachable,
        ];
        let mut live = Live::new(outcomes.len());
        for (host, outcome) in outcomes.into_iter().enumerate() {
            live.on_event(host, &Event::Finished { outcome });
        }
        let labels = vec![String::from("h"); outcomes.len()];
        let lines = live.lines(&labels, 80, 24);
        let marks = |state| lines.iter().filter(|line| line.contains(state)).count();
        assert_eq!([marks("✓"), marks("-"), marks("✗")], [1, 3, 2]);
        let total = &lines[outcomes.len()];
        let expected = "6 servers: 2 failed, 3 not done, 1 done";
        assert!(total.starts_with(expected), "{total}");
    }
}
