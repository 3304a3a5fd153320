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
    /// Hosts wait for a word. Otherwise each goes straight through.
    together: bool,
    migrates: Vec<bool>,
    places: Vec<Place>,
    /// Hosts that were told to go back: one that cannot is not told again.
    reverting: Vec<bool>,
    stage: Stage,
}

impl Barrier {
    /// One host for each element, which says whether it migrates.
    pub fn new(together: bool, migrates: Vec<bool>) -> Self {
        Barrier {
            together,
            places: vec![Place::Building; migrates.len()],
            reverting: vec![false; migrates.len()],
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
            Stage::Building | Stage::Migrating => !self
                .places
                .iter()
                .any(|place| matches!(place, Place::Promoting | Place::Asked)),
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

    /// Whether all that comes before a successful end was seen of this host.
    pub fn has_promoted(&self, host: usize) -> bool {
        match self.places[host] {
            Place::Promoted | Place::Judged => true,
            Place::Promoting => !self.together,
            _ => false,
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
        let reverting = self.stage == Stage::Reverting;
        let word = if reverting {
            Order::Revert
        } else {
            Order::Keep
        };
        let mut orders = Vec::new();
        for (host, place) in self.places.iter_mut().enumerate() {
            // One that was lost may have ended before the verdict, with what it promoted.
            let kept = reverting && *place == Place::Over(Outcome::Done) && !self.reverting[host];
            self.reverting[host] |= reverting && *place == Place::Promoted || kept;
            if *place == Place::Promoted || kept {
                *place = Place::Judged;
                orders.push((host, word.clone()));
            }
        }
        orders
    }

    fn all_that_run(&self, order: Order) -> Vec<(usize, Order)> {
        (0..self.places.len())
            .filter(|host| !matches!(self.places[*host], Place::Over(_)))
            .map(|host| (host, order.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::FileFailurePersistence;

    /// How a simulated host goes wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        Unreachable,
        Build,
        Migrate,
        Verify,
        /// The link is lost after the word to promote; the host is found promoted.
        LostPromoted,
        /// The same, and the host cannot be found at all.
        LostForGood,
    }

    /// Hosts that do what they are told, in an order that `picks` decides. Gives the words that were
    /// said, and the outcomes.
    fn play(
        migrates: &[bool],
        faults: &[Fault],
        picks: &[u8],
    ) -> (Vec<(usize, Order)>, Vec<Outcome>) {
        let mut barrier = Barrier::new(true, migrates.to_vec());
        let mut said = Vec::new();
        // What each host has been told and not yet answered; at first, to build.
        let mut todo: Vec<(usize, Option<Order>)> =
            (0..migrates.len()).map(|host| (host, None)).collect();
        let mut picks = picks.iter().cycle();
        while !todo.is_empty() {
            let pick = usize::from(*picks.next().expect("a cycle")) % todo.len();
            let (host, order) = todo.remove(pick);
            let fault = faults[host];
            let orders = match order {
                None if fault == Fault::Unreachable => barrier.ended(host, Outcome::Unreachable),
                None if fault == Fault::Build => barrier.ended(host, Outcome::Stopped),
                None => barrier.reached(host, Phase::Ready),
                Some(Order::Migrate) if fault == Fault::Migrate => {
                    barrier.ended(host, Outcome::Stopped)
                }
                Some(Order::Migrate) => barrier.reached(host, Phase::Migrated),
                Some(Order::Go) => match fault {
                    Fault::Verify => barrier.ended(host, Outcome::Reverted),
                    Fault::LostPromoted => {
                        let mut orders = barrier.asked(host);
                        orders.extend(barrier.ended(host, Outcome::Done));
                        orders
                    }
                    Fault::LostForGood => {
                        let mut orders = barrier.asked(host);
                        orders.extend(barrier.ended(host, Outcome::Doubt));
                        orders
                    }
                    _ => barrier.reached(host, Phase::Promoted),
                },
                Some(Order::Keep) => barrier.ended(host, Outcome::Done),
                Some(Order::Revert) => barrier.ended(host, Outcome::Reverted),
                Some(Order::Stop | Order::Wait | Order::Commit(_)) => {
                    barrier.ended(host, Outcome::Stopped)
                }
            };
            for (host, order) in orders {
                if order == Order::Stop {
                    todo.retain(|(other, _)| *other != host);
                }
                todo.push((host, Some(order.clone())));
                said.push((host, order));
            }
        }
        (said, barrier.outcomes().expect("all hosts are done"))
    }

    fn fault() -> impl Strategy<Value = Fault> {
        prop_oneof![
            6 => Just(Fault::None),
            1 => Just(Fault::Unreachable),
            1 => Just(Fault::Build),
            1 => Just(Fault::Migrate),
            1 => Just(Fault::Verify),
            1 => Just(Fault::LostPromoted),
            1 => Just(Fault::LostForGood),
        ]
    }

    proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/proptest/barrier.txt"))),
        ..ProptestConfig::default()
    })]

        #[test]
        fn all_or_nothing_in_any_order(
            hosts in proptest::collection::vec((any::<bool>(), fault()), 2..7),
            picks in proptest::collection::vec(any::<u8>(), 1..60),
        ) {
            let (migrates, faults): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
            let (said, outcomes) = play(&migrates, &faults, &picks);
            let told = |wanted| said.iter().filter(move |(_, order)| *order == wanted);
            let built = faults.iter().all(|fault| !matches!(fault, Fault::Unreachable | Fault::Build));
            let migrating: Vec<usize> = told(Order::Migrate).map(|(host, _)| *host).collect();
            let broken = faults.iter().zip(&migrates).position(|(fault, migrates)| *migrates && *fault == Fault::Migrate);
            // Migrations run once for each flagged host, in config order, up to the first that fails.
            let flagged = (0..migrates.len()).filter(|host| migrates[*host]);
            let due: Vec<usize> = flagged.take_while(|host| broken.is_none_or(|broken| *host <= broken)).collect();
            prop_assert_eq!(&migrating, if built { &due } else { &migrating });
            prop_assert!(built || migrating.is_empty());
            // Nobody promotes unless all have built and migrated, and then all do, after that.
            let promoted = built && broken.is_none();
            prop_assert_eq!(told(Order::Go).count(), if promoted { faults.len() } else { 0 });
            // One verdict for all; back if one failed.
            let failed = faults.contains(&Fault::Verify);
            prop_assert!(failed || told(Order::Revert).count() == 0);
            prop_assert!(!(promoted && failed) || told(Order::Keep).count() == 0);
            for (fault, outcome) in faults.iter().zip(&outcomes) {
                let reverted = promoted && failed;
                let expected = match fault {
                    Fault::LostForGood if promoted => Outcome::Doubt,
                    _ if reverted => Outcome::Reverted,
                    _ if promoted => Outcome::Done,
                    Fault::Unreachable if *outcome == Outcome::Unreachable => Outcome::Unreachable,
                    _ => Outcome::Stopped,
                };
                prop_assert_eq!(*outcome, expected);
            }
        }
    }

    #[test]
    fn a_host_that_lost_its_link_at_the_verdict_counts_as_promoted() {
        let mut barrier = Barrier::new(true, vec![false, false]);
        for host in 0..2 {
            barrier.reached(host, Phase::Ready);
        }
        assert!(barrier.reached(0, Phase::Promoted).is_empty());
        assert!(barrier.may_have_promoted(0));
        assert!(barrier.asked(0).is_empty());
        let keep = [(0, Order::Keep), (1, Order::Keep)];
        assert_eq!(barrier.reached(1, Phase::Promoted), keep);
    }

    #[test]
    fn words_out_of_turn_change_nothing() {
        let mut barrier = Barrier::new(true, vec![true, false]);
        for phase in [Phase::Migrated, Phase::Promoted] {
            assert!(barrier.reached(0, phase).is_empty());
        }
        barrier.reached(1, Phase::Ready);
        assert!(barrier.reached(1, Phase::Ready).is_empty());
        assert_eq!(barrier.reached(0, Phase::Ready), [(0, Order::Migrate)]);
        assert!(barrier.reached(1, Phase::Promoted).is_empty());
        assert!(barrier.can_stop());
        let go = [(0, Order::Go), (1, Order::Go)];
        assert_eq!(barrier.reached(0, Phase::Migrated), go);
        assert!(!barrier.can_stop());
    }

    #[test]
    fn alone_there_are_no_words() {
        let mut barrier = Barrier::new(false, vec![true]);
        assert!(barrier.may_have_promoted(0));
        assert!(barrier.can_stop());
        barrier.promotes_alone(0);
        assert!(!barrier.can_stop());
        barrier.asked(0);
        assert!(!barrier.can_stop(), "it may have promoted");
        assert!(barrier.ended(0, Outcome::Done).is_empty());
        assert_eq!(barrier.outcomes(), Some(vec![Outcome::Done]));
    }
}
