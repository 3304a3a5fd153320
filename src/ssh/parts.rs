//! Sends the parts of a payload to one host.

use crate::payload::Payload;
use crate::protocol::Event;
use std::fs::File;
use std::io::{ErrorKind, Read, Take};
use std::sync::Arc;

/// Bytes of a part in memory at a time.
const CHUNK: usize = 256 * 1024;
/// Progress events for each part.
const REPORTS: u64 = 20;

/// The parts that a host may request, each once.
#[derive(Default)]
pub struct Parts {
    payload: Option<Arc<Payload>>,
    requested: Vec<&'static str>,
    sending: Option<Sending>,
}

struct Sending {
    part: &'static str,
    file: Take<File>,
    size: u64,
    sent: u64,
    /// How many bytes were sent at the last progress event.
    reported: u64,
}

impl Parts {
    pub fn new(payload: Option<Arc<Payload>>) -> Self {
        Parts {
            payload,
            ..Parts::default()
        }
    }

    /// Opens a part that the host requests. Returns the first progress event.
    ///
    /// # Errors
    /// The part is not in the payload, was requested before, or cannot be read.
    pub fn open(&mut self, name: &str) -> Result<Event, String> {
        let payload = self.payload.as_ref();
        let part = payload.and_then(|payload| payload.part(name));
        let Some(part) = part.filter(|part| !self.requested.contains(&part.name)) else {
            return Err(
                "the script requested an unknown part of the payload, or the same part twice"
                    .to_owned(),
            );
        };
        let opened = part.open();
        let file =
            opened.map_err(|error| format!("cannot read {}: {error}", part.file.display()))?;
        self.requested.push(part.name);
        let sending = self.sending.insert(Sending {
            part: part.name,
            file,
            size: part.size,
            sent: 0,
            reported: 0,
        });
        Ok(sending.event())
    }

    /// Whether a part is being sent.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// The next bytes of the part that is being sent, and at times a progress event.
    ///
    /// # Errors
    /// The file cannot be read, or was truncated.
    pub fn next_chunk(&mut self) -> Result<(Vec<u8>, Option<Event>), String> {
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
        let is_complete = sending.sent == sending.size;
        let event = (is_complete || sending.sent - sending.reported >= sending.size / REPORTS)
            .then(|| {
                sending.reported = sending.sent;
                sending.event()
            });
        if is_complete {
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

    use super::super::SessionEnd;
    use super::super::session::tests::{options, run};
    use super::*;
    use crate::payload::{DEPENDENCIES, Part, SOURCE, SYSTEM};
    use std::path::Path;
    use std::time::Duration;

    /// Runs a session whose script requests the parts in `requests`, by name and size, and appends them to the file
    /// `got`. `parts` are name, offset and size within `file`. Returns the events and the end.
    fn session(
        file: &Path,
        parts: &[(&'static str, u64, u64)],
        requests: &[(&str, u64)],
        got: &str,
    ) -> (Vec<Event>, SessionEnd) {
        let part = |&(name, offset, size)| Part {
            name,
            sha256: String::new(),
            size,
            file: file.to_owned(),
            offset,
        };
        let payload = Payload {
            commit: String::new(),
            commit_label: String::new(),
            python: String::new(),
            platform: String::new(),
            sha256: String::new(),
            size: 0,
            parts: parts.iter().map(part).collect(),
        };
        let mut script = "echo '@ start deploy -'; echo '@ step code'; ".to_owned();
        for (name, size) in requests {
            script += &format!(
                "line=; echo '@ need {name}'; until [ \"$line\" = ' part {name}' ]; do IFS= read -r line || exit; done; \
                 head -c {size} >>{got}; "
            );
        }
        let mut options = options(script + "echo '@ end 0 done'");
        options.payload = Some(Arc::new(payload));
        options.silence_timeout = Duration::from_secs(20);
        run(options)
    }

    /// Runs a session with a payload of two parts. Returns also the bytes of the payload's file, and those that the
    /// script received.
    fn request(requests: &[(&str, u64)]) -> (Vec<Event>, SessionEnd, Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("payload.tar");
        let got = directory.path().join("got");
        let numbers: Vec<u8> = (0..500_000_u32)
            .flat_map(|number| format!("{number}\n").into_bytes())
            .collect();
        std::fs::write(&file, &numbers).expect("a file");
        let parts = [(DEPENDENCIES, 100, 3_000_000), (SOURCE, 3_000_100, 300_000)];
        let (events, end) = session(&file, &parts, requests, &got.to_string_lossy());
        let got = std::fs::read(got).unwrap_or_default();
        (events, end, numbers, got)
    }

    #[test]
    fn requested_parts_arrive_whole_and_in_order() {
        let requests = [(SOURCE, 300_000), (DEPENDENCIES, 3_000_000)];
        let (events, end, numbers, got) = request(&requests);
        assert_eq!(end, SessionEnd::Ended { status: 0 });
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

    /// A few hundred kilobytes would do, but other tests run in this process, too.
    #[test]
    fn parts_are_streamed() {
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
        let (events, end) = session.join().expect("a session");
        assert_eq!(end, SessionEnd::Ended { status: 0 });
        assert!(events.len() > 20, "{events:?}");
        assert!(most < before + size / 4, "{before} {most}");
    }

    /// A malicious host gets the parts of its own payload, each once.
    #[test]
    fn nothing_else_is_sent_and_nothing_twice() {
        for (name, size) in [(SOURCE, 300_000), (SYSTEM, 1), ("../../etc/passwd", 1)] {
            let (_, end, _, got) = request(&[(SOURCE, 300_000), (name, size)]);
            let SessionEnd::Lost { reason, .. } = end else {
                panic!("{name}: {end:?}");
            };
            let expected =
                "the script requested an unknown part of the payload, or the same part twice";
            assert_eq!(reason, expected);
            assert_eq!(got.len(), 300_000, "{name}");
        }
    }
}
