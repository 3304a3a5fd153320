//! The parts of a payload on their way to one host.

use crate::payload::Payload;
use crate::protocol::Event;
use std::fs::File;
use std::io::{ErrorKind, Read, Take};
use std::sync::Arc;

/// So many bytes of a part are in memory at a time.
const CHUNK: usize = 256 * 1024;
/// It is reported so many times how much of a part was sent.
const REPORTS: u64 = 20;

/// What a host may ask for: each part once.
#[derive(Default)]
pub struct Parts {
    payload: Option<Arc<Payload>>,
    asked: Vec<&'static str>,
    sending: Option<Sending>,
}

struct Sending {
    part: &'static str,
    file: Take<File>,
    size: u64,
    sent: u64,
    reported: u64,
}

impl Parts {
    pub fn of(payload: Option<Arc<Payload>>) -> Self {
        Parts {
            payload,
            ..Parts::default()
        }
    }

    /// Opens a part that the host asks for.
    ///
    /// # Errors
    /// It may not have that part, or the part cannot be read here.
    pub fn begin(&mut self, name: &str) -> Result<Event, String> {
        let payload = self.payload.as_ref();
        let part = payload.and_then(|payload| payload.part(name));
        let Some(part) = part.filter(|part| !self.asked.contains(&part.name)) else {
            return Err(
                "the script asked for what is in no payload, or for the same again".to_owned(),
            );
        };
        let opened = part.open();
        let file =
            opened.map_err(|error| format!("cannot read {}: {error}", part.file.display()))?;
        self.asked.push(part.name);
        let sending = self.sending.insert(Sending {
            part: part.name,
            file,
            size: part.size,
            sent: 0,
            reported: 0,
        });
        Ok(sending.event())
    }

    /// Whether bytes of a part are to be sent.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// The next bytes of the part, and, now and then, how much was sent. At its end nothing is to be sent any more.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter.
    pub fn next(&mut self) -> Result<(Vec<u8>, Option<Event>), String> {
        let Some(sending) = &mut self.sending else {
            return Ok((Vec::new(), None));
        };
        let left = sending.size - sending.sent;
        let mut bytes = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        let read = match sending.file.read(&mut bytes) {
            Ok(0) if left > 0 => Err("it ends too early".to_owned()),
            Ok(count) => Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error.to_string()),
        };
        let count = read.map_err(|error| format!("cannot read {}: {error}", sending.part))?;
        bytes.truncate(count);
        sending.sent += count as u64;
        let is_over = sending.sent == sending.size;
        let event =
            (is_over || sending.sent - sending.reported >= sending.size / REPORTS).then(|| {
                sending.reported = sending.sent;
                sending.event()
            });
        if is_over {
            self.sending = None;
        }
        Ok((bytes, event))
    }
}

impl Sending {
    fn event(&self) -> Event {
        Event::Sent {
            part: self.part.to_owned(),
            bytes: self.sent,
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "it reads what was sent")]

    use super::super::Closing;
    use super::super::session::tests::{options, played};
    use super::*;
    use crate::payload::{DEPENDENCIES, Part, SOURCE, SYSTEM};
    use std::path::Path;
    use std::time::Duration;

