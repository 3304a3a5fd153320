//! Clones the repository with the same result as a deploy's clone on a host: see `templates/deploy/code.sh`.

use super::program::{Output, Program};
use super::{PackError, Result};
use crate::config::Server;
use crate::credentials::{Login, split_login};
use std::path::Path;

/// Runs git with the login of one repository, and without those settings of the operator that would change its files.
pub struct Git {
    /// Without user name and password.
    pub url: String,
    login: Option<Login>,
    /// Names of content filters (`filter.<name>`) in the operator's settings, which hosts do not have; they are disabled.
    filters: Vec<String>,
}

/// The repository of a server, with the branch or revision to deploy.
pub struct Repository<'a> {
    server: &'a Server,
    git: Git,
}

/// A commit, and a label for messages such as `branch main` or `tag v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub sha: String,
    pub label: String,
}

/// A credential helper that prints the login from environment variables: others could read it in command lines and files.
const CREDENTIAL_HELPER: &str = "!answer() { printf \"username=%s\\npassword=%s\\n\" \"$repository_username\" \"$repository_password\"; }; answer";

/// Variables that git sets for its hooks; if pystrano runs in one, they would redirect git to that repository.
const INHERITED_VARIABLES: [&str; 8] = [
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
    // Limits the memory that large repositories take.
    "core.bigFileThreshold=16m",
    "core.packedGitWindowSize=8m",
    "core.packedGitLimit=16m",
];

/// Makes a checkout fail without git-lfs, instead of leaving LFS pointers in place of the files.
const LFS: [&str; 4] = [
    "-c",
    "filter.lfs.process=git-lfs filter-process",
    "-c",
    "filter.lfs.required=true",
];

const UNKNOWN_REF: &str = "the repository has no such branch or tag; name an existing one";

impl Git {
    pub fn of(url: &str) -> Result<Self> {
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
        for name in git.command().args(arguments).output()?.stdout.lines() {
            let filter = name.rsplit_once('.').map_or(name, |(filter, _)| filter);
            if filter != "filter.lfs" && !git.filters.iter().any(|known| known == filter) {
                git.filters.push(filter.to_owned());
            }
        }
        Ok(git)
    }

    pub fn command(&self) -> Program {
        // The current directory may be in a repository, whose settings would apply.
        let mut git = Program::new("git")
            .directory(Path::new("/"))
            .without_env(&INHERITED_VARIABLES)
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
                .args(["-c", &helper, "-c", &(helper.clone() + CREDENTIAL_HELPER)])
                .env("repository_username", &login.username)
                .env("repository_password", &login.password);
        }
        git
    }

    /// The same, in the work tree at `tree`.
    pub fn command_in(&self, tree: &Path) -> Program {
        self.command().arg("-C").arg(tree)
    }
}

impl<'a> Repository<'a> {
    pub fn of(server: &'a Server) -> Result<Self> {
        let git = Git::of(&server.source_code_url)?;
        Ok(Repository { server, git })
    }

    /// Asks the remote for the commit to deploy, without cloning. `None` if it has no such tag or branch, for example because
    /// `revision` is an abbreviated SHA.
    pub fn resolve_remote(&self) -> Result<Option<Commit>> {
        let names = match (&self.server.revision, &self.server.branch) {
            (Some(revision), _) if is_sha(revision) => {
                let sha = revision.to_string();
                let label = format!("revision {revision}");
                return Ok(Some(Commit { sha, label }));
            }
            (Some(name), _) => vec![
                (format!("refs/tags/{name}"), format!("tag {name}")),
                (format!("refs/heads/{name}"), format!("branch {name}")),
            ],
            (None, Some(name)) => vec![
                (format!("refs/heads/{name}"), self.branch_label()),
                (format!("refs/tags/{name}"), self.branch_label()),
            ],
            (None, None) => vec![("HEAD".to_owned(), self.branch_label())],
        };
        // `<tag>^{}` is how ls-remote lists the commit of an annotated tag.
        let peeled = |name: &str| format!("{name}^{{}}");
        let patterns = names
            .iter()
            .flat_map(|(name, _)| [name.clone(), peeled(name)]);
        let list = ["ls-remote", "--quiet", "--", &self.git.url];
        let listed = self.run(self.git.command().args(list).args(patterns))?;
        let sha_of = |name: &str| {
            let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
            let (sha, _) = lines.find(|(_, listed)| *listed == name)?;
            Some(sha.to_owned())
        };
        Ok(names.into_iter().find_map(|(name, label)| {
            let sha = sha_of(&peeled(&name)).or_else(|| sha_of(&name))?;
            Some(Commit { sha, label })
        }))
    }

    /// The label of what is deployed if no `revision` is set.
    fn branch_label(&self) -> String {
        match &self.server.branch {
            Some(branch) => format!("branch {branch}"),
            None => "the default branch".to_owned(),
        }
    }

