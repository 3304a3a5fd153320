//! What a host prints, cut into the events of its script and the lines of everything else.

use std::io::{self, ErrorKind, Read};

/// A line longer than this many bytes is cut; what follows its cut is looked at for events only.
const LONGEST: usize = 8192;

/// A piece of output, as raw bytes without the newline.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line, or the part of it before an event.
    Output(&'a [u8]),
    /// What stands behind the marker.
    Event(&'a [u8]),
}

/// Cuts a stream into lines, in bounded memory whatever comes.
pub struct Lines {
    /// `@<nonce> `; empty where no events are expected.
    marker: Vec<u8>,
    line: Vec<u8>,
    rest: Rest,
}

/// What happens to the rest of the current line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Wanted,
    /// Too long: only an event in it counts.
    EventOnly,
    Dropped,
}

impl Lines {
    /// With a nonce, lines are searched for `@<nonce> `.
    pub fn new(nonce: Option<&str>) -> Self {
        Lines {
            marker: nonce.map_or_else(Vec::new, |nonce| format!("@{nonce} ").into_bytes()),
            line: Vec::new(),
            rest: Rest::Wanted,
        }
    }

    /// Takes bytes as they come, and gives each piece that is complete.
    pub fn feed(&mut self, bytes: &[u8], mut give: impl FnMut(Piece)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(last) => {
                    self.line.extend_from_slice(last);
                    self.finish(&mut give);
                }
                None => {
                    self.line.extend_from_slice(part);
                    if self.line.len() > LONGEST {
                        self.shorten(&mut give);
                    }
                }
            }
        }
    }

    /// The stream has ended: gives the line that has no newline, if there is one.
    pub fn finish(&mut self, mut give: impl FnMut(Piece)) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let (output, event) = match self.find(line) {
            Some(at) => (&line[..at], Some(&line[at + self.marker.len()..])),
            None => (line, None),
        };
        if self.rest == Rest::Wanted && !output.is_empty() {
            give(Piece::Output(output));
        }
        if let Some(event) = event.filter(|_| self.rest != Rest::Dropped) {
            give(Piece::Event(event));
        }
        self.line.clear();
        self.rest = Rest::Wanted;
    }

    /// Gives the start of a line that is too long, and keeps what an event could start in.
    fn shorten(&mut self, give: &mut impl FnMut(Piece)) {
        let event = self.find(&self.line);
        let output = &self.line[..event.unwrap_or(self.line.len())];
        if self.rest == Rest::Wanted && !output.is_empty() {
            give(Piece::Output(output));
        }
        if self.rest == Rest::Wanted {
            self.rest = Rest::EventOnly;
        }
        let keep = match event {
            _ if self.rest == Rest::Dropped => self.line.len(),
            Some(0) => {
                let event = &self.line[self.marker.len()..];
                give(Piece::Event(&event[..event.len().min(LONGEST)]));
                self.rest = Rest::Dropped;
                self.line.len()
            }
            Some(at) => at,
            None => self.line.len() - self.marker.len().saturating_sub(1),
        };
        self.line.drain(..keep);
    }

    fn find(&self, line: &[u8]) -> Option<usize> {
        if self.marker.is_empty() {
            return None;
        }
        line.windows(self.marker.len())
            .position(|window| window == self.marker)
    }
}

/// Whether it may work in a moment.
pub fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Reads what is there, one buffer at a time; true at the end of the stream.
pub fn drain(
    source: Option<&mut impl Read>,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]),
) -> bool {
    let Some(source) = source else {
        return true;
    };
    match source.read(buffer) {
        Ok(0) => true,
        Ok(count) => {
            take(&buffer[..count]);
            false
        }
        Err(error) => !is_for_later(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    /// Feeds in chunks of a size, and shows pieces as `>output` and `@event`.
    fn cut(input: &[u8], chunk: usize) -> Vec<String> {
        let mut lines = Lines::new(Some(NONCE));
        let mut pieces = Vec::new();
        let mut give = |piece: Piece| {
            let (mark, bytes) = match piece {
                Piece::Output(bytes) => ('>', bytes),
                Piece::Event(bytes) => ('@', bytes),
            };
            pieces.push(format!("{mark}{}", String::from_utf8_lossy(bytes)));
        };
        for bytes in input.chunks(chunk) {
            lines.feed(bytes, &mut give);
        }
        lines.finish(&mut give);
        pieces
    }

    #[test]
    fn events_are_found_behind_foreign_output_at_any_chunk_size() {
        let input = format!("hello\n\nno newline@{NONCE} step env\n@{NONCE} end 0 done\nlast");
        for chunk in 1..input.len() {
            assert_eq!(
                cut(input.as_bytes(), chunk),
                [">hello", ">no newline", "@step env", "@end 0 done", ">last"],
                "chunks of {chunk}"
            );
        }
    }

    #[test]
    fn other_nonces_are_output() {
        let input = format!("@{} end 0 done\n", NONCE.replace('0', "1"));
        assert_eq!(cut(input.as_bytes(), 7), [format!(">{}", input.trim_end())]);
    }

    #[test]
    fn endless_lines_are_cut_and_still_searched() {
        for filler in [LONGEST - 1, LONGEST, LONGEST + 1, 100_000] {
            let input = format!("{}@{NONCE} step env\nnext\n", "x".repeat(filler));
            for chunk in [1000, 8191, 8192, 16384] {
                let pieces = cut(input.as_bytes(), chunk);
                assert!(pieces[0].len() <= LONGEST + 16384, "{filler} {chunk}");
                assert_eq!(pieces[1..], ["@step env", ">next"], "{filler} {chunk}");
            }
        }
    }

    #[test]
    fn an_endless_event_is_cut() {
        let input = format!("@{NONCE} step {}\nnext\n", "x".repeat(50_000));
        let pieces = cut(input.as_bytes(), 3000);
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].len() <= LONGEST + 1);
        assert_eq!(pieces[1], ">next");
    }
}
