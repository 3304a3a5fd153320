//! Package indexes in uv's settings and in requirements files, with their logins. Files that uv has resolved are downloaded
//! by pystrano, which needs the same logins.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads uv's settings of the checkout and of the operator"
)]

use super::ancestors_within;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A package index, or a directory of wheels.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    name: Option<String>,
    /// With environment variables expanded.
    pub url: String,
}

/// The ends of the names of uv's `UV_INDEX_<name>_USERNAME` and `UV_INDEX_<name>_PASSWORD`.
const LOGIN_PARTS: [&str; 2] = ["USERNAME", "PASSWORD"];

impl Index {
    /// Parses `URL` or `NAME=URL`.
    pub fn parse(word: &str) -> Self {
        let is_name = |name: &str| !name.contains([':', '/', '.']);
        match word.split_once('=') {
            Some((name, url)) if is_name(name) => Index::new(Some(name), url),
            _ => Index::new(None, word),
        }
    }

    fn new(name: Option<&str>, url: &str) -> Self {
        let mut expanded = url.to_owned();
        for name in referenced_variables(url) {
            if let Ok(value) = env::var(name) {
                expanded = expanded.replace(&format!("${{{name}}}"), &value);
            }
        }
        Index {
            name: name.map(str::to_owned),
            url: expanded,
        }
    }

    /// The name of the variable that uv reads for a part of the login. `None` for an index without a name.
    fn login_variable(&self, part: &str) -> Option<String> {
        let name = self.name.as_ref()?.to_uppercase();
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        Some(format!("UV_INDEX_{name}_{part}"))
    }

    /// Whether a variable holds a part of this index's login.
    pub fn is_own_login_variable(&self, variable: &str) -> bool {
        let is_part = |part| self.login_variable(part).is_some_and(|own| own == variable);
        LOGIN_PARTS.into_iter().any(is_part)
    }

    /// The index's URL, and user name and password from uv's variables for it; the two are empty if these are not set, as
    /// where the URL contains a login. `None` for an index without a login.
    pub fn login(&self) -> Option<[String; 3]> {
        if !self.url.starts_with("http") {
            return None;
        }
        let value = |part| env::var(self.login_variable(part)?).ok();
        let [username, password] = LOGIN_PARTS.map(value);
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

/// Whether a variable holds a part of any index's login.
pub fn is_login_variable(variable: &str) -> bool {
    let name = variable.strip_prefix("UV_INDEX_").unwrap_or_default();
    LOGIN_PARTS.into_iter().any(|part| name.ends_with(part))
}

/// Indexes in the operator's `uv.toml`.
pub fn user_indexes() -> Vec<Index> {
    let directory = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let directory = directory.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".config")));
    in_files(directory.map(|path| path.join("uv/uv.toml")))
}

/// Indexes in the `uv.toml` and `pyproject.toml` files of a directory and its parents, up to the repository's top.
pub fn project_indexes(directory: &Path, tree: &Path) -> Vec<Index> {
    in_files(
        ancestors_within(directory, tree)
            .flat_map(|path| ["pyproject.toml", "uv.toml"].map(|name| path.join(name))),
    )
}

fn in_files(files: impl IntoIterator<Item = PathBuf>) -> Vec<Index> {
    let texts = files
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| parse_settings(&text)).collect()
}

/// Indexes in the text of a `uv.toml` or a `pyproject.toml`.
fn parse_settings(text: &str) -> Vec<Index> {
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
    named.chain(urls_with_logins(text)).collect()
}

/// All URLs with a login in a text, such as a requirements file.
pub fn urls_with_logins(text: &str) -> Vec<Index> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let urls = words.filter_map(|word| {
        let start = word.find("https://").or_else(|| word.find("http://"))?;
        Some(&word[start..])
    });
    urls.filter(|url| url.contains('@'))
        .map(|url| Index::new(None, url))
        .collect()
}

/// Names of the variables that a text refers to as `${NAME}`, the syntax of requirements files.
pub fn referenced_variables(text: &str) -> impl Iterator<Item = &str> {
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
            assert_eq!(shown(parse_settings(&text)), expected, "{text}");
        }
        let list = "--index-url=https://ada:${PYSTRANO_NO_SUCH}@a/simple\nb @ https://b/b.whl\nc@http://t@c/c.whl # x\n";
        assert_eq!(
            shown(urls_with_logins(list)),
            [
                " https://ada:${PYSTRANO_NO_SUCH}@a/simple",
                " http://t@c/c.whl"
            ]
        );
        assert_eq!(
            referenced_variables(list).collect::<Vec<_>>(),
            ["PYSTRANO_NO_SUCH"]
        );
        let named = Index::parse("my-own=https://a/simple");
        assert!(named.is_own_login_variable("UV_INDEX_MY_OWN_PASSWORD"));
        assert!(!named.is_own_login_variable("UV_INDEX_OTHER_PASSWORD"));
        assert!(
            is_login_variable("UV_INDEX_OTHER_USERNAME") && !is_login_variable("UV_INDEX_STRATEGY")
        );
        for (word, expected) in [
            ("own=https://a/?b=c", "own https://a/?b=c"),
            ("https://a/?b=c", " https://a/?b=c"),
            ("/srv/a=b", " /srv/a=b"),
        ] {
            assert_eq!(shown(vec![Index::parse(word)]), [expected]);
        }
    }
}
