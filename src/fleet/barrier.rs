//! Which host may do what next: the all-or-nothing rules of many hosts, without any input or output.

use crate::protocol::{Order, Outcome, Phase};

/// Where one host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// Not started, or building.
    Building,
    /// Built; waits for the order to migrate or to promote.
    Ready,
    /// Ordered to migrate.
    Migrating,
    Migrated,
    /// Ordered to promote, or seen to promote without an order.
    Promoting,
    /// Promoted and verified; waits for the verdict.
    Promoted,
    /// Its connection was lost after the order to promote; it is probed.
    Probing,
    /// Ordered to keep the release or to revert it.
    VerdictSent,
    Over(Outcome),
}

/// How far all of them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Building,
    Migrating,
    /// The order to promote was sent to a host: there is no way back without reverts.
    Promoting,
    Keeping,
    Reverting,
    Stopping,
}

/// The rules for one command.
#[derive(Debug)]
pub struct Barrier {
    /// Hosts wait for orders. Otherwise each goes straight through.
    coordinated: bool,
    migrates: Vec<bool>,
    states: Vec<HostState>,
    /// Hosts that were ordered to stop or revert: one that cannot is not ordered again.
    reverting: Vec<bool>,
    /// How many promote at a time.
    batch: usize,
    stage: Stage,
}

