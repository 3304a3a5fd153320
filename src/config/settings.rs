//! The fields of a config as they may be written. `common` and every server have the same.

use super::schema;
use schemars::JsonSchema;
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::fmt;
use std::num::IntErrorKind;
use std::sync::LazyLock;

/// Every field of `common` and of a server. A field that is absent, empty or null is not set.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Host name or address for ssh, as ssh_config knows it
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub host: Option<String>,
    /// Port of sshd [default: 22]
    #[serde(deserialize_with = "number")]
    #[schemars(schema_with = "schema::number")]
    pub port: Option<i64>,
    /// Who `setup` connects as; anyone but root goes through sudo [default: root]
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub setup_user: Option<String>,
    /// User of the host that owns and deploys the app
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub project_user: Option<String>,
    /// Path of the project under the home of `project_user`, or an absolute one
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub project_root: Option<String>,
    /// Git repository that is cloned on deploy
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub source_code_url: Option<String>,
    /// Git branch to clone [default: that of the repository]
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub branch: Option<String>,
    /// Tag, SHA or ref to check out after a full clone
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub revision: Option<String>,
    /// Commits of history to clone; 0 or less for all [default: 1]
    #[serde(deserialize_with = "depth")]
    #[schemars(schema_with = "schema::depth")]
    pub clone_depth: Option<Depth>,
    /// `django` or `fastapi` [default: django]
    #[serde(deserialize_with = "name")]
    #[schemars(schema_with = "schema::name::<super::Framework>")]
    pub framework: Option<super::Framework>,
    /// `pip` or `uv` [default: pip]
    #[serde(deserialize_with = "name")]
    #[schemars(schema_with = "schema::name::<super::PackageManager>")]
    pub package_manager: Option<super::PackageManager>,
    /// Path of the virtualenv under the home of `project_user`, or an absolute one
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub venv_dir: Option<String>,
    /// `shared` by all releases, or `release`: dependencies follow the release [default: shared]
    #[serde(deserialize_with = "name")]
    #[schemars(schema_with = "schema::name::<super::VenvMode>")]
    pub venv_mode: Option<super::VenvMode>,
    /// What to install, inside the release [default: requirements.txt, or uv.lock with uv]
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub dependency_file: Option<String>,
    /// Command that replaces the built-in installation
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub dependency_install_command: Option<String>,
    /// Whether this server migrates the database [default: false]
    #[serde(deserialize_with = "flag")]
    #[schemars(schema_with = "schema::flag")]
    pub run_migrations: Option<bool>,
    /// Whether this server collects or builds static files [default: false]
    #[serde(deserialize_with = "flag")]
    #[schemars(schema_with = "schema::flag")]
    pub collect_static_files: Option<bool>,
    /// FastAPI's migration [default: <venv_dir>/bin/alembic upgrade head]
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub migration_command: Option<String>,
    /// FastAPI's static files
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub static_files_command: Option<String>,
    /// Releases to keep; 0 or less for all [default: 5]
    #[serde(deserialize_with = "number")]
    #[schemars(schema_with = "schema::number")]
    pub keep_releases: Option<i64>,
    /// Debian packages to install, separated by white space or as a list
    #[serde(deserialize_with = "words")]
    #[schemars(schema_with = "schema::words")]
    pub system_packages: Option<Vec<String>>,
    /// Hosts whose keys are asked with ssh-keyscan, or whole known_hosts lines; `;` or a list
    #[serde(deserialize_with = "list")]
    #[schemars(schema_with = "schema::list")]
    pub ssh_known_hosts: Option<Vec<String>>,
    /// Local dotenv file
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub env_file: Option<String>,
    /// Local systemd unit
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub service_file: Option<String>,
    /// Local files that are linked into every release; `;` or a list
    #[serde(deserialize_with = "list")]
    #[schemars(schema_with = "schema::list")]
    pub secrets: Option<Vec<String>>,
    /// Local private key with which git on the host reads the repository
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub deploy_key: Option<String>,
    /// Whether the repository's submodules are cloned, too [default: true]
    #[serde(deserialize_with = "flag")]
    #[schemars(schema_with = "schema::flag")]
    pub submodules: Option<bool>,
    /// Whether deploy lets the host use the local ssh agent [default: only where source_code_url is ssh and there is no deploy_key]
    #[serde(deserialize_with = "flag")]
    #[schemars(schema_with = "schema::flag")]
    pub forward_agent: Option<bool>,
    /// URL that must answer on the host after a deploy, or unix:/SOCKET:/PATH
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub health_check_url: Option<String>,
    /// Seconds until `health_check_url` must answer [default: 30]
    #[serde(deserialize_with = "number")]
    #[schemars(schema_with = "schema::number")]
    pub health_check_timeout: Option<i64>,
    /// Host header of the health check [default: that of the URL]
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub health_check_host: Option<String>,
    /// Statuses that count as an answer, such as `200,301-302` [default: 200-399]
    #[serde(deserialize_with = "text")]
    #[schemars(schema_with = "schema::text")]
    pub health_check_statuses: Option<String>,
}

