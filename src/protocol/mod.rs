//! What hosts and the controller say to each other, as every module knows it: events, orders, outcomes.
//! Pure; below the modules that run and show.

mod action;
mod event;
mod facts;
mod outcome;

pub use action::Action;
pub use event::{CLOSED, Event, Order, Phase, State, primary_reason};
pub use facts::{Facts, Run};
pub use outcome::{HostResult, Outcome, Summary};
