//! What a batch marks of sources.

use prost::Message;
use slatedb::WriteBatch;
use uuid::Uuid;

use super::{keys, write::WriteResult};
use crate::stored::{ObjectMark, SourceMark};

/// One mark, to be written, or removed if there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// How far a source is.
    Source(Uuid, Option<SourceMark>),
    /// How far one of its objects has been read.
    Object(Uuid, String, Option<ObjectMark>),
}

/// What a batch marks, said when it is known what became of its writes.
pub trait Marking: Send {
    /// Called once, in the order of the batches.
    fn settle(self: Box<Self>, results: &[WriteResult]) -> Vec<Mark>;
}

/// Marks that do not depend on any write.
impl Marking for Vec<Mark> {
    fn settle(self: Box<Self>, _results: &[WriteResult]) -> Vec<Mark> {
        *self
    }
}

impl Mark {
    /// Adds it to a batch; returns its bytes.
    pub(super) fn write(self, batch: &mut WriteBatch) -> usize {
        let (key, value) = match self {
            Self::Source(source, mark) => (keys::source(source), mark.map(|mark| mark.encode_to_vec())),
            Self::Object(source, path, mark) => (keys::object(source, &path), mark.map(|mark| mark.encode_to_vec())),
        };
        let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
        match value {
            Some(value) => batch.put_bytes(key, value.into()),
            None => batch.delete(key),
        }
        bytes
    }
}
