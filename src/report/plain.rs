//! Formats events as lines of text.

use super::paint::{BAD, DIM, GOOD, WARNING, paint};
use crate::protocol::{Action, Event, Order, State, primary_reason};
use std::fmt::Write;

/// Formats how much of a part of a payload has been sent.
pub fn transfer_progress(part: &str, bytes: u64, size: u64) -> String {
    let megabytes = |bytes: u64| (bytes as f64 / 1e5).round() / 10.0;
    let (sent, total) = (megabytes(bytes), megabytes(size));
    format!("sent {sent} of {total} MB of {part}")
}

/// Whether an event is a problem, which every view keeps on the screen.
pub fn is_problem(event: &Event) -> bool {
    matches!(
        event,
        Event::Failed { .. }
            | Event::NotStarted { .. }
            | Event::Lost { .. }
            | Event::Done {
                state: State::Warning,
                ..
            }
            | Event::Order {
                order: Order::Revert
            }
    )
}

/// Formats an event as lines with newlines; empty if it is not worth a line.
pub fn lines(action: Action, event: &Event, prefix: &str, verbose: bool) -> String {
    let mut text = String::new();
    let mut line = |content: &str| {
        let _ = writeln!(text, "{prefix}{content}");
    };
    match event {
        Event::Done {
            state: State::Warning,
            text,
            ..
        } => {
            line(&format!("{} {text}", paint(WARNING, "!")));
        }
        Event::Done { .. } if action.is_query() && !verbose => {}
        Event::Done { state, text, .. } => {
            let note = match (action, state) {
                (Action::Setup, State::Ok) => paint(DIM, " (ok)"),
                (Action::Setup, _) => " (changed)".into(),
                _ => "".into(),
            };
            line(&format!("{} {text}{note}", paint(GOOD, "✓")));
        }
        Event::Fact { key, value } if action == Action::Setup && key == "changed" => line(
            &format!("{} The server is set up: {value} changed", paint(GOOD, "✓")),
        ),
        Event::Output { line: output } => line(&paint(DIM, output)),
        Event::Failed { tail, .. } | Event::Lost { tail, .. } => {
            let problem = match event {
                Event::Failed {
                    step, status, text, ..
                } if !text.is_empty() => {
                    format!("{step} failed with exit status {status}: {text}")
                }
                _ => event.problem(),
            };
            line(&format!("{} {problem}", paint(BAD, "✗")));
            // With --verbose these lines were printed as they came.
            for output in tail.iter().filter(|_| !verbose) {
                line(&format!("    {output}"));
            }
        }
        Event::NotStarted { logged_in, reason } => {
            let what = if *logged_in {
                "the script did not start"
            } else {
                "unreachable"
            };
            let mut reason = reason.lines();
            let first = reason.next().unwrap_or_default();
            line(&format!("{} {what}: {first}", paint(BAD, "✗")));
            for more in reason {
                line(&format!("    {more}"));
            }
        }
        Event::Order {
            order: Order::Revert,
        } => line("… reverting with the others"),
        // A small part is sent before anyone can read the line.
        Event::Sent { part, bytes, size } if *bytes > 0 && *size >= 1 << 20 => {
            line(&format!("… {}", transfer_progress(part, *bytes, *size)));
        }
        Event::Retry { reason, seconds } if verbose => {
            let reason = primary_reason(reason);
            line(&format!("… {reason}; trying again in {seconds:.1} s"));
        }
        Event::Phase { phase } if verbose => line(&format!("… {}", phase.name())),
        Event::Order { order } if verbose => line(&format!("… order: {order}")),
        _ => {}
    }
    text
}