    /// Clones into `tree` and checks out `commit`, even if its branch has moved since; without it, what the config names.
    pub fn check_out(&self, tree: &Path, commit: Option<&Commit>) -> Result<Commit> {
        let server = self.server;
        let mut clone = self
            .git
            .command()
            .args(["clone", "--quiet", "--no-checkout"]);
        if server.revision.is_none() {
            clone = clone.arg("--single-branch");
            if let Some(branch) = &server.branch {
                clone = clone.args(["--branch", branch]);
            }
        }
        if let Some(depth) = server.clone_depth.0 {
            clone = clone.arg("--depth").arg(depth.to_string());
        }
        self.run(clone.args(["--", &self.git.url]).arg(tree))?;
        let commit = match (commit, &server.revision) {
            (Some(commit), _) => {
                if self.rev_parse(tree, &commit.sha)?.is_none() {
                    self.fetch(tree, &commit.sha)?;
                }
                commit.clone()
            }
            (None, Some(revision)) => self.resolve_revision(tree, revision)?,
            (None, None) => Commit {
                sha: self
                    .rev_parse(tree, "HEAD")?
                    .ok_or(PackError::EmptyRepository)?,
                label: self.branch_label(),
            },
        };
        let checkout = ["checkout", "--quiet", "--detach", &commit.sha];
        self.run(self.git.command_in(tree).args(LFS).args(checkout))?;
        if server.submodules && tree.join(".gitmodules").exists() {
            self.update_submodules(tree)?;
        }
        Ok(commit)
    }

    /// Resolves `revision` in the clone, a tag before a branch of the same name. Fetches what the clone does not have.
    fn resolve_revision(&self, tree: &Path, revision: &str) -> Result<Commit> {
        for (name, kind) in [
            (format!("refs/tags/{revision}"), "tag"),
            (format!("refs/remotes/origin/{revision}"), "branch"),
            (revision.to_owned(), "revision"),
        ] {
            if let Some(sha) = self.rev_parse(tree, &name)? {
                let label = format!("{kind} {revision}");
                return Ok(Commit { sha, label });
            }
        }
        self.fetch(tree, revision)?;
        let sha = self.rev_parse(tree, "FETCH_HEAD")?;
        let label = format!("revision {revision}");
        sha.map(|sha| Commit { sha, label })
            .ok_or_else(|| PackError::Git {
                field: "revision",
                reason: format!("{revision} is no commit"),
                help: UNKNOWN_REF,
            })
    }

    fn fetch(&self, tree: &Path, name: &str) -> Result<()> {
        let fetch = ["fetch", "--quiet", "--no-auto-gc", "origin", name];
        self.run(self.git.command_in(tree).args(fetch))?;
        Ok(())
    }

    /// The SHA of the commit that `name` resolves to, if the clone has it.
    fn rev_parse(&self, tree: &Path, name: &str) -> Result<Option<String>> {
        let name = format!("{name}^{{commit}}");
        let parse = ["rev-parse", "--verify", "--quiet", &name];
        let parsed = self.git.command_in(tree).args(parse).output()?;
        let sha = parsed.stdout.trim();
        Ok((parsed.is_success() && !sha.is_empty()).then(|| sha.to_owned()))
    }

    fn update_submodules(&self, tree: &Path) -> Result<()> {
        let call = |command: &[&str]| {
            let git = self.git.command_in(tree).args(LFS);
            git.args(["submodule", "--quiet"]).args(command)
        };
        let update = || call(&["update", "--init", "--recursive"]);
        if let Some(depth) = self.server.clone_depth.0 {
            let shallow = update().arg("--depth").arg(depth.to_string());
            if shallow.output()?.is_success() {
                return Ok(());
            }
            // Not every server allows fetching a commit that is not the tip of a ref: start over with full clones.
            let _ = call(&["deinit", "--force", "--all"]).output()?;
            let _ = std::fs::remove_dir_all(tree.join(".git/modules"));
        }
        update().run_or(|output| {
            let reason = output.reason();
            PackError::Submodule { reason }
        })?;
        Ok(())
    }

    /// Runs git and returns its stdout.
    fn run(&self, git: Program) -> Result<String> {
        git.run_or(|output| self.error(output))
    }

    /// Recognizes common failures of git, and says what to do about them.
    fn error(&self, output: &Output) -> PackError {
        let has = |text: &str| output.stderr.contains(text);
        let mut field = "source_code_url";
        let help = if has("Host key verification failed") {
            "its ssh server is not known on this machine: log in there once"
        } else if has("Permission denied (publickey") {
            "its ssh server accepts none of the keys that git has on this machine"
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
            UNKNOWN_REF
        } else if has("git-lfs: ") && has("not found") {
            "the repository keeps files in Git LFS: install git-lfs on this machine"
        } else {
            "git on this machine must be able to clone it"
        };
        PackError::Git {
            field,
            reason: output.reason(),
            help,
        }
    }
}

/// Whether `revision` is a full SHA-1 or SHA-256, which needs no resolving.
fn is_sha(revision: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(revision.len(), 40 | 64) && revision.bytes().all(is_digit)
}
