//! Compatibility with configs of the Python tool, and configs with arbitrary content.

use super::{ConfigError, KnownHost, Server, parse_bytes};
use crate::fuzz;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

/// The fields of a server as the vectors have them.
fn described(server: &Server) -> Value {
    let lower = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    let hosts = server.ssh_known_hosts.iter().map(|known| match known {
        KnownHost::Scan { host, .. } => host,
        KnownHost::Pinned(line) => line,
    });
    json!({
        "host": &*server.host,
        "port": server.port_number(),
        "project_user": &*server.project_user,
        "project_root": &*server.project_root,
        "venv_dir": &*server.venv_dir,
        "framework": lower(&server.framework),
        "package_manager": lower(&server.package_manager),
        "dependency_file": &*server.dependency_file,
        "dependency_install_command": server.dependency_install_command.as_deref(),
        "migration_command": server.migration_command.as_deref(),
        "run_migrations": server.run_migrations,
        "collect_static_files": server.collect_static_files,
        "branch": server.branch.as_deref(),
        "revision": server.revision.as_deref(),
        "clone_depth": server.clone_depth.0,
        "keep_releases": server.keep_releases.0,
        "secrets": server.secrets.iter().map(|secret| &secret.name).collect::<Vec<_>>(),
        "ssh_known_hosts": hosts.collect::<Vec<_>>(),
    })
}

#[test]
fn configs_of_the_python_tool_mean_the_same() {
    let vectors = include_str!("../../tests/compat/vectors.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).expect("vectors.json is JSON");
    assert!(vectors.len() > 80);
    for vector in vectors {
        let text = vector["text"].as_str().expect("a text");
        let config =
            parse_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
        let servers: Vec<Value> = config.servers.iter().map(described).collect();
        assert_eq!(Value::from(servers), vector["servers"], "{text}");
    }
}

/// `servers` may come before or after `common`, have an anchor, be an alias, or come from a merge key.
#[test]
fn servers_are_found_wherever_they_are_written() {
    const COMMON: &str =
        "common: {source_code_url: u, project_root: r, project_user: p, venv_dir: v}\n";
    const LIST: &str = "\n- &a {host: a, branch: b}\n- {<<: *a, host: c, port: 2}\n- host: c\n";
    let texts = [
        format!("{COMMON}servers:{LIST}"),
        format!("servers:{LIST}{COMMON}"),
        format!("{COMMON}servers: &all{LIST}"),
        format!("x-all: &all{LIST}{COMMON}servers: *all\n"),
        format!(
            "x-base: &base\n  servers:{}{COMMON}<<: *base\n",
            LIST.replace('\n', "\n  ").trim_end().to_owned() + "\n"
        ),
    ];
    for text in texts {
        let config =
            parse_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
        let servers: Vec<_> = config
            .servers
            .iter()
            .map(|server| {
                (
                    &*server.name,
                    server.port_number(),
                    server.branch.as_deref(),
                )
            })
            .collect();
        let branch = Some("b");
        let expected = [("a", 22, branch), ("c_2", 2, branch), ("c_22", 22, None)];
        assert_eq!(servers, expected, "{text}");
    }
}

/// Nodes nested through aliases are dropped recursively, so their depth is limited as well.
#[test]
fn a_long_chain_of_aliases_is_refused() {
    let link = |number| format!("  - &a{number} [*a{}]\n", number - 1);
    let chain: String = (1..200_000).map(link).collect();
    let text = format!("x-chain:\n  - &a0 []\n{chain}servers: []\n");
    let Err(ConfigError::Mistakes { mistakes, .. }) = parse_bytes(text.as_bytes()) else {
        panic!("the chain is accepted");
    };
    let reported: Vec<_> = mistakes
        .iter()
        .map(|mistake| (mistake.line, mistake.message.to_string()))
        .collect();
    assert_eq!(
        reported,
        [(
            64,
            "the nesting is too deep; a config needs three levels".to_owned()
        )]
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/proptest/config.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::yaml(&bytes);
    }

    #[test]
    fn any_text_is_read(text in r#"([:\-\[\]{}'"&*<|>#!?%@ \n\t,]|a|common|servers|\PC){0,60}"#) {
        fuzz::yaml(text.as_bytes());
    }
}
