//! Downloads the .deb files that `setup.sh` installs on hosts with a Debian release. apt resolves them in directories of its
//! own, so the packages of this machine are neither read nor changed.

use super::cache::{Cache, WorkDir};
use super::program::{Output, Program};
use super::{Notify, PackError, Result, ServerError, archive, payload_digest};
use crate::config::Server;
use crate::payload::{Packages, Payload, SYSTEM};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keys of Debian's release signatures, from the package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Adds the Debian packages of a release, such as `bookworm`, to the payload of each server that has one. Servers that share
/// a payload get the packages of all of them, and still share one.
///
/// # Errors
/// The first server whose packages apt cannot resolve or download.
pub fn add(
    servers: &mut [Server],
    release: &str,
    packages: impl Fn(&Server) -> Packages,
    notify: Notify,
) -> Result<(), ServerError> {
    let mut wanted: HashMap<String, Packages> = HashMap::new();
    for server in servers.iter() {
        if let Some(payload) = &server.payload {
            let needed = packages(server);
            let all = wanted.entry(payload.sha256.clone()).or_default();
            all.base.extend(needed.base);
            all.recommending.extend(needed.recommending);
        }
    }
    let mut done: HashMap<String, Arc<Payload>> = HashMap::new();
    for (index, server) in servers.iter_mut().enumerate() {
        let Some(payload) = &server.payload else {
            continue;
        };
        let sum = payload.sha256.clone();
        let made = match done.get(&sum) {
            Some(made) => Arc::clone(made),
            None => with_packages(payload, release, &wanted[&sum], notify).map_err(|error| {
                ServerError {
                    server: index,
                    error,
                }
            })?,
        };
        server.payload = Some(Arc::clone(&made));
        done.insert(sum, made);
    }
    Ok(())
}

/// A copy of a payload with a part for the `wanted` packages.
fn with_packages(
    payload: &Payload,
    release: &str,
    wanted: &Packages,
    notify: Notify,
) -> Result<Arc<Payload>> {
    let cache = Cache::open(notify)?;
    let work_dir = cache.work_dir()?;
    let architecture = if payload.platform.starts_with("aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let apt = Apt::new(release, architecture, &cache, &work_dir)?;
    let mut files = Vec::new();
    let mut index = String::new();
    for (name, expected) in apt.download(wanted)? {
        let path = apt.archives.join(&name);
        let (sum, size) = archive::hash_file(&path).map_err(PackError::file("read", &path))?;
        // apt verifies only the size of files that it downloaded before.
        if expected.is_some_and(|expected| expected != sum) {
            fs::remove_file(&path).map_err(PackError::file("remove", &path))?;
            return Err(PackError::DamagedPackage { name });
        }
        let fields = Program::new("dpkg-deb").arg("--field").arg(&path);
        let fields = fields.run()?;
        let fields = fields.trim_end();
        index += &format!("{fields}\nFilename: ./{name}\nSize: {size}\nSHA256: {sum}\n\n");
        files.push((name, path));
    }
    let part = cache.add_part(SYSTEM, |out| {
        archive::pack_files(("Packages", &index), &files, out)
    })?;
    notify(&format!(
        "Packed {} Debian packages for {release} on {architecture}",
        files.len()
    ));
    let mut payload = payload.clone();
    payload.parts.push(part);
    (payload.sha256, payload.size) = payload_digest(&payload.parts)?;
    Ok(Arc::new(payload))
}

/// apt-get with its own configuration, cache, and empty list of installed packages.
struct Apt<'a> {
    release: &'a str,
    config: PathBuf,
    /// Downloaded .deb files, kept in pystrano's cache.
    archives: PathBuf,
    empty_archives: PathBuf,
}

