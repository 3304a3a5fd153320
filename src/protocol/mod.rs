//! The types of the protocol between hosts and the controller: events, orders, facts, outcomes. Pure.

mod action;
mod event;
mod facts;
mod outcome;

pub use action::Action;
pub use event::{CONNECTION_CLOSED, Event, Order, Phase, State, primary_reason};
pub use facts::{Facts, Run};
pub use outcome::{HostResult, Outcome, Summary};
