# Writes a package index into a directory, serves it on a free port, and prints the port.
import base64, functools, hashlib, http.server, io, os, sys, tarfile, zipfile

BACKEND = '''
import os, zipfile
def build_wheel(directory, settings=None, metadata=None):
    name = "%(name)s-%(version)s-%(tag)s.whl"
    info = "%(name)s-%(version)s.dist-info"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        def add(path, text):
            wheel.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text)
        add("%(name)s/__init__.py", "BUILT = %%r" %% os.environ["SOURCE_DATE_EPOCH"])
        if os.path.exists("dated"):
            wheel.write("dated")
        add(info + "/METADATA", "Metadata-Version: 2.1\\nName: %(name)s\\nVersion: %(version)s\\n")
        add(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: %(tag)s\\n")
        add(info + "/RECORD", "")
    assert "SSH_AUTH_SOCK" not in os.environ and "CANARY" not in os.environ
    assert not any(variable.endswith("_PASSWORD") for variable in os.environ)
    open("left-by-the-build", "w").close()
    return name
'''
PROJECT = '''
[project]
name = "%(name)s"
version = "%(version)s"
requires-python = ">=3.9"
dependencies = [%(requires)s]
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
'''


def wheel(name, version, tag="py3-none-any", requires=()):
    info = "%s-%s.dist-info" % (name, version)
    path = os.path.join(FILES, "%s-%s-%s.whl" % (name, version, tag))
    with zipfile.ZipFile(path, "w") as file:
        def add(member, text):
            file.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text)
        add(name + ".py", "VERSION = %r\n" % version)
        needs = "".join("Requires-Dist: %s\n" % need for need in requires)
        add(info + "/METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s" % (name, version, needs))
        add(info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: %s\n" % tag)
        add(info + "/RECORD", "")
    publish(name, path)


def sdist(name, version, tag="py3-none-any"):
    path = os.path.join(FILES, "%s-%s.tar.gz" % (name, version))
    values = {"name": name, "version": version, "tag": tag, "requires": ""}
    metadata = "Metadata-Version: 2.2\nName: %s\nVersion: %s\n" % (name, version)
    with tarfile.open(path, "w:gz") as file:
        for member, text in ("backend.py", BACKEND % values), ("pyproject.toml", PROJECT % values), ("PKG-INFO", metadata):
            entry = tarfile.TarInfo("%s-%s/%s" % (name, version, member))
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text.encode()))
    publish(name, path)


def publish(name, path):
    with open(path, "rb") as file:
        sum = hashlib.sha256(file.read()).hexdigest()
    directory = os.path.join(sys.argv[1], "simple", name)
    os.makedirs(directory, exist_ok=True)
    file = os.path.basename(path)
    with open(os.path.join(directory, "index.html"), "a") as page:
        page.write('<a href="../../files/%s#sha256=%s">%s</a>\n' % (file, sum, file))


FILES = os.path.join(sys.argv[1], "files")
os.makedirs(FILES)
wheel("alpha", "1.0", requires=["beta>=2", "old; python_version < '3.12'", "windows; sys_platform == 'win32'"])
for version in "2.0", "2.5":
    wheel("beta", version)
wheel("old", "1.0")
wheel("windows", "1.0")
for machine in "x86_64", "aarch64":
    for python in "cp311", "cp313":
        wheel("fast", "3.1", "%s-%s-manylinux_2_17_%s.manylinux2014_%s" % (python, python, machine, machine))
    wheel("uv", sys.argv[2], "py3-none-manylinux_2_17_%s.manylinux2014_%s" % (machine, machine))
wheel("late", "1.0", "cp314-cp314-manylinux_2_17_x86_64")
sdist("pure", "0.6")
sdist("modern", "1.0", "cp313-none-any")
sdist("native", "2.0", "cp311-cp311-linux_x86_64")
sdist("other", "2.0", "cp311-cp311-linux_x86_64")


class Handler(http.server.SimpleHTTPRequestHandler):
    cut = set()

    def do_GET(self):
        if self.path.startswith("/cut/"):
            self.path = self.path[len("/cut"):]
            # The first download is cut off in the middle of the file.
            if self.headers.get("User-Agent", "").startswith("Python") and self.path not in self.cut:
                self.cut.add(self.path)
                with open(self.translate_path(self.path), "rb") as file:
                    content = file.read()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return self.wfile.write(content[:100])
        if self.path.startswith("/private/"):
            if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"ada:s3cr@t").decode():
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.path = self.path[len("/private"):]
        super().do_GET()


handler = functools.partial(Handler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
