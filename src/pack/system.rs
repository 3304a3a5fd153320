//! The .deb files that `setup.sh` installs on hosts of a Debian release, as apt resolves them there. Nothing of this
//! machine's own packages is looked at or changed.

use super::cache::{Cache, Work};
use super::program::Program;
use super::{Failure, Fault, Note, archive, sum_whole};
use crate::config::Server;
use crate::payload::{Packages, Payload, SYSTEM};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The keys that sign Debian's releases, of the package of that name.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Adds to the payload of each server what its `setup.sh` installs on hosts of a release, such as `bookworm`: servers that
/// shared a payload share one still.
///
/// # Errors
/// The first server for which apt does not find everything.
pub fn add(
    servers: &mut [Server],
    release: &str,
    packages: impl Fn(&Server) -> Packages,
    note: Note,
) -> Result<(), Failure> {
    let mut wanted: HashMap<String, Packages> = HashMap::new();
    for server in servers.iter() {
        if let Some(payload) = &server.payload {
            let of_server = packages(server);
            let all = wanted.entry(payload.sha256.clone()).or_default();
            all.base.extend(of_server.base);
            all.recommending.extend(of_server.recommending);
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
            None => {
                with_system(payload, release, &wanted[&sum], note).map_err(|fault| Failure {
                    server: index,
                    fault,
                })?
            }
        };
        server.payload = Some(Arc::clone(&made));
        done.insert(sum, made);
    }
    Ok(())
}

fn with_system(
    payload: &Payload,
    release: &str,
    wanted: &Packages,
    note: Note,
) -> Result<Arc<Payload>, Fault> {
    let cache = Cache::open(note)?;
    let work = cache.work()?;
    let architecture = if payload.platform.starts_with("aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let apt = Apt::of(release, architecture, &cache, &work)?;
    let mut files = Vec::new();
    let mut index = String::new();
    for (name, promised) in apt.fetch(wanted)? {
        let path = apt.archives.join(&name);
        let (sum, size) = archive::sum_file(&path).map_err(Fault::file("read", &path))?;
        // Of what it has fetched before, apt looks at the size alone.
        if promised.is_some_and(|promised| promised != sum) {
            fs::remove_file(&path).map_err(Fault::file("remove", &path))?;
            return Err(Fault::DamagedPackage { name });
        }
        let fields = Program::new("dpkg-deb").arg("--field").arg(&path);
        let fields = fields.output()?;
        let fields = fields.trim_end();
        index += &format!("{fields}\nFilename: ./{name}\nSize: {size}\nSHA256: {sum}\n\n");
        files.push((name, path));
    }
    let part = cache.add_part(SYSTEM, |out| {
        archive::pack_files(("Packages", &index), &files, out)
    })?;
    note(&format!(
        "Packed {} Debian packages for {release} on {architecture}",
        files.len()
    ));
    let mut payload = payload.clone();
    payload.parts.push(part);
    (payload.sha256, payload.size) = sum_whole(&payload.parts)?;
    Ok(Arc::new(payload))
}

/// apt with directories of its own, in which no package is installed.
struct Apt<'a> {
    release: &'a str,
    settings: PathBuf,
    archives: PathBuf,
    /// An empty directory of archives.
    nowhere: PathBuf,
}

