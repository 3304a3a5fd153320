//! systemd units of an app, as far as setup and deploys depend on their settings.

use super::types::{Validation, ensure, refuse};
use crate::diagnostics::{Message, quoted};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

/// A systemd unit.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The local file.
    pub path: PathBuf,
    /// File name, such as `gunicorn.service`.
    pub name: String,
    pub text: String,
    pub kind: UnitKind,
    /// The section that makes it such a unit.
    pub section: Section,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    Service,
    Socket,
    Timer,
    Path,
    Target,
}

impl UnitKind {
    /// The kind of a unit by its file name.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name.rsplit_once('.')?.1 {
            "service" => UnitKind::Service,
            "socket" => UnitKind::Socket,
            "timer" => UnitKind::Timer,
            "path" => UnitKind::Path,
            "target" => UnitKind::Target,
            _ => return None,
        })
    }

    /// The name of its section.
    fn section(self) -> &'static str {
        match self {
            UnitKind::Service => "Service",
            UnitKind::Socket => "Socket",
            UnitKind::Timer => "Timer",
            UnitKind::Path => "Path",
            UnitKind::Target => "Unit",
        }
    }

    /// What the names of the settings begin with of which it needs one, the usual one, and what to do
    /// where it has none.
    fn needs(self) -> Option<(&'static [&'static str], &'static str, &'static str)> {
        Some(match self {
            UnitKind::Service => (
                &["ExecStart"],
                "ExecStart",
                "write the unit that starts the app; `pystrano init` writes one to begin with",
            ),
            UnitKind::Socket => (
                &["Listen"],
                "ListenStream",
                "write where it listens, such as `ListenStream=127.0.0.1:8000`",
            ),
            UnitKind::Timer => (
                &["On"],
                "OnCalendar",
                "write when it starts its service, such as `OnCalendar=daily`",
            ),
            UnitKind::Path => (
                &["Path", "Directory"],
                "PathChanged",
                "write what it watches, such as `PathChanged=/srv/inbox`",
            ),
            UnitKind::Target => return None,
        })
    }
}

impl Unit {
    /// # Errors
    /// A text that is no unit of the kind that its name ends with.
    pub fn new(path: PathBuf, name: String, kind: UnitKind, text: String) -> Result<Self, Message> {
        let section = Section::parse(&text, kind.section()).unwrap_or_default();
        if let Some((beginnings, usual, help)) = kind.needs()
            && !section.has_one_of(beginnings)
        {
            let path = quoted(&path.to_string_lossy());
            let what = format!(
                "{path} has no `{usual}=` in a `[{}]` section",
                kind.section()
            );
            return refuse(what, help);
        }
        Ok(Unit {
            path,
            name,
            text,
            kind,
            section,
        })
    }

    /// The unit that a socket, timer or path starts.
    pub fn starts(&self) -> Option<String> {
        let setting = match self.kind {
            UnitKind::Socket => "Service",
            UnitKind::Timer | UnitKind::Path => "Unit",
            UnitKind::Service | UnitKind::Target => return None,
        };
        if let Some((unit, _)) = self.section.value(setting) {
            return Some(unit.to_owned());
        }
        let stem = self.name.rsplit_once('.')?.0;
        let instance = match self.section.value("Accept") {
            Some(("yes" | "true" | "on" | "1", _)) => "@",
            _ => "",
        };
        Some(format!("{stem}{instance}.service"))
    }

    /// Whether it ends by itself.
    pub fn is_oneshot(&self) -> bool {
        self.section
            .value("Type")
            .is_some_and(|(kind, _)| kind == "oneshot")
    }
}

