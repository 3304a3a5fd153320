//! Facts that a host reports about itself.

use super::outcome::Outcome;
use serde::Serialize;

/// The facts of one session; `None` if a fact was not reported, or as `-`. Serializes to the `status` event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename = "status")]
pub struct Facts {
    /// The release that this deploy or rollback promotes.
    #[serde(skip)]
    pub release: Option<String>,
    pub commit: Option<String>,
    /// The release that was current before this run.
    #[serde(skip)]
    pub previous: Option<String>,
    pub current: Option<String>,
    /// Whether `current` was reported at all; a host without a release reports `-`.
    #[serde(skip)]
    pub has_current: bool,
    /// When the current release was promoted, in UTC.
    pub since: Option<String>,
    pub by: Option<String>,
    pub units: Vec<UnitState>,
    /// Other complete releases, oldest first.
    pub releases: Vec<String>,
    /// The holder of the lock: who, the action, since when.
    pub lock: Option<String>,
    /// The name of an incomplete release.
    pub unfinished: Option<String>,
    /// Packages that the run left changed in the shared virtualenv, with their versions.
    #[serde(skip)]
    pub packages: Vec<String>,
    /// Migrations that stay applied although their release was not kept.
    #[serde(skip)]
    pub migrations: Vec<String>,
    /// The command that reverses these migrations.
    #[serde(skip)]
    pub undo: Option<String>,
    /// The last runs in the log of the host, oldest first.
    #[serde(skip)]
    pub runs: Vec<Run>,
    /// The last line of that log.
    pub last: Option<String>,
    /// Versions and disk space with `--verbose`, by name: `systemd`, `sudo` and so on.
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
    /// When the unit entered this state, unless it is `active`.
    pub since: Option<String>,
}

/// A deploy, rollback or revert from the log of the host. Serializes to the `run` event of `history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename = "run")]
pub struct Run {
    /// Time in UTC.
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

// Limits on what is kept of one host: it may print anything, for any length of time.
const MAX_RELEASES: usize = 1000;
const MAX_UNITS: usize = 100;
const MAX_RUNS: usize = 100;
const MAX_SYSTEM: usize = 20;
/// Limit on the length of one fact.
const MAX_FACT_CHARS: usize = 300;

impl Facts {
    /// Records one fact; unknown keys are ignored.
    pub fn record(&mut self, key: &str, value: &str) {
        let end = match key {
            // Truncating these would change their meaning. One value of each is kept, of at most one line.
            "packages" | "migrations" | "undo" => None,
            _ => value.char_indices().nth(MAX_FACT_CHARS),
        };
        let value = end.map_or(value, |(end, _)| &value[..end]);
        let known = || (!matches!(value, "" | "-")).then(|| value.to_owned());
        let words = || value.split_whitespace().map(str::to_owned).collect();
        match key {
            "release" => {
                if self.releases.len() < MAX_RELEASES {
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
            "unit" if self.units.len() < MAX_UNITS => {
                if let Some((name, state)) = value.split_once(' ') {
                    let (state, since) = state.split_once(" since ").unwrap_or((state, ""));
                    self.units.push(UnitState {
                        name: name.to_owned(),
                        state: state.to_owned(),
                        since: (!since.is_empty()).then(|| since.to_owned()),
                    });
                }
            }
            "run" if self.runs.len() < MAX_RUNS => self.runs.extend(Run::parse(value)),
            "migrations" => self.migrations = words(),
            "undo" => self.undo = known(),
            "lock" => self.lock = Some(value.to_owned()),
            "unfinished" => self.unfinished = known(),
            "packages" => self.packages = words(),
            "last" => self.last = known(),
            "system" if self.system.len() < MAX_SYSTEM => {
                let system = value.split_once(' ');
                let system = system.map(|(name, text)| (name.to_owned(), text.to_owned()));
                self.system.extend(system);
            }
            _ => {}
        }
    }

    /// Infers the outcome of a deploy or rollback to `release` by `who` whose connection was lost, from the facts of a
    /// later `status`. `who` matters because another user can deploy a release of the same name in the same second.
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
            [_, name, _, by, result] if name == release && by == who => Some(result),
            _ => None,
        };
        match (logged, is_current) {
            // A restart since then implies that the release was kept.
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
            facts.record("release", &format!("{number}{}", "x".repeat(8000)));
            facts.record("unit", &format!("{number}.service active"));
            facts.record("last", &"é".repeat(8000));
            facts.record("system", &format!("{number} of it"));
        }
        assert_eq!(facts.releases.len(), MAX_RELEASES);
        assert_eq!(facts.units.len(), MAX_UNITS);
        assert_eq!(facts.system.len(), MAX_SYSTEM);
        assert!(
            facts
                .releases
                .iter()
                .all(|name| name.len() == MAX_FACT_CHARS)
        );
        assert_eq!(
            facts.last.map(|last| last.chars().count()),
            Some(MAX_FACT_CHARS)
        );
    }

    /// The migrations of Django's own apps alone exceed `MAX_FACT_CHARS`.
    #[test]
    fn no_migration_is_cut_off() {
        let all: Vec<String> = (1..60)
            .map(|number| format!("auth.{number:04}_initial"))
            .collect();
        let undo = "python manage.py migrate auth zero; ".repeat(20);
        let mut facts = Facts::default();
        facts.record("migrations", &all.join(" "));
        facts.record("packages", &all.join(" "));
        facts.record("undo", &undo);
        assert_eq!((&facts.migrations, &facts.packages), (&all, &all));
        assert_eq!(facts.undo, Some(undo));
    }

    #[test]
    fn the_outcome_follows_from_the_log_and_the_current_release() {
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
            facts.record("current", current);
            facts.record("last", last);
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
