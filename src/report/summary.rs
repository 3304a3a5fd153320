//! The summary of a command for people.

use super::counted;
use super::paint::{BAD, GOOD, paint};
use crate::exit;
use crate::protocol::{Action, HostResult, Outcome, Summary};
use std::fmt::Write;
use std::time::Duration;

/// How many hosts of one state are named before the rest is counted.
const MAX_NAMED: usize = 8;

/// What runs where now, how long it took, and what to do next. Empty for a query that succeeded.
pub fn text(action: Action, target: &str, labels: &[String], summary: &Summary) -> String {
    if action.is_query() && (summary.code == 0 || summary.code == exit::INTERRUPTED) {
        return String::new();
    }
    let mut text = String::new();
    let took = format_duration(summary.elapsed);
    if summary.code == 0 {
        let who = match labels {
            [only] => only.clone(),
            all => counted(all.len(), "server"),
        };
        let done = match (action, releases(summary).as_slice()) {
            (Action::Setup, _) => format!("Set up {who}"),
            (Action::Deploy, [release]) => format!("Deployed {release} to {who}"),
            (Action::Rollback, [release]) => format!("Rolled {who} back to {release}"),
            (Action::Restart, [release]) => format!("Restarted {release} on {who}"),
            (Action::Restart, _) => format!("Restarted {who}"),
            (Action::Rollback, _) => format!("Rolled {who} back"),
            _ => format!("Deployed to {who}"),
        };
        let _ = writeln!(text, "{} {done} in {took}", paint(GOOD, "✓"));
        return text;
    }
    let _ = writeln!(
        text,
        "{} {} ({took})",
        paint(BAD, "✗"),
        heading(action, summary)
    );
    // With one server the reason was printed above.
    let omit_problem = labels.len() == 1 && summary.code != exit::IN_DOUBT;
    for (state, hosts) in group_by_state(action, labels, &summary.hosts, omit_problem) {
        let _ = writeln!(text, "  {}: {state}", name_hosts(&hosts));
    }
    let _ = writeln!(text, "{}", next_step(action, summary.code, target));
    text
}

fn heading(action: Action, summary: &Summary) -> String {
    let any = |is: fn(&HostResult) -> bool| summary.hosts.iter().any(is);
    let changed = match (
        any(|host| !host.packages.is_empty()),
        any(|host| !host.migrations.is_empty()),
    ) {
        (false, false) => "",
        (true, false) => ", but packages in a shared virtualenv changed",
        (false, true) => ", but the database changed",
        (true, true) => ", but packages in a shared virtualenv and the database changed",
    };
    let before = format!("every server runs what it ran before{changed}");
    let same = match changed {
        "" => "every server is as it was",
        _ => &before,
    };
    let is_reverted = any(|host| host.outcome == Outcome::Reverted);
    match (summary.code, action.promotes()) {
        (exit::FAILED, true) => format!("Failed after promotion: {before}"),
        (exit::FAILED, false) => "Not done on every server".to_owned(),
        (exit::STOPPED, _) => format!("Stopped before promotion: {same}"),
        (exit::UNREACHABLE, true) => {
            format!("Stopped before promotion, because a server could not be reached: {same}")
        }
        (exit::UNREACHABLE, false) => "A server could not be reached".to_owned(),
        (exit::INTERRUPTED, true) if is_reverted => format!("Interrupted: {before}"),
        (exit::INTERRUPTED, true) => format!("Interrupted before promotion: {same}"),
        (exit::INTERRUPTED, false) => "Interrupted".to_owned(),
        (exit::IN_DOUBT, false) => {
            "Servers run different releases, or different commits".to_owned()
        }
        _ => "Servers differ, or the state of one is not known".to_owned(),
    }
}

fn next_step(action: Action, code: u8, target: &str) -> String {
    let name = action.name();
    match code {
        exit::IN_DOUBT if action.is_query() => format!(
            "Next: `pystrano deploy {target}`, or `pystrano rollback {target} RELEASE`, makes them alike"
        ),
        exit::IN_DOUBT => {
            format!("Next: `pystrano status {target}` shows what runs where; then {name} again")
        }
        exit::INTERRUPTED => format!("Next: `pystrano {name} {target}` starts over"),
        exit::UNREACHABLE => format!(
            "Next: check that `ssh` gets there, then {name} again, or name the other servers with --host"
        ),
        _ => format!("Next: fix what failed, then {name} again"),
    }
}

/// Groups hosts by their state, in config order.
fn group_by_state<'a>(
    action: Action,
    labels: &'a [String],
    hosts: &[HostResult],
    omit_problem: bool,
) -> Vec<(String, Vec<&'a str>)> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (label, host) in labels.iter().zip(hosts) {
        let state = state(action, host, omit_problem);
        match groups.iter_mut().find(|(known, _)| *known == state) {
            Some((_, group)) => group.push(label),
            None => groups.push((state, vec![label])),
        }
    }
    groups
}

fn state(action: Action, host: &HostResult, omit_problem: bool) -> String {
    let release = host.release.as_deref();
    let mut now = match (host.outcome, release) {
        (Outcome::Done, Some(release)) => format!("runs {release}"),
        (Outcome::Done, None) => "done".to_owned(),
        (Outcome::Stopped, _) => "as it was".to_owned(),
        (Outcome::Reverted, Some(release)) => format!("back to {release}"),
        (Outcome::Reverted, None) => "back to what it ran before".to_owned(),
        (Outcome::Failed, _) => format!("{} failed", action.name()),
        (Outcome::Unreachable, _) => "unreachable".to_owned(),
        (Outcome::Untouched, _) => "not started".to_owned(),
        (Outcome::Broken, _) => "it does not run as it should, look at it".to_owned(),
        (Outcome::Unknown, _) => "not known, look at it".to_owned(),
    };
    if !host.packages.is_empty() {
        now += ", except packages in the shared virtualenv: ";
        now += &host.packages.join(" ");
    }
    if !host.migrations.is_empty() {
        now += ", but for migrations that stay applied: ";
        now += &host.migrations.join(" ");
        if let Some(undo) = &host.undo {
            now += &format!(" ({undo} with its code undoes that)");
        }
    }
    if let Some(problem) = host.problem.as_ref().filter(|_| !omit_problem) {
        now += &format!("; {problem}");
    }
    now
}

/// The distinct releases of all hosts.
fn releases(summary: &Summary) -> Vec<&str> {
    let mut releases: Vec<_> = summary
        .hosts
        .iter()
        .filter_map(|host| host.release.as_deref())
        .collect();
    releases.sort_unstable();
    releases.dedup();
    releases
}

fn name_hosts(hosts: &[&str]) -> String {
    if hosts.len() <= MAX_NAMED {
        return hosts.join(", ");
    }
    format!(
        "{} and {} more",
        hosts[..MAX_NAMED].join(", "),
        hosts.len() - MAX_NAMED
    )
}

/// Formats a duration as `8.1 s` or `12 min 3 s`.
fn format_duration(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", elapsed.as_secs_f32()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
