//! Marks of sources: how far each is, stored beside the documents.
//!
//! A batch may carry marks. They are written with its documents or not at all,
//! so a crash finds exactly the position that the documents have, and a snapshot
//! holds the position that equals its contents.

use bytes::Bytes;
use prost::Message;
use slatedb::{
    Db, WriteBatch,
    config::{DurabilityLevel, ReadOptions, ScanOptions},
};
use uuid::Uuid;

use super::{
    engine::Engine,
    keys,
    mark::{Mark, Marking},
    submit::Submitted,
    write::Write,
};
use crate::{
    error::Error,
    share::Tenant,
    stored::{ObjectMark, SourceMark},
};

/// Marks of objects that one page has.
pub const PAGE: usize = 1_000;

impl Engine {
    /// Queues a batch with marks behind those submitted before it.
    pub async fn submit_marked(
        &self,
        tenant: &Tenant,
        writes: Vec<Write>,
        marks: impl Marking + 'static,
    ) -> Result<Submitted, Error> {
        self.enqueue(tenant, writes, Some(Box::new(marks)), None).await
    }

    /// Writes marks alone; durable when this returns.
    pub async fn mark(&self, tenant: &Tenant, marks: Vec<Mark>) -> Result<(), Error> {
        self.submit_marked(tenant, Vec::new(), marks).await?.acknowledged().await?;
        Ok(())
    }

    /// How far a source is (**D3**).
    pub async fn source_mark(&self, source: Uuid) -> Result<Option<SourceMark>, Error> {
        let options = ReadOptions { durability_filter: DurabilityLevel::Remote, ..ReadOptions::default() };
        let found = self.base.get(&keys::source(source), &options).await?;
        Ok(found.map(SourceMark::decode).transpose()?)
    }

    /// A page of the objects of a source that were read, by their paths, behind
    /// one of them (**D3**).
    pub async fn object_marks(&self, source: Uuid, after: Option<&str>) -> Result<Vec<(String, ObjectMark)>, Error> {
        let options = ScanOptions { durability_filter: DurabilityLevel::Remote, ..ScanOptions::default() };
        let mut entries = self.base.scan(keys::objects(source, after), &options).await?;
        let mut page = Vec::new();
        while page.len() < PAGE
            && let Some(entry) = entries.next().await?
        {
            page.push((path(&entry.key)?.to_owned(), ObjectMark::decode(entry.value)?));
        }
        Ok(page)
    }
}

fn path(key: &Bytes) -> Result<&str, Error> {
    keys::parse_object(key).ok_or_else(|| Error::DataLoss(format!("the entry {key:?} is not an object's mark")))
}

/// The marks of all sources, the oldest first.
pub(super) async fn all(db: &Db) -> Result<Vec<(Uuid, SourceMark)>, Error> {
    let mut entries = db.scan(keys::sources()).await?;
    let mut marks = Vec::new();
    while let Some(entry) = entries.next().await? {
        let source = keys::parse_source(&entry.key);
        let source = source.ok_or_else(|| Error::DataLoss(format!("the entry {:?} is not a source", entry.key)))?;
        marks.push((source, SourceMark::decode(entry.value)?));
    }
    Ok(marks)
}

/// Removes all that a source marked, some at a time.
pub(super) async fn remove(db: &Db, source: Uuid) -> Result<(), Error> {
    loop {
        let mut entries = db.scan(keys::objects(source, None)).await?;
        let mut batch = WriteBatch::new();
        let mut count = 0;
        while count < PAGE
            && let Some(entry) = entries.next().await?
        {
            batch.delete(entry.key);
            count += 1;
        }
        if count < PAGE {
            batch.delete(keys::source(source));
        }
        db.write(batch).await?;
        if count < PAGE {
            return Ok(());
        }
    }
}
