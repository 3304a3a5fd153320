//! The files of a commit, as a deploy's clone on a host has them: see `templates/deploy/code.sh`.

use super::Fault;
use super::program::{Program, last_lines};
use crate::config::Server;
use crate::credentials::{Login, split_login};
use std::path::Path;

/// Where a server's code comes from.
pub struct Repository<'a> {
    server: &'a Server,
    /// Without the login.
    url: String,
    login: Option<Login>,
    /// Content filters of this user's settings, which no host has.
    filters: Vec<String>,
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

impl<'a> Repository<'a> {
    pub fn of(server: &'a Server) -> Result<Self, Fault> {
        let (mut url, login) = split_login(&server.source_code_url);
        if let Ok(path) = Path::new(&url).canonicalize() {
            url = path.to_string_lossy().into_owned();
        }
        let mut repository = Repository {
            server,
            url,
            login,
            filters: Vec::new(),
        };
        let arguments = ["config", "--name-only", "--get-regexp", r"^filter\."];
        let (_, names, _) = repository.git().args(arguments).run()?;
        for name in String::from_utf8_lossy(&names).lines() {
            let filter = name.rsplit_once('.').map_or(name, |(filter, _)| filter);
            if filter != "filter.lfs" && !repository.filters.iter().any(|known| known == filter) {
                repository.filters.push(filter.to_owned());
            }
        }
        Ok(repository)
    }

