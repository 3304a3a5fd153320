//! The output of `--dry-run`.

use super::Report;
use crate::script::shell_line;
use serde::Serialize;

/// What would be sent to one server.
#[derive(Serialize)]
#[serde(tag = "event", rename = "plan")]
pub struct Plan {
    /// The program and its arguments.
    pub command: Vec<String>,
    pub script: &'static str,
    /// The script's arguments.
    pub arguments: Vec<String>,
    pub bytes: usize,
    pub sha256: String,
    /// The script without its secrets, with `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Report {
    /// Prints a plan to stdout, as text or as a JSON object.
    pub fn print_plan(&self, host: usize, plan: &Plan) {
        if self.is_json() {
            return self.print_json(Some(host), plan);
        }
        super::result(&self.labels[host]);
        super::result(format_args!("  {}", shell_line(plan.command.clone())));
        super::result(format_args!(
            "  {} {}: {} bytes, sha256 {}",
            plan.script,
            plan.arguments.join(" "),
            plan.bytes,
            plan.sha256
        ));
        if let Some(text) = &plan.text {
            super::result(text);
        }
    }
}
