//! What a host reports about itself.

use super::outcome::Outcome;
use serde::Serialize;

/// The facts of one session; `None` where none was reported, or a `-`. Serialized, they are the result of `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename = "status")]
pub struct Facts {
    /// The release of this deploy or rollback.
    #[serde(skip)]
    pub release: Option<String>,
    pub commit: Option<String>,
    /// The release that was current before.
    #[serde(skip)]
    pub previous: Option<String>,
    pub current: Option<String>,
    /// Whether `current` was reported, be it as nothing.
    #[serde(skip)]
    pub has_current: bool,
    /// UTC.
    pub since: Option<String>,
    pub by: Option<String>,
    pub units: Vec<UnitState>,
    /// Other good releases, the oldest first.
    pub releases: Vec<String>,
    /// Who holds the lock, with what, since when.
    pub lock: Option<String>,
    /// A release that is not whole.
    pub unfinished: Option<String>,
    /// What the run left changed in the virtualenv that releases share.
    #[serde(skip)]
    pub packages: Vec<String>,
    /// The migrations that it applied without keeping its release.
    #[serde(skip)]
    pub migrations: Vec<String>,
    /// The command that undoes them.
    #[serde(skip)]
    pub undo: Option<String>,
    /// The last runs, the oldest first.
    #[serde(skip)]
    pub runs: Vec<Run>,
    /// The last line of the log.
    pub last: Option<String>,
    /// What runs there, by what it is of: `systemd`, `sudo` and so on.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    pub system: Vec<(String, String)>,
}

fn as_map<S: serde::Serializer>(
    pairs: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, text)| (name, text)))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitState {
    pub name: String,
    pub state: String,
    /// Since when it is in this state, where that is not `active`.
    pub since: Option<String>,
}

/// A deploy, rollback or revert, as the log on the host has it. Serialized, it is a result of `history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename = "run")]
pub struct Run {
    /// UTC.
    pub time: String,
    pub release: String,
    pub commit: Option<String>,
    pub by: String,
    /// `deployed`, `rolled-back`, `reverted` or `doubt`.
    pub result: String,
}

impl Run {
    fn parse(line: &str) -> Option<Run> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let [time, release, commit, by, result] = words.try_into().ok()?;
        let commit = Some(commit).filter(|commit| commit != "-");
        Some(Run {
            time,
            release,
            commit,
            by,
            result,
        })
    }
}

/// So many releases, units and runs of one host are kept, and so many characters of one fact: a host may print
/// what it likes, for as long as it likes.
const MOST_RELEASES: usize = 1000;
const MOST_UNITS: usize = 100;
const MOST_SYSTEM: usize = 20;
const LONGEST: usize = 300;

impl Facts {
    pub fn learn(&mut self, key: &str, value: &str) {
        let end = match key {
            // A cut list would name what is not there; each is kept once, as long as a line can be.
            "packages" | "migrations" | "undo" => None,
            _ => value.char_indices().nth(LONGEST),
        };
        let value = end.map_or(value, |(end, _)| &value[..end]);
        let known = || (!matches!(value, "" | "-")).then(|| value.to_owned());
        let words = || value.split_whitespace().map(str::to_owned).collect();
        match key {
            "release" => {
                if self.releases.len() < MOST_RELEASES {
                    self.releases.extend(known());
                }
                self.release = known();
            }
            "commit" => self.commit = known(),
            "previous" => self.previous = known(),
            "current" => {
                self.current = known();
                self.has_current = true;
            }
            "since" => self.since = known(),
            "by" => self.by = known(),
            "unit" if self.units.len() < MOST_UNITS => {
                if let Some((name, state)) = value.split_once(' ') {
                    let (state, since) = state.split_once(" since ").unwrap_or((state, ""));
                    self.units.push(UnitState {
                        name: name.to_owned(),
                        state: state.to_owned(),
                        since: (!since.is_empty()).then(|| since.to_owned()),
                    });
                }
            }
            "run" if self.runs.len() < MOST_UNITS => self.runs.extend(Run::parse(value)),
            "migrations" => self.migrations = words(),
            "undo" => self.undo = known(),
            "lock" => self.lock = Some(value.to_owned()),
            "unfinished" => self.unfinished = known(),
            "packages" => self.packages = words(),
            "last" => self.last = known(),
            "system" if self.system.len() < MOST_SYSTEM => {
                let system = value.split_once(' ');
                let system = system.map(|(name, text)| (name.to_owned(), text.to_owned()));
                self.system.extend(system);
            }
            _ => {}
        }
    }

