//! Standard output of a worker as whole lines, each at most so long.

use std::io::{self, BufRead as _};

use nix::unistd;
use tokio::io::AsyncReadExt as _;
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

    /// Reads once what comes; zero bytes are the end. Safe to drop.
    ///
    /// # Errors
    /// Whatever the pipe says.
    pub(super) async fn fill(&mut self, pipe: &mut pipe::Receiver) -> io::Result<usize> {
        self.bytes.reserve(CHUNK_BYTES);
        pipe.read_buf(&mut self.bytes).await
    }

    /// Reads what is there at this moment, which tokio need not have heard of; `false` where there is
    /// nothing.
    pub(super) fn fill_now(&mut self, pipe: &pipe::Receiver) -> bool {
        let mut chunk = vec![0; CHUNK_BYTES];
        match unistd::read(pipe, &mut chunk) {
            Ok(read) => {
                self.bytes.extend_from_slice(&chunk[..read]);
                read > 0
            }
            Err(_) => false,
        }
    }

    /// The next whole line, without its line feed.
    pub(super) fn line(&mut self) -> Option<&[u8]> {
        // The standard library looks for a byte in words, which it offers in this form only.
        let length = (&self.bytes[self.scanned..]).skip_until(b'\n').unwrap_or(0);
        let (start, end) = (self.start, self.scanned + length);
        if length == 0 || self.bytes[end - 1] != b'\n' {
            self.compact();
            return None;
        }
        (self.start, self.scanned) = (end, end);
        Some(&self.bytes[start..end - 1])
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
