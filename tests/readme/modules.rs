//! The map of modules in src/README.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules that each module uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn mapped() -> Uses {
    let map = include_str!("../../src/README.md");
    let lines = map.lines().skip_while(|line| *line != "## Modules").skip(1);
    let rows = lines.take_while(|line| !line.starts_with("## "));
    let rows = rows.filter_map(|line| {
        line.strip_prefix("| `")?
            .strip_suffix(" |")?
            .split_once('`')
    });
    rows.map(|(name, cells)| {
        let uses = cells.rsplit('|').next().expect("a cell").split(',');
        let uses = uses.map(|name| name.trim().to_owned());
        (
            name.to_owned(),
            uses.filter(|name| !name.is_empty()).collect(),
        )
    })
    .collect()
}

fn files(path: &Path) -> Vec<PathBuf> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .flat_map(|entry| files(&entry.expect("an entry").path()))
            .collect(),
        Err(_) => vec![path.to_owned()],
    }
}

/// The modules that code names after `crate::`, except in its tests.
fn named(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("text");
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .expect("a part");
    let is_part = |c: &char| c.is_ascii_lowercase() || *c == '_';
    let first = |path: &str| path.trim().chars().take_while(is_part).collect();
    let paths = code.split("crate::").skip(1);
    paths
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().expect("a list").split(',').collect(),
            None => vec![rest],
        })
        .map(first)
        .collect()
}

#[test]
fn the_map_of_the_modules_is_what_they_use() {
    let mut found = Uses::new();
    let rust = files(Path::new("src")).into_iter().filter(|file| {
        file.extension().is_some_and(|kind| kind == "rs") && !file.ends_with("config/tests.rs")
    });
    for file in rust {
        let inner = file.strip_prefix("src").expect("a path in src");
        let module = inner.iter().next().expect("a name").to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        if !["main", "fuzz"].contains(&module.as_str()) {
            let uses = found.entry(module.clone()).or_default();
            uses.extend(named(&file));
            uses.remove(&module);
        }
    }
    let of_command = found.remove("command").expect("the commands");
    let mut map = mapped();
    let all = BTreeSet::from(["all".to_owned()]);
    assert_eq!(map.remove("command"), Some(all));
    assert_eq!(map, found);
    assert!(of_command.contains("cli") && !found.values().any(|uses| uses.contains("cli")));
    // Removes modules that use none of the remaining ones until none is left; a cycle would remain.
    let mut left: BTreeSet<_> = found.keys().cloned().collect();
    while !left.is_empty() {
        let free = |name: &&String| found[*name].is_disjoint(&left);
        let free: BTreeSet<_> = left.iter().filter(free).cloned().collect();
        assert!(!free.is_empty(), "{left:?} use each other");
        left = &left - &free;
    }
}
