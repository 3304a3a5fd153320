//! The pages of the manual: written in Markdown, converted to roff for `man`.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A page of the manual other than those of the program and its subcommands, which are generated from clap.
pub struct Page {
    pub name: &'static str,
    /// Section of the manual, such as 7.
    pub section: u8,
    pub markdown: &'static str,
}

macro_rules! pages {
    ($($name:literal($section:literal)),* $(,)?) => {
        /// All pages, in the order of the table in the README.
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

    /// The complete page as roff.
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

/// Converts Markdown to the body of a manual page: level-2 headings become sections, and rows of a table become items
/// tagged with their first cells. The level-1 heading is left out: it is the page's title.
pub fn roff(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        writer.write(event);
    }
    writer.end_line();
    writer.text
}

#[derive(Default)]
struct Writer {
    /// The page, or within a table the current cell.
    text: String,
    in_title: bool,
    headers: Vec<String>,
    row: Vec<String>,
    /// The page while `text` is a cell.
    page: String,
}

impl Writer {
    fn write(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            _ if self.in_title => {}
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
            Tag::Heading {
                level: HeadingLevel::H1,
                ..
            } => self.in_title = true,
            Tag::Heading { .. } => {
                self.end_line();
                self.text += ".SH \"";
            }
            Tag::Paragraph => self.request(".PP"),
            Tag::CodeBlock(_) => self.request(".PP\n.RS 4\n.nf"),
            Tag::Item => self.request(".IP \\(bu 2"),
            Tag::Strong => self.text += "\\fB",
            Tag::TableCell => self.page = std::mem::take(&mut self.text),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) if self.in_title => self.in_title = false,
            TagEnd::Heading(_) => self.text += "\"\n",
            TagEnd::CodeBlock => self.request(".fi\n.RE"),
            TagEnd::Strong => self.text += "\\fR",
            TagEnd::TableCell => {
                std::mem::swap(&mut self.text, &mut self.page);
                self.row.push(std::mem::take(&mut self.page));
            }
            TagEnd::TableHead => self.headers = std::mem::take(&mut self.row),
            TagEnd::TableRow => self.end_row(),
            _ => {}
        }
    }

    /// Writes a table row as an item: the first cell is its tag, the second its text; further cells follow in
    /// parentheses, labeled with the header of their column.
    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        let cells = row.into_iter().zip(&self.headers);
        let mut item = String::from(".TP");
        for (column, (cell, header)) in cells.enumerate() {
            match column {
                _ if column > 0 && cell.is_empty() => {}
                0 | 1 => item += &format!("\n{cell}"),
                _ => item += &format!("\n({header}: {cell})"),
            }
        }
        self.request(&item);
    }

    /// Writes text with roff's special characters escaped; a `.` or `'` at the start of a line would be a request.
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

    /// Writes requests on lines of their own.
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
