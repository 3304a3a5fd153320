//! From a [`Server`](crate::config::Server) to the text of its scripts: pure, the same everywhere.

mod escape;
