	# ---- clone

	get_code() {
		begin clone
		new=$releases/.new-$release
		mkdir "$new"
		exec 8<"$new" # stop_orphans finds the commands of this run by it
{%- if server.clone_depth.0.is_none() %}
		# Objects of the current release need not be sent again, unless its repository is damaged.
		if [ -z "$current" ] || ! clone --reference-if-able "$releases/$current" --dissociate; then
			clone || stop_clone "$?"
		fi
{%- else %}
		clone || stop_clone "$?"
{%- endif %}
		find_commit
{%- if server.alone %}
		event "fact commit $commit"
{%- else %}
		agree_on_commit
{%- endif %}
		check_out
		[ ! -e "$new/.pystrano" ] || report warning '.pystrano of the repository is replaced by that of the release; rename it'
		rm -rf "$new/.pystrano"
		mkdir "$new/.pystrano"
{% include "deploy/place_release.sh" %}
		report changed "Pulled $pulled at $(printf %.12s "$commit")"
	}
{%- if !server.app_dir.is_top() %}

{% include "deploy/need_app_dir.sh" %}
{%- endif %}

	# repository_git COMMAND: git with the credentials for the repository, which no other command gets,
	# and without user settings that would change the files of a release. A file in Git LFS that cannot be
	# fetched is an error.
	repository_git() (
		unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_LFS_SKIP_SMUDGE
		# Copying the sample hooks of git's template would take longer than cloning a small app.
		export LC_ALL=C GIT_TEMPLATE_DIR=''
{%- if server.deploy_key.is_some() %}
		# shellcheck disable=SC2089,SC2090 # git gives it to a shell
		export deploy_key GIT_SSH_COMMAND='ssh -i "$deploy_key" -o IdentitiesOnly=yes'
{%- endif %}
{%- if login.is_some() %}
		export repository_username repository_password
{%- endif %}
		isolated git -c core.autocrlf=false -c core.eol=lf -c core.hooksPath=/dev/null -c core.attributesFile=/dev/null -c clone.defaultRemoteName=origin \
{%- if login.is_some() %}
			-c "credential.$repository_server.helper=" -c "credential.$repository_server.helper=$repository_login" \
{%- endif %}
			-c filter.lfs.process='git-lfs filter-process' -c filter.lfs.required=true "$@"
	)
{%- if login.is_some() %}

	# Answers git when it asks for credentials, so that the password is in no command line and no file.
	repository_login='!answer() { printf "username=%s\npassword=%s\n" "$repository_username" "$repository_password"; }; answer'
{%- endif %}

	# clone fetches the commit without checking it out; $output is what git printed.
	clone() {
		output=$(repository_git clone --quiet --no-checkout
{%- if server.revision.is_none() %} --single-branch{% endif %}
{%- if let Some(depth) = server.clone_depth.0 %} --depth {{ depth }}{% endif %}
{%- if server.branch.is_some() %} --branch "$branch"{% endif %}
{%- if server.clone_depth.0.is_none() %} "$@"{% endif %} -- "$source_code_url" "$new" 2>&1)
	}
{%- if server.revision.is_some() %}

	# find_commit sets $commit, and $pulled to a description of its ref. A tag takes precedence over a
	# branch of the same name; any other ref is fetched.
	find_commit() {
		commit='' pulled="revision $revision"
		if commit=$(commit_at "refs/tags/$revision"); then
			pulled="tag $revision"
			if commit_at "refs/remotes/origin/$revision" >/dev/null; then
				report warning "The repository has a tag and a branch called $revision; the tag is used"
			fi
		elif commit=$(commit_at "refs/remotes/origin/$revision"); then
			pulled="branch $revision"
		elif ! commit=$(commit_at "$revision"); then
			output=$(repository_git -C "$new" fetch --quiet --no-auto-gc origin "$revision" 2>&1) || stop_clone "$?"
			commit=$(commit_at FETCH_HEAD)
		fi
	}

	# commit_at REF prints the commit that REF points to.
	commit_at() { repository_git -C "$new" rev-parse --verify --quiet "$1^{commit}"; }
{%- else %}

	# find_commit sets $commit, and $pulled to a description of its ref.
	find_commit() {
		if ! commit=$(repository_git -C "$new" rev-parse --verify --quiet HEAD); then
			[ -z "$output" ] || run printf '%s\n' "$output"
			branches=$(repository_git ls-remote --heads -- "$source_code_url" | sed 's:.*refs/heads/::' | tr '\n' ' ')
			[ -n "$branches" ] || die 3 'the repository is empty; push the app to it first'
			die 3 "the repository's HEAD names a branch that is not there; set branch to one of: $branches"
		fi
		pulled={% if server.branch.is_some() %}"branch $branch"{% else %}'the default branch'{% endif %}
	}
{%- endif %}
{%- if !server.alone %}

	# take_commit COMMIT takes another server's commit, if a push came between their clones. It must be
	# one of the last 100 of what is deployed: whoever controls one server must not choose a commit for
	# the others.
	take_commit() {
		output=$(repository_git -C "$new" fetch --quiet --no-auto-gc
{%- if server.clone_depth.0.is_some() %} --deepen 100{% endif %} origin
{%- if server.revision.is_some() %} "$revision"
{%- else if server.branch.is_some() %} "$branch"
{%- else %} HEAD
{%- endif %} 2>&1) || stop_clone "$?"
		repository_git -C "$new" rev-list --max-count=100 FETCH_HEAD | grep -qxF -e "$1" ||
			die 3 "this server has commit $commit, another has $1, which is not among the last 100 of $pulled"
		commit=$1
	}
{%- endif %}

	# check_out writes the files of $commit.
	check_out() {
{%- if server.revision.is_some() %}
		output=$(repository_git -C "$new" checkout --quiet --detach "$commit" 2>&1) || stop_clone "$?"
{%- else %}
		output=$(repository_git -C "$new" reset --quiet --hard "$commit" 2>&1) || stop_clone "$?"
{%- endif %}
{%- if server.submodules %}
		[ ! -e "$new/.gitmodules" ] || get_submodules
{%- endif %}
{%- if server.clone_depth.0.is_some() %}
		project=$new{% if !server.app_dir.is_top() %}/$app_dir{% endif %}
		if isolated grep -qsE 'setuptools[_-]scm|hatch-vcs|versioneer|versioningit|dynamic-versioning|setuptools-git-versioning|pbr' "$project/pyproject.toml" "$project/setup.py" "$project/setup.cfg"; then
			report warning "The version of the project is taken from git's tags, which a clone of this depth may lack; set clone_depth: 0"
		fi
{%- endif %}
	}
{%- if server.submodules %}

	get_submodules() {
{%- if let Some(depth) = server.clone_depth.0 %}
		output=$(repository_git -C "$new" submodule --quiet update --init --recursive --depth {{ depth }} 2>&1) && return
		# Not every server lets a client fetch a commit that is not the head of a branch.
		repository_git -C "$new" submodule --quiet deinit --force --all 2>/dev/null || :
		rm -rf "$new/.git/modules"
{%- endif %}
		output=$(repository_git -C "$new" submodule --quiet update --init --recursive 2>&1) || stop_clone "$?" 'a submodule could not be cloned; submodules: false leaves them out'
	}
{%- endif %}

	# stop_clone STATUS [REASON] stops the run with the output of git and the likely fix.
	stop_clone() {
		[ -z "$output" ] || run printf '%s\n' "$output"
		reason=${2:-}
		case $output in
		*'Host key verification failed'*) reason='the ssh server of the repository is not known here, or has another key now; name it in ssh_known_hosts and run setup.sh' ;;
		*'Permission denied (publickey'*) reason='the ssh server of the repository accepts none of the keys that git has here; set deploy_key or forward_agent' ;;
		*'could not read Username'* | *'could not read Password'* | *'Authentication failed'*) reason='the repository requires credentials and accepts none that git has here; correct source_code_url' ;;
		*'Remote branch '*' not found'* | *"couldn't find remote ref"*) reason='the repository has no such branch or tag; correct branch or revision' ;;
		*'git-lfs: '*'not found'* | *'filter lfs failed'*)
			stored=$(repository_git -C "$new" grep -l -e '^version https://git-lfs.github.com/spec/' "$commit" | sed 's/^[^:]*://' | tr '\n' ' ')
			reason="git-lfs is missing, and the repository keeps files there: $stored; set system_packages: [git-lfs] and run setup.sh"
			! command -v git-lfs >/dev/null || reason="Git LFS could not fetch what the repository keeps there: $stored"
			;;
		esac
		exit "$1"
	}
