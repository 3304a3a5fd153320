//! Raw types that YAML scalars are read as, before the type of the field validates them.

use crate::diagnostics::{Message, quoted};
use crate::yaml::{Kind, Node};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::num::IntErrorKind;

/// A type that a YAML scalar can be read as.
pub trait RawScalar: DeserializeOwned {
    const TAKES_FALSE: bool = false;
    const TAKES_EMPTY: bool = false;

    fn schema() -> Json;
}

/// A scalar with the type that YAML gives it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Typed {
    Bool(bool),
    /// An unquoted integer in canonical form: `07` and `+7` are text.
    Number(i64),
    Text(String),
}

/// Text. An unquoted number is accepted as it is written.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Typed")]
pub struct Text(pub String);

impl TryFrom<Typed> for Text {
    type Error = Message;

    fn try_from(typed: Typed) -> Result<Self, Message> {
        match typed {
            Typed::Bool(_) => Err(Message::new(
                "an unquoted yes, no, on, off, true or false is not text in YAML",
                "put quotes around it",
            )),
            Typed::Number(number) => Ok(Text(number.to_string())),
            Typed::Text(text) => Ok(Text(text)),
        }
    }
}

impl RawScalar for Text {
    fn schema() -> Json {
        json!({"anyOf": [{"type": ["string", "number", "null"]}, {"const": false}]})
    }
}

/// A boolean: one of YAML's, or a number or text that the Python tool accepted as one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Typed")]
pub struct Flag(pub bool);

impl TryFrom<Typed> for Flag {
    type Error = Message;

    fn try_from(typed: Typed) -> Result<Self, Message> {
        let invalid = |text: &str| {
            let what = format!("{} is not a boolean", quoted(text));
            Err(Message::new(what, "write true or false"))
        };
        match typed {
            Typed::Bool(value) => Ok(Flag(value)),
            Typed::Number(number @ 0..=1) => Ok(Flag(number == 1)),
            Typed::Number(number) => invalid(&number.to_string()),
            Typed::Text(text) => match text.trim().to_lowercase().as_str() {
                "true" => Ok(Flag(true)),
                "false" | "no" | "off" | "0" => Ok(Flag(false)),
                _ => invalid(&text),
            },
        }
    }
}

impl RawScalar for Flag {
    const TAKES_FALSE: bool = true;

    fn schema() -> Json {
        json!({"anyOf": [
            {"type": ["boolean", "null"]},
            {"enum": [0, 1]},
            // Most editors use YAML 1.2, in which an unquoted yes or on is a string.
            {"type": "string", "pattern": any_case(&["true", "false", "yes", "no", "on", "off", "0"])},
        ]})
    }
}

/// A whole number, quoted or not.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Typed")]
pub struct Integer(pub i64);

impl TryFrom<Typed> for Integer {
    type Error = Message;

    fn try_from(typed: Typed) -> Result<Self, Message> {
        let text = match typed {
            Typed::Bool(_) => {
                let what = "a boolean where a number is expected";
                return Err(Message::new(what, "write a whole number"));
            }
            Typed::Number(number) => return Ok(Integer(number)),
            Typed::Text(text) => text,
        };
        match integer(&text)? {
            Some(number) => Ok(Integer(number)),
            None => Err(Message::new(
                format!("{} is not a whole number", quoted(&text)),
                "write digits only",
            )),
        }
    }
}

impl RawScalar for Integer {
    fn schema() -> Json {
        json!({"type": ["integer", "string", "null"], "pattern": r"^\s*([+-]?[0-9]+(\.0)?)?\s*$"})
    }
}

impl Integer {
    /// The schema of integers from `min` to `max`.
    pub fn schema_in_range(min: i64, max: i64) -> Json {
        let mut schema = Integer::schema();
        schema["minimum"] = min.into();
        schema["maximum"] = max.into();
        schema
    }
}

/// A count that accepts any scalar, as the Python tool does.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Option<Typed>")]
pub enum Amount {
    Number(i64),
    /// Null, false or blank.
    All,
    /// Text that is not a number.
    NotANumber,
}

