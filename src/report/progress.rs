//! Reports the progress of a command on many hosts, in one of three views.

use super::live::Live;
use super::log::Log;
use super::{plain, summary, write_stderr};
use crate::protocol::{Action, Event, HostResult, Summary};
use serde::Serialize;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The report on one command.
pub struct Report {
    pub(super) action: Action,
    /// `<environment> <app>`, for the command lines that the summary suggests.
    target: String,
    pub(super) labels: Vec<String>,
    verbose: bool,
    view: View,
    /// The log that `logs` prints.
    log: Option<Log>,
    /// The `summary` event as JSON; empty until the end.
    summary_json: String,
    began: Instant,
}

enum View {
    /// A line of text for each finished step.
    Plain,
    /// A line for each host, redrawn in place.
    Live(Live),
    /// A JSON object for each event.
    Json,
}

/// An event of the whole command, rather than of one host.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum CommandEvent<'a> {
    Begin {
        action: &'static str,
        release: Option<&'a str>,
        hosts: &'a [String],
        time: String,
    },
    Notice {
        text: &'a str,
    },
    Summary {
        action: &'static str,
        /// `<environment> <app>`
        target: &'a str,
        code: u8,
        interrupted: bool,
        hosts: Vec<Envelope<'a, &'a HostResult>>,
    },
}

/// The fields that all events have, around those of one event.
#[derive(Serialize)]
struct Envelope<'a, Content> {
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(flatten)]
    content: Content,
}

impl Report {
    /// Chooses the view. `labels` name the hosts, in config order.
    pub fn new(
        action: Action,
        target: String,
        labels: Vec<String>,
        verbose: bool,
        json: bool,
    ) -> Self {
        let several = labels.len() > 1 && !action.is_query();
        let terminal = std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let view = if json {
            View::Json
        } else if several && terminal && !verbose {
            View::Live(Live::new(labels.len()))
        } else {
            View::Plain
        };
        Report {
            action,
            target,
            labels,
            verbose,
            view,
            log: None,
            summary_json: String::new(),
            began: Instant::now(),
        }
    }

    /// Makes lines of output the result of the command, which `log` collects.
    pub fn set_log(&mut self, log: Log) {
        self.log = Some(log);
    }

    /// Emits the `begin` event.
    pub fn begin(&self, release: Option<&str>) {
        if let View::Json = self.view {
            self.print_json(
                None,
                CommandEvent::Begin {
                    action: self.action.name(),
                    release,
                    hosts: &self.labels,
                    time: super::utc("%Y-%m-%dT%H:%M:%SZ"),
                },
            );
        }
    }

    /// Shows an event of a host.
    pub fn on_event(&mut self, host: usize, event: &Event) {
        if let (Event::Output { line }, Some(log)) = (event, &mut self.log)
            && log.push(host, line)
        {
            return self.print_log(false);
        }
        if let View::Json = self.view {
            return self.print_json(Some(host), event);
        }
        let prefix = self.prefix(host);
        let text = plain::lines(self.action, event, &prefix, self.verbose);
        match &mut self.view {
            View::Live(live) => {
                live.on_event(host, event);
                // The live lines are overwritten; problems stay on the screen.
                if plain::is_problem(event) && !text.is_empty() {
                    live.print_above(&text);
                }
            }
            View::Plain | View::Json => write_stderr(&text),
        }
    }

    /// Prints the lines of the log that are due.
    fn print_log(&mut self, ended: bool) {
        let Some(log) = &mut self.log else {
            return;
        };
        for line in log.take_due(ended) {
            match self.view {
                View::Json => self.print_json(Some(line.host), line.event()),
                _ => super::result(format_args!("{}{line}", self.prefix(line.host))),
            }
        }
    }

    /// Shows a message to the user.
    pub fn notice(&mut self, text: &str) {
        match &mut self.view {
            View::Json => self.print_json(None, CommandEvent::Notice { text }),
            View::Live(live) => live.print_above(&format!("{text}\n")),
            View::Plain => write_stderr(&format!("{text}\n")),
        }
    }

    /// How often [`Report::tick`] must be called, if the view is redrawn at all.
    pub fn redraw_interval(&self) -> Option<Duration> {
        matches!(self.view, View::Live(_)).then_some(Live::REDRAW_INTERVAL)
    }

    /// Redraws the live view.
    pub fn tick(&mut self) {
        if let View::Live(live) = &mut self.view {
            live.draw(&self.labels);
        }
    }

    /// Shows the rest of the log and the summary.
    pub fn finish(&mut self, summary: &Summary) {
        self.print_log(true);
        let text = summary::text(self.action, &self.target, &self.labels, summary);
        let hosts = self.labels.iter().zip(&summary.hosts);
        self.summary_json = self.to_json(
            None,
            CommandEvent::Summary {
                action: self.action.name(),
                target: &self.target,
                code: summary.code,
                interrupted: summary.interrupted,
                hosts: hosts
                    .map(|(label, host)| Envelope {
                        elapsed: None,
                        host: Some(label),
                        content: host,
                    })
                    .collect(),
            },
        );
        match &mut self.view {
            View::Json => super::result(&self.summary_json),
            View::Live(live) => live.print_above(&text),
            View::Plain => write_stderr(&text),
        }
    }

    /// The `summary` event as JSON; empty until the end.
    pub fn summary_json(&self) -> &str {
        &self.summary_json
    }

    /// Prints an event as JSON to stdout.
    pub(super) fn print_json(&self, host: Option<usize>, content: impl Serialize) {
        super::result(self.to_json(host, content));
    }

    fn to_json(&self, host: Option<usize>, content: impl Serialize) -> String {
        let event = Envelope {
            elapsed: Some((self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0),
            host: host.map(|host| self.labels[host].as_str()),
            content,
        };
        serde_json::to_string(&event).expect("an event is JSON")
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.view, View::Json)
    }

    /// The label of a host.
    pub fn label(&self, host: usize) -> String {
        self.labels[host].clone()
    }

    /// The prefix of text lines about this host.
    fn prefix(&self, host: usize) -> String {
        if self.labels.len() == 1 {
            return String::new();
        }
        format!("{} | ", self.labels[host])
    }
}
