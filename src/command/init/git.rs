//! Git metadata of a checkout, read from the files in `.git`: git itself could run programs that the checkout configures.

use super::checkout::Checkout;
use crate::config::is_ssh;
use crate::config::types::{Branch, Rule};
use crate::credentials;
use std::path::Path;

/// Whether a file is in the index, by a search for its name followed by NUL. Output of a build is often in the
/// checkout, but rarely committed.
pub fn tracks(checkout: &Checkout, file: &Path) -> bool {
    let index = read(checkout, "index").unwrap_or_default();
    index.contains(&format!("{}\0", file.display()))
}

/// The URL of the remote `origin` without its password; `None` if it is not one that a host can clone.
pub fn remote(checkout: &Checkout) -> Option<String> {
    origin(&read(checkout, "config")?)
}

/// The checked-out branch; `None` for a detached HEAD.
pub fn branch(checkout: &Checkout) -> Option<String> {
    let text = read(checkout, "HEAD")?;
    let branch = text.trim().strip_prefix("ref: refs/heads/")?;
    Branch::check(branch).is_ok().then(|| branch.to_owned())
}

fn read(checkout: &Checkout, name: &str) -> Option<String> {
    checkout.read(&Path::new(".git").join(name))
}

fn origin(config: &str) -> Option<String> {
    let mut lines = config.lines().map(str::trim);
    lines.find(|line| *line == "[remote \"origin\"]")?;
    let url = lines
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "url").then(|| value.trim().trim_matches('"'))
        })?;
    let (url, _) = credentials::split_login(url);
    let url = match url.split_once("://") {
        Some((scheme @ ("https" | "http" | "git"), rest)) => {
            let (authority, path) = rest.split_once('/')?;
            let host = authority.rsplit('@').next()?;
            format!("{scheme}://{host}/{path}")
        }
        _ if is_ssh(&url) => url,
        _ => return None,
    };
    credentials::find(&url).is_empty().then_some(url)
}
