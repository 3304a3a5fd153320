//! Splits the output of a host into events of the script and lines of other output.

use std::io::{self, ErrorKind, Read};

/// A line is truncated to about this many bytes; the rest of it is only searched for an event.
const MAX_LINE: usize = 8192;

/// A line or event, as raw bytes without the newline.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line, or the part of it before the marker of an event.
    Output(&'a [u8]),
    /// The text behind the marker.
    Event(&'a [u8]),
}

/// Splits a stream into pieces, in bounded memory for any input.
pub struct Lines {
    /// `@<nonce> `; empty where no events are expected.
    marker: Vec<u8>,
    line: Vec<u8>,
    rest: Rest,
}

/// What to do with the rest of the current line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Keep,
    /// The line is too long: only look for an event.
    FindEvent,
    Drop,
}

impl Lines {
    /// Without a nonce, every line is output.
    pub fn new(nonce: Option<&str>) -> Self {
        Lines {
            marker: nonce.map_or_else(Vec::new, |nonce| format!("@{nonce} ").into_bytes()),
            line: Vec::new(),
            rest: Rest::Keep,
        }
    }

    /// Takes the next bytes of the stream, and emits the pieces that are complete.
    pub fn feed(&mut self, bytes: &[u8], mut emit: impl FnMut(Piece)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(last) => {
                    self.line.extend_from_slice(last);
                    self.finish(&mut emit);
                }
                None => {
                    self.line.extend_from_slice(part);
                    if self.line.len() > MAX_LINE {
                        self.flush_long_line(&mut emit);
                    }
                }
            }
        }
    }

    /// Ends the current line. At the end of the stream, emits a last line without a newline.
    pub fn finish(&mut self, mut emit: impl FnMut(Piece)) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let (output, event) = match self.find_marker(line) {
            Some(at) => (&line[..at], Some(&line[at + self.marker.len()..])),
            None => (line, None),
        };
        if self.rest == Rest::Keep && !output.is_empty() {
            emit(Piece::Output(output));
        }
        if let Some(event) = event.filter(|_| self.rest != Rest::Drop) {
            emit(Piece::Event(event));
        }
        self.line.clear();
        self.rest = Rest::Keep;
    }

    /// Emits the start of a line that is too long, and keeps the end of it in which a marker could start.
    fn flush_long_line(&mut self, emit: &mut impl FnMut(Piece)) {
        let event = self.find_marker(&self.line);
        let output = &self.line[..event.unwrap_or(self.line.len())];
        if self.rest == Rest::Keep && !output.is_empty() {
            emit(Piece::Output(output));
        }
        if self.rest == Rest::Keep {
            self.rest = Rest::FindEvent;
        }
        let consumed = match event {
            _ if self.rest == Rest::Drop => self.line.len(),
            Some(0) => {
                let event = &self.line[self.marker.len()..];
                emit(Piece::Event(&event[..event.len().min(MAX_LINE)]));
                self.rest = Rest::Drop;
                self.line.len()
            }
            Some(at) => at,
            None => self.line.len() - self.marker.len().saturating_sub(1),
        };
        self.line.drain(..consumed);
    }

    /// The position of the marker.
    fn find_marker(&self, line: &[u8]) -> Option<usize> {
        if self.marker.is_empty() {
            return None;
        }
        line.windows(self.marker.len())
            .position(|window| window == self.marker)
    }
}

/// Whether to try again when `poll` says so.
pub fn is_retryable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Reads at most one buffer from a nonblocking source. Returns whether the stream has ended.
pub fn read_available(
    source: Option<&mut impl Read>,
    buffer: &mut [u8],
    mut consume: impl FnMut(&[u8]),
) -> bool {
    let Some(source) = source else {
        return true;
    };
    match source.read(buffer) {
        Ok(0) => true,
        Ok(count) => {
            consume(&buffer[..count]);
            false
        }
        Err(error) => !is_retryable(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    /// Feeds `input` in chunks, and formats the pieces as `>output` and `@event`.
    fn split(input: &[u8], chunk: usize) -> Vec<String> {
        let mut lines = Lines::new(Some(NONCE));
        let mut pieces = Vec::new();
        let mut emit = |piece: Piece| {
            let (mark, bytes) = match piece {
                Piece::Output(bytes) => ('>', bytes),
                Piece::Event(bytes) => ('@', bytes),
            };
            pieces.push(format!("{mark}{}", String::from_utf8_lossy(bytes)));
        };
        for bytes in input.chunks(chunk) {
            lines.feed(bytes, &mut emit);
        }
        lines.finish(&mut emit);
        pieces
    }

    #[test]
    fn events_are_found_behind_foreign_output_at_any_chunk_size() {
        let input = format!("hello\n\nno newline@{NONCE} step env\n@{NONCE} end 0 done\nlast");
        for chunk in 1..input.len() {
            assert_eq!(
                split(input.as_bytes(), chunk),
                [">hello", ">no newline", "@step env", "@end 0 done", ">last"],
                "chunks of {chunk}"
            );
        }
    }

    #[test]
    fn other_nonces_are_output() {
        let input = format!("@{} end 0 done\n", NONCE.replace('0', "1"));
        assert_eq!(
            split(input.as_bytes(), 7),
            [format!(">{}", input.trim_end())]
        );
    }

    #[test]
    fn endless_lines_are_cut_and_still_searched() {
        for filler in [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 100_000] {
            let input = format!("{}@{NONCE} step env\nnext\n", "x".repeat(filler));
            for chunk in [1000, 8191, 8192, 16384] {
                let pieces = split(input.as_bytes(), chunk);
                assert!(pieces[0].len() <= MAX_LINE + 16384, "{filler} {chunk}");
                assert_eq!(pieces[1..], ["@step env", ">next"], "{filler} {chunk}");
            }
        }
    }

    #[test]
    fn an_endless_event_is_cut() {
        let input = format!("@{NONCE} step {}\nnext\n", "x".repeat(50_000));
        let pieces = split(input.as_bytes(), 3000);
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].len() <= MAX_LINE + 1);
        assert_eq!(pieces[1], ">next");
    }
}