    /// The outcome of a lost deploy or rollback to `release` by `who`, from a `status` afterwards. Another person may
    /// have deployed a release of the same name, in the same second.
    pub fn outcome_of(&self, release: Option<&str>, who: &str) -> Outcome {
        let Some(release) = release.filter(|_| self.has_current) else {
            return Outcome::Unknown;
        };
        let is_current = self.current.as_deref() == Some(release);
        let log: Vec<_> = self
            .last
            .as_deref()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let logged = match log[..] {
            [_, of, _, by, result] if of == release && by == who => Some(result),
            _ => None,
        };
        match (logged, is_current) {
            // What was restarted since had been kept.
            (Some("deployed" | "rolled-back" | "restarted" | "restart-failed"), true) => {
                Outcome::Done
            }
            (Some("reverted"), false) => Outcome::Reverted,
            (None, false) => Outcome::Stopped,
            _ => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_16_a_host_that_floods_facts_is_kept_in_bounds() {
        let mut facts = Facts::default();
        for number in 0..100_000 {
            facts.learn("release", &format!("{number}{}", "x".repeat(8000)));
            facts.learn("unit", &format!("{number}.service active"));
            facts.learn("last", &"é".repeat(8000));
            facts.learn("system", &format!("{number} of it"));
        }
        assert_eq!(facts.releases.len(), MOST_RELEASES);
        assert_eq!(facts.units.len(), MOST_UNITS);
        assert_eq!(facts.system.len(), MOST_SYSTEM);
        assert!(facts.releases.iter().all(|name| name.len() == LONGEST));
        assert_eq!(facts.last.map(|last| last.chars().count()), Some(LONGEST));
    }

    /// Those of Django's own apps alone are longer than a line of a table.
    #[test]
    fn no_migration_is_cut_off() {
        let all: Vec<String> = (1..60)
            .map(|number| format!("auth.{number:04}_initial"))
            .collect();
        let undo = "python manage.py migrate auth zero; ".repeat(20);
        let mut facts = Facts::default();
        facts.learn("migrations", &all.join(" "));
        facts.learn("packages", &all.join(" "));
        facts.learn("undo", &undo);
        assert_eq!((&facts.migrations, &facts.packages), (&all, &all));
        assert_eq!(facts.undo, Some(undo));
    }

    #[test]
    fn the_log_and_the_link_tell_what_became_of_a_release() {
        for (current, last, outcome) in [
            ("2", "T 2 abc me@here deployed", Outcome::Done),
            ("2", "T 2 - me@here rolled-back", Outcome::Done),
            ("2", "T 2 abc me@here restarted", Outcome::Done),
            ("1", "T 2 abc me@here reverted", Outcome::Reverted),
            ("1", "T 1 abc me@here deployed", Outcome::Stopped),
            ("1", "-", Outcome::Stopped),
            ("2", "T 1 abc me@here deployed", Outcome::Unknown),
            ("2", "T 2 abc you@there deployed", Outcome::Unknown),
            ("1", "T 2 abc you@there reverted", Outcome::Stopped),
            ("3", "T 2 abc me@here deployed", Outcome::Unknown),
        ] {
            let mut facts = Facts::default();
            facts.learn("current", current);
            facts.learn("last", last);
            assert_eq!(
                facts.outcome_of(Some("2"), "me@here"),
                outcome,
                "{current} {last}"
            );
        }
        assert_eq!(
            Facts::default().outcome_of(None, "me@here"),
            Outcome::Unknown
        );
    }
}
