//! The members of a gzip stream, one after the other.
//!
//! Why not leave that to the decoder: it takes the zeros behind a member, with which tapes and block devices are filled
//! up and which gzip(1) passes over, for a broken member; and it does not look at the reserved flags, which RFC 1952
//! (2.3.1.2) wants refused, because they may stand for fields that it would take for data.

use std::io::{self, Cursor};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, Chain};

use super::UNPACKED_BYTES;

/// Magic number, method and flags.
const HEAD_BYTES: u64 = 4;
const MAGIC: [u8; 2] = [0x1F, 0x8B];
const RESERVED_FLAGS: u8 = 0b1110_0000;

enum Place<R> {
    /// At the start of the stream, where a member must begin.
    Start(R),
    /// The beginning of the member was looked at.
    Member(Box<GzipDecoder<Chain<Cursor<Vec<u8>>, R>>>),
    Behind(R),
}

/// What the members hold.
pub(super) fn members<R>(packed: R) -> impl Stream<Item = io::Result<Bytes>>
where
    R: AsyncBufRead + Unpin,
{
    stream::try_unfold(Place::Start(packed), next)
}

async fn next<R>(mut place: Place<R>) -> io::Result<Option<(Bytes, Place<R>)>>
where
    R: AsyncBufRead + Unpin,
{
    loop {
        // A stream of empty members unpacks to nothing without ever waiting.
        tokio::task::coop::consume_budget().await;
        place = match place {
            Place::Start(packed) => begin(packed).await?,
            Place::Member(mut decoder) => {
                let mut bytes = BytesMut::with_capacity(UNPACKED_BYTES);
                if decoder.read_buf(&mut bytes).await? > 0 {
                    return Ok(Some((bytes.freeze(), Place::Member(decoder))));
                }
                let (_head, packed) = (*decoder).into_inner().into_inner();
                Place::Behind(packed)
            }
            Place::Behind(mut packed) => {
                if !pass_over_zeros(&mut packed).await? {
                    return Ok(None);
                }
                begin(packed).await?
            }
        };
    }
}

/// Looks at the beginning of a member before the decoder does.
async fn begin<R>(mut packed: R) -> io::Result<Place<R>>
where
    R: AsyncBufRead + Unpin,
{
    let mut head = Vec::new();
    (&mut packed).take(HEAD_BYTES).read_to_end(&mut head).await?;
    let flags = head.strip_prefix(&MAGIC).and_then(|rest| rest.get(1)).copied().unwrap_or_default();
    if flags & RESERVED_FLAGS != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a reserved flag is set"));
    }
    Ok(Place::Member(Box::new(GzipDecoder::new(Cursor::new(head).chain(packed)))))
}

/// Whether anything else follows.
async fn pass_over_zeros<R>(packed: &mut R) -> io::Result<bool>
where
    R: AsyncBufRead + Unpin,
{
    loop {
        let bytes = packed.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let length = bytes.len();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        packed.consume(zeros);
        if zeros < length {
            return Ok(true);
        }
    }
}
