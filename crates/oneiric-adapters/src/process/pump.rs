//! Reading a stream of a child until it ends.

use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Reads until the end and hands every chunk on. A stream that cannot be read any more has ended.
pub(crate) async fn pump(mut from: impl AsyncRead + Unpin, mut take: impl FnMut(&[u8])) {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        chunk.clear();
        match from.read_buf(&mut chunk).await {
            Ok(1..) => take(&chunk),
            Ok(0) | Err(_) => return,
        }
    }
}
