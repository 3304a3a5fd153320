//! Package indexes that settings and lists of requirements name, with the logins for them: what uv resolves with these is
//! fetched with the same.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads uv's settings of the checkout and of this user"
)]

use super::up_from;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A package index, or a directory of wheels.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    name: Option<String>,
    /// With variables in it filled in.
    pub url: String,
}

/// What the variables with an index's login end with.
const LOGIN: [&str; 2] = ["USERNAME", "PASSWORD"];

impl Index {
    /// Reads `URL` or `NAME=URL`.
    pub fn of(word: &str) -> Self {
        let is_name = |name: &str| !name.contains([':', '/', '.']);
        match word.split_once('=') {
            Some((name, url)) if is_name(name) => Index::new(Some(name), url),
            _ => Index::new(None, word),
        }
    }

    fn new(name: Option<&str>, url: &str) -> Self {
        let mut filled = url.to_owned();
        for name in variables(url) {
            if let Ok(value) = env::var(name) {
                filled = filled.replace(&format!("${{{name}}}"), &value);
            }
        }
        Index {
            name: name.map(str::to_owned),
            url: filled,
        }
    }

    /// The variable that uv reads for its name: `USERNAME` or `PASSWORD`.
    fn variable(&self, what: &str) -> Option<String> {
        let name = self.name.as_ref()?.to_uppercase();
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        Some(format!("UV_INDEX_{name}_{what}"))
    }

    /// Whether a variable is a part of the login for its name.
    pub fn has_variable(&self, variable: &str) -> bool {
        let of_name = |what| self.variable(what).is_some_and(|own| own == variable);
        LOGIN.into_iter().any(of_name)
    }

    /// Its URL, and the user name and the password that variables have for its name, as uv reads them. They are empty
    /// where the URL has a login.
    pub fn login(&self) -> Option<[String; 3]> {
        if !self.url.starts_with("http") {
            return None;
        }
        let of_name = |what| env::var(self.variable(what)?).ok();
        let [username, password] = LOGIN.map(of_name);
        let has_login = self.url.contains('@') || username.is_some() || password.is_some();
        has_login.then(|| {
            [
                self.url.clone(),
                username.unwrap_or_default(),
                password.unwrap_or_default(),
            ]
        })
    }
}

/// Whether a variable is a part of the login for the name of any index.
pub fn is_login(variable: &str) -> bool {
    let name = variable.strip_prefix("UV_INDEX_").unwrap_or_default();
    LOGIN.into_iter().any(|what| name.ends_with(what))
}

/// Those in uv's settings of this user.
pub fn of_user() -> Vec<Index> {
    let directory = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let directory = directory.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".config")));
    in_files(directory.map(|path| path.join("uv/uv.toml")))
}

/// Those in uv's settings of a directory and of those above it, up to the repository's top.
pub fn of_settings(directory: &Path, tree: &Path) -> Vec<Index> {
    in_files(
        up_from(directory, tree)
            .flat_map(|path| ["pyproject.toml", "uv.toml"].map(|name| path.join(name))),
    )
}

fn in_files(files: impl IntoIterator<Item = PathBuf>) -> Vec<Index> {
    let texts = files
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| in_settings(&text)).collect()
}

/// Those in the text of a `uv.toml` or a `pyproject.toml`.
fn in_settings(text: &str) -> Vec<Index> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let of_project = table
        .get("tool")
        .and_then(|tool| tool.get("uv")?.get("index"));
    let named = [table.get("index"), of_project].into_iter().flatten();
    let named = named.filter_map(toml::Value::as_array).flatten();
    let named = named.filter_map(|index| {
        let text = |key| index.get(key)?.as_str();
        Some(Index::new(text("name"), text("url")?))
    });
    named.chain(in_text(text)).collect()
}

/// The URLs with logins in a list of requirements, or in another text.
pub fn in_text(text: &str) -> Vec<Index> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let urls = words.filter_map(|word| {
        let start = word.find("https://").or_else(|| word.find("http://"))?;
        Some(&word[start..])
    });
    urls.filter(|url| url.contains('@'))
        .map(|url| Index::new(None, url))
        .collect()
}

/// The variables that a list of requirements names, as `${NAME}`.
pub fn variables(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.split("${").skip(1).filter_map(move |rest| {
        let (name, _) = rest.split_once('}')?;
        name.bytes().all(is_name).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_found_where_they_are_named() {
        let shown = |indexes: Vec<Index>| -> Vec<String> {
            let shown = |index: Index| format!("{} {}", index.name.unwrap_or_default(), index.url);
            indexes.into_iter().map(shown).collect()
        };
        let index = "name = \"own\"\nurl = \"https://a/simple\"\n";
        for (text, expected) in [
            (format!("[[index]]\n{index}"), vec!["own https://a/simple"]),
            (
                format!("[[tool.uv.index]]\n{index}[[tool.uv.index]]\nurl = \"b\"\n"),
                vec!["own https://a/simple", " b"],
            ),
            (
                "[tool.uv]\nextra-index-url = ['https://ada:x@a/simple']".to_owned(),
                vec![" https://ada:x@a/simple"],
            ),
            ("[tool.uv]\nindex = 1\n[".to_owned(), vec![]),
        ] {
            assert_eq!(shown(in_settings(&text)), expected, "{text}");
        }
        let list = "--index-url=https://ada:${PYSTRANO_NO_SUCH}@a/simple\nb @ https://b/b.whl\nc@http://t@c/c.whl # x\n";
        assert_eq!(
            shown(in_text(list)),
            [
                " https://ada:${PYSTRANO_NO_SUCH}@a/simple",
                " http://t@c/c.whl"
            ]
        );
        assert_eq!(variables(list).collect::<Vec<_>>(), ["PYSTRANO_NO_SUCH"]);
        let named = Index::of("my-own=https://a/simple");
        assert!(named.has_variable("UV_INDEX_MY_OWN_PASSWORD"));
        assert!(!named.has_variable("UV_INDEX_OTHER_PASSWORD"));
        assert!(is_login("UV_INDEX_OTHER_USERNAME") && !is_login("UV_INDEX_STRATEGY"));
        for (word, expected) in [
            ("own=https://a/?b=c", "own https://a/?b=c"),
            ("https://a/?b=c", " https://a/?b=c"),
            ("/srv/a=b", " /srv/a=b"),
        ] {
            assert_eq!(shown(vec![Index::of(word)]), [expected]);
        }
    }
}
