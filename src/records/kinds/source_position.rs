//! How far the sources of another collection were.

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    documents::Position,
    records::{Key, Record},
    stored::{self, SourceMark},
};

/// What a source of another collection had ingested into the snapshot that a collection was
/// restored from. There from PUBLISHING on, and goes with the collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePosition {
    /// The restored collection.
    pub collection_uid: Uuid,
    /// Names the source's marks in the database.
    pub source_uid: Uuid,
    /// Where its objects were.
    pub location: String,
    /// As that of the source.
    pub import_segments: u32,
    /// Which of them; absent: every one.
    pub pattern: Option<String>,
    /// Objects that were read to their end.
    pub objects: i64,
    /// Documents that came of them.
    pub documents: i64,
    /// The object of the newest batch.
    pub last_object: String,
    /// The time of that; absent: there was none.
    pub update_time: Option<Micros>,
}

impl SourcePosition {
    /// That of a source whose documents came into a restored collection.
    #[must_use]
    pub fn new(collection_uid: Uuid, Position { source, mark }: Position) -> Self {
        let SourceMark { location, import_segments, pattern, objects, documents, last_object, update_time, .. } = mark;
        Self {
            collection_uid,
            source_uid: source,
            location,
            import_segments,
            pattern: Some(pattern).filter(|pattern| !pattern.is_empty()),
            objects,
            documents,
            last_object,
            update_time: Some(update_time).filter(|time| *time != 0),
        }
    }

    /// Those that a restored collection knows, in the order of the sources' uids: the oldest
    /// first.
    #[must_use]
    pub fn within(collection: Uuid) -> Key<Self> {
        Key::of(format_args!("{}/", collection.simple()))
    }
}

impl Record for SourcePosition {
    type Message = stored::SourcePosition;
    const PREFIX: &'static str = "p/";

    fn key(&self) -> Key<Self> {
        Key::of(format_args!("{}/{}", self.collection_uid.simple(), self.source_uid.simple()))
    }

    fn read(message: stored::SourcePosition) -> Result<Self, Damage> {
        Ok(Self {
            collection_uid: damage::uid("collection_uid", &message.collection_uid)?,
            source_uid: damage::uid("source_uid", &message.source_uid)?,
            location: message.location,
            import_segments: message.import_segments,
            pattern: Some(message.pattern).filter(|pattern| !pattern.is_empty()),
            objects: message.objects,
            documents: message.documents,
            last_object: message.last_object,
            update_time: Some(message.update_time).filter(|time| *time != 0),
        })
    }

    fn message(&self) -> stored::SourcePosition {
        let record = self.clone();
        stored::SourcePosition {
            source_uid: record.source_uid.into(),
            location: record.location,
            pattern: record.pattern.unwrap_or_default(),
            objects: record.objects,
            documents: record.documents,
            last_object: record.last_object,
            update_time: record.update_time.unwrap_or(0),
            collection_uid: record.collection_uid.into(),
            import_segments: record.import_segments,
        }
    }
}