impl Barrier {
    /// One host for each element of `migrates`, of which `batch` promote at a time.
    pub fn new(coordinated: bool, migrates: Vec<bool>, batch: Option<usize>) -> Self {
        Barrier {
            coordinated,
            states: vec![HostState::Building; migrates.len()],
            reverting: vec![false; migrates.len()],
            batch: batch.unwrap_or(migrates.len()),
            migrates,
            stage: Stage::Building,
        }
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn is_over(&self) -> bool {
        self.outcomes().is_some()
    }

    /// The outcome of each host, when all have one.
    pub fn outcomes(&self) -> Option<Vec<Outcome>> {
        self.states
            .iter()
            .map(|state| match state {
                HostState::Over(outcome) => Some(*outcome),
                _ => None,
            })
            .collect()
    }

    /// Whether an interrupted command can still leave every host as it was.
    pub fn can_stop(&self) -> bool {
        match self.stage {
            Stage::Building | Stage::Migrating => !self.promotes_now(),
            Stage::Promoting | Stage::Keeping | Stage::Reverting | Stage::Stopping => false,
        }
    }

    /// Whether the script on this host may have promoted when its link is gone.
    pub fn may_have_promoted(&self, host: usize) -> bool {
        match self.states[host] {
            HostState::Building => !self.coordinated,
            HostState::Ready | HostState::Migrating | HostState::Migrated | HostState::Over(_) => {
                false
            }
            HostState::Promoting
            | HostState::Promoted
            | HostState::Probing
            | HostState::VerdictSent => true,
        }
    }

    /// Whether all that comes before a successful end was seen of this host.
    pub fn has_promoted(&self, host: usize) -> bool {
        match self.states[host] {
            HostState::Promoted | HostState::VerdictSent => true,
            HostState::Promoting => !self.coordinated,
            _ => false,
        }
    }

    /// A host reached a waiting point. What is not its next one is ignored.
    pub fn reached(&mut self, host: usize, phase: Phase) -> Vec<(usize, Order)> {
        let next = match (phase, self.states[host]) {
            (Phase::Ready, HostState::Building) => HostState::Ready,
            (Phase::Migrated, HostState::Migrating) => HostState::Migrated,
            (Phase::Promoted, HostState::Promoting) if self.coordinated => HostState::Promoted,
            _ => return Vec::new(),
        };
        self.moved(host, next)
    }

    /// A host that waits for no orders begins to promote.
    pub fn promoting_uncoordinated(&mut self, host: usize) {
        if !self.coordinated && self.states[host] == HostState::Building {
            self.states[host] = HostState::Promoting;
        }
    }

    /// A connection was lost, and the host is probed.
    pub fn probing(&mut self, host: usize) -> Vec<(usize, Order)> {
        // At the last waiting point a host keeps its release when the connection is lost: it counts as promoted.
        if matches!(
            self.states[host],
            HostState::Promoted | HostState::VerdictSent
        ) {
            return Vec::new();
        }
        self.moved(host, HostState::Probing)
    }

    pub fn ended(&mut self, host: usize, outcome: Outcome) -> Vec<(usize, Order)> {
        self.moved(host, HostState::Over(outcome))
    }

    /// Stops everything; only where `can_stop`.
    pub fn stop(&mut self) -> Vec<(usize, Order)> {
        self.stage = Stage::Stopping;
        let over = |state: &HostState| matches!(state, HostState::Over(_));
        let running = (0..self.states.len()).filter(|host| !over(&self.states[*host]));
        running.map(|host| (host, Order::Stop)).collect()
    }

    fn moved(&mut self, host: usize, state: HostState) -> Vec<(usize, Order)> {
        self.states[host] = state;
        if self.coordinated {
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
                    self.send_verdict()
                }
                None => Vec::new(),
            },
            Stage::Keeping | Stage::Reverting => self.send_verdict(),
            Stage::Stopping => Vec::new(),
        }
    }

    fn before_promotion(&mut self) -> Vec<(usize, Order)> {
        let over = |state: &HostState| matches!(state, HostState::Over(_));
        if self.states.iter().any(over) {
            return self.stop();
        }
        if self
            .states
            .iter()
            .any(|state| matches!(state, HostState::Building | HostState::Migrating))
        {
            return Vec::new();
        }
        let next = (0..self.states.len())
            .find(|host| self.migrates[*host] && self.states[*host] == HostState::Ready);
        if let Some(host) = next {
            self.stage = Stage::Migrating;
            self.states[host] = HostState::Migrating;
            return vec![(host, Order::Migrate)];
        }
        self.stage = Stage::Promoting;
        self.next_batch()
    }

    /// Whether a batch has promoted, and another one may follow.
    pub fn is_between_batches(&self) -> bool {
        self.can_abort() && !self.promotes_now()
    }

    /// Whether a host promotes, or may do so where it is not seen.
    fn promotes_now(&self) -> bool {
        let open = [HostState::Promoting, HostState::Probing];
        self.states.iter().any(|state| open.contains(state))
    }

    /// How many hosts have promoted, and wait for the verdict.
    pub fn promoted(&self) -> usize {
        let done = [HostState::Promoted, HostState::Over(Outcome::Done)];
        self.states
            .iter()
            .filter(|state| done.contains(state))
            .count()
    }

    /// Lets the next hosts promote, in the order of the config.
    pub fn next_batch(&mut self) -> Vec<(usize, Order)> {
        let held = (0..self.states.len()).filter(|host| self.is_held(*host));
        let next: Vec<usize> = held.take(self.batch).collect();
        for host in &next {
            self.states[*host] = HostState::Promoting;
        }
        next.into_iter().map(|host| (host, Order::Go)).collect()
    }

    /// Whether an interrupted command can still take all hosts back: some have not promoted yet.
    pub fn can_abort(&self) -> bool {
        self.stage == Stage::Promoting && (0..self.states.len()).any(|host| self.is_held(host))
    }

    /// Takes all hosts back; only where `can_abort`.
    pub fn abort(&mut self) -> Vec<(usize, Order)> {
        self.stage = Stage::Reverting;
        self.send_verdict()
    }

    /// Whether a host waits for the order to promote.
    fn is_held(&self, host: usize) -> bool {
        matches!(self.states[host], HostState::Ready | HostState::Migrated)
    }

    /// Back as soon as one has failed; keep when every one that can be reached has promoted. While others
    /// wait for their turn, one whose state is unknown has failed.
    fn verdict(&self) -> Option<Stage> {
        let more = self.can_abort();
        let failed = |state: &HostState| match state {
            HostState::Over(Outcome::Unknown) => more,
            HostState::Over(outcome) => *outcome != Outcome::Done,
            _ => false,
        };
        if self.states.iter().any(failed) {
            Some(Stage::Reverting)
        } else if more || self.promotes_now() {
            None
        } else {
            Some(Stage::Keeping)
        }
    }

    fn send_verdict(&mut self) -> Vec<(usize, Order)> {
        let reverting = self.stage == Stage::Reverting;
        let mut orders = Vec::new();
        for host in 0..self.states.len() {
            let order = match self.states[host] {
                HostState::Promoted if reverting => Order::Revert,
                HostState::Promoted => Order::Keep,
                // One that was lost may have ended before the verdict, with what it promoted.
                HostState::Over(Outcome::Done) if reverting && !self.reverting[host] => {
                    Order::Revert
                }
                HostState::Ready | HostState::Migrated if !self.reverting[host] => Order::Stop,
                _ => continue,
            };
            self.reverting[host] = reverting;
            if order != Order::Stop {
                self.states[host] = HostState::VerdictSent;
            }
            orders.push((host, order));
        }
        orders
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
        /// The connection is lost after the order to promote; the host is found promoted.
        LostPromoted,
        /// The same, and the host cannot be found at all.
        LostForGood,
    }

    /// Hosts that follow their orders, in a sequence that `picks` decides. Gives the orders that were sent, and the
    /// outcomes.
    fn play(
        migrates: &[bool],
        faults: &[Fault],
        picks: &[u8],
        batch: usize,
    ) -> (Vec<(usize, Order)>, Vec<Outcome>) {
        let mut barrier = Barrier::new(true, migrates.to_vec(), Some(batch));
        let mut sent = Vec::new();
        // The orders that each host has not yet followed; at first, to build.
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
                        let mut orders = barrier.probing(host);
                        orders.extend(barrier.ended(host, Outcome::Done));
                        orders
                    }
                    Fault::LostForGood => {
                        let mut orders = barrier.probing(host);
                        orders.extend(barrier.ended(host, Outcome::Unknown));
                        orders
                    }
                    _ => barrier.reached(host, Phase::Promoted),
                },
                Some(Order::Keep) => barrier.ended(host, Outcome::Done),
                Some(Order::Revert) => barrier.ended(host, Outcome::Reverted),
                Some(Order::Stop | Order::KeepAlive | Order::Commit(_)) => {
                    barrier.ended(host, Outcome::Stopped)
                }
            };
            for (host, order) in orders {
                if order == Order::Stop {
                    todo.retain(|(other, _)| *other != host);
                }
                todo.push((host, Some(order.clone())));
                sent.push((host, order));
            }
            if todo.is_empty() && barrier.is_between_batches() {
                for (host, order) in barrier.next_batch() {
                    todo.push((host, Some(order.clone())));
                    sent.push((host, order));
                }
            }
        }
        (sent, barrier.outcomes().expect("all hosts are done"))
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
            batch in 1_usize..8,
        ) {
            let (migrates, faults): (Vec<_>, Vec<_>) = hosts.into_iter().unzip();
            let (sent, outcomes) = play(&migrates, &faults, &picks, batch);
            let ordered_to = |wanted| sent.iter().filter(move |(_, order)| *order == wanted);
            let built = faults.iter().all(|fault| !matches!(fault, Fault::Unreachable | Fault::Build));
            let migrating: Vec<usize> = ordered_to(Order::Migrate).map(|(host, _)| *host).collect();
            let broken = faults.iter().zip(&migrates).position(|(fault, migrates)| *migrates && *fault == Fault::Migrate);
            // Migrations run once for each flagged host, in config order, up to the first that fails.
            let flagged = (0..migrates.len()).filter(|host| migrates[*host]);
            let due: Vec<usize> = flagged.take_while(|host| broken.is_none_or(|broken| *host <= broken)).collect();
            prop_assert_eq!(&migrating, if built { &due } else { &migrating });
            prop_assert!(built || migrating.is_empty());
            // Nobody promotes unless all have built and migrated; then all do, batch after batch, up to one
            // in which a host fails, or is lost while others wait.
            let promoted = built && broken.is_none();
            let batches = faults.chunks(batch).enumerate();
            let is_last = |number: usize| (number + 1) * batch >= faults.len();
            let failing = batches.clone().position(|(number, hosts)| {
                hosts.contains(&Fault::Verify) || hosts.contains(&Fault::LostForGood) && !is_last(number)
            });
            let ordered = failing.map_or(faults.len(), |number| faults.len().min((number + 1) * batch));
            let ordered = if promoted { ordered } else { 0 };
            let going: Vec<usize> = ordered_to(Order::Go).map(|(host, _)| *host).collect();
            prop_assert_eq!(&going, &(0..ordered).collect::<Vec<_>>());
            // One verdict for all; back if one failed.
            let reverted = promoted && failing.is_some();
            prop_assert!(reverted || ordered_to(Order::Revert).count() == 0);
            prop_assert!(!reverted || ordered_to(Order::Keep).count() == 0);
            for (host, (fault, outcome)) in faults.iter().zip(&outcomes).enumerate() {
                let expected = match fault {
                    _ if promoted && host >= ordered => Outcome::Stopped,
                    Fault::LostForGood if promoted => Outcome::Unknown,
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
        let mut barrier = Barrier::new(true, vec![false, false], None);
        for host in 0..2 {
            barrier.reached(host, Phase::Ready);
        }
        assert!(barrier.reached(0, Phase::Promoted).is_empty());
        assert!(barrier.may_have_promoted(0));
        assert!(barrier.probing(0).is_empty());
        let keep = [(0, Order::Keep), (1, Order::Keep)];
        assert_eq!(barrier.reached(1, Phase::Promoted), keep);
    }

    #[test]
    fn phases_out_of_turn_change_nothing() {
        let mut barrier = Barrier::new(true, vec![true, false], None);
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
    fn alone_there_are_no_orders() {
        let mut barrier = Barrier::new(false, vec![true], None);
        assert!(barrier.may_have_promoted(0));
        assert!(barrier.can_stop());
        barrier.promoting_uncoordinated(0);
        assert!(!barrier.can_stop());
        barrier.probing(0);
        assert!(!barrier.can_stop(), "it may have promoted");
        assert!(barrier.ended(0, Outcome::Done).is_empty());
        assert_eq!(barrier.outcomes(), Some(vec![Outcome::Done]));
    }
}
