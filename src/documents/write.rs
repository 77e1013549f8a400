//! Writes, and what becomes of them.

use bytes::Bytes;

use crate::{
    clock::Micros,
    digest::Etag,
    error::Error,
    json::patch::{PatchOp, Text},
    stored::SourceMark,
};

/// What a write does.
#[derive(Debug)]
pub enum Operation {
    /// Adds or replaces a document.
    Upsert {
        /// When it happened; absent: now.
        event_time: Option<Micros>,
        /// Its JSON, checked.
        body: Bytes,
    },
    /// Changes parts of a document.
    Patch(Vec<PatchOp<Text>>),
    /// Deletes a document.
    Delete,
    /// Was refused at the door; it fails alone, in its place.
    Refused(Error),
}

/// One write.
#[derive(Debug)]
pub struct Write {
    /// The document.
    pub id: String,
    /// What happens to it.
    pub operation: Operation,
    /// What must be true: `Some(None)` that it does not exist, `Some(Some(_))`
    /// that it has this etag.
    pub if_etag: Option<Option<Etag>>,
}

impl Write {
    /// Whether it may make the collection larger.
    #[must_use]
    pub fn grows(&self) -> bool {
        match &self.operation {
            Operation::Upsert { .. } | Operation::Patch(_) => true,
            Operation::Delete | Operation::Refused(_) => false,
        }
    }

    /// About how many bytes it takes up while it is under way.
    #[must_use]
    pub fn cost(&self) -> usize {
        let body = match &self.operation {
            Operation::Upsert { body, .. } => body.len(),
            Operation::Patch(operations) => operations.iter().map(PatchOp::cost).sum(),
            Operation::Refused(error) => error.bytes(),
            Operation::Delete => 0,
        };
        size_of::<Self>() + self.id.len() + body
    }
}

/// What became of one write.
#[derive(Debug)]
pub enum Outcome {
    /// A new document.
    Added,
    /// An upsert over an existing one.
    Replaced,
    /// A patch that was applied.
    Patched,
    /// A document that is gone.
    Deleted,
    /// A patch or delete of what does not exist.
    NotFound,
    /// The write failed, alone.
    Failed(Error),
}

/// What became of one write, and of its document.
#[derive(Debug)]
pub struct WriteResult {
    /// The document.
    pub id: String,
    /// What became of the write.
    pub outcome: Outcome,
    /// The document's etag now, if it exists and is known.
    pub etag: Option<Etag>,
}

/// What became of one batch.
#[derive(Debug)]
pub struct BatchResult {
    /// One for each write.
    pub results: Vec<WriteResult>,
    /// The offset behind them.
    pub offset: i64,
    /// How far the source is whose batch it was, as its mark says that was stored with it.
    pub settled: Option<SourceMark>,
}
