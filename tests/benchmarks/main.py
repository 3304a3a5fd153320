"""Measures, and prints one table. See tests/bench."""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import peers
from load import Load
from lab import PROGRAM, ROUND_TRIP, TESTS, TOOLS, Lab, run

ROWS = []
USES = {  # measurements, and the deployments that they need
    "limit": ["pystrano"],
    "python-tool": ["pystrano", "release", "python"],
    "peers": ["pystrano", "mina", "capistrano", "ansible"],
    "outage": ["pystrano", "socketed", "python", "mina", "capistrano", "ansible"],
    "crash": ["pystrano", "socketed", "python", "mina", "capistrano", "ansible"],
    "fujin": ["pystrano", "uv"],
    "push": ["pystrano", "pushed"],
    "steps": ["pystrano", "release"],
    "clone": ["pystrano"],
    "setup": ["pystrano"],
    "render": [],
    "controller": [],
    # These come last, because their commits make the app large.
    "first-push": ["pushed"],
    "payload-memory": ["pushed"],
}


def row(what, other, ours, ratio, goal, runs):
    ROWS.append((what, other, ours, ratio, goal, str(runs)))
    print("  ".join(ROWS[-1]), flush=True)


def seconds(action):
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def rounds(count, actions):
    """Runs the actions in turn, `count` times; the seconds of each."""
    taken = {name: [] for name in actions}
    for _ in range(count):
        for name, action in actions.items():
            taken[name].append(seconds(action))
    return taken


def compare(what, taken, base, other, goal, inverse=False):
    """A row of medians: of the seconds, and of the ratios of paired runs."""
    ratio = median(a / b for a, b in zip(taken[other], taken[base]))
    shown = f"{1 / ratio:.3f}" if inverse else f"{ratio:.2f}"
    row(what, f"{median(taken[other]):.2f} s", f"{median(taken[base]):.2f} s", shown, goal, len(taken[base]))


