//! Sources.

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    names::{CollectionName, Id, SourceName},
    records::{Entries, Indexed, Key, Record, Term},
    stored::{self, Failure, SourceCompression, SourceFormat},
};

/// A source. What it has done is in the collection's database.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its resource name.
    pub name: SourceName,
    /// Its uid.
    pub uid: Uuid,
    /// The uid of its collection.
    pub collection_uid: Uuid,
    /// Where its objects are.
    pub location: String,
    /// So many segments at the beginning of `location` are the `import` of the data
    /// directory, which may have been moved since; 0: it lies elsewhere.
    pub import_segments: u32,
    /// Which objects; absent: every one.
    pub pattern: Option<String>,
    /// How they are divided; unspecified: by the name of each.
    pub format: SourceFormat,
    /// How they are packed; unspecified: by the name of each.
    pub compression: SourceCompression,
    /// What stands between the fields of CSV; absent: by the name of each object.
    pub csv_delimiter: Option<String>,
    /// Whether a CSV header must name every column once.
    pub csv_strict_header: bool,
    /// The field of the id.
    pub id_field: Option<String>,
    /// The field of the event time.
    pub event_time_field: Option<String>,
    /// Between two scans.
    pub scan_interval: Micros,
    /// More bad records end in ERROR.
    pub max_bad_records: i64,
    /// It starts from what a restored collection knows.
    pub start_from_restore: bool,
    /// When it was created.
    pub create_time: Micros,
    /// When it was changed last.
    pub update_time: Micros,
    /// Counts its changes.
    pub revision: u64,
    /// Its state.
    pub state: SourceState,
    /// What stopped it.
    pub error: Option<Failure>,
}

/// What a source does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Its marks are being prepared.
    Initializing,
    /// It is scanned at its interval.
    Active,
    /// A caller has suspended it.
    Suspended,
    /// An error has stopped it.
    Error,
}

stored_as!(SourceState, "state": Initializing, Active, Suspended, Error);

impl Source {
    /// The source of this id in a collection: those of a deleted one are out of sight at once.
    #[must_use]
    pub fn at(collection: Uuid, id: &Id) -> Key<Self> {
        Key::of(format_args!("{}/{id}", collection.simple()))
    }

    /// All sources by their names.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("sources by name")
    }

    /// Those that are to run.
    #[must_use]
    pub fn running() -> Term<Self> {
        Term::all("running sources")
    }

    /// Those of a collection.
    #[must_use]
    pub fn of_collection(collection: Uuid) -> Term<Self> {
        Term::uid("sources of a collection", collection)
    }

    /// The source of a uid.
    #[must_use]
    pub fn of_uid(uid: Uuid) -> Term<Self> {
        Term::uid("sources by uid", uid)
    }
}

impl Record for Source {
    type Message = stored::Source;
    const PREFIX: &'static str = "o/";

    fn key(&self) -> Key<Self> {
        Self::at(self.collection_uid, &self.name.id)
    }

    fn read(message: stored::Source) -> Result<Self, Damage> {
        let set = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Self {
            name: SourceName {
                collection: CollectionName {
                    workspace: damage::parsed("workspace", &message.workspace)?,
                    id: damage::parsed("collection", &message.collection)?,
                },
                id: damage::parsed("id", &message.id)?,
            },
            uid: damage::uid("uid", &message.uid)?,
            collection_uid: damage::uid("collection_uid", &message.collection_uid)?,
            location: message.location,
            import_segments: message.import_segments,
            pattern: set(message.pattern),
            format: message.format.try_into().map_err(|_| Damage("format"))?,
            compression: message.compression.try_into().map_err(|_| Damage("compression"))?,
            csv_delimiter: set(message.csv_delimiter),
            csv_strict_header: message.csv_strict_header,
            id_field: set(message.id_field),
            event_time_field: set(message.event_time_field),
            scan_interval: message.scan_interval,
            max_bad_records: message.max_bad_records,
            start_from_restore: message.start_from_restore,
            create_time: message.create_time,
            update_time: message.update_time,
            revision: message.revision,
            state: SourceState::read(message.state)?,
            error: message.error,
        })
    }

    fn message(&self) -> stored::Source {
        let record = self.clone();
        stored::Source {
            workspace: record.name.collection.workspace.to_string(),
            collection: record.name.collection.id.to_string(),
            collection_uid: record.collection_uid.into(),
            id: record.name.id.to_string(),
            uid: record.uid.into(),
            location: record.location,
            pattern: record.pattern.unwrap_or_default(),
            format: record.format.into(),
            compression: record.compression.into(),
            id_field: record.id_field.unwrap_or_default(),
            event_time_field: record.event_time_field.unwrap_or_default(),
            scan_interval: record.scan_interval,
            max_bad_records: record.max_bad_records,
            start_from_restore: record.start_from_restore,
            create_time: record.create_time,
            update_time: record.update_time,
            revision: record.revision,
            state: record.state.stored().into(),
            error: record.error,
            csv_delimiter: record.csv_delimiter.unwrap_or_default(),
            csv_strict_header: record.csv_strict_header,
            import_segments: record.import_segments,
        }
    }
}

impl Indexed for Source {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        let runs = matches!(self.state, SourceState::Initializing | SourceState::Active);
        entries.add(Self::by_name(), self.name.to_string().as_str());
        entries.add_if(runs, Self::running, self.create_time);
        entries.add(Self::of_collection(self.collection_uid), self.name.id.as_str());
        entries.add(Self::of_uid(self.uid), self.create_time);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::kinds::fixture;

    #[test]
    fn a_source_is_found_by_its_name() {
        let source = fixture::source();
        let by_name = source.entries().into_vec().into_iter().find(|entry| entry.term == *Source::by_name().raw());
        assert_eq!(by_name.unwrap().order, "workspaces/w/collections/c/sources/s".into());
    }
}
