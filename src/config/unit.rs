//! What a systemd unit says, as far as a deploy depends on it.

/// The settings of a `[Service]` section.
#[derive(Debug, Default)]
pub struct ServiceSection {
    /// Where the section begins, 1-based.
    pub line: usize,
    /// Names and values in order, each with its line.
    settings: Vec<(String, String, usize)>,
}

impl ServiceSection {
    /// Reads a unit. `None` if it has no such section.
    pub fn parse(text: &str) -> Option<Self> {
        let mut section: Option<ServiceSection> = None;
        let mut is_open = false;
        let mut lines = text.lines().enumerate();
        while let Some((index, first)) = lines.next() {
            let mut line = first.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            while line.ends_with('\\') {
                line.pop();
                let next = lines.find(|(_, next)| !next.trim_start().starts_with(['#', ';']));
                line.push(' ');
                line += next.map_or("", |(_, next)| next.trim());
            }
            if line.starts_with('[') {
                is_open = line == "[Service]";
                if is_open {
                    section.get_or_insert_default().line = index + 1;
                }
            } else if let (true, Some(section)) = (is_open, &mut section)
                && let Some((name, value)) = line.split_once('=')
            {
                let setting = (name.trim().to_owned(), value.trim().to_owned(), index + 1);
                section.settings.push(setting);
            }
        }
        section
    }

    /// The values of a setting with their lines. An empty one takes back those above it.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
        let named = move |(setting, _, _): &&(String, String, usize)| setting == name;
        let reset = self
            .settings
            .iter()
            .rposition(|setting| named(&setting) && setting.1.is_empty());
        let settings = self
            .settings
            .iter()
            .skip(reset.map_or(0, |reset| reset + 1));
        settings
            .filter(named)
            .map(|(_, value, line)| (value.as_str(), *line))
    }

    /// The value that counts where a setting has one.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<(&'a str, usize)> {
        self.values(name).last()
    }
}
