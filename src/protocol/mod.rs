//! What hosts and the controller send each other, and what becomes of a host: events, orders, facts, outcomes.

mod action;
mod event;
mod facts;
mod outcome;

pub use action::Action;
pub use event::{CLOSED, Event, Order, Phase, State, primary_reason};
pub use facts::{Facts, Run};
pub use outcome::{HostResult, Outcome, Summary};
