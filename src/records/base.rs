//! A base: all records at one revision, so that what lies before it may go.
//!
//! It is read and written as a stream: neither needs memory for all records.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};
use prost::Message;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{
    checksum::Checksum,
    entry::{Hash, Tip},
    frame::{self, Damage, Frames, Kind},
    log::{Log, base_path, damaged},
};
use crate::{
    clock::Micros,
    documents::{ObjectPath, Upload},
    error::Error,
    stored::{BaseBlock, BaseHeader, BaseRecord},
};

/// Bytes of records that are written together.
const BLOCK_BYTES: usize = 256 << 10;

/// Writes a base.
pub struct BaseWriter {
    upload: Upload,
    block: BaseBlock,
    block_bytes: usize,
    expected: Checksum,
    written: Checksum,
    bytes: u64,
}

impl BaseWriter {
    /// Begins the base of the log's state at `tip`.
    pub async fn begin(log: &Log, tip: &Tip, time: Micros) -> Result<Self, Error> {
        let header = BaseHeader {
            instance: log.instance().as_bytes().to_vec(),
            revision: tip.revision,
            previous: tip.hash.to_stored(),
            time,
            checksum: Some(tip.checksum.into()),
        };
        let upload = log.root().upload(&base_path(tip.revision));
        let (expected, written) = (tip.checksum, Checksum::default());
        let mut writer = Self { upload, block: BaseBlock::default(), block_bytes: 0, expected, written, bytes: 0 };
        let mut out = BytesMut::new();
        frame::begin(&mut out);
        frame::put(&mut out, Kind::Header, &header.encode_to_vec());
        writer.write(&out).await?;
        Ok(writer)
    }

    /// Adds a record. They come in the order of keys.
    pub async fn add(&mut self, record: BaseRecord) -> Result<(), Error> {
        self.written.add(&record.key, record.version, &record.value);
        self.block_bytes += record.encoded_len();
        self.block.records.push(record);
        if self.block_bytes >= BLOCK_BYTES { self.write_block().await } else { Ok(()) }
    }

    async fn write_block(&mut self) -> Result<(), Error> {
        let mut out = BytesMut::new();
        frame::put(&mut out, Kind::Block, &std::mem::take(&mut self.block).encode_to_vec());
        self.block_bytes = 0;
        self.write(&out).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        Ok(self.upload.write_all(bytes).await?)
    }

    /// Makes it durable and visible, if it holds what the log says; returns its
    /// size.
    pub async fn finish(mut self) -> Result<u64, Error> {
        if self.written != self.expected {
            self.upload.abort().await?;
            return Err(Error::internal("the records do not add up to what the record log says"));
        }
        if !self.block.records.is_empty() {
            self.write_block().await?;
        }
        let mut out = BytesMut::new();
        frame::put(&mut out, Kind::End, b"");
        self.write(&out).await?;
        self.upload.shutdown().await?;
        Ok(self.bytes)
    }
}

/// A base that is being read.
pub struct BaseReader {
    path: ObjectPath,
    chunks: BoxStream<'static, Result<Bytes, Error>>,
    frames: Frames,
    tip: Tip,
    time: Micros,
    read: Checksum,
    last: Vec<u8>,
    block: std::vec::IntoIter<BaseRecord>,
}

impl BaseReader {
    /// Opens the base of a revision.
    pub async fn open(log: &Log, revision: u64) -> Result<Self, Error> {
        let path = base_path(revision);
        let chunks = log.root().stream(&path).await?.ok_or_else(|| damaged(&path, "it is missing"))?;
        let mut reader = Self {
            path,
            chunks,
            frames: Frames::default(),
            tip: Tip::start(),
            time: 0,
            read: Checksum::default(),
            last: Vec::new(),
            block: Vec::new().into_iter(),
        };
        let (kind, payload) = reader.frame().await?;
        let header = header(kind, &payload, log.instance(), revision);
        (reader.tip, reader.time) = header.map_err(|damage| reader.damaged(damage))?;
        Ok(reader)
    }

    /// How far the log was.
    #[must_use]
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// When it was made.
    #[must_use]
    pub fn time(&self) -> Micros {
        self.time
    }

    /// The next record, in the order of keys; `None` when all have been read, and
    /// add up.
    pub async fn next(&mut self) -> Result<Option<BaseRecord>, Error> {
        loop {
            if let Some(record) = self.block.next() {
                if record.key <= self.last {
                    return Err(self.damaged(Damage::Content));
                }
                self.last.clone_from(&record.key);
                self.read.add(&record.key, record.version, &record.value);
                return Ok(Some(record));
            }
            match self.frame().await? {
                (Kind::Block, payload) => {
                    let block = BaseBlock::decode(payload).map_err(|_| self.damaged(Damage::Content))?;
                    self.block = block.records.into_iter();
                }
                (Kind::End, _) if self.read == self.tip.checksum => {
                    while let Some(chunk) = self.chunks.next().await {
                        self.frames.push(&chunk?);
                    }
                    self.frames.finish().map_err(|damage| self.damaged(damage))?;
                    return Ok(None);
                }
                _ => return Err(self.damaged(Damage::Content)),
            }
        }
    }

    async fn frame(&mut self) -> Result<(Kind, Bytes), Error> {
        loop {
            if let Some(frame) = self.frames.next().map_err(|damage| self.damaged(damage))? {
                return Ok(frame);
            }
            let chunk = self.chunks.next().await.ok_or_else(|| self.damaged(Damage::Cut))?;
            self.frames.push(&chunk?);
        }
    }

    fn damaged(&self, damage: Damage) -> Error {
        damaged(&self.path, damage)
    }
}

fn header(kind: Kind, payload: &[u8], instance: Uuid, revision: u64) -> Result<(Tip, Micros), Damage> {
    if kind != Kind::Header {
        return Err(Damage::Content);
    }
    let header = BaseHeader::decode(payload).map_err(|_| Damage::Content)?;
    let hash = Hash::from_stored(&header.previous).ok_or(Damage::Content)?;
    let checksum = Checksum::read(header.checksum.as_ref()).ok_or(Damage::Content)?;
    if header.instance != instance.as_bytes() || header.revision != revision {
        return Err(Damage::Content);
    }
    Ok((Tip { revision, hash, checksum }, header.time))
}
