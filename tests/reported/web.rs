//! A repository or an index that needs a login.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Serves `directory` over HTTP with the login `ada:hunter 2`, until it is dropped.
pub struct Web(Child, pub String);

impl Web {
    pub fn new(directory: PathBuf) -> Web {
        const SERVER: &str = r#"
import base64, functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        login = b"Basic " + base64.b64encode(b"ada:hunter 2")
        if self.headers.get("Authorization", "").encode() == login:
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
"#;
        let mut server = Command::new("python3")
            .args(["-c", SERVER])
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut port = String::new();
        let mut output = BufReader::new(server.stdout.take().expect("stdout"));
        output.read_line(&mut port).expect("a port");
        Web(server, port.trim().to_owned())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
