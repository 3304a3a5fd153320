//! Tests on real Debian hosts: `cargo test --test hosts`, as root. See `support` for the harness.

mod harness;
mod support;
