"""The hosts, the application's repository and one deployment of it for each tool."""

import functools
import os
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
PROGRAM = TESTS.parent / "target/release/pystrano"
TOOLS = ["pystrano", "release", "socketed", "pushed", "uv", "python", "mina", "capistrano", "ansible"]
ROUND_TRIP = 0.05
# Additional fields in `common` of some deployments.
MORE = {"release": "  venv_mode: release\n", "uv": "  package_manager: uv\n  dependency_file: requirements.txt\n",
        "pushed": "  delivery: push\n  python: \"3.13\"\n  platform: x86_64-manylinux_2_36\n"}


def run(words, **options):
    """Runs a command that must succeed; gives what it prints."""
    done = subprocess.run(words, text=True, stdin=options.pop("stdin", subprocess.DEVNULL), capture_output=True, **options)
    if done.returncode:
        raise SystemExit(f"{words}: exit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


@functools.cache
def program(name):
    """A program from PyPI, installed once."""
    return run([TESTS / "hosts/program", name]).strip()


class Ports:
    """Free ports below those that the kernel gives to outgoing connections."""

    def __init__(self):
        self.next = 12_000 + os.getpid() * 101 % 15_000

    def take(self):
        while True:
            self.next += 1
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.next)) == 0:
                    return self.next


class Host:
    def __init__(self, lab, number, layers):
        self.lab, self.layers = lab, layers
        self.name = f"bench-{os.getpid()}-{number}"
        self.disk = lab.home / self.name
        self.port, self.far = lab.ports.take(), lab.ports.take()
        self.web = {tool: lab.ports.take() for tool in TOOLS}
        self.keeper = None
        # Without these files sudo looks up the host's name by DNS.
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        self.write("/root/.ssh/authorized_keys", lab.key.with_suffix(".pub").read_text())
        self.write("/etc/ssh/sshd_config.d/test.conf", f"Port {self.port}\nListenAddress 127.0.0.1\n")
        installed = os.listdir(Path(layers.split(":")[0]) / "etc/systemd/system")
        for tool in TOOLS:
            for name, text in lab.units(tool, self).items():
                if name in installed:
                    self.write(f"/etc/systemd/system/{name}", text)

    def write(self, path, text):
        file = self.disk / "changes" / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def on(self):
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", TESTS / "hosts/boot", self.layers, self.disk, self.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.init = self.keeper.stdout.readline().strip()
        while self.root("systemctl is-system-running --wait", check=False).strip() not in ("running", "degraded"):
            time.sleep(0.05)

    def root(self, script, check=True):
        words = ["nsenter", "--target", self.init, "--mount", "--uts", "--ipc", "--pid", "--", "env", "-i",
                 "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "sh", "-c", script]
        return run(words) if check else subprocess.run(words, text=True, capture_output=True).stdout

    def off(self):
        if self.keeper:
            self.keeper.stdin.close()
            self.keeper.wait()
            self.keeper = None


class Lab:
    """Everything under one directory, which goes away with it."""

    def __init__(self, image, cache):
        # The tests remove directories here that are not named after the PID of a running process.
        self.home = cache / "hosts" / str(os.getpid())
        self.home.mkdir(parents=True)
        self.ports, self.processes, self.hosts = Ports(), [], []
        self.image, self.projects = image, self.home / "projects"
        self.ssh_files()
        self.git = self.repository()
        self.environment = dict(os.environ, PYSTRANO_SSH=str(self.ssh), HOME=str(self.home / "controller"),
                                PATH=f"{self.ssh.parent}:{os.environ['PATH']}")
        self.environment.pop("SSH_AUTH_SOCK", None)

    def ssh_files(self):
        directory = self.home / "controller/.ssh"
        directory.mkdir(parents=True, mode=0o700)
        self.key, self.config = directory / "id_ed25519", directory / "config"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key])
        self.config.write_text(f"IdentityFile {self.key}\nIdentitiesOnly yes\nStrictHostKeyChecking no\n"
                               "UserKnownHostsFile /dev/null\nLogLevel ERROR\n")
        self.ssh = self.home / "bin/ssh"
        self.ssh.parent.mkdir()
        self.ssh.write_text(f"#!/bin/sh\nexec {shutil.which('ssh')} -F '{self.config}' \"$@\"\n")
        self.ssh.chmod(0o755)

    def repository(self):
        base, port = self.home / "git", self.ports.take()
        shutil.copytree(TESTS / "apps/django", base / "app")
        git = ["git", "-C", base / "app", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        run([*git, "init", "-q", "-b", "main"])
        run([*git, "add", "-A"])
        run([*git, "commit", "-q", "-m", "The application"])
        daemon = Path(run(["git", "--exec-path"]).strip()) / "git-daemon"
        self.start([daemon, "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", f"--base-path={base}"])
        self.git_port = port
        return f"git://127.0.0.1:{port}"

    def narrow(self, mbit):
        """The repositories behind a link of so many Mbit a second, with a round trip."""
        port = self.ports.take()
        self.link(f"{ROUND_TRIP}/{mbit}", f"{port}:{self.git_port}")
        return f"git://127.0.0.1:{port}"

    def link(self, speed, *ports):
        self.start(["python3", TESTS / "benchmarks/delay.py", speed, *ports])

    def large_repository(self):
        """The application after 220 commits, each with 1 MB that does not compress; gives its size in MB."""
        base = self.home / "git/large"
        run(["git", "clone", "-q", "--bare", self.home / "git/app", base])
        noise = random.Random(1)
        importer = subprocess.Popen(["git", "-C", base, "fast-import", "--quiet"], stdin=subprocess.PIPE)
        for number in range(220):
            data = noise.randbytes(1 << 20)
            importer.stdin.write(b"commit refs/heads/main\ncommitter Ada <ada@example.com> %d +0000\ndata 0\n%s"
                                 b"M 100644 inline assets/%d\ndata %d\n" % (
                                     1_800_000_000 + number, b"" if number else b"from refs/heads/main^0\n", number % 10, len(data)))
            importer.stdin.write(data + b"\n")
        importer.stdin.close()
        if importer.wait():
            raise SystemExit("git fast-import failed")
        packs = (base / "objects/pack").glob("*.pack")
        return sum(pack.stat().st_size for pack in packs) / 1e6

    def noise(self, files, megabytes):
        """Commits files of so many MB that do not compress."""
        app = self.home / "git/app"
        # Neither compression nor deltas.
        for setting, value in ("core.compression", "0"), ("core.bigFileThreshold", "1m"):
            run(["git", "-C", app, "config", setting, value])
        for number in range(files):
            (app / f"noise-{number}").write_bytes(random.randbytes(megabytes * 1_000_000))
        git = ["git", "-C", app, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        run([*git, "add", "-A"])
        run([*git, "commit", "-q", "-m", "noise"])

    def start(self, words):
        self.processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def boot(self, count, apps):
        """Hosts on which each tool's deployment is set up and was deployed once."""
        first = Host(self, 0, str(self.image))
        self.hosts = [first]
        first.on()
        for tool in apps:
            self.project(tool, [first])
            self.pystrano(tool, "setup")
            self.pystrano(tool, "deploy")
        first.root("sync")
        first.off()
        layers = f"{first.disk}/changes:{self.image}"
        self.hosts = [Host(self, number, layers) for number in range(1, count + 1)]
        for host in self.hosts:
            host.on()
        self.link(str(ROUND_TRIP), *(f"{host.far}:{host.port}" for host in self.hosts))

    def commit(self, path, text):
        """Changes a file of the application, which is removed where there is no text."""
        app = self.home / "git/app"
        (app / path).unlink(missing_ok=True)
        if text:
            (app / path).write_text(text)
        git = ["git", "-C", app, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        run([*git, "add", "-A"])
        run([*git, "commit", "-q", "--allow-empty", "-m", path])

    def units(self, tool, host):
        """The units of `tool`'s deployment by their names; `socketed` is behind a socket, as `init` writes it."""
        address, socket = f"127.0.0.1:{host.web[tool]}", tool == "socketed"
        bind = "" if socket else f" --bind {address}"
        units = {f"{tool}.service": (
            f"[Unit]\nDescription=Demo\nAfter=network.target\nStartLimitIntervalSec=0\n\n[Service]\nType=notify\nUser=deploy\n"
            f"WorkingDirectory=/home/deploy/{tool}/current\nEnvironmentFile=/home/deploy/{tool}/shared/.env\n"
            f"ExecStart=/home/deploy/.venv-{tool}/bin/gunicorn{bind} demo.wsgi\n"
            "KillMode=mixed\nTimeoutStopSec=5\n\n[Install]\nWantedBy=multi-user.target\n")}
        if socket:
            units[f"{tool}.socket"] = (
                f"[Unit]\nConditionPathExists=/home/deploy/{tool}/current\n\n[Socket]\nListenStream={address}\n"
                "TriggerLimitIntervalSec=0\n\n[Install]\nWantedBy=sockets.target\n")
            units[f"{tool}.service"] = units[f"{tool}.service"].replace(
                "[Unit]\n", f"[Unit]\nRequires={tool}.socket\n").replace(
                "KillMode", "ExecStopPost=/bin/sh -c 'test \"$$SERVICE_RESULT\" = success || sleep 0.5'\nKillMode")
        return units

    def project(self, tool, hosts, far=False, source=None, depth=1, port=None):
        """Writes the configuration of `tool`'s deployment on `hosts`."""
        home = self.projects / "deploy" / tool / "production"
        home.mkdir(parents=True, exist_ok=True)
        (home / "secret-key.txt").write_text("the-key-of-the-benchmarks\n")
        (home / ".env").write_text(f"DATABASE=/home/deploy/{tool}/shared/db.sqlite3\nGREETING=hello\n")
        text = (f"config_version: 2\ncommon:\n  source_code_url: {source or f'{self.git}/app'}\n  branch: main\n  clone_depth: {depth}\n"
                f"  project_root: {tool}\n  project_user: deploy\n  venv_dir: .venv-{tool}\n  keep_releases: 3\n"
                f"  secrets: deploy/{tool}/production/secret-key.txt\n  env_file: deploy/{tool}/production/.env\n"
                "  collect_static_files: true\n" + MORE.get(tool, "") + "servers:\n")
        for index, host in enumerate(hosts):
            units = self.units(tool, host)
            (home / str(index)).mkdir(exist_ok=True)
            for name, unit in units.items():
                (home / str(index) / name).write_text(unit)
            files = ";".join(f"deploy/{tool}/production/{index}/{name}" for name in units)
            text += (f"  - host: 127.0.0.1\n    port: {port or (host.far if far else host.port)}\n"
                     f"    run_migrations: {'false' if index else 'true'}\n"
                     f"    service_file: {files}\n"
                     f"    health_check_url: http://127.0.0.1:{host.web[tool]}/\n")
        (home / "deployment.yml").write_text(text)

    def pystrano(self, app, action):
        run([PROGRAM, action, "production", app], cwd=self.projects, env=self.environment)

    def close(self):
        for host in self.hosts:
            host.off()
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
