# Fetches files. The first line on stdin is a JSON list of logins, [index's URL, user name, password] (empty where the URL
# has them); each other line is an object {"url", "path"}. What went wrong is printed, one line each.
import base64, http.client, json, netrc, os, shutil, ssl, sys, time
import urllib.error, urllib.parse, urllib.request
from concurrent.futures import ThreadPoolExecutor


def in_url(parts):
    return parts.username and tuple(map(urllib.parse.unquote, (parts.username, parts.password or "")))


def origin(parts):
    host = parts.netloc.rpartition("@")[2].lower()
    return parts.scheme, host.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))


def login(parts):
    # Of the indexes on the same server, the one that has most of the path in common.
    shared = lambda known: len(os.path.commonprefix([known[0].path, parts.path]))
    known = [known for known in LOGINS if origin(known[0]) == origin(parts)]
    account = in_url(parts) or known and max(known, key=shared)[1]
    if account and account[1]:
        return account
    try:
        # By its path: then others may read it, as with pip.
        own = netrc.netrc(os.environ.get("NETRC") or os.path.expanduser("~/.netrc")).authenticators(parts.hostname)
    except (OSError, netrc.NetrcParseError):
        own = None
    return (own[0], own[2]) if own else account


def fetch(job):
    path, parts = job["path"], urllib.parse.urlsplit(job["url"])
    if parts.scheme not in ("http", "https"):
        return "%s is for no web server" % job["url"]
    request = urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    account = login(parts)
    if account:
        word = base64.b64encode(":".join(account).encode()).decode()
        request.add_unredirected_header("Authorization", "Basic " + word)
    for attempt in range(4):
        time.sleep(attempt)
        try:
            with urllib.request.urlopen(request, timeout=60, context=CONTEXT) as answer, open(path, "wb") as file:
                shutil.copyfileobj(answer, file, 1 << 16)
                # Python takes the end of the connection for that of the file.
                if not answer.length:
                    return None
                reason = "%s ended it early" % parts.hostname
        except urllib.error.HTTPError as error:
            reason = "%s answered %s" % (parts.hostname, error.code)
            if error.code < 500 and error.code not in (408, 429):
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    return "%s: %s" % (os.path.basename(parts.path), reason)


LOGINS = []
for index, username, password in json.loads(sys.stdin.readline()):
    try:
        parts = urllib.parse.urlsplit(index)
    except ValueError:
        continue
    account = in_url(parts) or (username or password) and (username, password)
    if account:
        LOGINS.append((parts, account))
authorities = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")]
CONTEXT = ssl.create_default_context(cafile=next((file for file in authorities if file), None))
with ThreadPoolExecutor(8) as pool:
    for problem in pool.map(fetch, map(json.loads, sys.stdin)):
        if problem:
            print(problem)
