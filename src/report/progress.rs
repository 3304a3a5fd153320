//! The progress of a command on many hosts: passes each event to the view that was chosen.

use super::live::Live;
use super::log::Log;
use super::{plain, summary, write_stderr};
use crate::protocol::{Action, Event, HostResult, Summary};
use serde::Serialize;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Reports on one command; made before the first host is contacted.
pub struct Report {
    action: Action,
    /// `<environment> <app>`, as the next command line needs it.
    target: String,
    labels: Vec<String>,
    verbose: bool,
    view: View,
    /// The result of `logs`.
    log: Option<Log>,
    /// The `summary` event.
    summary: String,
    began: Instant,
}

enum View {
    /// A line for each step.
    Plain,
    /// A line for each host, in place.
    Live(Live),
    /// An object for each event.
    Json,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum General<'a> {
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
        hosts: Vec<Line<'a, &'a HostResult>>,
    },
}

/// An event with what all of them have.
#[derive(Serialize)]
pub(super) struct Line<'a, Content> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<&'a str>,
    #[serde(flatten)]
    pub content: Content,
}

impl Report {
    /// `labels` name the hosts, in the order of the config.
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
            summary: String::new(),
            began: Instant::now(),
        }
    }

    /// Lines of output are those of a log: the result of the command.
    pub fn shows_log(&mut self, log: Log) {
        self.log = Some(log);
    }

    pub fn begin(&self, release: Option<&str>) {
        if let View::Json = self.view {
            self.json(
                None,
                General::Begin {
                    action: self.action.name(),
                    release,
                    hosts: &self.labels,
                    time: super::utc("%Y-%m-%dT%H:%M:%SZ"),
                },
            );
        }
    }

    /// Something happened on a host.
    pub fn on(&mut self, host: usize, event: &Event) {
        if let (Event::Output { line }, Some(log)) = (event, &mut self.log)
            && log.take(host, line)
        {
            return self.show_log(false);
        }
        if let View::Json = self.view {
            return self.json(Some(host), event);
        }
        let prefix = self.prefix(host);
        let text = plain::lines(self.action, event, &prefix, self.verbose);
        match &mut self.view {
            View::Live(live) => {
                live.on(host, event);
                // The live lines show what goes well; trouble stays on the screen.
                if plain::is_trouble(event) && !text.is_empty() {
                    live.above(&text);
                }
            }
            View::Plain | View::Json => write_stderr(&text),
        }
    }

    /// Shows the lines of the log that are due.
    fn show_log(&mut self, ended: bool) {
        let Some(log) = &mut self.log else {
            return;
        };
        for line in log.due(ended) {
            match self.view {
                View::Json => self.json(Some(line.host), line.event()),
                _ => super::result(format_args!("{}{line}", self.prefix(line.host))),
            }
        }
    }

    /// A line for the person at the terminal.
    pub fn notice(&mut self, text: &str) {
        match &mut self.view {
            View::Json => self.json(None, General::Notice { text }),
            View::Live(live) => live.above(&format!("{text}\n")),
            View::Plain => write_stderr(&format!("{text}\n")),
        }
    }

    /// How long nothing may be drawn.
    pub fn redraw_interval(&self) -> Option<Duration> {
        matches!(self.view, View::Live(_)).then_some(Live::PAUSE)
    }

    /// Draws what changed.
    pub fn tick(&mut self) {
        if let View::Live(live) = &mut self.view {
            live.draw(&self.labels);
        }
    }

    /// Shows the summary: what is where now, how long it took, what to do next.
    pub fn end(&mut self, ended: &Summary) {
        self.show_log(true);
        let text = summary::text(self.action, &self.target, &self.labels, ended);
        let hosts = self.labels.iter().zip(&ended.hosts);
        self.summary = self.object(
            None,
            General::Summary {
                action: self.action.name(),
                target: &self.target,
                code: ended.code,
                interrupted: ended.interrupted,
                hosts: hosts
                    .map(|(label, host)| Line {
                        elapsed: None,
                        host: Some(label),
                        content: host,
                    })
                    .collect(),
            },
        );
        match &mut self.view {
            View::Json => super::result(&self.summary),
            View::Live(live) => live.above(&text),
            View::Plain => write_stderr(&text),
        }
    }

    /// How all ended, as the JSON object that is the last event; nothing before the end.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Writes one object to stdout.
    pub(super) fn json(&self, host: Option<usize>, content: impl Serialize) {
        super::result(self.object(host, content));
    }

    fn object(&self, host: Option<usize>, content: impl Serialize) -> String {
        let line = Line {
            elapsed: Some((self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0),
            host: host.map(|host| self.labels[host].as_str()),
            content,
        };
        serde_json::to_string(&line).expect("an event is JSON")
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.view, View::Json)
    }

    /// What a host is called.
    pub fn label(&self, host: usize) -> String {
        self.labels[host].clone()
    }

    pub(super) fn action(&self) -> Action {
        self.action
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What a line of this host begins with.
    fn prefix(&self, host: usize) -> String {
        if self.labels.len() == 1 {
            return String::new();
        }
        format!("{} | ", self.labels[host])
    }
}
