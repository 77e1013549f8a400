//! Messages that no generated client would make, byte by byte.

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::raw::frame;
use crate::Result;

/// A field of bytes, of a text or of a message.
pub fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(value);
    bytes
}

/// A small number.
pub const fn number(number: u8, value: u8) -> [u8; 2] {
    [number << 3, value]
}

/// The same bytes again and again, up to a length.
pub fn filled(with: &[u8], length: usize) -> Vec<u8> {
    with.repeat(length / with.len())
}

/// How messages are compressed.
#[derive(Clone, Copy)]
pub enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The message as it travels.
    pub async fn frame(self, message: &[u8]) -> Result<Bytes> {
        let packed = match self {
            Self::Gzip => {
                let mut encoder = GzipEncoder::new(Vec::new());
                encoder.write_all(message).await?;
                encoder.shutdown().await?;
                encoder.into_inner()
            }
            Self::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new());
                encoder.write_all(message).await?;
                encoder.shutdown().await?;
                encoder.into_inner()
            }
        };
        Ok(frame(true, packed.len(), &packed))
    }
}