impl TryFrom<Option<Typed>> for Amount {
    type Error = Message;

    fn try_from(typed: Option<Typed>) -> Result<Self, Message> {
        Ok(match typed {
            None | Some(Typed::Bool(false)) => Amount::All,
            Some(Typed::Bool(true)) => Amount::Number(1),
            Some(Typed::Number(number)) => Amount::Number(number),
            Some(Typed::Text(text)) if text.trim().is_empty() => Amount::All,
            Some(Typed::Text(text)) => integer(&text)?.map_or(Amount::NotANumber, Amount::Number),
        })
    }
}

impl RawScalar for Amount {
    const TAKES_FALSE: bool = true;
    const TAKES_EMPTY: bool = true;

    fn schema() -> Json {
        json!({"type": ["integer", "number", "boolean", "string", "null"]})
    }
}

/// Parses a decimal integer. A number that is too large becomes `i64::MAX`; `None` for any other text.
///
/// # Errors
/// The number has a leading zero, which makes it octal in YAML 1.1.
pub fn integer(text: &str) -> Result<Option<i64>, Message> {
    let text = text.trim();
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let digits = whole.trim_start_matches(['-', '+']);
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_number && digits.len() > 1 && digits.starts_with('0') {
        let what = format!("{} starts with a zero", quoted(text));
        return Err(Message::new(what, "leave the zero out"));
    }
    Ok(match whole.parse::<i64>() {
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(i64::MAX),
        parsed => parsed.ok(),
    })
}

/// A variant of an enum, written as one of its names in any case; `-` and `_` are ignored.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Text", bound = "T: Named")]
pub struct Choice<T>(pub T);

/// An enum whose variants have names in the config.
pub trait Named: DeserializeOwned {
    const NAMES: &[&str];
}

impl<T: Named> TryFrom<Text> for Choice<T> {
    type Error = Message;

    fn try_from(Text(text): Text) -> Result<Self, Message> {
        let name = text.trim().to_lowercase().replace(['-', '_'], "");
        let choice = serde_yaml::from_value(name.into()).map_err(|_| {
            let help = format!("write {}", T::NAMES.join(" or "));
            Message::new(format!("{} is not known here", quoted(&text)), help)
        })?;
        Ok(Choice(choice))
    }
}

impl<T: Named> RawScalar for Choice<T> {
    fn schema() -> Json {
        json!({"anyOf": [
            {"enum": T::NAMES},
            {"type": "string", "pattern": any_case(T::NAMES)},
            {"enum": [null, false]},
        ]})
    }
}

/// A regex that matches the words in any case with any `-` and `_` between the letters, and blank text.
fn any_case(words: &[&str]) -> String {
    let letter = |c: char| format!("[{c}{}][-_]*", c.to_ascii_uppercase());
    let words = words.iter().map(|word| word.chars().map(letter).collect());
    let words: Vec<String> = words.collect();
    format!(r"^\s*[-_]*({}|)\s*$", words.join("|"))
}

/// Reads the value of a field.
///
/// # Errors
/// The node is a list, a mapping or a scalar of another type.
pub fn read<R: RawScalar>(node: &Node, field: &str) -> Result<R, Message> {
    let what = match &node.kind {
        Kind::List(_) => "a list where one value is expected",
        Kind::Map(_) => "a mapping where a value is expected",
        _ => {
            let raw = serde_yaml::from_value(node.to_value());
            return raw.map_err(|error| Message::from_text(format_args!("`{field}`: {error}")));
        }
    };
    let what = format!("`{field}`: {what}");
    Err(Message::new(what, "write the value after the colon"))
}

/// Reads an item of a list field.
///
/// # Errors
/// As in [`read`].
pub fn read_item<R: RawScalar>(node: &Node, field: &str) -> Result<R, Message> {
    match &node.kind {
        Kind::List(_) => Err(Message::new(
            format!("`{field}`: a list inside the list"),
            "write one item on each line",
        )),
        _ => read(node, field),
    }
}
