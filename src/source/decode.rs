//! Bytes out of gzip or zstd, in bounded memory: 64 KiB of unpacked bytes, the decoder's window (32 KiB for gzip, at
//! most [`MAX_ZSTD_WINDOW`](super::format::MAX_ZSTD_WINDOW) for zstd), and the packed chunk at hand, whose size the stream decides.
//!
//! A failure of the stream ends the bytes, and is told only when all bytes before it have been read: a decoder that
//! meets an error upstream throws away what it has already unpacked, and with it the records before the failure (O2).

mod gzip;
mod zstd;

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use async_compression::{tokio::bufread::ZstdDecoder, zstd::DParameter};
use bytes::Bytes;
use futures::{Stream, StreamExt, future};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio_util::io::StreamReader;

use self::zstd::FrameGuard;
use super::{
    error::ReadError,
    format::{Compression, MAX_ZSTD_WINDOW_LOG},
};

/// How much is unpacked at a time.
const UNPACKED_BYTES: usize = 64 << 10;

/// The unpacked bytes of an object, chunk by chunk.
pub struct Decoded {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    compression: Compression,
    failure: Arc<OnceLock<ReadError>>,
    position: u64,
}

/// Unpacks a stream. Its first error ends it; it should yield chunks of a bounded size.
pub fn decode<S>(stream: S, compression: Compression) -> Decoded
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let failure = Arc::new(OnceLock::new());
    let packed = StreamReader::new(Box::pin(until_failure(stream, compression, Arc::clone(&failure))));
    let reader: Pin<Box<dyn AsyncBufRead + Send>> = match compression {
        Compression::None => Box::pin(packed),
        Compression::Gzip => Box::pin(StreamReader::new(Box::pin(gzip::members(packed)))),
        Compression::Zstd => {
            let window = DParameter::window_log_max(MAX_ZSTD_WINDOW_LOG);
            let mut decoder = ZstdDecoder::with_params(packed, &[window]);
            decoder.multiple_members(true);
            Box::pin(BufReader::with_capacity(UNPACKED_BYTES, decoder))
        }
    };
    Decoded { reader, compression, failure, position: 0 }
}

impl Decoded {
    /// The bytes at hand, or the next ones; empty at the end of the object. Cancel safe.
    pub async fn fill(&mut self) -> Result<&[u8], ReadError> {
        // A few packed bytes may unpack to gigabytes without ever waiting: let others have their turn.
        tokio::task::coop::consume_budget().await;
        match self.reader.fill_buf().await {
            Ok([]) => self.failure.get().cloned().map_or(Ok(&[]), Err),
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.failure.get().cloned().unwrap_or_else(|| unsound(self.compression, &error))),
        }
    }

    /// Takes `count` of the bytes that [`fill`](Self::fill) returned.
    pub fn consume(&mut self, count: usize) {
        self.reader.as_mut().consume(count);
        self.position += count as u64;
    }

    /// How many unpacked bytes were consumed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reader: _, compression, failure, position } = self;
        f.debug_struct("Decoded")
            .field("compression", compression)
            .field("failure", failure)
            .field("position", position)
            .finish_non_exhaustive()
    }
}

/// The stream up to its failure, which goes into the slot. For zstd a forbidden frame is a failure, too.
fn until_failure(
    stream: impl Stream<Item = io::Result<Bytes>>,
    compression: Compression,
    failure: Arc<OnceLock<ReadError>>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let mut guard = (compression == Compression::Zstd).then(FrameGuard::default);
    stream.scan(failure, move |failure, chunk| {
        if failure.get().is_some() {
            return future::ready(None);
        }
        let (bytes, failed) = match (chunk, &mut guard) {
            (Err(error), _) => (None, Some(ReadError::Unavailable(Arc::new(error)))),
            (Ok(bytes), None) => (Some(bytes), None),
            (Ok(bytes), Some(guard)) => match guard.pass(&bytes) {
                Ok(()) => (Some(bytes), None),
                Err((good, error)) => (Some(bytes.slice(..good)), Some(error)),
            },
        };
        // Set once: a failure ends the stream.
        failed.map(|error| failure.set(error));
        future::ready(bytes.map(Ok))
    })
}

fn unsound(compression: Compression, error: &io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated(compression),
        _ => ReadError::Corrupt { compression, why: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
