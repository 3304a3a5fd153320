//! A payload for each release of a site, with packages that contain the release's name.

use crate::sandbox::Sandbox;
use std::process::Command;

/// Packs the tree that a clone of this release would have, and its packages: a requirements file with the release's
/// name.
const PACK: &str = r#"
release=$1
mkdir -p tree/media dependencies
printf '%s\n' "$release" >tree/version
: >tree/media/checked-in
printf '%s\n' "$release" >dependencies/requirements.txt
tar -czf source.tar.gz -C tree .
tar -cf dependencies.tar -C dependencies .
tar -cf payload.tar source.tar.gz dependencies.tar
for part in payload.tar source.tar.gz dependencies.tar; do
	sum=$(sha256sum <"$part")
	sed -i "s/^\\(\t${part%%.*}_sha256=\\).*/\\1${sum%% *}/; s/^\\(\t${part%%.*}_size=\\).*/\\1$(wc -c <"$part")/" deploy.sh
done
"#;

/// Renders the script of the config and packs the payload that it names into a directory of the sandbox.
pub fn pack(host: &Sandbox, release: &str, directory: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_pystrano"))
        .args([
            "render",
            "test",
            "app",
            "deploy",
            "--payload",
            "--output",
            "rendered",
        ])
        .current_dir(host.dir.path())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("pystrano");
    assert!(output.status.success(), "{output:?}");
    host.write(
        &format!("{directory}/deploy.sh"),
        host.read("rendered/host.example.com/deploy.sh"),
    );
    let packed = Command::new("sh")
        .args(["-euc", PACK, "sh", release])
        .current_dir(host.path(directory))
        .output()
        .expect("sh");
    assert!(packed.status.success(), "{packed:?}");
}