    /// Git with the access to the repository, and without what this user's settings would change in its files.
    fn git(&self) -> Program {
        // In the current directory there may be a repository with settings of its own.
        let mut git = Program::new("git")
            .directory(Path::new("/"))
            .without_env(&OF_ANOTHER)
            .env("GIT_TEMPLATE_DIR", "")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("LC_ALL", "C");
        for setting in [
            "core.autocrlf=false",
            "core.eol=lf",
            "core.symlinks=true",
            "core.hooksPath=/dev/null",
            "core.attributesFile=/dev/null",
            "clone.defaultRemoteName=origin",
            "filter.lfs.process=git-lfs filter-process",
            "filter.lfs.required=true",
            // So much of a large repository is in memory at a time.
            "core.bigFileThreshold=16m",
            "core.packedGitWindowSize=8m",
            "core.packedGitLimit=16m",
        ] {
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

    /// The commit that is deployed, as the repository's server names it. `None` where only a clone can tell.
    pub fn ask(&self) -> Result<Option<Commit>, Fault> {
        let names = match (&self.server.revision, &self.server.branch) {
            (Some(revision), _) => {
                let is_commit = matches!(revision.len(), 40 | 64)
                    && revision
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if is_commit {
                    return Ok(Some(Commit {
                        sha: revision.to_string(),
                        pulled: format!("revision {revision}"),
                    }));
                }
                vec![
                    (
                        format!("refs/tags/{revision}^{{}}"),
                        format!("tag {revision}"),
                    ),
                    (format!("refs/tags/{revision}"), format!("tag {revision}")),
                    (
                        format!("refs/heads/{revision}"),
                        format!("branch {revision}"),
                    ),
                ]
            }
            (None, Some(branch)) => {
                let pulled = format!("branch {branch}");
                vec![
                    (format!("refs/heads/{branch}"), pulled.clone()),
                    (format!("refs/tags/{branch}^{{}}"), pulled.clone()),
                    (format!("refs/tags/{branch}"), pulled),
                ]
            }
            (None, None) => vec![("HEAD".to_owned(), "the default branch".to_owned())],
        };
        let patterns = names.iter().map(|(name, _)| name);
        let (is_well, output, said) = self
            .git()
            .args(["ls-remote", "--quiet", "--", &self.url])
            .args(patterns)
            .run()?;
        if !is_well {
            return Err(self.stopped(&said));
        }
        let output = String::from_utf8_lossy(&output).into_owned();
        let found = |name: &str| {
            let mut lines = output.lines().filter_map(|line| line.split_once('\t'));
            lines.find_map(|(sha, ref_name)| (ref_name == name).then(|| sha.to_owned()))
        };
        Ok(names.into_iter().find_map(|(name, pulled)| {
            Some(Commit {
                sha: found(&name)?,
                pulled,
            })
        }))
    }

    /// Clones into `tree`, and checks out what the config names: as it was when it was `asked`, even if the branch went on
    /// meanwhile.
    pub fn check_out(&self, tree: &Path, asked: Option<&Commit>) -> Result<Commit, Fault> {
        let server = self.server;
        let mut clone = self.git().args(["clone", "--quiet", "--no-checkout"]);
        if server.revision.is_none() {
            clone = clone.arg("--single-branch");
        }
        if let Some(depth) = server.clone_depth.0 {
            clone = clone.arg("--depth").arg(depth.to_string());
        }
        if let Some(branch) = server.branch.as_ref().filter(|_| server.revision.is_none()) {
            clone = clone.arg("--branch").arg(&**branch);
        }
        self.must(clone.args(["--", &self.url]).arg(tree))?;
        let mut commit = match &server.revision {
            Some(revision) => self.find(tree, revision)?,
            None => match self.commit_at(tree, "HEAD")? {
                Some(sha) => Commit {
                    sha,
                    pulled: match &server.branch {
                        Some(branch) => format!("branch {branch}"),
                        None => "the default branch".to_owned(),
                    },
                },
                None => {
                    return Err(Fault::of_field(
                        "source_code_url",
                        "the repository is empty, or its HEAD names a branch that is not there",
                        "push the app to it, or set `branch`",
                    ));
                }
            },
        };
        if let Some(asked) = asked.filter(|asked| asked.sha != commit.sha) {
            if self.commit_at(tree, &asked.sha)?.is_none() {
                let fetch = ["fetch", "--quiet", "--no-auto-gc", "origin", &asked.sha];
                self.must(self.git_in(tree).args(fetch))?;
            }
            commit = asked.clone();
        }
        self.must(
            self.git_in(tree)
                .args(["checkout", "--quiet", "--detach", &commit.sha]),
        )?;
        if server.submodules && tree.join(".gitmodules").exists() {
            self.get_submodules(tree)?;
        }
        Ok(commit)
    }

    fn git_in(&self, tree: &Path) -> Program {
        self.git().arg("-C").arg(tree)
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
        self.must(self.git_in(tree).args([
            "fetch",
            "--quiet",
            "--no-auto-gc",
            "origin",
            revision,
        ]))?;
        let sha = self.commit_at(tree, "FETCH_HEAD")?;
        let pulled = format!("revision {revision}");
        sha.map(|sha| Commit { sha, pulled })
            .ok_or_else(|| self.stopped("couldn't find remote ref"))
    }

    fn commit_at(&self, tree: &Path, name: &str) -> Result<Option<String>, Fault> {
        let name = format!("{name}^{{commit}}");
        let (is_well, output, _) = self
            .git_in(tree)
            .args(["rev-parse", "--verify", "--quiet", &name])
            .run()?;
        let sha = String::from_utf8_lossy(&output).trim().to_owned();
        Ok((is_well && !sha.is_empty()).then_some(sha))
    }

    fn get_submodules(&self, tree: &Path) -> Result<(), Fault> {
        let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
        if let Some(depth) = self.server.clone_depth.0 {
            let shallow = self
                .git_in(tree)
                .args(update)
                .arg("--depth")
                .arg(depth.to_string());
            if shallow.run()?.0 {
                return Ok(());
            }
            // Not every server gives a commit that no branch ends at.
            let _ = self
                .git_in(tree)
                .args(["submodule", "--quiet", "deinit", "--force", "--all"])
                .run()?;
            let _ = std::fs::remove_dir_all(tree.join(".git/modules"));
        }
        let (is_well, _, said) = self.git_in(tree).args(update).run()?;
        match is_well {
            true => Ok(()),
            false => Err(Fault::of_field(
                "source_code_url",
                format!("a submodule could not be cloned: {}", last_lines(&said)),
                "correct it, or leave submodules out with `submodules: false`",
            )),
        }
    }

    fn must(&self, git: Program) -> Result<(), Fault> {
        let (is_well, _, said) = git.run()?;
        match is_well {
            true => Ok(()),
            false => Err(self.stopped(&said)),
        }
    }

    /// Why git failed, and what to do about it.
    fn stopped(&self, said: &str) -> Fault {
        let has = |text: &str| said.contains(text);
        let named = match self.server.revision.is_some() {
            true => "revision",
            false => "branch",
        };
        let (field, help) = if has("Host key verification failed") {
            (
                "source_code_url",
                "its ssh server is not known on this machine: log in there once",
            )
        } else if has("Permission denied (publickey") {
            (
                "source_code_url",
                "its ssh server takes no key that git has on this machine",
            )
        } else if has("could not read Username")
            || has("could not read Password")
            || has("Authentication failed")
        {
            (
                "source_code_url",
                "it asks for a login and takes none that git has on this machine",
            )
        } else if has("Remote branch ") && has(" not found") || has("couldn't find remote ref") {
            (
                named,
                "the repository has no such branch or tag; name one that it has",
            )
        } else if has("git-lfs: ") && has("not found") {
            (
                "source_code_url",
                "the repository keeps files in Git LFS: install git-lfs on this machine",
            )
        } else {
            (
                "source_code_url",
                "git on this machine must be able to clone it",
            )
        };
        Fault::of_field(field, format!("git failed: {}", last_lines(said)), help)
    }
}
