//! The files of a commit, as a deploy's clone on a host has them: see `templates/deploy/code.sh`.

use super::Fault;
use super::program::{Ended, Program};
use crate::config::Server;
use crate::credentials::{Login, split_login};
use std::path::Path;

/// Git with the access to one repository, and without what this user's settings would change in its files.
pub struct Git {
    /// Without the login.
    pub url: String,
    login: Option<Login>,
    /// Content filters of this user's settings, which no host has.
    filters: Vec<String>,
}

/// Where a server's code comes from.
pub struct Repository<'a> {
    server: &'a Server,
    git: Git,
}

/// A commit, and what it is of, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub sha: String,
    pub pulled: String,
}

/// Git asks for the login by this, so that no command line and no file holds the password.
const ANSWER: &str = "!answer() { printf \"username=%s\\npassword=%s\\n\" \"$repository_username\" \"$repository_password\"; }; answer";

/// Variables of a git that runs this program, in a hook say.
const OF_ANOTHER: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_LFS_SKIP_SMUDGE",
];

const SETTINGS: [&str; 9] = [
    "core.autocrlf=false",
    "core.eol=lf",
    "core.symlinks=true",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "clone.defaultRemoteName=origin",
    // So much of a large repository is in memory at a time.
    "core.bigFileThreshold=16m",
    "core.packedGitWindowSize=8m",
    "core.packedGitLimit=16m",
];

/// What Git LFS keeps is there, or the checkout fails.
const LFS: [&str; 4] = [
    "-c",
    "filter.lfs.process=git-lfs filter-process",
    "-c",
    "filter.lfs.required=true",
];

const NO_REF: &str = "the repository has no such branch or tag; name one that it has";

impl Git {
    pub fn of(url: &str) -> Result<Self, Fault> {
        let (mut url, login) = split_login(url);
        if let Ok(path) = Path::new(&url).canonicalize() {
            url = path.to_string_lossy().into_owned();
        }
        let mut git = Git {
            url,
            login,
            filters: Vec::new(),
        };
        let arguments = ["config", "--name-only", "--get-regexp", r"^filter\."];
        for name in git.call().args(arguments).run()?.output.lines() {
            let filter = name.rsplit_once('.').map_or(name, |(filter, _)| filter);
            if filter != "filter.lfs" && !git.filters.iter().any(|known| known == filter) {
                git.filters.push(filter.to_owned());
            }
        }
        Ok(git)
    }

    pub fn call(&self) -> Program {
        // In the current directory there may be a repository with settings of its own.
        let mut git = Program::new("git")
            .directory(Path::new("/"))
            .without_env(&OF_ANOTHER)
            .env("GIT_TEMPLATE_DIR", "")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("LC_ALL", "C");
        for setting in SETTINGS {
            git = git.args(["-c", setting]);
        }
        for filter in &self.filters {
            for value in ["process=", "smudge=", "clean=", "required=false"] {
                git = git.arg("-c").arg(format!("{filter}.{value}"));
            }
        }
        if let Some(login) = &self.login {
            let helper = format!("credential.{}.helper=", login.server);
            git = git
                .args(["-c", &helper, "-c", &(helper.clone() + ANSWER)])
                .env("repository_username", &login.username)
                .env("repository_password", &login.password);
        }
        git
    }

    /// In a clone.
    pub fn call_in(&self, tree: &Path) -> Program {
        self.call().arg("-C").arg(tree)
    }
}

impl<'a> Repository<'a> {
    pub fn of(server: &'a Server) -> Result<Self, Fault> {
        let git = Git::of(&server.source_code_url)?;
        Ok(Repository { server, git })
    }

    /// The commit that is deployed, as the repository's server names it. `None` where only a clone can tell.
    pub fn ask(&self) -> Result<Option<Commit>, Fault> {
        let names = match (&self.server.revision, &self.server.branch) {
            (Some(revision), _) if is_sha(revision) => {
                let sha = revision.to_string();
                let pulled = format!("revision {revision}");
                return Ok(Some(Commit { sha, pulled }));
            }
            (Some(name), _) => vec![
                (format!("refs/tags/{name}"), format!("tag {name}")),
                (format!("refs/heads/{name}"), format!("branch {name}")),
            ],
            (None, Some(name)) => vec![
                (format!("refs/heads/{name}"), self.pulled()),
                (format!("refs/tags/{name}"), self.pulled()),
            ],
            (None, None) => vec![("HEAD".to_owned(), self.pulled())],
        };
        // So git lists the commit of an annotated tag.
        let peeled = |name: &str| format!("{name}^{{}}");
        let patterns = names
            .iter()
            .flat_map(|(name, _)| [name.clone(), peeled(name)]);
        let list = ["ls-remote", "--quiet", "--", &self.git.url];
        let listed = self.succeed(self.git.call().args(list).args(patterns))?;
        let sha_of = |name: &str| {
            let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
            let (sha, _) = lines.find(|(_, listed)| *listed == name)?;
            Some(sha.to_owned())
        };
        Ok(names.into_iter().find_map(|(name, pulled)| {
            let sha = sha_of(&peeled(&name)).or_else(|| sha_of(&name))?;
            Some(Commit { sha, pulled })
        }))
    }

    /// What is deployed without a revision, for people.
    fn pulled(&self) -> String {
        match &self.server.branch {
            Some(branch) => format!("branch {branch}"),
            None => "the default branch".to_owned(),
        }
    }

