//! YAML as a tree that knows where everything was written: anchors and merge keys resolved, plain
//! scalars read as YAML 1.1 does.

use super::diagnostic::{Findings, Mark, Problem, Source, quoted};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use std::collections::HashMap;

/// Lists and mappings inside each other.
const DEEPEST: usize = 64;
/// Entries that merge keys may copy in one file.
const MERGED: usize = 1 << 20;

/// Index of a node in its tree. An alias is the node of its anchor: nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(usize);

#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
pub struct Node {
    pub start: Mark,
    pub end: Mark,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    /// Everything else in one piece, as it is written: numbers too.
    Text(String),
    List(Vec<Id>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_mark: Mark,
    pub value: Id,
}

impl std::ops::Index<Id> for Tree {
    type Output = Node;

    fn index(&self, id: Id) -> &Node {
        &self.nodes[id.0]
    }
}

impl Tree {
    /// The node as messages call it.
    pub fn describe(&self, id: Id) -> &'static str {
        match self[id].kind {
            Kind::Null => "empty",
            Kind::Bool(_) => "a boolean",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// A list or mapping whose end has not come.
struct Open {
    id: Id,
    /// 0 without one.
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Id>),
    Map {
        entries: Vec<Entry>,
        /// Whose value comes next.
        key: Option<Key>,
        /// What the `<<` keys name, in the order of the file.
        merges: Vec<Id>,
    },
}

enum Key {
    Name(Id),
    Merge,
    /// A list or a mapping.
    Unusable,
}

struct Builder<'a> {
    nodes: Vec<Node>,
    open: Vec<Open>,
    /// `None` while the node is open.
    anchors: HashMap<usize, Option<Id>>,
    /// The last plain `<<`.
    merge_key: Option<Id>,
    merged: usize,
    root: Option<Id>,
    source: &'a Source<'a>,
    findings: &'a mut Findings,
}

/// Reads one document. `None` when there is nothing to use; mistakes are added to the findings.
pub fn parse(text: &str, source: &Source, findings: &mut Findings) -> Option<(Tree, Id)> {
    let mut builder = Builder {
        nodes: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        merge_key: None,
        merged: 0,
        root: None,
        source,
        findings,
    };
    if let Err((mark, problem)) = builder.read(text) {
        builder.report(mark, problem);
        return None;
    }
    let Some(root) = builder.root else {
        let start = Mark { line: 1, column: 1 };
        let problem = Problem::new("the file is empty", "write `common:` and `servers:`");
        builder.report(start, problem);
        return None;
    };
    Some((
        Tree {
            nodes: builder.nodes,
        },
        root,
    ))
}

type Stop = (Mark, Problem);

impl Builder<'_> {
    fn read(&mut self, text: &str) -> Result<(), Stop> {
        // The parser takes a NUL for the end of the text.
        let foreign = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        if let Some(control) = text.chars().find(foreign) {
            let what = format!(
                "the file has the control character U+{:04X}",
                u32::from(control)
            );
            let help = "leave it out, or write it as an escape in double quotes";
            return Err((self.source.place(control), Problem::new(what, help)));
        }
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(syntax_error)?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err((
                            mark(span.start),
                            Problem::new(
                                "a second YAML document begins here",
                                "keep one document in the file",
                            ),
                        ));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain;
                    let is_merge = plain && tag.is_none() && text == "<<";
                    let kind = self.scalar(text.into_owned(), plain, tag.as_deref(), span);
                    let id = self.add(span, kind);
                    if is_merge {
                        self.merge_key = Some(id);
                    }
                    self.anchor(anchor, Some(id));
                    self.place(id);
                }
                Event::SequenceStart(anchor, tag) => {
                    self.check_tag(tag.as_deref(), "seq", span);
                    self.begin(span, anchor, Content::List(Vec::new()))?;
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
                    Some(Some(id)) => self.place(*id),
                    _ => {
                        return Err((
                            mark(span.start),
                            Problem::new(
                                "an alias stands inside its own anchor",
                                "name another anchor, or write the value out",
                            ),
                        ));
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn report(&mut self, mark: Mark, problem: Problem) {
        self.findings.add(self.source.diagnostic(mark, problem));
    }

    fn add(&mut self, span: Span, kind: Kind) -> Id {
        self.nodes.push(Node {
            start: mark(span.start),
            end: mark(span.end),
            kind,
        });
        Id(self.nodes.len() - 1)
    }

    fn anchor(&mut self, anchor: usize, id: Option<Id>) {
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.open.len() >= DEEPEST {
            return Err((
                mark(span.start),
                Problem::new("the nesting is too deep", "a config needs three levels"),
            ));
        }
        self.anchor(anchor, None);
        // Its content replaces the null when it ends.
        let id = self.add(span, Kind::Null);
        self.open.push(Open {
            id,
            anchor,
            content,
        });
        Ok(())
    }

    /// Ends the innermost list or mapping.
    fn close(&mut self, span: Span) -> Result<(), Stop> {
        let Some(Open {
            id,
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
        self.nodes[id.0].end = mark(span.start);
        self.nodes[id.0].kind = kind;
        self.anchor(anchor, Some(id));
        self.place(id);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, id: Id) {
        let node = &self.nodes[id.0];
        let (entries, key, merges) = match self.open.last_mut().map(|open| &mut open.content) {
            None => return self.root = Some(id),
            Some(Content::List(items)) => return items.push(id),
            Some(Content::Map {
                entries,
                key,
                merges,
            }) => (entries, key, merges),
        };
        match key.take() {
            None if self.merge_key == Some(id) => *key = Some(Key::Merge),
            None if node.key().is_some() => *key = Some(Key::Name(id)),
            None => {
                *key = Some(Key::Unusable);
                let problem = Problem::new("this key is a list or a mapping", "write a name");
                self.report(node.start, problem);
            }
            Some(Key::Unusable) => {}
            Some(Key::Merge) => match &node.kind {
                Kind::List(items) => merges.extend(items),
                _ => merges.push(id),
            },
            Some(Key::Name(key)) => {
                let name = &self.nodes[key.0];
                entries.push(Entry {
                    key: name.key().unwrap_or_default().to_owned(),
                    key_mark: name.start,
                    value: id,
                });
            }
        }
    }

    /// The entries of a mapping, each key once: its own, then those it merges, the first named first.
    fn merge(&mut self, own: Vec<Entry>, merges: &[Id]) -> Result<Vec<Entry>, Stop> {
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
        for &id in merges {
            let node = &self.nodes[id.0];
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
                return Err((
                    node.start,
                    Problem::new(
                        "merge keys copy this mapping too often",
                        "put what all servers share under `common`",
                    ),
                ));
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
            self.report(mark(span.start), problem);
        }
    }
}

impl Node {
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

fn mark(marker: Marker) -> Mark {
    Mark {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

/// The parser's words, or plainer ones for the slips that people make most.
fn syntax_error(error: ScanError) -> Stop {
    let info = error.info();
    let (what, help) = if info.contains("mapping values are not allowed") {
        (
            "a second `: ` in one value",
            "put quotes around the value, or the key on a line of its own",
        )
    } else if info.contains("unknown anchor") {
        (
            "no anchor of this name stands above",
            "correct the name after `*`",
        )
    } else if info.contains("tabs disallowed") || info.starts_with("tab ") {
        ("a tab indents this line", "indent with spaces")
    } else if info == "invalid indentation in quoted scalar"
        || info.ends_with("found unexpected end of stream")
    {
        ("this quote is not closed", "add the closing quote")
    } else {
        return (
            mark(*error.marker()),
            Problem::new(
                format!("this is not YAML: {info}"),
                "look at the indentation, quotes and brackets here and on the line before",
            ),
        );
    };
    (mark(*error.marker()), Problem::new(what, help))
}