/// The services that run the app, in order: those that a deploy restarts. What a timer or a path
/// starts, and what ends by itself, starts with the new release anyway.
pub fn services(units: &[Arc<Unit>]) -> Vec<&Unit> {
    let units = || units.iter().map(Arc::as_ref);
    let is_started_by = |service: &Unit| {
        units()
            .filter(|unit| matches!(unit.kind, UnitKind::Timer | UnitKind::Path))
            .any(|unit| unit.starts().as_deref() == Some(&service.name))
    };
    let is_restarted =
        |unit: &&Unit| unit.kind == UnitKind::Service && !unit.is_oneshot() && !is_started_by(unit);
    units().filter(is_restarted).collect()
}

/// The sockets, timers and paths, which setup starts.
pub fn triggers(units: &[Arc<Unit>]) -> Vec<&Unit> {
    let is_trigger = |unit: &&Unit| {
        matches!(
            unit.kind,
            UnitKind::Socket | UnitKind::Timer | UnitKind::Path
        )
    };
    units.iter().map(Arc::as_ref).filter(is_trigger).collect()
}

/// The names of units, separated by spaces: none has one in it.
pub fn names<U: Deref<Target = Unit>>(units: &[U]) -> String {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    names.join(" ")
}

/// The settings of a section.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Where it begins, 1-based.
    pub line: usize,
    /// Names and values in order, each with its line.
    settings: Vec<(String, String, usize)>,
}

impl Section {
    /// Reads a section of a unit. `None` if it has no such section.
    pub fn parse(text: &str, name: &str) -> Option<Self> {
        let mut section: Option<Section> = None;
        let mut is_open = false;
        let mut lines = text.lines().enumerate();
        while let Some((index, first)) = lines.next() {
            let mut line = first.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            while line.ends_with('\\') {
                line.pop();
                let next = lines.find(|(_, next)| !next.trim_start().starts_with(['#', ';']));
                line.push(' ');
                line += next.map_or("", |(_, next)| next.trim());
            }
            if line.starts_with('[') {
                is_open = line
                    .strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'))
                    == Some(name);
                if is_open {
                    section.get_or_insert_default().line = index + 1;
                }
            } else if let (true, Some(section)) = (is_open, &mut section)
                && let Some((name, value)) = line.split_once('=')
            {
                let setting = (name.trim().to_owned(), value.trim().to_owned(), index + 1);
                section.settings.push(setting);
            }
        }
        section
    }

    /// Whether it sets something whose name begins so.
    fn has_one_of(&self, beginnings: &[&str]) -> bool {
        self.settings.iter().any(|(name, value, _)| {
            !value.is_empty()
                && beginnings
                    .iter()
                    .any(|beginning| name.starts_with(beginning))
        })
    }

    /// The values of a setting with their lines. An empty one takes back those above it.
    pub fn values(&self, name: &str) -> Vec<(&str, usize)> {
        let mut values = Vec::new();
        for (_, value, line) in self.settings.iter().filter(|setting| setting.0 == name) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push((value.as_str(), *line));
            }
        }
        values
    }

    /// The value that counts where a setting has one.
    pub fn value(&self, name: &str) -> Option<(&str, usize)> {
        self.values(name).pop()
    }
}

/// The file name of a systemd unit.
pub fn unit_name(name: &str) -> Validation {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":_.@\\-".contains(c);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if UnitKind::of(name).is_none() || stem.is_empty() || name.len() > 255 {
        return refuse(
            format!("{} is not the name of a systemd unit", quoted(name)),
            "name the unit that runs the app, in a file like gunicorn.service; .socket, .timer, .path and .target may be beside it",
        );
    }
    if let Some(character) = name.chars().find(|c| !allowed(*c)) {
        return refuse(
            format!(
                "the unit name {} has the character {character:?}",
                quoted(name)
            ),
            "use letters, digits, `:`, `_`, `.`, `@` and `-`",
        );
    }
    if name.starts_with(['-', '.']) {
        return refuse(
            format!("the unit name {} starts with a sign", quoted(name)),
            "let it start with a letter",
        );
    }
    ensure(
        !stem.ends_with('@'),
        || format!("{} is a template, which cannot be started", quoted(name)),
        "name the file after an instance, like app@1.service",
    )
}
