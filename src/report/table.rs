//! The result of `status`.

use super::{Report, spaces};
use crate::protocol::Facts;
use serde::Serialize;
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;

/// Of a commit, so many characters are enough for a person.
const SHORT: usize = 12;

#[derive(Serialize)]
struct Status<'a> {
    event: &'static str,
    current: Option<&'a str>,
    commit: Option<&'a str>,
    since: Option<&'a str>,
    by: Option<&'a str>,
    units: Vec<UnitStatus<'a>>,
    releases: &'a [String],
    lock: Option<&'a str>,
    unfinished: Option<&'a str>,
    last: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    system: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct UnitStatus<'a> {
    name: &'a str,
    state: &'a str,
}

impl Report {
    /// What each host said, to stdout: a table, or one object for each.
    pub fn status(&self, answers: &[Facts]) {
        if self.is_json() {
            for (host, facts) in answers.iter().enumerate() {
                self.json(Some(host), Status::of(facts));
            }
            return;
        }
        for line in table(self.labels(), answers) {
            super::result(line);
        }
        for line in systems(self.labels(), answers) {
            super::result(line);
        }
    }
}

/// What runs on each server, as a report of a fault needs it; nothing where it was not asked for.
fn systems(labels: &[String], answers: &[Facts]) -> Vec<String> {
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

impl<'a> Status<'a> {
    fn of(facts: &'a Facts) -> Self {
        Status {
            event: "status",
            current: facts.current.as_deref(),
            commit: facts.commit.as_deref(),
            since: facts.since.as_deref(),
            by: facts.by.as_deref(),
            units: facts
                .units
                .iter()
                .map(|(name, state)| UnitStatus { name, state })
                .collect(),
            releases: &facts.releases,
            lock: facts.lock.as_deref(),
            unfinished: facts.unfinished.as_deref(),
            last: facts.last.as_deref(),
            system: facts
                .system
                .iter()
                .map(|(name, text)| (&**name, &**text))
                .collect(),
        }
    }
}

fn table(labels: &[String], answers: &[Facts]) -> Vec<String> {
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
        let text = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "-".to_owned());
        let units = facts.units.iter();
        let units: Vec<String> = units
            .map(|(name, state)| format!("{name} {state}"))
            .collect();
        [
            label.clone(),
            text(&facts.current),
            text(&facts.commit).chars().take(SHORT).collect(),
            text(&facts.since),
            text(&facts.by),
            match units.as_slice() {
                [] => "-".to_owned(),
                units => units.join(", "),
            },
            match facts.releases.as_slice() {
                [] => "-".to_owned(),
                releases => releases.join(" "),
            },
        ]
    }));
    // Nothing stands behind the last column, which can be very wide.
    let last = head.len() - 1;
    let widths: Vec<usize> = (0..last)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].width())
                .max()
                .unwrap_or(0)
        })
        .chain([0])
        .collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", spaces(*width, cell.width())));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    for (label, facts) in labels.iter().zip(answers) {
        if let Some(lock) = &facts.lock {
            lines.push(format!("{label} is locked: {lock}"));
        }
        if let Some(unfinished) = &facts.unfinished {
            lines.push(format!("{label} has an unfinished release: {unfinished}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_locks_are_told() {
        let mut facts = Facts::default();
        for (key, value) in [
            ("current", "20260102030405"),
            ("commit", "0123456789abcdef0123456789abcdef01234567"),
            ("since", "2026-01-02T03:04:05Z"),
            ("by", "me@here"),
            ("unit", "web.service active"),
            ("release", "20260101000000"),
            ("lock", "you@there deploy 3"),
        ] {
            facts.learn(key, value);
        }
        let labels = ["höst".to_owned(), "a.example.com".to_owned()];
        assert_eq!(
            table(&labels, &[facts, Facts::default()]),
            [
                "SERVER         RELEASE         COMMIT        SINCE                 BY       UNITS               OTHER RELEASES",
                "höst           20260102030405  0123456789ab  2026-01-02T03:04:05Z  me@here  web.service active  20260101000000",
                "a.example.com  -               -             -                     -        -                   -",
                "höst is locked: you@there deploy 3",
            ]
        );
    }

    #[test]
    fn a_host_with_thousands_of_releases_has_a_row() {
        let mut facts = Facts::default();
        for release in 0..10_000 {
            facts.learn("release", &format!("{release:014}"));
        }
        facts.learn("by", &"x".repeat(70_000));
        let labels = ["a".to_owned(), "b".to_owned()];
        let lines = table(&labels, &[facts, Facts::default()]);
        assert!(lines[2].starts_with("b "), "{}", lines[2]);
    }
}