class Bench:
    def __init__(self, lab, runs):
        self.lab, self.runs = lab, runs

    def counts(self, counts):
        return [count for count in counts if count <= len(self.lab.hosts)]

    def runs_on(self, count):
        """Many hosts take long, and differ less from run to run."""
        return self.runs if count == 1 else (self.runs + 1) // 2

    def links(self):
        return (("0 ms", False), ("50 ms", True))

    def ports(self, hosts, far):
        return [host.far if far else host.port for host in hosts]

    def ssh(self, port, remote, script=os.devnull, user="deploy"):
        with open(script) as stdin:
            return run([self.lab.ssh, "-T", "-p", str(port), "-l", user, "--", "127.0.0.1", remote], stdin=stdin)

    def rendered(self, app, script):
        out = self.lab.home / "rendered"
        shutil.rmtree(out, ignore_errors=True)
        run([PROGRAM, "render", "production", app, "--output", out], cwd=self.lab.projects)
        return next(out.glob(f"*/{script}"))

    def limit(self):
        hosts = self.lab.hosts[:1]
        for name, far in self.links():
            self.lab.project("pystrano", hosts, far)
            script = self.rendered("pystrano", "deploy.sh")
            port, = self.ports(hosts, far)
            taken = rounds(self.runs, {
                "ssh": lambda: self.ssh(port, "exec sh -s", script),
                "ours": lambda: self.lab.pystrano("pystrano", "deploy"),
            })
            compare(f"ssh 'exec sh -s' <deploy.sh, {name}", taken, "ours", "ssh", "<= 1.03", inverse=True)

    def python_tool(self):
        goals = {1: (">= 2 (release)", ">= 1.8"), 4: ("", ""), 8: ("", ">= 6")}
        for count in self.counts(goals):
            goal, hosts = goals[count], self.lab.hosts[:count]
            for (name, far), aim in zip(self.links(), goal):
                ports = self.ports(hosts, far)
                apps = ["pystrano", "release"] if count == 1 else ["pystrano"]
                for app in ("python", *apps):
                    self.lab.project(app, hosts, far)
                taken = rounds(self.runs_on(count), {
                    "python": lambda: peers.python(self.lab, hosts, ports),
                    # The Python tool ends before the app answers; without the wait, the next run would be slower.
                    "answer": lambda: peers.wait_for_python(hosts),
                    **{app: lambda app=app: self.lab.pystrano(app, "deploy") for app in apps},
                })
                for app in apps:
                    mode = ", venv_mode release" if app == "release" else ""
                    compare(f"Python tool, {count} hosts, {name}{mode}", taken, app, "python", aim)

    def peers(self):
        for count in self.counts((1, 8)):
            hosts = self.lab.hosts[:count]
            for name, far in self.links():
                ports = self.ports(hosts, far)
                self.lab.project("pystrano", hosts, far)
                others = {other.__name__: other for other in (peers.mina, peers.capistrano, peers.ansible)}
                taken = rounds(self.runs_on(count), {
                    "ours": lambda: self.lab.pystrano("pystrano", "deploy"),
                    **{other: lambda act=act: act(self.lab, hosts, ports) for other, act in others.items()},
                })
                for other in others:
                    compare(f"{other}, {count} hosts, {name}", taken, "ours", other, "> 1")

    def push(self):
        """The same release as a payload through the connection, of which the host has the packages already."""
        host = self.lab.hosts[:1]
        for name, far in self.links():
            for app in ("pystrano", "pushed"):
                self.lab.project(app, host, far)
            taken = rounds(self.runs, {app: lambda app=app: self.lab.pystrano(app, "deploy") for app in ("pystrano", "pushed")})
            compare(f"delivery: pull, with push here, 1 host, {name}", taken, "pushed", "pystrano", "<= 1", inverse=True)

    def first_push(self):
        """Code that does not compress, through a link of 100 Mbit/s: from its first byte until it is unpacked on the host."""
        host, mbit, megabytes = self.lab.hosts[0], 100, 60
        self.lab.noise(1, megabytes)
        port = self.lab.ports.take()
        self.lab.link(f"{ROUND_TRIP}/{mbit}", f"{port}:{host.port}")
        taken = {"needed": [], "ours": []}
        for number in range(self.runs + 1):
            self.lab.project("pushed", [host], port=port)
            process = subprocess.Popen([PROGRAM, "deploy", "production", "pushed", "--json"], cwd=self.lab.projects,
                                       env=self.lab.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for line in process.stdout:
                event, now = json.loads(line), time.perf_counter()
                if event["event"] == "sent" and event["part"] == "source.tar.gz" and event["bytes"] == 0:
                    began, size = now, event["size"]
                elif event["event"] == "done" and event.get("step") == "code":
                    ended = now
            if process.wait():
                raise SystemExit(f"the deploy ended with {process.returncode}")
            if number:  # the first deploy builds the payload
                taken["ours"].append(ended - began)
                taken["needed"].append(size * 8 / mbit / 1e6)
        compare(f"{size / 1e6:.0f} MB pushed over {mbit} Mbit/s, until unpacked: the time that its bytes need", taken, "ours", "needed",
                "<= 1.1", inverse=True)

    def payload_memory(self):
        """A payload of 1 GB, made and pushed: the most memory that a process of the controller and of the login on the host had."""
        host = self.lab.hosts[0]
        self.lab.noise(16, 64)
        self.lab.project("pushed", [host])
        process = subprocess.Popen([PROGRAM, "deploy", "production", "pushed"], cwd=self.lab.projects, env=self.lab.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peaks = {"controller": {}, "host": {}}
        while process.poll() is None:
            for side, name, peak in self.processes(process.pid, int(host.init)):
                peaks[side][name] = max(peak, peaks[side].get(name, 0))
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"the deploy ended with {process.returncode}")
        file = max((self.lab.home / "controller/.cache/pystrano/parts").iterdir(), key=lambda path: path.stat().st_size)
        size = file.stat().st_size / 1e9
        row(f"payload of {size:.2f} GB, made and pushed: pystrano", "", f"{peaks['controller'].pop('pystrano'):.0f} MB", "", "< 50 MB", 1)
        for side, what in (("controller", "what it starts"), ("host", "the script's processes")):
            name = max(peaks[side], key=peaks[side].get)
            row(f"the same, {what}", name, f"{peaks[side][name]:.0f} MB", "", "< 50 MB", 1)

    def processes(self, controller, init):
        """Side, name and peak MB of what the controller started, and of what ssh sessions run on the host."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                status = dict(line.split(":", 1) for line in (directory / "status").read_text().splitlines())
            except (OSError, ValueError):
                continue
            if "VmHWM" in status:
                found[int(directory.name)] = (int(status["PPid"]), status["Name"].strip(), int(status["VmHWM"].split()[0]) / 1024)
        for pid, (parent, name, peak) in found.items():
            above = []
            while parent in found:
                above.append(parent)
                parent = found[parent][0]
            if pid == controller or controller in above:
                yield "controller", name, peak
            elif init in above and not name.startswith("sshd") and any(found[it][1].startswith("sshd") for it in above):
                yield "host", name, peak

    def deploys(self, names):
        """Deploys of the first host, by the names of what makes them."""
        host = self.lab.hosts[0]
        for app in names:
            self.lab.project(app, [host])
        ours = ("pystrano", "socketed")
        return {name: (lambda name=name: self.lab.pystrano(name, "deploy")) if name in ours else
                (lambda name=name: getattr(peers, name)(self.lab, [host], [host.port])) for name in names}

    def outage(self):
        """Requests that come while a release is deployed."""
        host, seen = self.lab.hosts[0], {}
        deploys = self.deploys(USES["outage"])
        for _ in range(self.runs):
            for name, deploy in deploys.items():
                with Load(host.web[name]) as load:
                    deploy()
                    if name == "python":
                        peers.wait_for_python([host])
                seen.setdefault(name, []).append(load)
        for name, loads in seen.items():
            lost = f"{sum(load.lost for load in loads)} of {sum(load.sent for load in loads)} lost"
            goal = "0 lost" if name == "socketed" else ""
            row(f"requests during a deploy, {name}", "", lost, f"longest {max(load.longest for load in loads):.2f} s", goal, self.runs)

    def crash(self):
        """A release that ends as soon as it is started: for how long nobody is answered."""
        host, deploys, seen = self.lab.hosts[0], self.deploys(USES["crash"]), {}
        for _ in range(min(self.runs, 3)):
            for name, deploy in deploys.items():
                self.lab.commit("gunicorn.conf.py", "raise SystemExit('crashes')\n")
                with Load(host.web[name]) as load:
                    try:
                        deploy()
                    except SystemExit:
                        pass
                    # A tool that reverts a failed release has done so by the time it exits.
                    time.sleep(3)
                    is_back = bool(load.answered) and time.perf_counter() - max(load.answered) < 1
                self.lab.commit("gunicorn.conf.py", None)
                deploy()
                peers.wait_for_app(host, name)
                seen.setdefault(name, []).append((load, is_back))
        for name, loads in seen.items():
            back = all(is_back for _, is_back in loads)
            silence = f"{median(load.silence() for load, _ in loads):.2f} s" if back else "until a person acts"
            lost = f"{sum(load.lost for load, _ in loads)} of {sum(load.sent for load, _ in loads)} lost"
            row(f"a release that crashes at its start, {name}", "", silence, lost, "", len(loads))

    def fujin(self):
        """First deploys, and others, of the nearest relative: a wheel that is built here, and sudo on the host."""
        host, apps = self.lab.hosts[0], USES["fujin"]
        fujin = peers.Fujin(self.lab, host)

        def first(app):
            host.root(f"systemctl disable -q --now {app}; rm -rf /home/deploy/{app} /home/deploy/.venv-{app} "
                      f"/etc/systemd/system/{app}.service; systemctl daemon-reload")

            def act():
                self.lab.pystrano(app, "setup")
                self.lab.pystrano(app, "deploy")

            return seconds(act)

        taken = {app: [] for app in (*apps, "fujin")}
        for app in apps:
            self.lab.project(app, [host])
        for _ in range(self.runs):
            for app in apps:
                taken[app].append(first(app))
            fujin.remove()
            taken["fujin"].append(seconds(fujin.deploy))
        for app in apps:
            how = "pip" if app == "pystrano" else app
            compare(f"fujin, first deploy; ours with setup, {how}", taken, app, "fujin", "")
        taken = rounds(self.runs, {app: lambda app=app: self.lab.pystrano(app, "deploy") for app in apps} | {"fujin": fujin.deploy})
        compare("fujin, next deploy", taken, "pystrano", "fujin", "> 1")

    def steps(self):
        """Where the time of a deploy goes, by the clock of who reads its events."""
        for app in ("pystrano", "release"):
            self.lab.project(app, self.lab.hosts[:1])
            script, nonce, spent = self.rendered(app, "deploy.sh"), "0" * 32, {}
            for _ in range(self.runs):
                words = [self.lab.ssh, "-T", "-p", str(self.lab.hosts[0].port), "-l", "deploy", "127.0.0.1",
                         "exec sh -s"]
                last, step = time.perf_counter(), "ssh"
                process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                # Keep stdin open: its end would mean that the controller has disconnected.
                process.stdin.write(f"set -- deploy nonce={nonce} who=bench\n" + script.read_text())
                process.stdin.flush()
                for line in process.stdout:
                    if found := re.search(f"@{nonce} (?:step ([a-z]+)|(end))", line):
                        now = time.perf_counter()
                        spent.setdefault(step, []).append(now - last)
                        last, step = now, found[1] or "hang-up"
                        if found[2]:
                            process.stdin.close()
                process.wait()
                spent.setdefault(step, []).append(time.perf_counter() - last)
            whole = sum(map(median, spent.values()))
            for step, taken in spent.items():
                row(f"step {step}, {app}", "", f"{median(taken) * 1000:.0f} ms", f"{median(taken) / whole:.0%}", "", self.runs)

    def clone(self):
        """A large repository: cloned whole without and beside a release that has its objects, and shallow."""
        host, mbit = self.lab.hosts[0], 100
        size = self.lab.large_repository()

        def deploy(depth):
            self.lab.project("pystrano", [host], source=f"{git}/large", depth=depth)
            return seconds(lambda: self.lab.pystrano("pystrano", "deploy"))

        for link, git in (("no link", self.lab.git), (f"{mbit} Mbit/s", self.lab.narrow(mbit))):
            taken = {"alone": [], "next": [], "shallow": []}
            for number in range(self.runs + 1):
                host.root("rm -rf /home/deploy/pystrano/current/.git")
                tried = {"alone": deploy(0), "next": deploy(0), "shallow": deploy(1)}
                if number:  # the first round warms the caches
                    for name, one in tried.items():
                        taken[name].append(one)
            compare(f"{size:.0f} MB repository, {link}: nothing to borrow", taken, "next", "alone", "")
            compare(f"{size:.0f} MB repository, {link}: clone_depth 1", taken, "next", "shallow", "")

    def setup(self):
        host = self.lab.hosts[0]
        self.lab.project("pystrano", [host])
        self.lab.pystrano("pystrano", "setup")
        checks = ("dpkg-query -W -f '${Status}' git python3 python3-venv python3-pip curl sudo >/dev/null; id deploy; "
                  "test -d /home/deploy/pystrano/releases; test -x /home/deploy/.venv-pystrano/bin/python; "
                  "cmp -s /dev/null /etc/systemd/system/pystrano.service; systemctl is-enabled pystrano.service; "
                  "visudo -c; true")
        taken = rounds(self.runs, {
            "ssh": lambda: self.ssh(host.port, checks, user="root"),
            "ours": lambda: self.lab.pystrano("pystrano", "setup"),
        })
        compare("setup, nothing changes: ssh and checks", taken, "ours", "ssh", "< 1.5", inverse=True)

    def fleet_config(self, count, directory):
        home = directory / "deploy/demo/production"
        home.mkdir(parents=True, exist_ok=True)
        (home / ".env").write_text("DATABASE=/tmp/db\nSECRET_KEY=abc\n")
        (home / "secret-key.txt").write_text("the-key-of-the-benchmarks\n")
        (home / "demo.service").write_text(self.unit)
        (home / "deployment.yml").write_text(
            "config_version: 2\ncommon:\n  source_code_url: git://example.com/app\n  branch: main\n  project_root: demo\n"
            "  project_user: deploy\n  venv_dir: .venv\n  collect_static_files: true\n"
            + "".join(f"  {key}: deploy/demo/production/{name}\n" for key, name in (
                ("env_file", ".env"), ("service_file", "demo.service"), ("secrets", "secret-key.txt")))
            + "servers:\n" + "".join(f"  - host: h{number}.example.com\n" for number in range(count)))

    unit = "[Service]\nUser=deploy\nExecStart=/bin/true\n\n[Install]\nWantedBy=multi-user.target\n"

    def memory(self, words, **options):
        """Peak MB of a command, started by a small process: a child of this one would begin with its size."""
        done = subprocess.run(["/usr/bin/time", "-f", "%M", *words], capture_output=True, text=True, **options)
        return int(done.stderr.split()[-1]) / 1024

    def render(self):
        directory = Path(f"/dev/shm/bench-{os.getpid()}")
        try:
            for count, goal in ((1, ""), (100, ""), (10_000, ">= 20000/s, < 40 MB")):
                self.fleet_config(count, directory)
                taken, words = [], [PROGRAM, "render", "production", "demo", "--output", "out"]
                for _ in range(self.runs):
                    shutil.rmtree(directory / "out", ignore_errors=True)
                    taken.append(seconds(lambda: run(words, cwd=directory)))
                rate = 2 * count / median(taken)
                row(f"render, {count} servers", f"{self.memory(words, cwd=directory):.1f} MB", f"{median(taken):.3f} s", f"{rate:.0f}/s", goal, self.runs)
            for count in (1, 10_000):
                self.fleet_config(count, directory)

                def first():
                    process = subprocess.Popen([PROGRAM, "render", "production", "demo"], cwd=directory, stdout=subprocess.PIPE)
                    process.stdout.read(1)
                    self.first = time.perf_counter()
                    process.kill()
                    process.wait()

                taken = []
                for _ in range(max(self.runs, 21)):
                    began = time.perf_counter()
                    first()
                    taken.append(self.first - began)
                row(f"render, {count} servers, first byte", "", f"{median(taken) * 1000:.1f} ms", "", "< 5 ms" if count == 1 else "", len(taken))
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def controller(self):
        """1,000 hosts behind a stand-in for ssh; only the controller's own time counts."""
        directory, count = Path(f"/dev/shm/bench-{os.getpid()}"), 1000
        tick = os.sysconf("SC_CLK_TCK")
        words = [PROGRAM, "deploy", "production", "demo"]
        environment = {**os.environ, "PYSTRANO_SSH": str(TESTS.parent / "target/bench/stand-in")}
        cpu, taken = [], []
        try:
            self.fleet_config(count, directory)
            for _ in range(self.runs):
                began = time.perf_counter()
                process = subprocess.Popen(words, cwd=directory, env=environment, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL)
                # A zombie's statistics can be read until it is reaped, and are final.
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                taken.append(time.perf_counter() - began)
                fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
                if process.wait():
                    raise SystemExit(f"the controller ended with {process.returncode}")
                cpu.append((int(fields[11]) + int(fields[12])) / tick)
            row("deploy, 1000 stand-in hosts", f"{self.memory(words, cwd=directory, env=environment):.0f} MB", f"{median(taken):.2f} s",
                f"{median(cpu) / count * 1000:.2f} ms cpu/host", "", self.runs)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) / 1024 / 1024
    return (f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB, "
            f"Linux {platform.release().split('-')[0]}; load {os.getloadavg()[0]:.1f} at the end")


