# Fetches files: one JSON object {"url", "path"} a line on stdin; what went wrong, one line each, on stdout.
# Logins come from netrc, or from the index URLs in FETCH_INDEXES that name the same host, port and scheme.
import base64, json, netrc, os, shutil, ssl, sys, time
import urllib.error, urllib.parse, urllib.request
from concurrent.futures import ThreadPoolExecutor

LOGINS = {}
for index in os.environ.get("FETCH_INDEXES", "").split():
    parts = urllib.parse.urlsplit(index)
    if parts.username:
        LOGINS[parts.scheme, parts.hostname, parts.port] = tuple(map(urllib.parse.unquote, (parts.username, parts.password or "")))


def login(parts):
    try:
        # By its path: then others may read it, as with pip.
        known = netrc.netrc(os.environ.get("NETRC") or os.path.expanduser("~/.netrc")).authenticators(parts.hostname)
    except (OSError, netrc.NetrcParseError):
        known = None
    return LOGINS.get((parts.scheme, parts.hostname, parts.port)) or (known and (known[0], known[2]))


def fetch(job):
    url, path = job["url"], job["path"]
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return "%s is for no web server" % url
    request = urllib.request.Request(url)
    account = login(parts)
    if account:
        word = base64.b64encode(":".join(account).encode()).decode()
        request.add_unredirected_header("Authorization", "Basic " + word)
    for attempt in range(4):
        try:
            with urllib.request.urlopen(request, timeout=60, context=CONTEXT) as answer, open(path, "wb") as file:
                shutil.copyfileobj(answer, file, 1 << 16)
            return None
        except urllib.error.HTTPError as error:
            reason = "%s answered %s" % (parts.hostname, error.code)
            if error.code < 500:
                break
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "reason", error))
        time.sleep(attempt)
    return "%s: %s" % (os.path.basename(parts.path), reason)


authorities = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")]
CONTEXT = ssl.create_default_context(cafile=next((file for file in authorities if file), None))
with ThreadPoolExecutor(8) as pool:
    for problem in pool.map(fetch, map(json.loads, sys.stdin)):
        if problem:
            print(problem)