impl<'a> Apt<'a> {
    /// # Errors
    /// There is no apt-get, or no keyring.
    fn new(
        release: &'a str,
        architecture: &str,
        cache: &Cache,
        work_dir: &WorkDir,
    ) -> Result<Self> {
        let apt = Program::new("apt-get").arg("--version").run();
        apt.map_err(|_| PackError::NoApt)?;
        if !Path::new(KEYRING).exists() {
            return Err(PackError::NoKeyring { file: KEYRING });
        }
        let state = cache.path("apt", &format!("{release}-{architecture}"));
        let archives = state.join("archives");
        let empty_archives = work_dir.path().join("archives");
        for directory in [
            archives.join("partial"),
            empty_archives.join("partial"),
            state.join("lists/partial"),
        ] {
            fs::create_dir_all(&directory).map_err(PackError::file("create", &directory))?;
        }
        let [config, sources, status] =
            ["apt.conf", "sources.list", "status"].map(|name| work_dir.path().join(name));
        let (archive_url, security_url) = mirrors()?;
        let source = |url: &str, suite: &str| {
            format!("deb [arch={architecture} signed-by={KEYRING}] {url} {suite} main\n")
        };
        let text = source(&archive_url, release)
            + &source(&archive_url, &format!("{release}-updates"))
            + &source(&security_url, &format!("{release}-security"));
        fs::write(&sources, text).map_err(PackError::file("write", &sources))?;
        fs::write(&status, "").map_err(PackError::file("write", &status))?;
        let mut text = String::new();
        for hooks in [
            "APT::Update::Pre-Invoke",
            "APT::Update::Post-Invoke",
            "APT::Update::Post-Invoke-Success",
            "DPkg::Pre-Invoke",
            "DPkg::Post-Invoke",
            "DPkg::Pre-Install-Pkgs",
            "APT::Architectures",
            "APT::Default-Release",
            "APT::Get::AllowUnauthenticated",
        ] {
            text += &format!("#clear {hooks};\n");
        }
        let path = |path: &Path| path.to_string_lossy().replace('"', "");
        for (name, value) in [
            ("APT::Architecture", architecture.to_owned()),
            ("APT::Architectures::", architecture.to_owned()),
            ("APT::Sandbox::User", "root".to_owned()),
            ("APT::Install-Suggests", "false".to_owned()),
            ("Acquire::ForceHash", "SHA256".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("Dir::Etc::sourcelist", path(&sources)),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Dir::State", path(&state)),
            ("Dir::State::status", path(&status)),
            ("Dir::Cache", path(&state)),
        ] {
            text += &format!("{name} \"{value}\";\n");
        }
        fs::write(&config, text).map_err(PackError::file("write", &config))?;
        Ok(Apt {
            release,
            config,
            archives,
            empty_archives,
        })
    }

    fn command(&self) -> Program {
        Program::new("apt-get")
            .arg("-c")
            .arg(&self.config)
            .arg("--quiet=2")
            .without_env(&["APT_CONFIG"])
    }

    /// Downloads packages with their dependencies. Returns the names of the files in `archives`, each with the SHA-256 that
    /// the mirror's index has for it, if any.
    fn download(&self, wanted: &Packages) -> Result<BTreeMap<String, Option<String>>> {
        self.run(self.command().arg("update"))?;
        // Deletes files that no mirror has any more.
        self.run(self.command().arg("autoclean"))?;
        let mut files = BTreeMap::new();
        // The call with all packages comes first, since apt reports all unknown names at once.
        for (packages, option) in [
            (&wanted.recommending, "--install-recommends"),
            (&wanted.base, "--no-install-recommends"),
        ] {
            if packages.is_empty() {
                continue;
            }
            // Always together with the base packages, so that the versions of both calls fit together.
            let all: BTreeSet<&String> = wanted.base.iter().chain(packages).collect();
            let install = || self.command().args(["install", "--yes", option]);
            // apt lists only files that are not downloaded yet; with an empty directory it lists all.
            let empty = format!("Dir::Cache::archives={}", self.empty_archives.display());
            let list = install().args(["-o", &empty, "--print-uris", "--"]);
            let listed = self.run(list.args(&all))?;
            files.extend(listed_files(&listed));
            self.run(install().args(["--download-only", "--"]).args(&all))?;
        }
        Ok(files)
    }

    /// Runs apt-get and returns its stdout.
    ///
    /// # Errors
    /// [`PackError::UnknownPackages`] with all names that the release does not have, or another failure.
    fn run(&self, apt: Program) -> Result<String> {
        apt.run_or(|output| self.error(output))
    }

    fn error(&self, output: &Output) -> PackError {
        let release = self.release.to_owned();
        let unknown = |line: &str| {
            let (_, name) = line.split_once("Unable to locate package ")?;
            Some(name.to_owned())
        };
        let names: Vec<String> = output.stderr.lines().filter_map(unknown).collect();
        if names.is_empty() {
            let reason = output.reason();
            return PackError::Apt { release, reason };
        }
        PackError::UnknownPackages { release, names }
    }
}

/// Parses the output of `--print-uris`, lines of `'URL' NAME SIZE SHA256:SUM`, into names and sums.
fn listed_files(text: &str) -> impl Iterator<Item = (String, Option<String>)> {
    text.lines().filter_map(|line| {
        let (_, words) = line.strip_prefix('\'')?.split_once(' ')?;
        let (name, words) = words.split_once(' ')?;
        let sum = words.split_once("SHA256:").map(|(_, sum)| sum.trim());
        Some((name.to_owned(), sum.map(str::to_owned)))
    })
}

/// URLs of this machine's mirrors of Debian and of its security updates, or those of Debian itself. URLs with a login are
/// not used.
fn mirrors() -> Result<(String, String)> {
    let targets = ["indextargets", "--format", "$(REPO_URI)"];
    let text = Program::new("apt-get").args(targets).output()?.stdout;
    let find = |suffix: &str, default: &str| {
        let is_mirror =
            |url: &&str| url.trim_end_matches('/').ends_with(suffix) && !url.contains('@');
        text.lines().find(is_mirror).unwrap_or(default).to_owned()
    };
    Ok((
        find("/debian", "http://deb.debian.org/debian"),
        find("/debian-security", "http://deb.debian.org/debian-security"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_with_their_sums() {
        let text = "Reading package lists...\n\
            'http://deb.debian.org/debian/pool/main/t/tree/tree_2.1%2b0_amd64.deb' tree_2.1+0_amd64.deb 52344 SHA256:0a1b\n\
            'http://deb.debian.org/debian/pool/main/c/curl/curl_8.deb' curl_8.deb 1 MD5Sum:22\n";
        let files: Vec<_> = listed_files(text).collect();
        let tree = ("tree_2.1+0_amd64.deb".to_owned(), Some("0a1b".to_owned()));
        assert_eq!(files, [tree, ("curl_8.deb".to_owned(), None)]);
    }
}
