"""The same remote commands as other tools run them, each with the settings that suit it best."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from lab import TESTS, program

DEPLOY = "/home/deploy"


def steps(lab, tool, release):
    """Commands before, of, and after the migration; @WEB@ stands for the host's port."""
    root = f"{DEPLOY}/{tool}"
    here, python = f"{root}/releases/{release}", f"{DEPLOY}/.venv-{tool}/bin/python"
    env = f"DATABASE={root}/shared/db.sqlite3 GREETING=hello"
    before = [
        f"mkdir -p {here}",
        f"git clone -q --single-branch --depth 1 --branch main {lab.git}/app {here}",
        f"printf '%s\\n' {env} >{root}/shared/.env.{release}",
        f"ln -sfn {root}/shared/media {here}/media",
        f"ln -sfn {root}/shared/.env.{release} {root}/shared/.env",
        f"cd {here} && {python} -m pip install -q --disable-pip-version-check -r requirements.txt",
        f"ln -sfn {root}/shared/secret-key.txt {here}/secret-key.txt",
        f"cd {here} && {env} {python} manage.py collectstatic --noinput",
    ]
    after = [
        f"ln -sfn {here} {root}/current",
        f"sudo -n systemctl restart {tool}.service",
        "until curl -fs -o /dev/null http://127.0.0.1:@WEB@/; do sleep 0.2; done",
        f"cd {root}/releases && ls -1 | head -n -3 | xargs -r rm -rf",
    ]
    return before, f"cd {here} && {env} {python} manage.py migrate --noinput", after


def release():
    return f"{time.time():.2f}".replace(".", "")


