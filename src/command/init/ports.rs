//! Picks a port for a new app.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The first port from 8000 on that occurs in none of the unit files `<APP>/<ENVIRONMENT>/*.{service,socket}`.
pub fn free(deploy_directory: &Path) -> u16 {
    let units = entries(deploy_directory)
        .flat_map(|app| entries(&app))
        .flat_map(|environment| entries(&environment))
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "service" || extension == "socket")
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

/// Paths of the entries of a directory; none if it cannot be read.
fn entries(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
}
