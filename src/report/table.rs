//! Prints the results of `status` and `history`.

use super::{Report, spaces};
use crate::protocol::{Action, Facts, Run};
use unicode_width::UnicodeWidthStr;

/// Characters of a commit that a table shows.
const SHORT_COMMIT: usize = 12;

impl Report {
    /// Prints the result of `status` or `history`; does nothing for other actions.
    pub fn print_facts(&self, facts: &[Facts]) {
        match self.action {
            Action::Status => self.print_status(facts),
            Action::History => self.print_history(facts),
            Action::Setup | Action::Deploy | Action::Rollback | Action::Restart | Action::Logs => {}
        }
    }

    /// Prints the status of each host, as a table or as JSON objects.
    fn print_status(&self, answers: &[Facts]) {
        if self.is_json() {
            for (host, facts) in answers.iter().enumerate() {
                self.print_json(Some(host), facts);
            }
            return;
        }
        let status = status_lines(&self.labels, answers);
        let systems = system_lines(&self.labels, answers);
        for line in status.into_iter().chain(systems) {
            super::result(line);
        }
    }

    /// Prints the last runs of all hosts, oldest first, as a table or as JSON objects.
    fn print_history(&self, answers: &[Facts]) {
        let runs = answers.iter().enumerate();
        let mut runs: Vec<(usize, &Run)> = runs
            .flat_map(|(host, facts)| facts.runs.iter().map(move |run| (host, run)))
            .collect();
        runs.sort_by_key(|&(_, run)| &run.time);
        if self.is_json() {
            for (host, run) in runs {
                self.print_json(Some(host), run);
            }
            return;
        }
        let mut rows =
            vec![["TIME", "SERVER", "RELEASE", "COMMIT", "BY", "RESULT"].map(str::to_owned)];
        rows.extend(runs.into_iter().map(|(host, run)| {
            [
                run.time.clone(),
                self.labels[host].clone(),
                run.release.clone(),
                short_commit(run.commit.as_deref()),
                run.by.clone(),
                run.result.clone(),
            ]
        }));
        for line in columns(&rows) {
            super::result(line);
        }
    }
}

/// The system software of each server, for bug reports; empty without `--verbose`.
fn system_lines(labels: &[String], answers: &[Facts]) -> Vec<String> {
    let mut lines = Vec::new();
    for (label, facts) in labels.iter().zip(answers) {
        if !facts.system.is_empty() {
            lines.extend([String::new(), label.clone()]);
            let known = facts.system.iter();
            lines.extend(known.map(|(name, text)| format!("  {name:<10} {text}")));
        }
    }
    if !lines.is_empty() {
        let version = env!("CARGO_PKG_VERSION");
        lines.extend([String::new(), format!("pystrano {version}")]);
    }
    lines
}

/// The table, and lines below it about units, locks and unfinished releases.
fn status_lines(labels: &[String], answers: &[Facts]) -> Vec<String> {
    let head = [
        "SERVER",
        "RELEASE",
        "COMMIT",
        "SINCE",
        "BY",
        "UNITS",
        "OTHER RELEASES",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(labels.iter().zip(answers).map(|(label, facts)| {
        let units = facts.units.iter();
        let units = units.map(|unit| format!("{} {}", unit.name, unit.state));
        let units: Vec<_> = units.collect();
        [
            label.clone(),
            or_dash(facts.current.as_deref()),
            short_commit(facts.commit.as_deref()),
            or_dash(facts.since.as_deref()),
            or_dash(facts.by.as_deref()),
            or_dash(Some(&units.join(", "))),
            or_dash(Some(&facts.releases.join(" "))),
        ]
    }));
    let mut lines = columns(&rows);
    for (label, facts) in labels.iter().zip(answers) {
        for unit in &facts.units {
            if let Some(since) = &unit.since {
                lines.push(format!(
                    "{label}: {} is {} since {since}",
                    unit.name, unit.state
                ));
            }
        }
        if let Some(lock) = &facts.lock {
            lines.push(format!("{label} is locked: {lock}"));
        }
        if let Some(unfinished) = &facts.unfinished {
            lines.push(format!("{label} has an unfinished release: {unfinished}"));
        }
    }
    lines
}

/// Formats a fact; `-` if it is missing or empty.
fn or_dash(fact: Option<&str>) -> String {
    fact.filter(|fact| !fact.is_empty())
        .unwrap_or("-")
        .to_owned()
}

fn short_commit(commit: Option<&str>) -> String {
    format!("{:.SHORT_COMMIT$}", commit.unwrap_or("-"))
}

/// Formats rows as lines with aligned columns.
fn columns<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    // The last column can be very wide, and needs no padding.
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS - 1).map(width).chain([0]).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", spaces(*width, cell.width())));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_locks_are_shown() {
        let mut facts = Facts::default();
        for (key, value) in [
            ("current", "20260102030405"),
            ("commit", "0123456789abcdef0123456789abcdef01234567"),
            ("since", "2026-01-02T03:04:05Z"),
            ("by", "me@here"),
            ("unit", "web.service active"),
            (
                "unit",
                "worker.service failed since Thu 2026-01-02 03:04:05 UTC",
            ),
            ("release", "20260101000000"),
            ("lock", "you@there deploy 3"),
        ] {
            facts.record(key, value);
        }
        let labels = ["höst".to_owned(), "a.example.com".to_owned()];
        assert_eq!(
            status_lines(&labels, &[facts, Facts::default()]),
            [
                "SERVER         RELEASE         COMMIT        SINCE                 BY       UNITS                                      OTHER RELEASES",
                "höst           20260102030405  0123456789ab  2026-01-02T03:04:05Z  me@here  web.service active, worker.service failed  20260101000000",
                "a.example.com  -               -             -                     -        -                                          -",
                "höst: worker.service is failed since Thu 2026-01-02 03:04:05 UTC",
                "höst is locked: you@there deploy 3",
            ]
        );
    }

    #[test]
    fn a_host_with_thousands_of_releases_has_a_row() {
        let mut facts = Facts::default();
        for release in 0..10_000 {
            facts.record("release", &format!("{release:014}"));
        }
        facts.record("by", &"x".repeat(70_000));
        let labels = ["a".to_owned(), "b".to_owned()];
        let lines = status_lines(&labels, &[facts, Facts::default()]);
        assert!(lines[2].starts_with("b "), "{}", lines[2]);
    }
}
