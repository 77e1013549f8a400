//! Packs answers for those who ask for it.
//!
//! A message of 3 MiB takes a CPU for some 100 ms, and tonic would pack it where it is made, in
//! one go. So messages come here as they are. What is large is packed in turns, by workspace
//! and key, on a thread that the runtime gives up for it: few at once, however many one caller
//! asks for, and others run on meanwhile, health checks first of all.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::{Compression, read::GzEncoder};
use http::{HeaderMap, HeaderValue};
use tonic::Status;
use zstd::{DEFAULT_COMPRESSION_LEVEL, stream::read::Encoder as ZstdEncoder};

use crate::{
    error::Error,
    share::{Tenant, Turns},
    tasks::in_place,
};

/// So much is large: less is packed in a millisecond or two.
const LARGE: usize = 64 << 10;
/// What stands before a message: whether it is packed, and its length.
const PREFIX: usize = 5;

const ENCODING: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

impl Packing {
    /// The first of those that a client names.
    pub fn wanted(headers: &HeaderMap) -> Option<Self> {
        let names = headers.get(ACCEPTED)?.to_str().ok()?;
        names.split(',').find_map(|name| match name.trim() {
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Packs each of some whole messages.
    fn pack(self, messages: &[u8]) -> io::Result<Bytes> {
        let (mut packed, mut rest) = (Vec::new(), messages);
        while let Some(([_, length @ ..], behind)) = rest.split_first_chunk::<PREFIX>() {
            let (message, behind) =
                behind.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
            let begin = packed.len();
            packed.extend([0; PREFIX]);
            match self {
                Self::Gzip => GzEncoder::new(message, Compression::default()).read_to_end(&mut packed)?,
                Self::Zstd => ZstdEncoder::new(message, DEFAULT_COMPRESSION_LEVEL)?.read_to_end(&mut packed)?,
            };
            let length = u32::try_from(packed.len() - begin - PREFIX).map_err(io::Error::other)?;
            packed[begin] = 1;
            packed[begin + 1..begin + PREFIX].copy_from_slice(&length.to_be_bytes());
            rest = behind;
        }
        if rest.is_empty() { Ok(packed.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Packs the messages of one answer.
#[derive(Clone)]
pub struct Packer {
    packing: Packing,
    turns: Turns,
    tenant: Tenant,
}

impl Packer {
    /// In the turns of a tenant.
    pub fn new(packing: Packing, turns: Turns, tenant: Tenant) -> Self {
        Self { packing, turns, tenant }
    }

    /// Says in the head of an answer with messages that they are packed.
    pub fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(ENCODING, HeaderValue::from_static(self.packing.name()));
    }

    /// Some whole messages, packed. Who waits no longer has no turn.
    pub async fn pack(&self, messages: Bytes) -> Result<Bytes, Status> {
        let packed = if messages.len() < LARGE {
            self.packing.pack(&messages)
        } else {
            let _turn = self.turns.take(&self.tenant).await;
            in_place(|| self.packing.pack(&messages))
        };
        packed.map_err(|error| Error::internal(format!("an answer could not be packed: {error}")).into())
    }
}

#[cfg(test)]
pub mod tests {
    use flate2::read::GzDecoder;
    use futures::FutureExt;

    use super::*;

    pub fn tenant(workspace: &str) -> Tenant {
        Tenant::new(workspace, Some("key"))
    }

    /// A message as it travels.
    pub fn message(flag: u8, bytes: &[u8]) -> Vec<u8> {
        [&[flag], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// What was packed with gzip, or not at all, as it was.
    pub fn unpacked(mut bytes: &[u8]) -> Vec<u8> {
        let mut messages = Vec::new();
        while let Some(([flag, length @ ..], behind)) = bytes.split_first_chunk::<PREFIX>() {
            let (packed, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            let mut plain = Vec::new();
            match flag {
                0 => plain.extend(packed),
                _ => drop(GzDecoder::new(packed).read_to_end(&mut plain).unwrap()),
            }
            messages.extend(message(0, &plain));
            bytes = behind;
        }
        messages
    }

    #[test]
    fn the_first_that_is_known_is_taken() {
        let wanted = |names: &'static str| {
            Packing::wanted(&[(ACCEPTED.parse().unwrap(), names.parse().unwrap())].into_iter().collect())
        };
        assert_eq!(wanted("identity, deflate, zstd,gzip"), Some(Packing::Zstd));
        assert_eq!(wanted("gzip"), Some(Packing::Gzip));
        assert_eq!(wanted("identity,br"), None);
        assert_eq!(Packing::wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn each_message_is_packed_by_itself() {
        let messages = [message(0, b""), message(0, &[b'a'; 1000]), message(0, b"b")].concat();
        let packed = Packing::Gzip.pack(&messages).unwrap();
        assert!(packed[0] == 1 && packed.len() < messages.len());
        assert_eq!(unpacked(&packed), messages);
        assert!(Packing::Zstd.pack(&messages[..messages.len() - 1]).is_err());
        assert!(Packing::Zstd.pack(&messages[..3]).is_err());
    }

    #[tokio::test]
    async fn large_ones_take_turns_and_small_ones_do_not() {
        let turns = Turns::of(1);
        let packer = |workspace| Packer::new(Packing::Gzip, turns.clone(), tenant(workspace));
        let large = Bytes::from(message(0, &vec![7; LARGE]));
        let (one, other) = (packer("a"), packer("b"));
        let turn = turns.take(&tenant("c")).await;
        let mut gone = Box::pin(one.pack(large.clone()));
        let mut waiting = Box::pin(other.pack(large.clone()));
        assert!((&mut gone).now_or_never().is_none() && (&mut waiting).now_or_never().is_none());
        assert!(one.pack(message(0, &vec![7; LARGE / 2]).into()).now_or_never().is_some());
        drop(gone);
        drop(turn);
        assert_eq!(unpacked(&waiting.await.unwrap()), large);
        // It has given its turn back.
        assert!(one.pack(large).now_or_never().is_some());
    }
}
