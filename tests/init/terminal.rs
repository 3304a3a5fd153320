//! The program on a pseudoterminal, driven as by a person.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// All bytes that were received.
    raw: Vec<u8>,
    /// All text that was received, without escape sequences.
    pub shown: String,
    /// The offset in `shown` after the last expected text.
    seen: usize,
    child: Child,
}

impl Terminal {
    /// Starts the program in a directory, on a terminal of 100 columns.
    pub fn start(directory: &Path, arguments: &[&str]) -> Terminal {
        Terminal::start_in(directory, arguments, &[("NO_COLOR", "1")])
    }

    /// The same, with more environment variables.
    pub fn start_in(
        directory: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let end = || slave.try_clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_pystrano"))
            .args(arguments)
            .current_dir(directory)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .envs(environment.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // When the last process closes its side of the terminal, reading fails with EIO instead of returning an
            // end of file.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal {
            keyboard,
            screen,
            raw: Vec::new(),
            shown: String::new(),
            seen: 0,
            child,
        }
    }

    /// Waits for text after the last expected text.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> &mut Self {
        let begin = Instant::now();
        loop {
            if let Some(place) = self.shown[self.seen..].find(text) {
                self.seen += place + text.len();
                return self;
            }
            if begin.elapsed() > Duration::from_secs(30) {
                panic!("{text:?} was not shown:\n{}", self.shown);
            }
            self.read(Duration::from_millis(50));
        }
    }

    pub fn send(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits until the program exits; returns its exit status, or 128 + N after signal N, and the text.
    pub fn end(self) -> (i32, String) {
        let (code, shown, _) = self.end_with_color();
        (code, shown)
    }

    /// The same, and whether anything was colored.
    pub fn end_with_color(mut self) -> (i32, String, bool) {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.wait().unwrap();
        self.read(Duration::from_millis(200));
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap());
        let colored = is_colored(&String::from_utf8_lossy(&self.raw));
        (code, self.shown, colored)
    }

    fn read(&mut self, patience: Duration) {
        while let Ok(bytes) = self.screen.recv_timeout(patience) {
            self.raw.extend(bytes);
            // Characters and escape sequences may arrive in pieces, so all bytes are decoded again.
            self.shown = plain(&String::from_utf8_lossy(&self.raw));
        }
    }
}

/// Whether a text contains an SGR sequence, which sets a color or style.
pub fn is_colored(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|sequence| {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic());
        end.is_some_and(|end| end > 0 && sequence[end..].starts_with('m'))
    })
}

/// The text without escape sequences.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                if characters.next() == Some('[') {
                    characters.find(|c| c.is_ascii_alphabetic());
                }
            }
            '\r' => {}
            other => plain.push(other),
        }
    }
    plain
}
