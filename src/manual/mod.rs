//! The pages of the manual, written in Markdown, and what a reader of manual pages gets of them.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A page beside those of the commands.
pub struct Page {
    pub name: &'static str,
    /// Of the manual.
    pub section: u8,
    pub markdown: &'static str,
}

macro_rules! pages {
    ($($name:literal($section:literal)),* $(,)?) => {
        /// In the order of the README's table.
        pub const PAGES: &[Page] = &[$(Page {
            name: $name,
            section: $section,
            markdown: include_str!(concat!($name, ".md")),
        }),*];
    };
}

pages!(
    "commands"(7),
    "fields"(5),
    "promises"(7),
    "handoff"(7),
    "ci"(7),
    "coming-from"(7),
    "faq"(7),
    "speed"(7),
);

impl Page {
    pub fn find(name: &str) -> Option<&'static Self> {
        PAGES.iter().find(|page| page.name == name)
    }

    /// The page's heading.
    pub fn title(&self) -> &'static str {
        let first = self.markdown.lines().next();
        first.map_or("", |line| line.trim_start_matches("# "))
    }

    /// The whole page as roff.
    pub fn roff(&self) -> String {
        format!(
            ".TH pystrano\\-{name} {section}\n.SH NAME\npystrano\\-{name} \\- {title}\n.SH DESCRIPTION\n{text}",
            name = self.name.replace('-', "\\-"),
            section = self.section,
            title = self.title().replace('-', "\\-"),
            text = roff(self.markdown),
        )
    }
}

/// Markdown as the body of a manual page: headings of the second level are its sections, and each row
/// of a table is an item under its first cell.
pub fn roff(markdown: &str) -> String {
    let mut page = Writer::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        page.write(event);
    }
    page.end_line();
    page.text
}

#[derive(Default)]
struct Writer {
    text: String,
    /// Within a title, which stands elsewhere.
    skipped: bool,
    heads: Vec<String>,
    row: Vec<String>,
    /// The page, while `text` is a cell.
    before_cell: String,
}

impl Writer {
    fn write(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            _ if self.skipped => {}
            Event::Text(text) => self.put(&text),
            Event::Code(text) => {
                self.text += "\\fB";
                self.put(&text);
                self.text += "\\fR";
            }
            Event::SoftBreak => self.put("\n"),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag) {
        match tag {
            Tag::Heading { level, .. } if *level as usize == 1 => self.skipped = true,
            Tag::Heading { .. } => {
                self.end_line();
                self.text += ".SH \"";
            }
            Tag::Paragraph => self.request(".PP"),
            Tag::CodeBlock(_) => self.request(".PP\n.RS 4\n.nf"),
            Tag::Item => self.request(".IP \\(bu 2"),
            Tag::Strong => self.text += "\\fB",
            Tag::TableCell => self.before_cell = std::mem::take(&mut self.text),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) if self.skipped => self.skipped = false,
            TagEnd::Heading(_) => self.text += "\"\n",
            TagEnd::CodeBlock => self.request(".fi\n.RE"),
            TagEnd::Strong => self.text += "\\fR",
            TagEnd::TableCell => {
                let cell = std::mem::replace(&mut self.text, std::mem::take(&mut self.before_cell));
                self.row.push(cell);
            }
            TagEnd::TableHead => self.heads = std::mem::take(&mut self.row),
            TagEnd::TableRow => self.end_row(),
            _ => {}
        }
    }

    /// An item: the first cell is its tag; from the third on, the head of the column says what a cell is.
    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        let cells = row.into_iter().zip(&self.heads);
        let mut item = String::from(".TP");
        for (column, (cell, head)) in cells.enumerate() {
            match column {
                _ if column > 0 && cell.is_empty() => {}
                0 | 1 => item += &format!("\n{cell}"),
                _ => item += &format!("\n({head}: {cell})"),
            }
        }
        self.request(&item);
    }

    fn put(&mut self, text: &str) {
        for character in text.chars() {
            let starts_line = self.text.is_empty() || self.text.ends_with('\n');
            match character {
                '.' | '\'' if starts_line => self.text += "\\&",
                _ => {}
            }
            match character {
                '\\' => self.text += "\\(rs",
                '-' => self.text += "\\-",
                '"' => self.text += "\\(dq",
                _ => self.text.push(character),
            }
        }
    }

    /// Lines of their own.
    fn request(&mut self, request: &str) {
        self.end_line();
        self.text += request;
        self.text.push('\n');
    }

    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}
