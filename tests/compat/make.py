"""Writes vectors.json: configs, and the servers that the Python tool 2.0.0 makes of them.

    python3 -m venv venv && venv/bin/pip install pystrano==2.0.0 && venv/bin/python tests/compat/make.py

Run it from the top of the repository: the configs name files of the tests.
"""

import json
import pathlib
import tempfile

from pystrano.config import load_config

BASE = """config_version: 2
common:
  source_code_url: git@example.com:shop.git
  project_root: apps/shop
  project_user: deploy
  venv_dir: .venv
{common}servers:
  - host: app1.example.com
{server}"""

KEY, OTHER = "tests/wrong/files/key.txt", "tests/wrong/files/app.env"

COMMON = [
    "framework: Django", "framework: FASTAPI", "framework: fast_api", 'framework: " Fast-API "',
    "package_manager: UV", "package_manager: u_v", "package_manager: pip\ndependency_file: dev.txt",
    "package_manager: uv\ndependency_file: requirements.txt", "keep_releases: 0", "keep_releases: -3",
    "keep_releases: 1", "clone_depth: 0", "clone_depth: -1", "clone_depth: 10", 'clone_depth: "7"',
    "clone_depth: ''", "clone_depth:", "clone_depth: all", "clone_depth: true", "clone_depth: false",
    "clone_depth: 5\nrevision: v1.0", "revision: ''", "revision:", "revision: origin/next", "branch:",
    "branch: ''", "branch: false", "branch: feature/a-1", "branch: v1.2.3",
    f"secrets: {KEY}", f"secrets: {KEY};{OTHER}", f"secrets: [{KEY}, {OTHER}]", f"secrets:\n  - {KEY}",
    "secrets: []", "secrets:", "ssh_known_hosts: github.com", "ssh_known_hosts: github.com;gitlab.com",
    "ssh_known_hosts: [github.com, example.com]", "ssh_known_hosts:\n- github.com", "port: 2222",
    "run_migrations: yes", "run_migrations: on", "run_migrations: Off", 'run_migrations: "TRUE"',
    'run_migrations: "False"', 'run_migrations: "no"', "run_migrations: 1", "run_migrations: 0",
    "run_migrations:", "collect_static_files: 'true'", "service_file: ''", "system_packages: ''",
    "<<: {branch: merged, port: 2200}", "<<: [{branch: one}, {branch: two, port: 2201}]",
    "branch: own\n<<: {branch: merged}", "framework: fastapi\nmigration_command: ''",
    "framework: fastapi\nmigration_command: |\n  set -e\n  alembic upgrade head\n",
    "dependency_install_command: make install # not in the command", "x-note: {any: [thing]}",
    "branch: &b main\nrevision: *b", '"branch": "\\u006dain"', "branch: >-\n  main", "branch: !!str main",
]
SERVER = [
    "port: 2222", 'port: "2222"', "port: ' 22 '", "port: +22", "port: 22.0", "run_migrations: true",
    "branch: other", "project_root: /srv/shop", "venv_dir: /opt/venv", "project_user: www",
    "project_user: www\nproject_root: site/", "venv_dir: venvs/shop", "clone_depth: 3", "framework: fastapi",
    "config_version: 2",
]
EXTRA = [
    BASE.format(common="", server="") + "  - host: app2.example.com\n    branch: next\n  - host: '::1'\n",
    BASE.format(common="  port: 2000\n  branch: main\n", server="    port: 2001\n    branch:\n"),
    BASE.format(common="", server="").replace("config_version: 2\n", ""),
    BASE.format(common="", server="").replace("config_version: 2", "config_version: '2'"),
    "{config_version: 2, common: {source_code_url: u, project_root: r, project_user: p, venv_dir: v},"
    " servers: [{host: h, port: 23}]}",
    "x-server: &server\n  port: 2222\n  run_migrations: true\n"
    + BASE.format(common="", server="    <<: *server\n    port: 2223\n"),
    "\ufeff" + BASE.format(common="", server=""),
    BASE.format(common="", server="").replace("\n", "\r\n"),
    "---\n" + BASE.format(common="", server="") + "...\n",
]


def indented(text, spaces):
    return "".join(" " * spaces + line + "\n" for line in text.rstrip("\n").split("\n"))


def described(config):
    def text(name):
        return getattr(config, name, None) or None

    return {
        "host": config.host,
        "port": config.port,
        "project_user": config.project_user,
        "project_root": config.project_root.rstrip("/"),
        "venv_dir": config.venv_dir,
        "framework": config.framework,
        "package_manager": config.package_manager,
        "dependency_file": config.dependency_file,
        "dependency_install_command": text("dependency_install_command"),
        "migration_command": text("migration_command"),
        "run_migrations": config.run_migrations,
        "collect_static_files": config.collect_static_files,
        "branch": text("branch"),
        "revision": text("revision"),
        "clone_depth": config.clone_depth,
        "keep_releases": max(getattr(config, "keep_releases", 5), 0) or None,
        "secrets": [pathlib.Path(path).name for path in text("secrets") or []],
        "ssh_known_hosts": text("ssh_known_hosts") or [],
    }


def main():
    texts = [BASE.format(common=indented(common, 2), server="") for common in COMMON]
    texts += [BASE.format(common="", server=indented(server, 4)) for server in SERVER]
    vectors = []
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "deployment.yml")
        for text in texts + EXTRA:
            path.write_bytes(text.encode())
            servers = [described(config) for config in load_config(path)]
            vectors.append({"text": text, "servers": servers})
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    pathlib.Path(__file__).with_name("vectors.json").write_text(f"[\n{lines}\n]\n")


main()
