//! The Python of an app, and the platform that its wheels are built for.

use super::path::no_parent;
use super::{Validation, ensure, refuse, single_line, text_type};
use crate::diagnostics::quoted;

text_type! {
    /// A Python interpreter: `3.13`, `python3.13`, or an absolute path.
    Python, python
}

impl Python {
    /// The command name or path of the interpreter.
    pub fn interpreter(&self) -> String {
        if self.starts_with(|c: char| c.is_ascii_digit()) {
            format!("python{}", &**self)
        } else {
            self.to_string()
        }
    }

    /// The version, such as `3.13`, if the file name includes it.
    pub fn version(&self) -> Option<&str> {
        let name = self.rsplit('/').next().unwrap_or_default();
        let version = name.strip_prefix("python").unwrap_or(name);
        python(version).is_ok().then_some(version)
    }

    /// Whether this is a command name rather than a path. Debian may have a package of that name.
    pub fn is_named(&self) -> bool {
        !self.starts_with('/')
    }
}

fn python(value: &str) -> Validation {
    single_line(value)?;
    no_parent(value)?;
    let version = value.strip_prefix("python").unwrap_or(value);
    let is_version = version
        .strip_prefix("3.")
        .is_some_and(|minor| minor.len() < 4 && minor.bytes().all(|digit| digit.is_ascii_digit()))
        && !version.ends_with('.');
    ensure(
        is_version || value.starts_with('/') && !value.contains(':'),
        || format!("{} does not name a Python", quoted(value)),
        "write it like 3.13, python3.13 or /opt/python/bin/python3",
    )
}

text_type! {
    /// The platform that a payload's wheels run on, as `<machine>-manylinux_2_<minor version of glibc>`.
    Platform, platform
}

/// Machine architectures that both Debian and the wheels on PyPI support.
const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

impl Platform {
    /// The machine architecture and the minor version of glibc.
    pub fn parts(&self) -> (&str, u32) {
        parse_platform(self).unwrap_or(("x86_64", 17))
    }
}

fn parse_platform(value: &str) -> Option<(&str, u32)> {
    let (machine, minor) = value.split_once("-manylinux_2_")?;
    let minor = minor
        .parse()
        .ok()
        .filter(|minor| (17..100).contains(minor))?;
    MACHINES.contains(&machine).then_some((machine, minor))
}

fn platform(value: &str) -> Validation {
    single_line(value)?;
    match parse_platform(value) {
        Some(_) => Ok(()),
        None => refuse(
            format!(
                "{} is not a platform that wheels are built for",
                quoted(value)
            ),
            "write it like x86_64-manylinux_2_36 or aarch64-manylinux_2_41: Debian 12 has glibc 2.36, Debian 13 2.41, Ubuntu 24.04 2.39",
        ),
    }
}
