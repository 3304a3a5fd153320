//! YAML as a tree that knows where everything was written: anchors and merge keys resolved, plain
//! scalars read as YAML 1.1 does.

use super::diagnostic::{Findings, Mark, Problem, Source, quoted};
use super::slips::{self, Stop};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use std::collections::HashMap;
use std::rc::Rc;

/// Lists and mappings inside each other.
const DEEPEST: usize = 64;
/// Entries that merge keys may copy in one file.
const MERGED: usize = 1 << 20;

/// An alias is the node of its anchor: nothing is copied.
#[derive(Debug)]
pub struct Node {
    pub start: Mark,
    pub end: Mark,
    pub kind: Kind,
    /// A scalar without quotes and tag.
    pub plain: bool,
    /// Lists and mappings inside each other from here on.
    height: usize,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    /// Everything else in one piece, as it is written: numbers too.
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_mark: Mark,
    pub value: Rc<Node>,
}

impl Kind {
    /// Of the highest node in it.
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
    /// An entry of a mapping.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The node as messages call it.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "empty",
            Kind::Bool(_) => "a boolean",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The node as the key of a mapping.
    fn key(&self) -> Option<&str> {
        match &self.kind {
            Kind::Null => Some("null"),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            Kind::Text(text) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }
}

/// A list or mapping whose end has not come.
struct Open {
    start: Mark,
    /// 0 without one.
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    /// The list whose items are handed over.
    Items,
    Map {
        entries: Vec<Entry>,
        /// Whose value comes next.
        key: Option<Key>,
        /// What the `<<` keys name, in the order of the file.
        merges: Vec<Rc<Node>>,
    },
}

enum Key {
    Name(Rc<Node>),
    Merge,
    /// A list or a mapping.
    Unusable,
}

/// Reads one document, and hands over the items of one list at its top, so that they need not be
/// in memory at once.
pub struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    source: &'a Source,
    /// The key of that list.
    items: &'a str,
    open: Vec<Open>,
    /// `None` while the node is open.
    anchors: HashMap<usize, Option<Rc<Node>>>,
    documents: usize,
    ended: bool,
    merged: usize,
    /// An item that is to be handed over.
    item: Option<Rc<Node>>,
    root: Option<Rc<Node>>,
    /// Mistakes that do not end the reading.
    pub findings: Findings,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Source, items: &'a str) -> Self {
        Reader {
            parser: Parser::new_from_str(source.text()),
            source,
            items,
            open: Vec::new(),
            anchors: HashMap::new(),
            ended: false,
            documents: 0,
            merged: 0,
            item: None,
            root: None,
            findings: Findings::default(),
        }
    }

    /// The next item; `None` when the document has been read.
    ///
    /// # Errors
    /// What ends the reading.
    pub fn next_item(&mut self) -> Result<Option<Rc<Node>>, Stop> {
        while self.item.is_none() && !self.ended {
            let Some(event) = self.parser.next() else {
                break;
            };
            let (event, span) = event.map_err(|error| slips::explain(self.source, &error))?;
            self.take(event, span)?;
        }
        Ok(self.item.take())
    }

    /// The document, without the items that are handed over.
    ///
    /// # Errors
    /// What ends the reading.
    pub fn read_through(&mut self) -> Result<Rc<Node>, Stop> {
        while self.next_item()?.is_some() {}
        let root = self.root.take();
        root.filter(|root| !matches!(root.kind, Kind::Null))
            .ok_or_else(|| {
                let help = "write `common:` and `servers:`";
                Stop::new(
                    Mark { line: 1, column: 1 },
                    Problem::new("the file is empty", help),
                )
            })
    }

    fn take(&mut self, event: Event, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.ended = true;
                    let problem = Problem::new(
                        "a second YAML document begins here",
                        "keep one document in the file",
                    );
                    self.report(self.source.mark(span.start), problem);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merges = plain && tag.is_none() && text == "<<";
                let kind = self.scalar(text.into_owned(), plain, tag.as_deref(), span);
                let node = Rc::new(Node {
                    start: self.source.mark(span.start),
                    end: self.source.mark(span.end),
                    kind,
                    plain: plain && tag.is_none(),
                    height: 0,
                });
                self.anchor(anchor, Some(&node));
                self.place(node, merges);
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", span);
                let content = match anchor == 0 && self.holds_items() {
                    true => Content::Items,
                    false => Content::List(Vec::new()),
                };
                self.begin(span, anchor, content)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", span);
                let content = Content::Map {
                    entries: Vec::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.begin(span, anchor, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(Some(node)) => {
                    let node = Rc::clone(node);
                    self.check_depth(node.height, span)?;
                    self.place(node, false);
                }
                _ => {
                    let problem = Problem::new(
                        "an alias stands inside its own anchor",
                        "name another anchor, or write the value out",
                    );
                    return Err(Stop::new(self.source.mark(span.start), problem));
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// Whether the list that begins is the one whose items are handed over.
    fn holds_items(&self) -> bool {
        let Some(Content::Map {
            entries,
            key: Some(Key::Name(key)),
            ..
        }) = self.open.first().map(|open| &open.content)
        else {
            return false;
        };
        self.open.len() == 1
            && key.key() == Some(self.items)
            && entries.iter().all(|entry| entry.key != self.items)
    }

    fn report(&mut self, mark: Mark, problem: Problem) {
        self.findings.add(self.source.diagnostic(mark, problem));
    }

    fn anchor(&mut self, anchor: usize, node: Option<&Rc<Node>>) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.cloned());
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Stop> {
        self.check_depth(1, span)?;
        self.anchor(anchor, None);
        self.open.push(Open {
            start: self.source.mark(span.start),
            anchor,
            content,
        });
        Ok(())
    }

    /// Something of this height goes into what is open.
    fn check_depth(&self, height: usize, span: Span) -> Result<(), Stop> {
        if self.open.len() + height > DEEPEST {
            let problem = Problem::new("the nesting is too deep", "a config needs three levels");
            return Err(Stop::new(self.source.mark(span.start), problem));
        }
        Ok(())
    }

    /// Ends the innermost list or mapping.
    fn close(&mut self, span: Span) -> Result<(), Stop> {
        let Some(Open {
            start,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let kind = match content {
            Content::List(items) => Kind::List(items),
            Content::Items => Kind::List(Vec::new()),
            Content::Map {
                entries, merges, ..
            } => Kind::Map(self.merge(entries, &merges)?),
        };
        let node = Rc::new(Node {
            start,
            end: self.source.mark(span.start),
            height: 1 + kind.height(),
            kind,
            plain: false,
        });
        self.anchor(anchor, Some(&node));
        self.place(node, false);
        Ok(())
    }

    /// Puts a finished node where it belongs. As a key it may be the `<<` that merges.
    fn place(&mut self, node: Rc<Node>, merges_as_key: bool) {
        let (entries, key, merges) = match self.open.last_mut().map(|open| &mut open.content) {
            None => return self.root = Some(node),
            Some(Content::List(items)) => return items.push(node),
            Some(Content::Items) => return self.item = Some(node),
            Some(Content::Map {
                entries,
                key,
                merges,
            }) => (entries, key, merges),
        };
        match key.take() {
            None if merges_as_key => *key = Some(Key::Merge),
            None if node.key().is_some() => *key = Some(Key::Name(node)),
            None => {
                *key = Some(Key::Unusable);
                let problem = Problem::new("this key is a list or a mapping", "write a name");
                self.report(node.start, problem);
            }
            Some(Key::Unusable) => {}
            Some(Key::Merge) => match &node.kind {
                Kind::List(items) => merges.extend(items.iter().cloned()),
                _ => merges.push(node),
            },
            Some(Key::Name(name)) => entries.push(Entry {
                key: name.key().unwrap_or_default().to_owned(),
                key_mark: name.start,
                value: node,
            }),
        }
    }

    /// The entries of a mapping, each key once: its own, then those it merges, the first named first.
    fn merge(&mut self, own: Vec<Entry>, merges: &[Rc<Node>]) -> Result<Vec<Entry>, Stop> {
        let mut lines: HashMap<String, usize> = HashMap::with_capacity(own.len());
        let mut entries: Vec<Entry> = Vec::with_capacity(own.len());
        for entry in own {
            match lines.get(&entry.key) {
                None => {
                    lines.insert(entry.key.clone(), entry.key_mark.line);
                    entries.push(entry);
                }
                Some(line) => {
                    let problem = Problem::new(
                        format!("{} is set twice in this mapping", quoted(&entry.key)),
                        format!("keep one of them; the other is on line {line}"),
                    );
                    self.report(entry.key_mark, problem);
                }
            }
        }
        for node in merges {
            let Kind::Map(merged) = &node.kind else {
                let at = node.start;
                let problem = Problem::new(
                    "only mappings can be merged",
                    "let `<<` name the anchor of a mapping, or a list of such anchors",
                );
                self.report(at, problem);
                continue;
            };
            self.merged += merged.len();
            if self.merged > MERGED {
                let problem = Problem::new(
                    "merge keys copy this mapping too often",
                    "put what all servers share under `common`",
                );
                return Err(Stop::new(node.start, problem));
            }
            for entry in merged {
                if !lines.contains_key(&entry.key) {
                    lines.insert(entry.key.clone(), entry.key_mark.line);
                    entries.push(entry.clone());
                }
            }
        }
        Ok(entries)
    }

    /// What a scalar is, by its tag or else as YAML 1.1 resolves it.
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
            let problem = Problem::new(
                format!("the YAML tag {} means nothing here", quoted(&tag.suffix)),
                "leave it out",
            );
            self.report(self.source.mark(span.start), problem);
        }
    }
}

/// An unquoted scalar: null, a boolean, or text.
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
