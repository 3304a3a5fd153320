//! The state machine that makes many hosts promote all or none. Does no I/O.

use crate::protocol::{Order, Outcome, Phase};

/// The state of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// Not started, or building.
    Building,
    /// Built; waiting for the order to migrate or to promote.
    Ready,
    /// Ordered to migrate.
    Migrating,
    /// Migrated; waiting for the order to promote.
    Migrated,
    /// Ordered to promote or, if uncoordinated, has begun to.
    Promoting,
    /// Promoted and verified; waiting for the verdict.
    Promoted,
    /// Being probed, since its connection was lost.
    Probing,
    /// Ordered to keep the release or to revert it.
    VerdictSent,
    Finished(Outcome),
}

impl HostState {
    fn is_finished(self) -> bool {
        matches!(self, HostState::Finished(_))
    }
}

/// The stage that all hosts together are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Building,
    Migrating,
    /// A host was ordered to promote: from here on, going back takes reverts.
    Promoting,
    Keeping,
    Reverting,
    Stopping,
}

/// The hosts of one command.
#[derive(Debug)]
pub struct Barrier {
    /// Whether hosts wait for orders. Otherwise each runs to its end on its own.
    coordinated: bool,
    /// Whether each host runs the migrations.
    migrates: Vec<bool>,
    states: Vec<HostState>,
    /// Hosts that were ordered to stop or revert: a host that cannot is not ordered again.
    cancelled: Vec<bool>,
    /// The number of hosts that promote at a time.
    batch: usize,
    stage: Stage,
}

