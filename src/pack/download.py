# Downloads files. The first line of stdin is a JSON list of logins [index URL, user name, password], the two empty if the URL
# contains them. Each further line is an object {"url", "path"}. Prints one line per failed download.
import base64, http.client, json, netrc, os, shutil, ssl, sys, time
import urllib.error, urllib.parse, urllib.request
from concurrent.futures import ThreadPoolExecutor


def login_in_url(parts):
    return parts.username and tuple(map(urllib.parse.unquote, (parts.username, parts.password or "")))


def origin(parts):
    host = parts.netloc.rpartition("@")[2].lower()
    return parts.scheme, host.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))


def find_login(parts):
    # If several indexes are on this server, the one with the longest common path.
    common_prefix = lambda entry: len(os.path.commonprefix([entry[0].path, parts.path]))
    entries = [entry for entry in LOGINS if origin(entry[0]) == origin(parts)]
    login = login_in_url(parts) or entries and max(entries, key=common_prefix)[1]
    if login and login[1]:
        return login
    try:
        # With an explicit path netrc does not check the file's mode; pip does not, either.
        path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
        entry = netrc.netrc(path).authenticators(parts.hostname)
    except (OSError, netrc.NetrcParseError):
        entry = None
    return (entry[0], entry[2]) if entry else login


def download(job):
    path, parts = job["path"], urllib.parse.urlsplit(job["url"])
    if parts.scheme not in ("http", "https"):
        return "%s is not an http URL" % job["url"]
    request = urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    login = find_login(parts)
    if login:
        credentials = base64.b64encode(":".join(login).encode()).decode()
        # Not sent to another server after a redirect.
        request.add_unredirected_header("Authorization", "Basic " + credentials)
    for attempt in range(4):
        time.sleep(attempt)
        try:
            with urllib.request.urlopen(request, timeout=60, context=CONTEXT) as response, open(path, "wb") as file:
                shutil.copyfileobj(response, file, 1 << 16)
                # The number of missing bytes: a connection that ends early raises no error.
                if not response.length:
                    return None
                reason = "%s closed the connection early" % parts.hostname
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
    login = login_in_url(parts) or (username or password) and (username, password)
    if login:
        LOGINS.append((parts, login))
authorities = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")]
CONTEXT = ssl.create_default_context(cafile=next((file for file in authorities if file), None))
with ThreadPoolExecutor(8) as pool:
    for problem in pool.map(download, map(json.loads, sys.stdin)):
        if problem:
            print(problem)