    /// Clones into `tree`, and checks out what the config names: as it was when it was `asked`, even if the branch went on
    /// meanwhile.
    pub fn check_out(&self, tree: &Path, asked: Option<&Commit>) -> Result<Commit, Fault> {
        let server = self.server;
        let mut clone = self.git.call().args(["clone", "--quiet", "--no-checkout"]);
        if server.revision.is_none() {
            clone = clone.arg("--single-branch");
            if let Some(branch) = &server.branch {
                clone = clone.args(["--branch", branch]);
            }
        }
        if let Some(depth) = server.clone_depth.0 {
            clone = clone.arg("--depth").arg(depth.to_string());
        }
        self.succeed(clone.args(["--", &self.git.url]).arg(tree))?;
        let commit = match (asked, &server.revision) {
            (Some(asked), _) => {
                if self.commit_at(tree, &asked.sha)?.is_none() {
                    self.fetch(tree, &asked.sha)?;
                }
                asked.clone()
            }
            (None, Some(revision)) => self.find(tree, revision)?,
            (None, None) => Commit {
                sha: self
                    .commit_at(tree, "HEAD")?
                    .ok_or(Fault::EmptyRepository)?,
                pulled: self.pulled(),
            },
        };
        let checkout = ["checkout", "--quiet", "--detach", &commit.sha];
        self.succeed(self.git.call_in(tree).args(LFS).args(checkout))?;
        if server.submodules && tree.join(".gitmodules").exists() {
            self.get_submodules(tree)?;
        }
        Ok(commit)
    }

    /// The commit of a revision: a tag comes before a branch of the same name; a ref that is neither is fetched.
    fn find(&self, tree: &Path, revision: &str) -> Result<Commit, Fault> {
        for (name, kind) in [
            (format!("refs/tags/{revision}"), "tag"),
            (format!("refs/remotes/origin/{revision}"), "branch"),
            (revision.to_owned(), "revision"),
        ] {
            if let Some(sha) = self.commit_at(tree, &name)? {
                let pulled = format!("{kind} {revision}");
                return Ok(Commit { sha, pulled });
            }
        }
        self.fetch(tree, revision)?;
        let sha = self.commit_at(tree, "FETCH_HEAD")?;
        let pulled = format!("revision {revision}");
        sha.map(|sha| Commit { sha, pulled })
            .ok_or_else(|| Fault::Git {
                field: "revision",
                reason: format!("{revision} is no commit"),
                help: NO_REF,
            })
    }

    fn fetch(&self, tree: &Path, name: &str) -> Result<(), Fault> {
        let fetch = ["fetch", "--quiet", "--no-auto-gc", "origin", name];
        self.succeed(self.git.call_in(tree).args(fetch))?;
        Ok(())
    }

    fn commit_at(&self, tree: &Path, name: &str) -> Result<Option<String>, Fault> {
        let name = format!("{name}^{{commit}}");
        let parse = ["rev-parse", "--verify", "--quiet", &name];
        let parsed = self.git.call_in(tree).args(parse).run()?;
        let sha = parsed.output.trim();
        Ok((parsed.is_success() && !sha.is_empty()).then(|| sha.to_owned()))
    }

    fn get_submodules(&self, tree: &Path) -> Result<(), Fault> {
        let call = |command: &[&str]| {
            let git = self.git.call_in(tree).args(LFS);
            git.args(["submodule", "--quiet"]).args(command)
        };
        let update = || call(&["update", "--init", "--recursive"]);
        if let Some(depth) = self.server.clone_depth.0 {
            let shallow = update().arg("--depth").arg(depth.to_string());
            if shallow.run()?.is_success() {
                return Ok(());
            }
            // Not every server gives a commit that no branch ends at.
            let _ = call(&["deinit", "--force", "--all"]).run()?;
            let _ = std::fs::remove_dir_all(tree.join(".git/modules"));
        }
        let updated = update().run()?;
        if updated.is_success() {
            return Ok(());
        }
        let reason = updated.reason();
        Err(Fault::Submodule { reason })
    }

    /// Runs git to its good end: what it prints.
    fn succeed(&self, git: Program) -> Result<String, Fault> {
        let ended = git.run()?;
        if ended.is_success() {
            Ok(ended.output)
        } else {
            Err(self.failed(&ended))
        }
    }

    /// Why git failed, and what to do about it.
    fn failed(&self, ended: &Ended) -> Fault {
        let has = |text: &str| ended.errors.contains(text);
        let mut field = "source_code_url";
        let help = if has("Host key verification failed") {
            "its ssh server is not known on this machine: log in there once"
        } else if has("Permission denied (publickey") {
            "its ssh server takes no key that git has on this machine"
        } else if has("could not read Username")
            || has("could not read Password")
            || has("Authentication failed")
        {
            "it asks for a login and takes none that git has on this machine"
        } else if has("Remote branch ") && has(" not found") || has("couldn't find remote ref") {
            field = if self.server.revision.is_some() {
                "revision"
            } else {
                "branch"
            };
            NO_REF
        } else if has("git-lfs: ") && has("not found") {
            "the repository keeps files in Git LFS: install git-lfs on this machine"
        } else {
            "git on this machine must be able to clone it"
        };
        Fault::Git {
            field,
            reason: ended.reason(),
            help,
        }
    }
}

/// Whether it is a whole SHA, which needs nobody to be asked.
fn is_sha(revision: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(revision.len(), 40 | 64) && revision.bytes().all(is_digit)
}