impl Barrier {
    /// Creates one host for each element of `migrates`; without a `batch`, all promote at a time.
    pub fn new(coordinated: bool, migrates: Vec<bool>, batch: Option<usize>) -> Self {
        Barrier {
            coordinated,
            states: vec![HostState::Building; migrates.len()],
            cancelled: vec![false; migrates.len()],
            batch: batch.unwrap_or(migrates.len()),
            migrates,
            stage: Stage::Building,
        }
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn all_finished(&self) -> bool {
        self.outcomes().is_some()
    }

    /// The outcome of each host, once all have one.
    pub fn outcomes(&self) -> Option<Vec<Outcome>> {
        self.states
            .iter()
            .map(|state| match state {
                HostState::Finished(outcome) => Some(*outcome),
                _ => None,
            })
            .collect()
    }

    /// Whether an interrupted command can still leave every host as it was.
    pub fn can_stop(&self) -> bool {
        match self.stage {
            Stage::Building | Stage::Migrating => !self.is_promoting(),
            Stage::Promoting | Stage::Keeping | Stage::Reverting | Stage::Stopping => false,
        }
    }

    /// Whether the script may have promoted, if the connection to this host is lost now.
    pub fn may_have_promoted(&self, host: usize) -> bool {
        match self.states[host] {
            HostState::Building => !self.coordinated,
            HostState::Ready
            | HostState::Migrating
            | HostState::Migrated
            | HostState::Finished(_) => false,
            HostState::Promoting
            | HostState::Promoted
            | HostState::Probing
            | HostState::VerdictSent => true,
        }
    }

    /// Whether this host was seen to promote, which must precede a successful end.
    pub fn has_promoted(&self, host: usize) -> bool {
        match self.states[host] {
            HostState::Promoted | HostState::VerdictSent => true,
            HostState::Promoting => !self.coordinated,
            _ => false,
        }
    }

    /// Handles a waiting point that a host has reached; ignores one out of order. Like the methods below, returns the
    /// orders to send.
    pub fn on_phase(&mut self, host: usize, phase: Phase) -> Vec<(usize, Order)> {
        let next = match (phase, self.states[host]) {
            (Phase::Ready, HostState::Building) => HostState::Ready,
            (Phase::Migrated, HostState::Migrating) => HostState::Migrated,
            (Phase::Promoted, HostState::Promoting) if self.coordinated => HostState::Promoted,
            _ => return Vec::new(),
        };
        self.set_state(host, next)
    }

    /// Notes that an uncoordinated host has begun to promote.
    pub fn promoting_uncoordinated(&mut self, host: usize) {
        if !self.coordinated && self.states[host] == HostState::Building {
            self.states[host] = HostState::Promoting;
        }
    }

    /// Notes that a host is probed, since its connection was lost.
    pub fn on_probing(&mut self, host: usize) -> Vec<(usize, Order)> {
        // A host that loses its connection while it waits for the verdict keeps its release: it counts as promoted.
        if matches!(
            self.states[host],
            HostState::Promoted | HostState::VerdictSent
        ) {
            return Vec::new();
        }
        self.set_state(host, HostState::Probing)
    }

    pub fn on_finished(&mut self, host: usize, outcome: Outcome) -> Vec<(usize, Order)> {
        self.set_state(host, HostState::Finished(outcome))
    }

    /// Stops all hosts; only valid before promotion.
    pub fn stop(&mut self) -> Vec<(usize, Order)> {
        self.stage = Stage::Stopping;
        let running = (0..self.states.len()).filter(|host| !self.states[*host].is_finished());
        running.map(|host| (host, Order::Stop)).collect()
    }

    fn set_state(&mut self, host: usize, state: HostState) -> Vec<(usize, Order)> {
        self.states[host] = state;
        if self.coordinated {
            self.advance()
        } else {
            Vec::new()
        }
    }

    fn advance(&mut self) -> Vec<(usize, Order)> {
        match self.stage {
            Stage::Building | Stage::Migrating => self.advance_to_promotion(),
            Stage::Promoting => match self.decide() {
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

    /// Stops all if one has finished too early; otherwise lets the hosts migrate one by one, then promote.
    fn advance_to_promotion(&mut self) -> Vec<(usize, Order)> {
        if self.states.iter().any(|state| state.is_finished()) {
            return self.stop();
        }
        let is_busy = |state| matches!(state, &HostState::Building | &HostState::Migrating);
        if self.states.iter().any(is_busy) {
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

    /// Whether a batch has promoted and the next one may follow.
    pub fn is_between_batches(&self) -> bool {
        self.can_abort() && !self.is_promoting()
    }

    /// Whether a host is promoting, or may be while it is probed.
    fn is_promoting(&self) -> bool {
        let unsettled = [HostState::Promoting, HostState::Probing];
        self.states.iter().any(|state| unsettled.contains(state))
    }

    /// The number of hosts that have promoted so far, before the verdict.
    pub fn promoted_count(&self) -> usize {
        let done = [HostState::Promoted, HostState::Finished(Outcome::Done)];
        self.states
            .iter()
            .filter(|state| done.contains(state))
            .count()
    }

    /// Lets the next batch promote, in config order.
    pub fn next_batch(&mut self) -> Vec<(usize, Order)> {
        let waiting = (0..self.states.len()).filter(|host| self.awaits_promotion(*host));
        let next: Vec<usize> = waiting.take(self.batch).collect();
        for host in &next {
            self.states[*host] = HostState::Promoting;
        }
        next.into_iter().map(|host| (host, Order::Go)).collect()
    }

    /// Whether an interrupted command can still revert all hosts: some have not promoted yet.
    pub fn can_abort(&self) -> bool {
        self.stage == Stage::Promoting
            && (0..self.states.len()).any(|host| self.awaits_promotion(host))
    }

    /// Reverts the hosts that have promoted and stops the others; only valid if `can_abort`.
    pub fn abort(&mut self) -> Vec<(usize, Order)> {
        self.stage = Stage::Reverting;
        self.send_verdict()
    }

    /// Whether a host waits for the order to promote.
    fn awaits_promotion(&self, host: usize) -> bool {
        matches!(self.states[host], HostState::Ready | HostState::Migrated)
    }

    /// The verdict, if it is time for one: revert as soon as a host has failed, keep once every reachable host has
    /// promoted. A host in an unknown state counts as failed while others have yet to promote.
    fn decide(&self) -> Option<Stage> {
        let more = self.can_abort();
        let failed = |state: &HostState| match state {
            HostState::Finished(Outcome::Unknown) => more,
            HostState::Finished(outcome) => *outcome != Outcome::Done,
            _ => false,
        };
        if self.states.iter().any(failed) {
            Some(Stage::Reverting)
        } else if more || self.is_promoting() {
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
                // After a lost connection a host may have kept its release before the verdict.
                HostState::Finished(Outcome::Done) if reverting && !self.cancelled[host] => {
                    Order::Revert
                }
                HostState::Ready | HostState::Migrated if !self.cancelled[host] => Order::Stop,
                _ => continue,
            };
            self.cancelled[host] = reverting;
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

    /// How a simulated host fails.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        Unreachable,
        Build,
        Migrate,
        Verify,
        /// The connection is lost after the order to promote; a probe finds the host promoted.
        LostPromoted,
        /// The connection is lost after the order to promote; no probe reaches the host.
        LostForGood,
    }

    /// Simulates hosts that follow their orders, interleaved as `picks` says. Returns all orders, and the outcomes.
    fn simulate(
        migrates: &[bool],
        faults: &[Fault],
        picks: &[u8],
        batch: usize,
    ) -> (Vec<(usize, Order)>, Vec<Outcome>) {
        let mut barrier = Barrier::new(true, migrates.to_vec(), Some(batch));
        let mut sent = Vec::new();
        // The orders not yet followed; `None` is to build.
        let mut todo: Vec<(usize, Option<Order>)> =
            (0..migrates.len()).map(|host| (host, None)).collect();
        let mut picks = picks.iter().cycle();
        while !todo.is_empty() {
            let pick = usize::from(*picks.next().expect("a cycle")) % todo.len();
            let (host, order) = todo.remove(pick);
            let fault = faults[host];
            let orders = match order {
                None if fault == Fault::Unreachable => {
                    barrier.on_finished(host, Outcome::Unreachable)
                }
                None if fault == Fault::Build => barrier.on_finished(host, Outcome::Stopped),
                None => barrier.on_phase(host, Phase::Ready),
                Some(Order::Migrate) if fault == Fault::Migrate => {
                    barrier.on_finished(host, Outcome::Stopped)
                }
                Some(Order::Migrate) => barrier.on_phase(host, Phase::Migrated),
                Some(Order::Go) => match fault {
                    Fault::Verify => barrier.on_finished(host, Outcome::Reverted),
                    Fault::LostPromoted => {
                        let mut orders = barrier.on_probing(host);
                        orders.extend(barrier.on_finished(host, Outcome::Done));
                        orders
                    }
                    Fault::LostForGood => {
                        let mut orders = barrier.on_probing(host);
                        orders.extend(barrier.on_finished(host, Outcome::Unknown));
                        orders
                    }
                    _ => barrier.on_phase(host, Phase::Promoted),
                },
                Some(Order::Keep) => barrier.on_finished(host, Outcome::Done),
                Some(Order::Revert) => barrier.on_finished(host, Outcome::Reverted),
                Some(Order::Stop | Order::KeepAlive | Order::Commit(_)) => {
                    barrier.on_finished(host, Outcome::Stopped)
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
            let (sent, outcomes) = simulate(&migrates, &faults, &picks, batch);
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
    fn a_host_that_lost_its_connection_at_the_verdict_counts_as_promoted() {
        let mut barrier = Barrier::new(true, vec![false, false], None);
        for host in 0..2 {
            barrier.on_phase(host, Phase::Ready);
        }
        assert!(barrier.on_phase(0, Phase::Promoted).is_empty());
        assert!(barrier.may_have_promoted(0));
        assert!(barrier.on_probing(0).is_empty());
        let keep = [(0, Order::Keep), (1, Order::Keep)];
        assert_eq!(barrier.on_phase(1, Phase::Promoted), keep);
    }

    #[test]
    fn phases_out_of_order_are_ignored() {
        let mut barrier = Barrier::new(true, vec![true, false], None);
        for phase in [Phase::Migrated, Phase::Promoted] {
            assert!(barrier.on_phase(0, phase).is_empty());
        }
        barrier.on_phase(1, Phase::Ready);
        assert!(barrier.on_phase(1, Phase::Ready).is_empty());
        assert_eq!(barrier.on_phase(0, Phase::Ready), [(0, Order::Migrate)]);
        assert!(barrier.on_phase(1, Phase::Promoted).is_empty());
        assert!(barrier.can_stop());
        let go = [(0, Order::Go), (1, Order::Go)];
        assert_eq!(barrier.on_phase(0, Phase::Migrated), go);
        assert!(!barrier.can_stop());
    }

    #[test]
    fn uncoordinated_hosts_get_no_orders() {
        let mut barrier = Barrier::new(false, vec![true], None);
        assert!(barrier.may_have_promoted(0));
        assert!(barrier.can_stop());
        barrier.promoting_uncoordinated(0);
        assert!(!barrier.can_stop());
        barrier.on_probing(0);
        assert!(!barrier.can_stop(), "it may have promoted");
        assert!(barrier.on_finished(0, Outcome::Done).is_empty());
        assert_eq!(barrier.outcomes(), Some(vec![Outcome::Done]));
    }
}
