//! Parses YAML into a tree whose nodes know their positions. Anchors and merge keys are resolved, and plain scalars
//! are typed by the rules of YAML 1.1, as PyYAML does.

mod syntax_error;

use crate::diagnostics::{Diagnostics, Message, Position, quoted};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use serde_yaml::{Mapping, Value};
use std::collections::HashMap;
use std::rc::Rc;
use syntax_error::SyntaxError;

/// How deep lists and mappings may be nested, counting through aliases.
const MAX_DEPTH: usize = 64;
/// How many entries the merge keys of one file may copy: nested merges grow exponentially.
const MAX_MERGED_ENTRIES: usize = 1 << 20;

/// A node of the tree. An alias shares the node of its anchor.
#[derive(Debug)]
pub struct Node {
    pub start: Position,
    pub end: Position,
    pub kind: Kind,
    /// Whether this is a scalar without quotes and tag.
    pub plain: bool,
    /// Levels of lists and mappings from this node down; 0 for a scalar.
    height: usize,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    /// Any other scalar. Numbers stay text, as they are written.
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_position: Position,
    pub value: Rc<Node>,
}

impl Entry {
    /// The position of the value, or of the key if the value is empty.
    pub fn position(&self) -> Position {
        match self.value.kind {
            Kind::Null => self.key_position,
            _ => self.value.start,
        }
    }
}

impl Kind {
    /// The height of the highest child.
    fn height(&self) -> usize {
        let highest = match self {
            Kind::List(items) => items.iter().map(|item| item.height).max(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.height).max(),
            _ => None,
        };
        highest.unwrap_or(0)
    }
}

impl Node {
    /// The entry with this key, if the node is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The kind of the node, for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "empty",
            Kind::Bool(_) => "a boolean",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// A quoted scalar that is not in the file, such as a default. Its position is arbitrary.
    pub fn text(text: &str) -> Self {
        let start = Position { line: 1, column: 1 };
        Node {
            start,
            end: start,
            kind: Kind::Text(text.to_owned()),
            plain: false,
            height: 0,
        }
    }