impl<'a> Apt<'a> {
    fn of(release: &'a str, architecture: &str, cache: &Cache, work: &Work) -> Result<Self, Fault> {
        let apt = Program::new("apt-get").arg("--version").output();
        apt.map_err(|_| Fault::NoApt)?;
        if !Path::new(KEYRING).exists() {
            return Err(Fault::NoKeyring { file: KEYRING });
        }
        let kept = cache.path("apt", &format!("{release}-{architecture}"));
        let archives = kept.join("archives");
        let nowhere = work.path().join("archives");
        for directory in [
            archives.join("partial"),
            nowhere.join("partial"),
            kept.join("lists/partial"),
        ] {
            fs::create_dir_all(&directory).map_err(Fault::file("create", &directory))?;
        }
        let [settings, sources, status] =
            ["apt.conf", "sources.list", "status"].map(|name| work.path().join(name));
        let (archive_url, security_url) = mirrors()?;
        let source = |url: &str, suite: &str| {
            format!("deb [arch={architecture} signed-by={KEYRING}] {url} {suite} main\n")
        };
        let text = source(&archive_url, release)
            + &source(&archive_url, &format!("{release}-updates"))
            + &source(&security_url, &format!("{release}-security"));
        fs::write(&sources, text).map_err(Fault::file("write", &sources))?;
        fs::write(&status, "").map_err(Fault::file("write", &status))?;
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
            ("Dir::State", path(&kept)),
            ("Dir::State::status", path(&status)),
            ("Dir::Cache", path(&kept)),
        ] {
            text += &format!("{name} \"{value}\";\n");
        }
        fs::write(&settings, text).map_err(Fault::file("write", &settings))?;
        Ok(Apt {
            release,
            settings,
            archives,
            nowhere,
        })
    }

    fn call(&self) -> Program {
        Program::new("apt-get")
            .arg("-c")
            .arg(&self.settings)
            .arg("--quiet=2")
            .without_env(&["APT_CONFIG"])
    }

    /// Fetches packages and all that they need: the names of the files, with the SHA-256 that the mirror has for each.
    fn fetch(&self, wanted: &Packages) -> Result<BTreeMap<String, Option<String>>, Fault> {
        self.run(self.call().arg("update"))?;
        // What no mirror has any more need not be kept.
        self.run(self.call().arg("autoclean"))?;
        let mut files = BTreeMap::new();
        // Those first which come with all others: apt names all that it does not know.
        for (packages, option) in [
            (&wanted.recommending, "--install-recommends"),
            (&wanted.base, "--no-install-recommends"),
        ] {
            if packages.is_empty() {
                continue;
            }
            // With what is already there, so that both fit together.
            let all: BTreeSet<&String> = wanted.base.iter().chain(packages).collect();
            let install = || self.call().args(["install", "--yes", option]);
            // It lists what is not there yet: for that, nothing is.
            let nowhere = format!("Dir::Cache::archives={}", self.nowhere.display());
            let list = install().args(["-o", &nowhere, "--print-uris", "--"]);
            let listed = self.run(list.args(&all))?;
            files.extend(listed_files(&listed));
            self.run(install().args(["--download-only", "--"]).args(&all))?;
        }
        Ok(files)
    }

    /// Runs apt to its good end: what it prints.
    fn run(&self, apt: Program) -> Result<String, Fault> {
        let ended = apt.run()?;
        if ended.is_success() {
            return Ok(ended.output);
        }
        let release = self.release.to_owned();
        let unknown = |line: &str| {
            let (_, name) = line.split_once("Unable to locate package ")?;
            Some(name.to_owned())
        };
        let names: Vec<String> = ended.errors.lines().filter_map(unknown).collect();
        if names.is_empty() {
            let reason = ended.reason();
            return Err(Fault::Apt { release, reason });
        }
        Err(Fault::UnknownPackages { release, names })
    }
}

/// The files that apt lists, as `'URL' NAME SIZE SHA256:SUM`, with their sums.
fn listed_files(text: &str) -> impl Iterator<Item = (String, Option<String>)> {
    text.lines().filter_map(|line| {
        let (_, words) = line.strip_prefix('\'')?.split_once(' ')?;
        let (name, words) = words.split_once(' ')?;
        let sum = words.split_once("SHA256:").map(|(_, sum)| sum.trim());
        Some((name.to_owned(), sum.map(str::to_owned)))
    })
}

/// The mirrors that this machine has of Debian and of its security fixes, or Debian's own.
fn mirrors() -> Result<(String, String), Fault> {
    let targets = ["indextargets", "--format", "$(REPO_URI)"];
    let text = Program::new("apt-get").args(targets).run()?.output;
    let find = |end: &str, default: &str| {
        let is_found = |url: &&str| url.trim_end_matches('/').ends_with(end) && !url.contains('@');
        text.lines().find(is_found).unwrap_or(default).to_owned()
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