impl Settings {
    /// The names of all fields.
    pub fn fields() -> &'static [&'static str] {
        static FIELDS: LazyLock<&[&str]> = LazyLock::new(names_of::<Settings>);
        &FIELDS
    }
}

/// How much history is cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Full,
    Commits(u32),
    /// Not a number: a full clone, but probably not on purpose.
    Unclear,
}

/// What a scalar can be: see `yaml::Kind`.
#[derive(Debug)]
enum Scalar {
    Null,
    Bool(bool),
    /// Not quoted, and written as it prints.
    Number(i64),
    Text(String),
}

/// A field as it is written.
enum Written {
    One(Scalar),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Written;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Written, E> {
                Ok(Written::One(Scalar::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
                Ok(Written::One(Scalar::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
                Ok(Written::One(Scalar::Number(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Written, E> {
                let value = i64::try_from(value).map_err(E::custom)?;
                self.visit_i64(value)
            }

            fn visit_str<E>(self, value: &str) -> Result<Written, E> {
                Ok(Written::One(Scalar::Text(value.to_owned())))
            }

            fn visit_string<E>(self, value: String) -> Result<Written, E> {
                Ok(Written::One(Scalar::Text(value)))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Written, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Written>()? {
                    match item {
                        Written::One(Scalar::Null) => {}
                        Written::One(Scalar::Text(text)) => items.push(text),
                        Written::One(Scalar::Number(number)) => items.push(number.to_string()),
                        Written::One(Scalar::Bool(_)) => return Err(boolean()),
                        Written::Many(_) => {
                            return Err(de::Error::custom(
                                "a list inside the list; write one item on each line",
                            ));
                        }
                    }
                }
                Ok(Written::Many(items))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<Written, A::Error> {
                Err(de::Error::custom(
                    "a mapping where a value is expected; write the value after the colon",
                ))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn boolean<E: de::Error>() -> E {
    E::custom(
        "an unquoted yes, no, on, off, true or false is not text in YAML; put quotes around it",
    )
}

/// A scalar. What is empty is null.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::One(Scalar::Text(text)) if text.trim().is_empty() => Ok(Scalar::Null),
        Written::One(scalar) => Ok(scalar),
        Written::Many(_) => Err(de::Error::custom(
            "a list where one value is expected; write the value after the colon",
        )),
    }
}

/// Text. `false` leaves a field unset, as an empty value does.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match scalar(deserializer)? {
        Scalar::Null | Scalar::Bool(false) => Ok(None),
        Scalar::Bool(true) => Err(boolean()),
        Scalar::Number(number) => Ok(Some(number.to_string())),
        Scalar::Text(text) => Ok(Some(text)),
    }
}

/// A boolean, native or as the text that the Python tool took for one.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match scalar(deserializer)? {
        Scalar::Null => Ok(None),
        Scalar::Bool(value) => Ok(Some(value)),
        Scalar::Number(0) => Ok(Some(false)),
        Scalar::Number(1) => Ok(Some(true)),
        Scalar::Number(number) => Err(not_boolean(&number.to_string())),
        Scalar::Text(text) => match text.trim().to_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" | "no" | "off" | "0" => Ok(Some(false)),
            _ => Err(not_boolean(&text)),
        },
    }
}

fn not_boolean<E: de::Error>(text: &str) -> E {
    unexpected(text, "is not a boolean; write true or false")
}

/// A whole number, quoted or not.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match scalar(deserializer)? {
        Scalar::Null => Ok(None),
        Scalar::Bool(_) => Err(de::Error::custom(
            "a boolean where a number is expected; write a whole number",
        )),
        Scalar::Number(number) => Ok(Some(number)),
        Scalar::Text(text) => match integer(&text) {
            Some(number) => Ok(Some(number)),
            None if has_leading_zero(&text) => Err(leading_zero(&text)),
            None => Err(unexpected(
                &text,
                "is not a whole number; write digits only",
            )),
        },
    }
}

/// A decimal integer; what is too large to be one is the largest. A leading zero is refused: YAML
/// 1.1 reads it as octal.
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text.strip_suffix(".0").unwrap_or(text);
    match whole.parse::<i64>() {
        Ok(_) if has_leading_zero(whole) => None,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(i64::MAX),
        parsed => parsed.ok(),
    }
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['-', '+']);
    digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit())
}