def table():
    head = ("against", "other", "pystrano", "ratio", "goal", "runs")
    widths = [max(len(line[column]) for line in (head, *ROWS)) for column in range(len(head))]
    print()
    for line in (head, tuple("-" * width for width in widths), *ROWS):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
    print(f"\n{machine()}")


def main():
    names = list(USES)
    parser = argparse.ArgumentParser(prog="tests/bench")
    parser.add_argument("--image", required=True)
    parser.add_argument("--cache", required=True, type=Path)
    parser.add_argument("-n", type=int, default=7, help="runs of each")
    parser.add_argument("--hosts", type=int, default=8, help="the most hosts to measure with")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    chosen = arguments.names or names
    if unknown := set(chosen) - set(names):
        parser.error(f"no such measurement: {', '.join(unknown)}; there are {', '.join(names)}")
    # Clean up after these signals, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    lab = Lab(arguments.image, arguments.cache)
    try:
        if apps := [app for app in TOOLS if any(app in USES[name] for name in chosen)]:
            lab.boot(arguments.hosts if {"python-tool", "peers"} & set(chosen) else 1, apps)
        bench = Bench(lab, arguments.n)
        for name in chosen:
            getattr(bench, name.replace("-", "_"))()
        table()
    finally:
        lab.close()


main()