    /// Converts a scalar for serde. Lists and mappings become empty ones.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Text(text) => match text.parse::<i64>() {
                // Unlike a quoted one, an unquoted 0 or 1 counts as a boolean.
                Ok(number) if self.plain && number.to_string() == *text => number.into(),
                _ => Value::String(text.clone()),
            },
            Kind::List(_) => Value::Sequence(Vec::new()),
            Kind::Map(_) => Value::Mapping(Mapping::new()),
        }
    }

    /// The node as the key of a mapping; `None` for a list or a mapping.
    fn as_key(&self) -> Option<&str> {
        match &self.kind {
            Kind::Null => Some("null"),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            Kind::Text(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }
}

/// A list or mapping whose end event has not been read yet.
struct OpenCollection {
    start: Position,
    /// The parser's id of the anchor; 0 for none.
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Map {
        entries: Vec<Entry>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// The mappings that `<<` keys merge, in the order of the file.
        merges: Vec<Rc<Node>>,
    },
}

enum Key {
    Name(Rc<Node>),
    Merge,
    /// A list or a mapping, which was reported; its value is skipped.
    Invalid,
}

/// Parses the document of a file. Reports all errors; returns `None` after one that the parser cannot recover from.
pub fn read(diagnostics: &mut Diagnostics) -> Option<Rc<Node>> {
    let source = diagnostics.source;
    let mut reader = Reader {
        diagnostics,
        open: Vec::new(),
        anchors: HashMap::new(),
        documents: 0,
        merged_entries: 0,
        root: None,
    };
    let result = reader.read(Parser::new_from_str(source.text()));
    let root = reader.root.take();
    result
        .and_then(|()| {
            root.filter(|root| !matches!(root.kind, Kind::Null))
                .ok_or_else(|| {
                    let help = "write `common:` and `servers:`";
                    let start = Position { line: 1, column: 1 };
                    SyntaxError::new(start, Message::new("the file is empty", help))
                })
        })
        .map_err(|error| diagnostics.error(error.position, error.message))
        .ok()
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

struct Reader<'a, 'd> {
    diagnostics: &'d mut Diagnostics<'a>,
    /// The collections around the current event, the innermost last.
    open: Vec<OpenCollection>,
    /// Nodes by the id of their anchor; `None` while the node is still open.
    anchors: HashMap<usize, Option<Rc<Node>>>,
    documents: usize,
    merged_entries: usize,
    root: Option<Rc<Node>>,
}

impl Reader<'_, '_> {
    fn read(&mut self, events: Parser<saphyr_parser::StrInput>) -> Result<(), SyntaxError> {
        for event in events {
            let source = self.diagnostics.source;
            let (event, span) = event.map_err(|error| syntax_error::explain(source, &error))?;
            if self.documents > 1 {
                break;
            }
            self.on_event(event, span)?;
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event, span: Span) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = Message::new(
                        "a second YAML document begins here",
                        "keep one document in the file",
                    );
                    self.diagnostics.error(position(span.start), message);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let is_merge_key = plain && tag.is_none() && text == "<<";
                let kind = self.scalar(text.into_owned(), plain, tag.as_deref(), span);
                let node = Rc::new(Node {
                    start: position(span.start),
                    end: position(span.end),
                    kind,
                    plain: plain && tag.is_none(),
                    height: 0,
                });
                self.set_anchor(anchor, Some(&node));
                self.insert(node, is_merge_key);
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", span);
                self.open(span, anchor, Content::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", span);
                let content = Content::Map {
                    entries: Vec::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(span, anchor, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(Some(node)) => {
                    let node = Rc::clone(node);
                    self.check_depth(node.height, span)?;
                    self.insert(node, false);
                }
                _ => {
                    let message = Message::new(
                        "an alias is inside its own anchor",
                        "name another anchor, or write the value out",
                    );
                    return Err(SyntaxError::new(position(span.start), message));
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn set_anchor(&mut self, anchor: usize, node: Option<&Rc<Node>>) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.cloned());
        }
    }

    fn open(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), SyntaxError> {
        self.check_depth(1, span)?;
        self.set_anchor(anchor, None);
        self.open.push(OpenCollection {
            start: position(span.start),
            anchor,
            content,
        });
        Ok(())
    }

    /// Checks that a node of this height may be inserted at the current depth.
    fn check_depth(&self, height: usize, span: Span) -> Result<(), SyntaxError> {
        if self.open.len() + height > MAX_DEPTH {
            let message = Message::new("the nesting is too deep", "a config needs three levels");
            return Err(SyntaxError::new(position(span.start), message));
        }
        Ok(())
    }

    /// Closes the innermost list or mapping.
    fn close(&mut self, span: Span) -> Result<(), SyntaxError> {
        let Some(OpenCollection {
            start,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let kind = match content {
            Content::List(items) => Kind::List(items),
            Content::Map {
                entries, merges, ..
            } => Kind::Map(self.merge(entries, &merges)?),
        };
        let node = Rc::new(Node {
            start,
            end: position(span.start),
            height: 1 + kind.height(),
            kind,
            plain: false,
        });
        self.set_anchor(anchor, Some(&node));
        self.insert(node, false);
        Ok(())
    }

    /// Inserts a finished node into the innermost open collection. `is_merge_key`: in the place of a key, it is `<<`.
    fn insert(&mut self, node: Rc<Node>, is_merge_key: bool) {
        let (entries, key, merges) = match self.open.last_mut().map(|open| &mut open.content) {
            None => return self.root = Some(node),
            Some(Content::List(items)) => return items.push(node),
            Some(Content::Map {
                entries,
                key,
                merges,
            }) => (entries, key, merges),
        };
        match key.take() {
            None if is_merge_key => *key = Some(Key::Merge),
            None if node.as_key().is_some() => *key = Some(Key::Name(node)),
            None => {
                *key = Some(Key::Invalid);
                let message = Message::new("this key is a list or a mapping", "write a name");
                self.diagnostics.error(node.start, message);
            }
            Some(Key::Invalid) => {}
            Some(Key::Merge) => match &node.kind {
                Kind::List(items) => merges.extend(items.iter().cloned()),
                _ => merges.push(node),
            },
            Some(Key::Name(name)) => entries.push(Entry {
                key: name.as_key().unwrap_or_default().to_owned(),
                key_position: name.start,
                value: node,
            }),
        }
    }

    /// Combines a mapping's own entries with those of the mappings it merges. Own entries win, then the mapping that
    /// is merged first.
    fn merge(&mut self, own: Vec<Entry>, merges: &[Rc<Node>]) -> Result<Vec<Entry>, SyntaxError> {
        let mut lines: HashMap<String, usize> = HashMap::with_capacity(own.len());
        let mut entries: Vec<Entry> = Vec::with_capacity(own.len());
        for entry in own {
            match lines.get(&entry.key) {
                None => {
                    lines.insert(entry.key.clone(), entry.key_position.line);
                    entries.push(entry);
                }
                Some(line) => {
                    let message = Message::new(
                        format!("{} is set twice in this mapping", quoted(&entry.key)),
                        format!("keep one of them; the other is on line {line}"),
                    );
                    self.diagnostics.error(entry.key_position, message);
                }
            }
        }
        for node in merges {
            let Kind::Map(merged) = &node.kind else {
                let at = node.start;
                let message = Message::new(
                    "only mappings can be merged",
                    "let `<<` name the anchor of a mapping, or a list of such anchors",
                );
                self.diagnostics.error(at, message);
                continue;
            };
            self.merged_entries += merged.len();
            if self.merged_entries > MAX_MERGED_ENTRIES {
                let message = Message::new(
                    "merge keys copy this mapping too often",
                    "put what all servers share under `common`",
                );
                return Err(SyntaxError::new(node.start, message));
            }
            for entry in merged {
                if !lines.contains_key(&entry.key) {
                    lines.insert(entry.key.clone(), entry.key_position.line);
                    entries.push(entry.clone());
                }
            }
        }
        Ok(entries)
    }

    /// Types a scalar by its tag, or without one by the rules of YAML 1.1.
    fn scalar(&mut self, text: String, plain: bool, tag: Option<&Tag>, span: Span) -> Kind {
        let suffix = tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str()));
        match suffix {
            None if !plain => Kind::Text(text),
            None | Some((true, "null" | "bool" | "int" | "float")) => resolve(text),
            Some((true, "str")) => Kind::Text(text),
            Some(_) => {
                self.check_tag(tag, "str", span);
                Kind::Text(text)
            }
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, known: &str, span: Span) {
        let Some(tag) = tag else { return };
        let plain = tag.handle.is_empty() && tag.suffix == "!";
        if !(plain || tag.is_yaml_core_schema() && tag.suffix == known) {
            let message = Message::new(
                format!("the YAML tag {} means nothing here", quoted(&tag.suffix)),
                "leave it out",
            );
            self.diagnostics.error(position(span.start), message);
        }
    }
}

/// Types an unquoted scalar: null, a boolean, or text.
fn resolve(text: String) -> Kind {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Kind::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Kind::Bool(false)
        }
        _ => Kind::Text(text),
    }
}
