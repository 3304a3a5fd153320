//! Who may do what next: the all-or-nothing rules of many hosts, without any input or output.

use super::outcome::Outcome;
use crate::ssh::{Order, Phase};

/// Where one host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Not started, or building, or whatever else comes before it can be asked to promote.
    Building,
    /// Built; waits for its turn.
    Ready,
    /// Told to migrate.
    Migrating,
    Migrated,
    /// Told to promote, or seen to promote by itself.
    Promoting,
    /// Promoted and verified; waits for the verdict.
    Promoted,
    /// The link is gone after the word to promote; it is being asked.
    Asked,
    /// Told the verdict.
    Judged,
    Over(Outcome),
}

/// How far all of them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Building,
    Migrating,
    /// The point of no return is passed: the word to promote is given.
    Promoting,
    Keeping,
    Reverting,
    Stopping,
}

/// The rules for one command.
#[derive(Debug)]
pub struct Barrier {
    /// Hosts wait for each other. Otherwise each goes straight through.
    together: bool,
    migrates: Vec<bool>,
    places: Vec<Place>,
    stage: Stage,
}

impl Barrier {
    /// One host for each element, which says whether it migrates.
    pub fn new(together: bool, migrates: Vec<bool>) -> Self {
        Barrier {
            together,
            places: vec![Place::Building; migrates.len()],
            migrates,
            stage: Stage::Building,
        }
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_over(&self) -> bool {
        self.outcomes().is_some()
    }

    /// The outcome of each host, when all have one.
    pub fn outcomes(&self) -> Option<Vec<Outcome>> {
        self.places
            .iter()
            .map(|place| match place {
                Place::Over(outcome) => Some(*outcome),
                _ => None,
            })
            .collect()
    }

    /// Whether an interrupted command can still leave every host as it was.
    pub fn can_stop(&self) -> bool {
        match self.stage {
            Stage::Building | Stage::Migrating => !self.places.contains(&Place::Promoting),
            Stage::Promoting | Stage::Keeping | Stage::Reverting | Stage::Stopping => false,
        }
    }

    /// Whether the script on this host may have promoted when its link is gone.
    pub fn may_have_promoted(&self, host: usize) -> bool {
        match self.places[host] {
            Place::Building => !self.together,
            Place::Ready | Place::Migrating | Place::Migrated | Place::Over(_) => false,
            Place::Promoting | Place::Promoted | Place::Asked | Place::Judged => true,
        }
    }

    /// A host reached a waiting point. What is not its next one is ignored.
    pub fn reached(&mut self, host: usize, phase: Phase) -> Vec<(usize, Order)> {
        let next = match (phase, self.places[host]) {
            (Phase::Ready, Place::Building) => Place::Ready,
            (Phase::Migrated, Place::Migrating) => Place::Migrated,
            (Phase::Promoted, Place::Promoting) if self.together => Place::Promoted,
            _ => return Vec::new(),
        };
        self.moved(host, next)
    }

    /// A host that goes straight through has come to its promotion.
    pub fn promotes_alone(&mut self, host: usize) {
        if !self.together && self.places[host] == Place::Building {
            self.places[host] = Place::Promoting;
        }
    }

    /// The link is gone, and the host is being asked.
    pub fn asked(&mut self, host: usize) -> Vec<(usize, Order)> {
        // A host at the last waiting point keeps what it has when the link is gone: it counts as promoted.
        if matches!(self.places[host], Place::Promoted | Place::Judged) {
            return Vec::new();
        }
        self.moved(host, Place::Asked)
    }

    pub fn ended(&mut self, host: usize, outcome: Outcome) -> Vec<(usize, Order)> {
        self.moved(host, Place::Over(outcome))
    }

    /// Stops everything; only where `can_stop`.
    pub fn stop(&mut self) -> Vec<(usize, Order)> {
        self.stage = Stage::Stopping;
        self.all_that_run(Order::Stop)
    }

    fn moved(&mut self, host: usize, place: Place) -> Vec<(usize, Order)> {
        self.places[host] = place;
        if self.together {
            self.advance()
        } else {
            Vec::new()
        }
    }

    fn advance(&mut self) -> Vec<(usize, Order)> {
        match self.stage {
            Stage::Building | Stage::Migrating => self.before_promotion(),
            Stage::Promoting => match self.verdict() {
                Some(stage) => {
                    self.stage = stage;
                    self.judge()
                }
                None => Vec::new(),
            },
            Stage::Keeping | Stage::Reverting => self.judge(),
            Stage::Stopping => Vec::new(),
        }
    }

    fn before_promotion(&mut self) -> Vec<(usize, Order)> {
        let over = |place: &Place| matches!(place, Place::Over(_));
        if self.places.iter().any(over) {
            return self.stop();
        }
        if self
            .places
            .iter()
            .any(|place| matches!(place, Place::Building | Place::Migrating))
        {
            return Vec::new();
        }
        let next = (0..self.places.len())
            .find(|host| self.migrates[*host] && self.places[*host] == Place::Ready);
        if let Some(host) = next {
            self.stage = Stage::Migrating;
            self.places[host] = Place::Migrating;
            return vec![(host, Order::Migrate)];
        }
        self.stage = Stage::Promoting;
        self.places.fill(Place::Promoting);
        self.all_that_run(Order::Go)
    }

    /// Back as soon as one has failed; keep when every one that can be reached has promoted.
    fn verdict(&self) -> Option<Stage> {
        let failed = |place: &Place| matches!(place, Place::Over(outcome) if !matches!(outcome, Outcome::Done | Outcome::Doubt));
        let open = |place: &Place| matches!(place, Place::Promoting | Place::Asked);
        if self.places.iter().any(failed) {
            Some(Stage::Reverting)
        } else if self.places.iter().any(open) {
            None
        } else {
            Some(Stage::Keeping)
        }
    }

    fn judge(&mut self) -> Vec<(usize, Order)> {
        let word = match self.stage {
            Stage::Reverting => Order::Revert,
            _ => Order::Keep,
        };
        let mut orders = Vec::new();
        for (host, place) in self.places.iter_mut().enumerate() {
            if *place == Place::Promoted {
                *place = Place::Judged;
                orders.push((host, word));
            }
        }
        orders
    }

    fn all_that_run(&self, order: Order) -> Vec<(usize, Order)> {
        (0..self.places.len())
            .filter(|host| !matches!(self.places[*host], Place::Over(_)))
            .map(|host| (host, order))
            .collect()
    }
}