def call(lab, words, directory, log, **environment):
    done = subprocess.run(words, cwd=directory, env={**lab.environment, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (directory / log).write_text(done.stdout)
    if done.returncode:
        raise SystemExit(f"{words}: exit status {done.returncode}\n{done.stdout[-3000:]}")


def home(lab, tool):
    directory = lab.home / "peers" / tool
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def mina(lab, hosts, ports):
    """Mina 0.3 knows one host; several are several runs of it."""
    directory = home(lab, "mina")
    (directory / "config").mkdir(exist_ok=True)
    for index, (host, port) in enumerate(zip(hosts, ports)):
        before, migrate, after = steps(lab, "mina", release())
        commands = [*before, *([migrate] if index == 0 else []), *after]
        queue = "".join(f"  queue {json.dumps(f'( {command} ) || exit 1'.replace('@WEB@', str(host.web['mina'])))}\n"
                        for command in commands)
        (directory / "config/deploy.rb").write_text(
            f"set :domain, '127.0.0.1'\nset :user, 'deploy'\nset :port, '{port}'\nset :term_mode, :system\n"
            f"task :environment do\nend\ntask :deploy => :environment do\n{queue}end\n")
        call(lab, ["mina", "deploy"], directory, "output.txt")


def capistrano(lab, hosts, ports):
    directory = home(lab, "capistrano")
    (directory / "config/deploy").mkdir(parents=True, exist_ok=True)
    (directory / "Capfile").write_text("require 'capistrano/setup'\nrequire 'capistrano/deploy'\n"
                                       "require 'capistrano/scm/git'\ninstall_plugin Capistrano::SCM::Git\n")
    servers = "".join(f"server '127.0.0.1:{port}', user: 'deploy', roles: %w[app{'' if index else ' db'}], "
                      f"web: {host.web['capistrano']}\n" for index, (host, port) in enumerate(zip(hosts, ports)))
    (directory / "config/deploy/production.rb").write_text(
        f"set :ssh_options, keys: ['{lab.key}'], verify_host_key: :never, config: false\n{servers}")
    before, migrate, after = steps(lab, "capistrano", release())
    (directory / "config/deploy.rb").write_text(
        "task :ship do\n"
        f"  on(roles(:app)) {{ {json.dumps(before)}.each {{ |step| execute step }} }}\n"
        f"  on(roles(:db)) {{ execute {json.dumps(migrate)} }}\n"
        f"  on(roles(:app)) {{ |host| {json.dumps(after)}.each {{ |step| "
        "execute step.sub('@WEB@', host.properties.web.to_s) } }\nend\n")
    call(lab, ["cap", "production", "ship"], directory, "output.txt")


def ansible(lab, hosts, ports):
    directory = home(lab, "ansible")
    before, migrate, after = steps(lab, "ansible", release())

    def task(command, **more):
        return {"ansible.builtin.shell": command.replace("@WEB@", "{{ web }}"), **more}

    play = {"hosts": "all", "gather_facts": False, "tasks": [
        *map(task, before), task(migrate, when="migrates"), *map(task, after)]}
    (directory / "play.yml").write_text(json.dumps([play]))
    members = {f"h{index}": {
        "ansible_host": "127.0.0.1", "ansible_port": port, "ansible_user": "deploy", "web": host.web["ansible"],
        "migrates": index == 0, "ansible_python_interpreter": "/usr/bin/python3",
    } for index, (host, port) in enumerate(zip(hosts, ports))}
    (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": members}}))
    # ssh ControlMasters of an earlier run must not be reused.
    sockets = lab.home / f"cp{release()[-6:]}"
    call(lab, [program("ansible-playbook"), "-i", "hosts.json", "play.yml"], directory, "output.txt",
         ANSIBLE_PIPELINING="True", ANSIBLE_FORKS="8", ANSIBLE_SSH_CONTROL_PATH_DIR=str(sockets),
         ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=5s", ANSIBLE_HOST_KEY_CHECKING="False")


def python(lab, hosts, ports):
    call(lab, [program("pystrano"), "deploy", "production", "python"], lab.projects, "output.txt")


def wait_for_python(hosts):
    """Until the app of each host answers."""
    for host in hosts:
        wait_for_app(host, "python")


def wait_for_app(host, tool):
    for _ in range(500):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{host.web[tool]}/", timeout=10).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise SystemExit(f"the app of {tool} does not answer on {host.name}")


class Fujin:
    """fujin, on a host that is as `fujin server bootstrap` leaves it, but that uv has its packages and Python there."""

    def __init__(self, lab, host):
        self.lab, self.host, self.port = lab, host, lab.ports.take()
        self.directory = home(lab, "fujin")
        shutil.copytree(TESTS / "apps/django", self.directory, dirs_exist_ok=True)
        # fujin installs without dependencies, so its users keep a compiled list with all packages.
        with (self.directory / "requirements.txt").open("a") as requirements:
            requirements.write("asgiref\nsqlparse\npackaging\n")
        settings = self.directory / "demo/settings.py"
        settings.write_text(settings.read_text()
                            .replace('(BASE_DIR / "secret-key.txt").read_text().strip()', 'os.environ["SECRET_KEY"]')
                            .replace('BASE_DIR / "staticfiles"', 'Path("/opt/fujin/bench/staticfiles")'))
        (self.directory / "pyproject.toml").write_text(
            '[project]\nname = "bench"\nversion = "1"\nrequires-python = ">=3.11"\n\n'
            '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n\n'
            '[tool.uv.build-backend]\nmodule-name = ["demo", "pages"]\nmodule-root = ""\n')
        units = self.directory / ".fujin/systemd"
        units.mkdir(parents=True)
        (units / "web.service").write_text(
            "[Unit]\nDescription=Demo\nAfter=network.target\nStartLimitIntervalSec=0\n\n[Service]\nType=notify\nUser={app_user}\n"
            "WorkingDirectory={app_dir}\nEnvironmentFile={install_dir}/.env\n"
            f"ExecStart={{install_dir}}/.venv/bin/gunicorn --bind 127.0.0.1:{self.port} demo.wsgi\n"
            "KillMode=mixed\nTimeoutStopSec=5\n\n[Install]\nWantedBy=multi-user.target\n")
        self.python = host.root("python3 -c 'import platform; print(platform.python_version())'").strip()
        minor = self.python.rpartition(".")[0]
        (self.directory / "fujin.toml").write_text(
            f'app = "bench"\nversion = "1"\nbuild_command = "{program("uv")} build -q --wheel"\n'
            f'installation_mode = "python-package"\npython_version = "{minor}"\nrequirements = "requirements.txt"\n'
            'distfile = "dist/bench-{version}-py3-none-any.whl"\nversions_to_keep = 3\n\n'
            '[hooks]\npost_install = ["django-admin migrate --noinput", "django-admin collectstatic --noinput"]\n\n'
            f'[[hosts]]\naddress = "127.0.0.1"\nport = {host.port}\nuser = "deploy"\nkey_filename = "{lab.key}"\n'
            'env = """\nDATABASE=/opt/fujin/bench/db.sqlite3\nGREETING=hello\nSECRET_KEY=the-key-of-the-benchmarks\n'
            'DJANGO_SETTINGS_MODULE=demo.settings\n"""\n')
        managed = f"/opt/fujin/.python/cpython-{self.python}-linux-x86_64-gnu"
        host.root(f"groupadd -f fujin; usermod -aG fujin deploy; install -d -g fujin -m 775 /opt/fujin /opt/fujin/.python; "
                  f"install -d {managed}/bin; ln -sfn /usr/bin/python{minor} {managed}/bin/python{minor}; ln -sfn python{minor} {managed}/bin/python3; "
                  f"ln -sfn python{minor} {managed}/bin/python; ln -sfn /usr/lib {managed}/lib; "
                  "echo 'deploy ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/fujin; install -d /etc/uv; "
                  "printf '%s\\n' 'no-index = true' 'find-links = [\"/var/cache/wheels\"]' 'offline = true' >/etc/uv/uv.toml; "
                  "python3 -m venv /opt/uv; /opt/uv/bin/pip -q install uv; install -d -o deploy -g deploy /home/deploy/.local /home/deploy/.local/bin; "
                  "ln -sfn /opt/uv/bin/uv /home/deploy/.local/bin/uv")

    def deploy(self):
        # fujin polls its stdin, and would spin on one that is at its end.
        done = subprocess.Popen([program("fujin"), "deploy", "--no-input"], cwd=self.directory, env=self.lab.environment,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = done.stdout.read()
        if done.wait():
            raise SystemExit(f"fujin: exit status {done.returncode}\n{said[-3000:]}")
        done.stdin.close()

    def remove(self):
        self.host.root("systemctl disable -q --now bench-web 2>/dev/null; rm -rf /opt/fujin/bench /etc/systemd/system/bench-web.service; "
                       "systemctl daemon-reload")
