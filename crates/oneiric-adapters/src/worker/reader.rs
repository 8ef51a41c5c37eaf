//! Standard output of a worker as whole lines, each at most so long.

use std::io;

use tokio::net::unix::pipe;

/// How much is read at once: what a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that were read, of which whole lines are handed out.
#[derive(Debug)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no line feed.
    scanned: usize,
    most: usize,
}

impl Reader {
    /// Lines of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, scanned: 0, most }
    }

    /// Reads once what is there; `Ok(0)` is the end.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing yet, or whatever the pipe says.
    pub(super) fn fill(&mut self, pipe: &pipe::Receiver) -> io::Result<usize> {
        self.bytes.reserve(CHUNK_BYTES);
        pipe.try_read_buf(&mut self.bytes)
    }

    /// The next whole line, without its line feed.
    pub(super) fn line(&mut self) -> Option<&[u8]> {
        let Some(length) = self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.compact();
            return None;
        };
        let (start, end) = (self.start, self.scanned + length);
        self.start = end + 1;
        self.scanned = self.start;
        Some(&self.bytes[start..end])
    }

    /// Whether the line that is being read is too long already.
    pub(super) fn is_too_long(&self) -> bool {
        self.bytes.len() - self.start > self.most
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.scanned = self.bytes.len();
        if self.bytes.is_empty() && self.bytes.capacity() > 4 * CHUNK_BYTES {
            // One large result is not kept for the life of the worker.
            self.bytes = Vec::new();
        }
    }
}
