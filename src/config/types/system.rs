//! Commands, packages and other settings of what runs on the host.

use super::host::operand;
use super::raw::{Choice, Flag, Integer, Named, Text};
use super::{
    Context, Item, Scalar, Validation, control_name, ensure, refuse, single_line, text_type,
};
use crate::credentials;
use crate::diagnostics::{Message, quoted};
use serde::Deserialize;
use serde_json::Value as Json;

text_type! {
    /// Shell code. May have line breaks and tabs, but no other control characters.
    Command, command
}

text_type! {
    /// A Debian package, as `apt-get install` accepts it: `name`, `name:arch`, `name=version`, `name/release`.
    Package, package
}

impl Command {
    /// Replaces the passwords in URLs, and returns whether there were any.
    pub fn replace_passwords(&mut self, replacement: &str) -> bool {
        let has_password = !credentials::find(&self.0).is_empty();
        self.0 = credentials::replace(&self.0, |_| replacement.to_owned());
        has_password
    }
}

impl Item for Package {
    fn split(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    fn add(list: &mut Vec<Self>, item: &str, _: &mut Context) -> Validation {
        package(item)?;
        list.push(Package(item.to_owned()));
        Ok(())
    }
}

impl Scalar for bool {
    type Raw = Flag;

    fn parse(Flag(flag): Flag, _: &mut Context) -> Result<Self, Message> {
        Ok(flag)
    }
}

/// The number of releases to keep; `None` for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Releases(pub Option<u32>);

impl Scalar for Releases {
    type Raw = Integer;

    fn parse(Integer(number): Integer, context: &mut Context) -> Result<Self, Message> {
        let keep: u32 = super::in_range(context.field, number.max(0), 0, 1_000_000)?;
        Ok(Releases((keep > 0).then_some(keep)))
    }

    fn schema() -> Json {
        Integer::schema_in_range(i64::from(i32::MIN), 1_000_000)
    }
}

/// How many servers promote at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    Servers(usize),
    Percent(usize),
}

impl Batch {
    /// The number of servers per batch, out of this many; at least one.
    pub fn size(self, servers: usize) -> usize {
        match self {
            Batch::Servers(count) => count,
            Batch::Percent(percent) => (servers * percent).div_ceil(100).max(1),
        }
    }
}

impl Scalar for Batch {
    type Raw = Text;

    fn parse(Text(text): Text, _: &mut Context) -> Result<Self, Message> {
        let (number, is_percent) = match text.trim().strip_suffix('%') {
            Some(number) => (number.trim_end(), true),
            None => (text.trim(), false),
        };
        match (number.parse(), is_percent) {
            (Ok(percent @ 1..=100), true) => Ok(Batch::Percent(percent)),
            (Ok(count @ 1..=100_000), false) => Ok(Batch::Servers(count)),
            _ => refuse(
                format!("{} is not a number of servers", quoted(&text)),
                "write a number from 1, or a percentage such as `25%`",
            ),
        }
    }
}

/// Declares an enum and the names of its variants in the config.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $text:literal),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $text)] $variant),+
        }

        impl Named for $name {
            const NAMES: &[&str] = &[$($text),+];
        }

        impl Scalar for $name {
            type Raw = Choice<Self>;

            fn parse(choice: Self::Raw, _: &mut Context) -> Result<Self, Message> {
                Ok(choice.0)
            }
        }
    };
}

choice!(Framework {
    #[default]
    Django = "django",
    FastApi = "fastapi"
});

choice!(PackageManager {
    #[default]
    Pip = "pip",
    Uv = "uv"
});

choice! {
    /// Whether all releases share one virtualenv, or each set of dependencies has its own.
    VenvMode {
        #[default]
        Shared = "shared",
        Release = "release"
    }
}

choice! {
    /// How code and dependencies reach a host.
    Delivery {
        /// The host clones the repository and installs from the package index.
        #[default]
        Pull = "pull",
        /// The controller builds a payload and sends it.
        Push = "push"
    }
}

fn command(value: &str) -> Validation {
    match value
        .chars()
        .find(|character| character.is_control() && !matches!(character, '\n' | '\t'))
    {
        None => Ok(()),
        Some(control) => refuse(
            format!("the command has {}", control_name(control)),
            "leave it out",
        ),
    }
}

fn package(value: &str) -> Validation {
    operand(value)?;
    let (name, rest) = match value.find([':', '=', '/']) {
        Some(end) => value.split_at(end),
        None => (value, ""),
    };
    let (arch, rest) = match rest.strip_prefix(':') {
        Some(after) => after.split_at(after.find(['=', '/']).unwrap_or(after.len())),
        None => ("any", rest),
    };
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    // apt-get would remove a package whose name ends with `-`.
    let name_fits = name.len() >= 2
        && name.starts_with(lower)
        && name.chars().all(|c| lower(c) || "+-.".contains(c))
        && !name.ends_with('-');
    let arch_fits = !arch.is_empty() && arch.chars().all(|c| lower(c) || c == '-');
    let rest_fits = rest.is_empty()
        || rest.len() > 1
            && rest[1..]
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.:~_".contains(c));
    if name_fits && arch_fits && rest_fits {
        return Ok(());
    }
    let help = if value.contains([',', ';']) {
        "separate packages with spaces or write them as a list"
    } else {
        "write `name`, `name=version`, `name:arch` or `name/release`"
    };
    refuse(format!("{} is not a Debian package", quoted(value)), help)
}

/// Checks the file name of a secret in `shared/` and in every release.
pub fn secret_name(name: &str) -> Validation {
    single_line(name)?;
    let is_reserved = matches!(
        name,
        ".env" | "media" | "revisions.log" | ".git" | ".pystrano"
    ) || name.starts_with(".env.");
    ensure(
        !is_reserved,
        || {
            format!(
                "a secret cannot be called {}: the name is taken on the host",
                quoted(name)
            )
        },
        "rename the file",
    )
}