    /// Plays a script that asks for parts, by name and size, and appends them to `got`; the parts of its payload are
    /// here and there in a file. Gives the events and the end.
    fn session(
        file: &Path,
        parts: &[(&'static str, u64, u64)],
        asks: &[(&str, u64)],
        got: &str,
    ) -> (Vec<Event>, Closing) {
        let part = |&(name, offset, size)| Part {
            name,
            sha256: String::new(),
            size,
            file: file.to_owned(),
            offset,
        };
        let payload = Payload {
            commit: String::new(),
            pulled: String::new(),
            python: String::new(),
            platform: String::new(),
            sha256: String::new(),
            size: 0,
            parts: parts.iter().map(part).collect(),
        };
        let mut script = "echo '@ start deploy -'; echo '@ step code'; ".to_owned();
        for (name, size) in asks {
            script += &format!(
                "line=; echo '@ need {name}'; until [ \"$line\" = ' part {name}' ]; do IFS= read -r line || exit; done; \
                 head -c {size} >>{got}; "
            );
        }
        let mut options = options(script + "echo '@ end 0 done'");
        options.payload = Some(Arc::new(payload));
        options.silence_timeout = Duration::from_secs(20);
        played(options)
    }

    /// The same with two parts of numbers; gives the numbers, too, and what the script got.
    fn play(asks: &[(&str, u64)]) -> (Vec<Event>, Closing, Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("payload.tar");
        let got = directory.path().join("got");
        let numbers: Vec<u8> = (0..500_000_u32)
            .flat_map(|it| format!("{it}\n").into_bytes())
            .collect();
        std::fs::write(&file, &numbers).expect("a file");
        let parts = [(DEPENDENCIES, 100, 3_000_000), (SOURCE, 3_000_100, 300_000)];
        let (events, closing) = session(&file, &parts, asks, &got.to_string_lossy());
        let got = std::fs::read(got).unwrap_or_default();
        (events, closing, numbers, got)
    }

    #[test]
    fn what_is_asked_for_arrives_whole_and_in_order() {
        let asks = [(SOURCE, 300_000), (DEPENDENCIES, 3_000_000)];
        let (events, closing, numbers, got) = play(&asks);
        assert_eq!(closing, Closing::Ended { status: 0 });
        assert_eq!(got.len(), 3_300_000);
        assert!(got[..300_000] == numbers[3_000_100..3_300_100]);
        assert!(got[300_000..] == numbers[100..3_000_100]);
        let is_sent = |event: &&Event| matches!(event, Event::Sent { .. });
        let sent: Vec<_> = events.iter().filter(is_sent).collect();
        assert!((4..50).contains(&sent.len()), "{sent:?}");
        let last = Event::Sent {
            part: DEPENDENCIES.to_owned(),
            bytes: 3_000_000,
            size: 3_000_000,
        };
        assert_eq!(sent.last(), Some(&&last));
    }

    /// Of a large part a few hundred kilobytes are in memory; other tests run in this process, too.
    #[test]
    fn what_is_sent_is_not_in_memory() {
        let resident = || -> u64 {
            let text = std::fs::read_to_string("/proc/self/statm").expect("pages");
            let pages = text.split(' ').nth(1).expect("the resident ones");
            pages.parse::<u64>().expect("a number") * 4096
        };
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("payload.tar");
        let size = 800_000_000;
        let made = std::fs::File::create(&file).and_then(|file| file.set_len(size));
        made.expect("a file");
        let before = resident();
        let session = std::thread::spawn(move || {
            session(&file, &[(SOURCE, 0, size)], &[(SOURCE, size)], "/dev/null")
        });
        let mut most = before;
        while !session.is_finished() {
            most = most.max(resident());
            std::thread::sleep(Duration::from_millis(5));
        }
        let (events, closing) = session.join().expect("a session");
        assert_eq!(closing, Closing::Ended { status: 0 });
        assert!(events.len() > 20, "{events:?}");
        assert!(most < before + size / 4, "{before} {most}");
    }

    /// A host that lies gets what its payload has, once.
    #[test]
    fn nothing_else_is_sent_and_nothing_twice() {
        for (name, size) in [(SOURCE, 300_000), (SYSTEM, 1), ("../../etc/passwd", 1)] {
            let (_, closing, _, got) = play(&[(SOURCE, 300_000), (name, size)]);
            let Closing::Lost { reason, .. } = closing else {
                panic!("{name}: {closing:?}");
            };
            let told = "the script asked for what is in no payload, or for the same again";
            assert_eq!(reason, told);
            assert_eq!(got.len(), 300_000, "{name}");
        }
    }
}
