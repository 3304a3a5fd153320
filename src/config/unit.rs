//! The app's systemd units: the kinds of units, and a parser for their settings.

use super::types::{Validation, ensure, refuse};
use crate::diagnostics::{Message, quoted};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

/// A systemd unit.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The path of the local file.
    pub path: PathBuf,
    /// The file name, such as `gunicorn.service`.
    pub name: String,
    pub text: String,
    pub kind: UnitKind,
    /// The section for units of this kind, such as `[Service]`.
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
    /// The kind of a unit, from the suffix of its file name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.rsplit_once('.')?.1 {
            "service" => UnitKind::Service,
            "socket" => UnitKind::Socket,
            "timer" => UnitKind::Timer,
            "path" => UnitKind::Path,
            "target" => UnitKind::Target,
            _ => return None,
        })
    }

    /// The name of the section for units of this kind.
    fn section(self) -> &'static str {
        match self {
            UnitKind::Service => "Service",
            UnitKind::Socket => "Socket",
            UnitKind::Timer => "Timer",
            UnitKind::Path => "Path",
            UnitKind::Target => "Unit",
        }
    }

    /// The settings of which a unit of this kind must have one: prefixes of their names, the most common name, and the
    /// help if there is none.
    fn required_setting(self) -> Option<(&'static [&'static str], &'static str, &'static str)> {
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
    /// Parses the text of a unit.
    ///
    /// # Errors
    /// The unit lacks the setting that units of this kind require.
    pub fn new(path: PathBuf, name: String, kind: UnitKind, text: String) -> Result<Self, Message> {
        let section = Section::parse(&text, kind.section()).unwrap_or_default();
        if let Some((prefixes, usual, help)) = kind.required_setting()
            && !section.sets_any(prefixes)
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

    /// The unit that a socket, timer or path triggers.
    pub fn triggered_unit(&self) -> Option<String> {
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

    /// Whether the service runs to completion: `Type=oneshot`.
    pub fn is_oneshot(&self) -> bool {
        self.section
            .value("Type")
            .is_some_and(|(kind, _)| kind == "oneshot")
    }
}

/// The services that a deploy restarts, in order. Oneshot services, and those that a timer or path triggers, use the new
/// release at their next start anyway.
pub fn services(units: &[Arc<Unit>]) -> Vec<&Unit> {
    let units = || units.iter().map(Arc::as_ref);
    let is_triggered = |service: &Unit| {
        units()
            .filter(|unit| matches!(unit.kind, UnitKind::Timer | UnitKind::Path))
            .any(|unit| unit.triggered_unit().as_deref() == Some(&service.name))
    };
    let is_restarted =
        |unit: &&Unit| unit.kind == UnitKind::Service && !unit.is_oneshot() && !is_triggered(unit);
    units().filter(is_restarted).collect()
}

/// The sockets, timers and paths, which `setup.sh` starts.
pub fn triggers(units: &[Arc<Unit>]) -> Vec<&Unit> {
    let is_trigger = |unit: &&Unit| {
        matches!(
            unit.kind,
            UnitKind::Socket | UnitKind::Timer | UnitKind::Path
        )
    };
    units.iter().map(Arc::as_ref).filter(is_trigger).collect()
}

/// The names of units, separated by spaces. Names have no spaces.
pub fn names<U: Deref<Target = Unit>>(units: &[U]) -> String {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    names.join(" ")
}

/// The settings in a section of a unit.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// The line of its first header, 1-based.
    pub line: usize,
    /// Name, value and line of each setting, in order.
    settings: Vec<(String, String, usize)>,
}

impl Section {
    /// Parses a section of a unit; `None` if the unit has no such section. Like systemd, joins continued lines and merges
    /// sections of the same name.
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

    /// Whether a setting whose name has one of the prefixes has a value.
    fn sets_any(&self, prefixes: &[&str]) -> bool {
        self.settings.iter().any(|(name, value, _)| {
            !value.is_empty() && prefixes.iter().any(|prefix| name.starts_with(prefix))
        })
    }

    /// The values of a setting with their lines. As in systemd, an empty value resets the list.
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

    /// The value of a setting that takes only one, which is the last.
    pub fn value(&self, name: &str) -> Option<(&str, usize)> {
        self.values(name).pop()
    }
}

/// Checks the file name of a systemd unit.
pub fn unit_name(name: &str) -> Validation {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":_.@\\-".contains(c);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if UnitKind::from_name(name).is_none() || stem.is_empty() || name.len() > 255 {
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
