//! The Python of an app, and what its packages are built for.

use super::path::no_parent;
use super::{Validation, ensure, line, refuse, text_type};
use crate::diagnostics::quoted;

text_type! {
    /// A Python interpreter: `3.13`, `python3.13`, or an absolute path.
    Python, python
}

impl Python {
    /// What runs it.
    pub fn interpreter(&self) -> String {
        if self.starts_with(|c: char| c.is_ascii_digit()) {
            format!("python{}", &**self)
        } else {
            self.to_string()
        }
    }

    /// Its version, as `3.13`, where the name has it.
    pub fn version(&self) -> Option<&str> {
        let name = self.rsplit('/').next().unwrap_or_default();
        let version = name.strip_prefix("python").unwrap_or(name);
        python(version).is_ok().then_some(version)
    }

    /// Whether it is one of Debian's names, of which a package may be.
    pub fn is_named(&self) -> bool {
        !self.starts_with('/')
    }
}

fn python(value: &str) -> Validation {
    line(value)?;
    no_parent(value)?;
    let version = value.strip_prefix("python").unwrap_or(value);
    let is_version = version
        .strip_prefix("3.")
        .is_some_and(|minor| minor.len() < 4 && minor.bytes().all(|digit| digit.is_ascii_digit()))
        && !version.ends_with('.');
    ensure(
        is_version || value.starts_with('/') && !value.contains(':'),
        || format!("{} names no Python", quoted(value)),
        "write it like 3.13, python3.13 or /opt/python/bin/python3",
    )
}

text_type! {
    /// What the wheels of a payload run on, as `<machine>-manylinux_2_<minor version of glibc>`.
    Platform, platform
}

/// The machines that wheels are built for and Debian runs on.
const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

impl Platform {
    /// The machine, and the minor version of glibc.
    pub fn parts(&self) -> (&str, u32) {
        parts(self).unwrap_or(("x86_64", 17))
    }
}

fn parts(value: &str) -> Option<(&str, u32)> {
    let (machine, minor) = value.split_once("-manylinux_2_")?;
    let minor = minor
        .parse()
        .ok()
        .filter(|minor| (17..100).contains(minor))?;
    MACHINES.contains(&machine).then_some((machine, minor))
}

fn platform(value: &str) -> Validation {
    line(value)?;
    match parts(value) {
        Some(_) => Ok(()),
        None => refuse(
            format!("{} is no platform that wheels are built for", quoted(value)),
            "write it like x86_64-manylinux_2_36 or aarch64-manylinux_2_41: Debian 12 has glibc 2.36, Debian 13 2.41, Ubuntu 24.04 2.39",
        ),
    }
}
