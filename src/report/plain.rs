//! News as lines of text.

use super::news::News;
use super::paint::{Paint, paint};
use crate::ssh::{Action, gist};
use std::fmt::Write;

/// Whether news is bad: it stays on the screen in every view.
pub fn is_trouble(news: &News) -> bool {
    match news {
        News::Done { state, .. } => *state == "warning",
        News::Failed { .. } | News::Unstarted { .. } | News::Lost { .. } => true,
        News::Told { word } => *word == "revert",
        _ => false,
    }
}

/// The lines that tell it, each with its newline; none for what is not worth one.
pub fn lines(action: Action, news: &News, prefix: &str, verbose: bool) -> String {
    let mut text = String::new();
    let mut line = |content: &str| {
        let _ = writeln!(text, "{prefix}{content}");
    };
    match news {
        News::Done { .. } if action == Action::Status && !verbose => {}
        News::Done {
            state: "warning",
            text,
            ..
        } => {
            line(&format!("{} {text}", paint(Paint::Warning, "!")));
        }
        News::Done { state, text, .. } => {
            let note = match (action, *state) {
                (Action::Setup, "ok") => paint(Paint::Dim, " (ok)"),
                (Action::Setup, _) => " (changed)".into(),
                _ => "".into(),
            };
            line(&format!("{} {text}{note}", paint(Paint::Good, "✓")));
        }
        News::Fact {
            key: "changed",
            value,
        } if action == Action::Setup => line(&format!(
            "{} The server is set up: {value} changed",
            paint(Paint::Good, "✓")
        )),
        News::Output { line: output } => line(&paint(Paint::Dim, output)),
        News::Failed {
            step,
            status,
            text,
            tail,
        } => {
            let cross = paint(Paint::Bad, "✗");
            let why = if text.is_empty() { "" } else { ": " };
            line(&format!(
                "{cross} {step} failed with exit status {status}{why}{text}"
            ));
            // With --verbose they stand right above.
            for output in tail.iter().filter(|_| !verbose) {
                line(&format!("    {output}"));
            }
        }
        News::Unstarted { reached, reason } => {
            let what = if *reached {
                "the script did not start"
            } else {
                "unreachable"
            };
            let mut reason = reason.lines();
            let first = reason.next().unwrap_or_default();
            line(&format!("{} {what}: {first}", paint(Paint::Bad, "✗")));
            for more in reason {
                line(&format!("    {more}"));
            }
        }
        News::Lost { step, reason, tail } => {
            let step = step.map_or_else(String::new, |step| format!(" in step {step}"));
            line(&format!(
                "{} the connection was lost{step}: {reason}",
                paint(Paint::Bad, "✗")
            ));
            for output in tail.iter().filter(|_| !verbose) {
                line(&format!("    {output}"));
            }
        }
        News::Told { word: "revert" } => line("… going back, because another server failed"),
        News::Retry { reason, seconds } if verbose => {
            let reason = gist(reason);
            line(&format!("… {reason}; trying again in {seconds:.1} s"));
        }
        News::Phase { phase } if verbose => line(&format!("… {phase}")),
        News::Told { word } if verbose => line(&format!("… told to {word}")),
        _ => {}
    }
    text
}
