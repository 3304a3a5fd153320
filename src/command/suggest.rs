//! Suggestions for a mistyped app or environment.

use crate::cli::{Cli, Target, directories};
use crate::config::similar;
use crate::diagnostics::join_names;

/// Help for an app and environment that have no config: swapped arguments, similar names, `init`.
pub fn config_help(cli: &Cli, target: &Target) -> String {
    let Target { environment, app } = target;
    let has = |app: &str, environment: &str| {
        let directory = cli.deploy_config_dir.join(app).join(environment);
        directory.join(&cli.config_file_name).is_file()
    };
    if has(environment, app) {
        return format!("the environment comes first: `{app} {environment}`");
    }
    let environments = |app: &str| {
        let mut names = directories(&cli.deploy_config_dir.join(app));
        names.retain(|environment| has(app, environment));
        names
    };
    let mut apps = directories(&cli.deploy_config_dir);
    apps.retain(|app| !environments(app).is_empty());
    let (label, name, known) = match environments(app) {
        own if !own.is_empty() => (format!("{app} has"), environment, own),
        _ => ("the apps are".to_owned(), app, apps),
    };
    let init = format!("`pystrano init {environment} {app}` writes");
    if known.is_empty() {
        return format!("{init} one");
    }
    let meant = similar(name, known.iter().map(String::as_str));
    let meant = meant.map_or_else(String::new, |meant| format!("did you mean {meant}? "));
    format!("{label} {}; {meant}{init} a new one", join_names(&known))
}