fn leading_zero<E: de::Error>(text: &str) -> E {
    unexpected(text, "starts with a zero; leave the zero out")
}

/// As the Python tool reads it: what is not a number is a full clone.
fn depth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Depth>, D::Error> {
    let depth = match scalar(deserializer)? {
        Scalar::Null | Scalar::Bool(false) => Depth::Full,
        Scalar::Bool(true) => Depth::Commits(1),
        Scalar::Number(commits) => commits_of(commits),
        Scalar::Text(text) => match integer(&text) {
            Some(commits) => commits_of(commits),
            None if has_leading_zero(&text) => return Err(leading_zero(&text)),
            None => Depth::Unclear,
        },
    };
    Ok(Some(depth))
}

fn commits_of(number: i64) -> Depth {
    match number {
        1.. => u32::try_from(number).map_or(Depth::Full, Depth::Commits),
        _ => Depth::Full,
    }
}

/// One of the names of an enum, in any case; `-` and `_` do not count.
fn name<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let Some(text) = text(deserializer)? else {
        return Ok(None);
    };
    let name = text.trim().to_lowercase().replace(['-', '_'], "");
    let unknown = de::value::StringDeserializer::<de::value::Error>::new(name);
    T::deserialize(unknown).map(Some).map_err(|_| {
        let names = names_of::<T>();
        unexpected(
            &text,
            &format!("is not known here; write {}", names.join(" or ")),
        )
    })
}

/// Items that are separated by `;`, or a list.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    items(deserializer, |text| text.split(';').collect())
}

/// Items that are separated by white space, or a list.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    items(deserializer, |text| text.split_whitespace().collect())
}

fn items<'de, D: Deserializer<'de>>(
    deserializer: D,
    split: fn(&str) -> Vec<&str>,
) -> Result<Option<Vec<String>>, D::Error> {
    let trimmed = |items: Vec<&str>| {
        items
            .iter()
            .map(|item| item.trim())
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match Written::deserialize(deserializer)? {
        Written::One(Scalar::Null | Scalar::Bool(false)) => Ok(None),
        Written::One(Scalar::Bool(true)) => Err(boolean()),
        Written::One(Scalar::Number(number)) => Ok(Some(vec![number.to_string()])),
        Written::One(Scalar::Text(text)) => Ok(Some(trimmed(split(&text)))),
        Written::Many(items) => Ok(Some(trimmed(items.iter().map(String::as_str).collect()))),
    }
}

fn unexpected<E: de::Error>(text: &str, rest: &str) -> E {
    E::custom(format_args!("{} {rest}", super::diagnostic::quoted(text)))
}

/// The fields of a struct, the variants of an enum.
pub fn names_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // It stops at the names: the error says nothing.
    let _ = T::deserialize(Names(&mut names));
    names
}

/// Takes the names that a derived type asks for, and stops.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = variants;
        visitor.visit_enum("".into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}
