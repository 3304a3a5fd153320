//! Those of the program's own modules that read foreign text, and what must hold of them.
#![allow(dead_code, unused_imports)]

#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../../src/credentials.rs"]
mod credentials;
#[path = "../../src/diagnostics/mod.rs"]
mod diagnostics;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/exit.rs"]
mod exit;
#[path = "../../src/fuzz.rs"]
mod fuzz;
#[path = "../../src/payload.rs"]
mod payload;
#[path = "../../src/protocol/mod.rs"]
mod protocol;
#[path = "../../src/script/mod.rs"]
mod script;
#[path = "../../src/ssh/mod.rs"]
mod ssh;
#[path = "../../src/yaml/mod.rs"]
mod yaml;

pub use fuzz::{dotenv, events, known_hosts, redactor, yaml};
