//! The three formats, with Python's containers and levels.
//!
//! zlib and liblzma are the libraries that Python uses, bzip2 a translation of it; the bytes are the same
//! as Python's, which the recorded facts check.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use oneiric_core::Fault;

/// What a decompressed text may be long: some kilobytes decompress into gigabytes, and a result travels
/// through memory more than once.
const MAX_TEXT: usize = 32 * 1024 * 1024;
/// What decompressing lzma may take: the strongest preset needs 65 MiB.
const MAX_LZMA_MEMORY: u64 = 128 * 1024 * 1024;

const FAILED: &str = "compression-action-decode-error";

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Zlib,
    Bz2,
    Lzma,
}

impl Algorithm {
    pub(super) const NAMES: [&str; 3] = ["zlib", "bz2", "lzma"];
    const ALL: [Self; 3] = [Self::Zlib, Self::Bz2, Self::Lzma];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Bz2 => "bz2",
            Self::Lzma => "lzma",
        }
    }

    /// Compresses; `level` is 0 to 9.
    ///
    /// # Errors
    /// The permanent fault `compression-action-level-invalid`: bz2 has no level 0.
    pub(super) fn compress(self, bytes: &[u8], level: u32) -> Result<Vec<u8>, Fault> {
        let done = match self {
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Bz2 if level == 0 => {
                let why = "setting `level` is 0; bz2 has levels from 1 to 9";
                return Err(Fault::permanent("compression-action-level-invalid", why));
            }
            Self::Bz2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Lzma => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
        };
        // Writing into memory fails where there is none left.
        done.map_err(|error| Fault::transient("compression-action-failed", error.to_string()))
    }

    /// Decompresses. Streams may follow each other in bz2 and lzma; what follows the last is ignored.
    ///
    /// # Errors
    /// The permanent fault `compression-action-decode-error`: not this format, cut short, or too long.
    pub(super) fn decompress(self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        self.within(MAX_TEXT, bytes)
    }

    fn within(self, most: usize, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let (mut rest, mut text) = (bytes, Vec::new());
        loop {
            let before = text.len();
            let read = match self {
                Self::Zlib => read(&mut ZlibDecoder::new(&mut rest), &mut text, most),
                Self::Bz2 => read(&mut bzip2::bufread::BzDecoder::new(&mut rest), &mut text, most),
                Self::Lzma => {
                    let stream = liblzma::stream::Stream::new_auto_decoder(MAX_LZMA_MEMORY, 0)
                        .map_err(|error| Fault::permanent(FAILED, error.to_string()))?;
                    read(&mut liblzma::bufread::XzDecoder::new_stream(&mut rest, stream), &mut text, most)
                }
            };
            match read {
                // What follows a stream and is no stream is not looked at, as Python does.
                Err(error) if rest.len() < bytes.len() && before > 0 && error.kind() != TOO_LONG => {
                    text.truncate(before);
                    return Ok(text);
                }
                Err(error) => {
                    let name = self.name();
                    return Err(Fault::permanent(
                        FAILED,
                        format!("`data` cannot be read as {name}: {error}"),
                    ));
                }
                Ok(()) if self == Self::Zlib || rest.is_empty() => return Ok(text),
                Ok(()) => {}
            }
        }
    }
}

const TOO_LONG: std::io::ErrorKind = std::io::ErrorKind::FileTooLarge;

/// Reads to the end, at most `most` bytes in all.
fn read(from: &mut impl Read, into: &mut Vec<u8>, most: usize) -> std::io::Result<()> {
    let left = most - into.len();
    from.take(left as u64 + 1).read_to_end(into)?;
    if into.len() > most {
        let why = format!("it is longer than {most} bytes when it is decompressed");
        return Err(std::io::Error::new(TOO_LONG, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bomb_is_refused() {
        const MOST: usize = 100_000;
        for algorithm in Algorithm::ALL {
            let zeros = vec![0; MOST];
            let fits = algorithm.compress(&zeros, 6).unwrap();
            assert!(fits.len() < 1_000);
            assert_eq!(algorithm.within(MOST, &fits).unwrap().len(), MOST, "{algorithm:?}");
            let bomb = algorithm.compress(&[zeros.as_slice(), &[0]].concat(), 6).unwrap();
            let fault = algorithm.within(MOST, &bomb).unwrap_err();
            assert!(fault.message.contains("longer than"), "{fault}");
            if algorithm != Algorithm::Zlib {
                // Many small streams are one large text.
                let small = algorithm.compress(&zeros[..MOST / 4], 6).unwrap().repeat(5);
                assert!(algorithm.within(MOST, &small).unwrap_err().message.contains("longer than"));
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_refused() {
        for algorithm in Algorithm::ALL {
            let whole = algorithm.compress(b"some text, some text", 6).unwrap();
            let check = |bytes: &[u8], expected: Option<&[u8]>| {
                assert_eq!(algorithm.decompress(bytes).ok().as_deref(), expected, "{algorithm:?} {bytes:?}");
            };
            check(&whole, Some(b"some text, some text"));
            for end in 0..whole.len() {
                assert!(algorithm.decompress(&whole[..end]).is_err(), "{algorithm:?} cut at {end}");
            }
            check(b"plain text", None);
            check(&[whole.as_slice(), b"plain text"].concat(), Some(b"some text, some text"));
        }
        let two = Algorithm::Bz2.compress(b"a", 9).unwrap().repeat(2);
        assert_eq!(Algorithm::Bz2.decompress(&two).unwrap(), b"aa");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_compressed_decompresses(bytes: Vec<u8>, level in 1..=3_u32, at in 0..3_usize) {
            let algorithm = Algorithm::ALL[at];
            prop_assert_eq!(algorithm.decompress(&algorithm.compress(&bytes, level).unwrap()).unwrap(), bytes);
        }
    }
}
