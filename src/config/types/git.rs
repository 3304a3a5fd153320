//! Repositories, branches and revisions, as git accepts them.

use super::host::operand;
use super::raw::Amount;
use super::{Context, Scalar, Validation, ensure, refuse, text_type};
use crate::credentials;
use crate::diagnostics::{Message, quoted};

text_type! {
    /// A URL, an scp-like address or a path that `git clone` accepts.
    RepositoryUrl, repository, warn_visible_password
}

text_type! {
    /// A branch name as `git check-ref-format --branch` accepts it.
    Branch, branch
}

text_type! {
    /// A tag, SHA or ref that names a commit.
    Revision, revision
}

/// The number of commits to clone; `None` for the whole history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth(pub Option<u32>);

impl Scalar for Depth {
    type Raw = Amount;

    /// Like the Python tool, clones the whole history if the value is not a number.
    fn parse(amount: Amount, context: &mut Context) -> Result<Self, Message> {
        let commits = match amount {
            Amount::Number(number @ 1..) => u32::try_from(number).ok(),
            Amount::Number(_) | Amount::All => None,
            Amount::NotANumber => {
                context.warn(Message::new(
                    "`clone_depth` is not a number: the whole history is cloned",
                    "write 0 if that is meant",
                ));
                None
            }
        };
        Ok(Depth(commits))
    }
}

/// Warns of a password that `git clone` gets as part of its arguments. For HTTP the scripts use a credential helper
/// instead.
fn warn_visible_password(url: &str, _: &str) -> Option<Message> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    (!web && !credentials::find(url).is_empty()).then(|| {
        Message::new(
            "the password in `source_code_url` can be seen in the host's list of processes",
            "use an ssh address with a deploy key or a forwarded agent",
        )
    })
}

/// The URL schemes built into git. For any other scheme, git runs the program `git-remote-<scheme>`.
const SCHEMES: [&str; 9] = [
    "file", "ftp", "ftps", "git", "git+ssh", "http", "https", "ssh", "ssh+git",
];

fn repository(value: &str) -> Validation {
    operand(value)?;
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let scheme = &value[..value.find(|c| !is_scheme(c)).unwrap_or(0)];
    let rest = &value[scheme.len()..];
    let is_helper = rest.starts_with("::") || rest.starts_with("://") && !SCHEMES.contains(&scheme);
    ensure(
        !is_helper || scheme.is_empty(),
        || format!("git would run the program git-remote-{scheme} for this address"),
        "write an address that begins with https:// or ssh://, or one like git@github.com:you/app.git",
    )
}

/// Whether git reaches the repository over ssh: `ssh://…` or `user@host:path`.
pub fn is_ssh(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "ssh" | "git+ssh" | "ssh+git"),
        None => url
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/')),
    }
}

fn branch(value: &str) -> Validation {
    operand(value)?;
    if matches!(value.len(), 40 | 64) && value.chars().all(|c| c.is_ascii_hexdigit()) {
        let what = format!("{} is a commit, not a branch", quoted(value));
        return refuse(what, format!("write `revision: {value}`"));
    }
    for prefix in ["refs/heads/", "refs/tags/", "origin/"] {
        if let Some(name) = value.strip_prefix(prefix) {
            let what = format!(
                "git clone looks for a branch that is called {}",
                quoted(value)
            );
            return refuse(
                what,
                format!("leave `{prefix}` out: write {}", quoted(name)),
            );
        }
    }
    let reason: &str = if value == "HEAD" || value == "@" {
        &format!("{value} is not the name of a branch")
    } else if let Some(character) = value.chars().find(|c| " ~^:?*[\\".contains(*c)) {
        match character {
            ' ' => "it has a space",
            other => &format!("it has `{other}`"),
        }
    } else if value.contains("..") {
        "it has `..`"
    } else if value.contains("@{") {
        "it has `@{`"
    } else if value.starts_with('/') || value.ends_with('/') || value.contains("//") {
        "a part between slashes is empty"
    } else if value.split('/').any(|part| part.starts_with('.')) {
        "a part starts with `.`"
    } else if value.split('/').any(|part| part.ends_with(".lock")) {
        "a part ends with `.lock`"
    } else if value.ends_with('.') {
        "it ends with `.`"
    } else {
        return Ok(());
    };
    refuse(
        format!("git does not take {} as a branch: {reason}", quoted(value)),
        "write the name of a branch or tag; a commit goes into `revision`",
    )
}

fn revision(value: &str) -> Validation {
    operand(value)?;
    ensure(
        !value.chars().any(char::is_whitespace),
        || format!("the revision {} has a space", quoted(value)),
        "write one tag, SHA or ref",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ssh_repository_needs_an_ssh_client() {
        for (url, ssh) in [
            ("git@github.com:example/example.git", true),
            ("ssh://git@example.com:2222/example.git", true),
            ("ssh+git://example.com/example.git", true),
            ("[::1]:example.git", true),
            ("git+ssh://example.com/example.git", true),
            ("https://example.com/example.git", false),
            ("git://example.com:9418/example", false),
            ("file:///srv/example", false),
            ("/srv/git:example", false),
        ] {
            assert_eq!(is_ssh(url), ssh, "{url}");
        }
    }
}
