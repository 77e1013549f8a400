//! Streams and packers for tests and fuzz targets.

#![allow(clippy::unwrap_used, reason = "so a test fails")]

use std::{io, pin::Pin, task::Poll};

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use futures::{Stream, StreamExt, executor::block_on, stream};
use tokio::io::AsyncWriteExt;

use super::format::Compression;

pub(crate) type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The bytes in chunks of these sizes, over and over; a size of 0 is an empty chunk. Before each chunk the stream
/// waits once.
pub(crate) fn cut(bytes: impl Into<Bytes>, sizes: &[usize]) -> Chunks {
    let mut rest = bytes.into();
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() || sizes.iter().all(|size| *size == 0) {
            break;
        }
        chunks.push(rest.split_to((*size).min(rest.len())));
    }
    chunks.push(rest);
    let mut waited = false;
    let mut chunks = chunks.into_iter();
    stream::poll_fn(move |context| {
        waited = !waited;
        if waited {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(chunks.next().map(Ok))
    })
    .boxed()
}

/// The bytes at once.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Chunks {
    stream::iter([Ok(bytes.into())]).boxed()
}

/// The bytes, then a failure.
pub(crate) fn broken_off(bytes: impl Into<Bytes>) -> Chunks {
    stream::iter([Ok(bytes.into()), Err(io::ErrorKind::ConnectionReset.into()), Ok("never read".into())]).boxed()
}

pub(crate) fn pack(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => block_on(async {
            let mut encoder = GzipEncoder::new(Vec::new());
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }),
        Compression::Zstd => block_on(async {
            let mut encoder = ZstdEncoder::new(Vec::new());
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }),
    }
}

/// A zstd frame of `blocks` times 128 KiB of one byte, four bytes each: 30 thousand to one.
#[cfg(test)]
pub(super) fn zstd_bomb(byte: u8, blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0, 13 << 3];
    for block in 1..=blocks {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(byte);
    }
    frame
}
