//! Ports that the apps of a deploy directory listen on.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The first port from 8000 on that no unit file `<APP>/<ENVIRONMENT>/*.{service,socket}` names.
pub fn free(deploy_directory: &Path) -> u16 {
    let units = entries(deploy_directory)
        .flat_map(|app| entries(&app))
        .flat_map(|environment| entries(&environment))
        .filter(|file| {
            let kind = file.extension();
            kind.is_some_and(|kind| kind == "service" || kind == "socket")
        });
    let taken: HashSet<u16> = units
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|text| {
            text.split(|c: char| !c.is_ascii_digit())
                .filter_map(|digits| digits.parse().ok())
                .collect::<Vec<u16>>()
        })
        .collect();
    (8000..=u16::MAX)
        .find(|port| !taken.contains(port))
        .unwrap_or(8000)
}

/// What a directory holds; nothing if it cannot be read.
fn entries(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
}
