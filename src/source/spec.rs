//! What a source is: checked when it comes in, and read back from its record.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    access::Access,
    feed::{Directory, Feed, ObjectFeed, Wanted},
    fields::FieldNames,
    format::{Compression, Format, delimiter},
    location::{Location, Store},
    pattern::Pattern,
};
use crate::{
    clock::Micros,
    error::Error,
    idempotency::Request,
    names::{CollectionName, Id, SourceName},
    records::{Collection, Source, SourceCompression, SourceFormat, SourceState},
    tasks::Tasks,
};

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct CreateSource {
    /// The collection.
    pub collection: CollectionName,
    /// The id; absent: the server makes one.
    pub id: Option<Id>,
    /// What it is.
    pub spec: Spec,
    /// To make a retry safe.
    pub request: Option<Request>,
}

/// What a source is.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where its objects are.
    pub location: Location,
    /// Which of them.
    pub pattern: Option<Pattern>,
    /// How they are divided; absent: by their names.
    pub format: Option<Format>,
    /// How they are packed; absent: by their names.
    pub compression: Option<Compression>,
    /// What stands between the fields of CSV; absent: as their names say.
    pub csv_delimiter: Option<u8>,
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
    /// Start from what a restored collection knows.
    pub start_from_restore: bool,
}

impl CreateSource {
    /// The record as it is created.
    pub(super) fn record(
        &self,
        collection: &Collection,
        (id, uid): (&Id, Uuid),
        import_segments: u32,
        now: Micros,
    ) -> Source {
        let spec = &self.spec;
        Source {
            name: SourceName { collection: self.collection.clone(), id: id.clone() },
            uid,
            collection_uid: collection.uid,
            location: spec.location.to_string(),
            import_segments,
            pattern: spec.pattern.as_ref().map(ToString::to_string),
            format: to_format(spec.format),
            compression: to_compression(spec.compression),
            csv_delimiter: spec.csv_delimiter.map(char::from).map(String::from),
            csv_strict_header: spec.csv_strict_header,
            id_field: spec.id_field.clone(),
            event_time_field: spec.event_time_field.clone(),
            scan_interval: spec.scan_interval,
            max_bad_records: spec.max_bad_records,
            start_from_restore: spec.start_from_restore,
            create_time: now,
            update_time: now,
            revision: 1,
            state: SourceState::Initializing,
            error: None,
        }
    }
}

impl Spec {
    /// What a record says; it was checked when it came in.
    pub(super) fn of(record: &Source) -> Result<Self, Error> {
        let damaged = |why: String| Error::DataLoss(format!("the record of {}: {why}", record.name));
        Ok(Self {
            location: record.location.parse().map_err(|error| damaged(format!("{error}")))?,
            pattern: record
                .pattern
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|error| damaged(format!("{error}")))?,
            format: of_format(record.format),
            compression: of_compression(record.compression),
            csv_delimiter: delimiter(record.csv_delimiter.as_deref().unwrap_or(""))
                .map_err(|why| damaged(why.to_owned()))?,
            csv_strict_header: record.csv_strict_header,
            id_field: record.id_field.clone(),
            event_time_field: record.event_time_field.clone(),
            scan_interval: record.scan_interval,
            max_bad_records: record.max_bad_records,
            start_from_restore: record.start_from_restore,
        })
    }

    /// The fields that it names.
    pub(super) fn fields(&self) -> Result<FieldNames, Error> {
        let named = |name: &'static str| move |error| Error::invalid(name, error);
        let (id, event_time) = (self.id_field.as_deref(), self.event_time_field.as_deref());
        FieldNames::new(id, None).map_err(named("source.id_field"))?;
        FieldNames::new(id, event_time).map_err(named("source.event_time_field"))
    }

    /// Where its records come from, of which `place` is where its location is now. Ids
    /// that are made of places go by the location as it was given.
    pub(super) fn feed(&self, place: Location, access: &Arc<Access>, tasks: &Tasks) -> Result<Box<dyn Feed>, Error> {
        let wanted = Wanted {
            pattern: self.pattern.clone().map(Arc::new),
            format: self.format,
            compression: self.compression,
            csv_delimiter: self.csv_delimiter,
            csv_strict_header: self.csv_strict_header,
        };
        match place.store() {
            Store::File => {
                let objects = Directory::new(place, Arc::clone(access), tasks.clone());
                Ok(Box::new(ObjectFeed { objects, wanted }))
            }
            #[cfg(feature = "s3")]
            Store::S3 { bucket } => {
                access.check(&place)?;
                let objects = super::feed::bucket(bucket, access.environment(), &place.path())?;
                Ok(Box::new(ObjectFeed { objects, wanted }))
            }
            #[cfg(not(feature = "s3"))]
            Store::S3 { .. } => Err(Error::unreadable("this server was built without S3")),
        }
    }
}

pub(super) const fn to_format(format: Option<Format>) -> SourceFormat {
    match format {
        None => SourceFormat::Unspecified,
        Some(Format::NdJson) => SourceFormat::Ndjson,
        Some(Format::JsonArray) => SourceFormat::JsonArray,
        Some(Format::Csv) => SourceFormat::Csv,
    }
}

pub(super) const fn to_compression(compression: Option<Compression>) -> SourceCompression {
    match compression {
        None => SourceCompression::Unspecified,
        Some(Compression::None) => SourceCompression::None,
        Some(Compression::Gzip) => SourceCompression::Gzip,
        Some(Compression::Zstd) => SourceCompression::Zstd,
    }
}

const fn of_format(format: SourceFormat) -> Option<Format> {
    match format {
        SourceFormat::Unspecified => None,
        SourceFormat::Ndjson => Some(Format::NdJson),
        SourceFormat::JsonArray => Some(Format::JsonArray),
        SourceFormat::Csv => Some(Format::Csv),
    }
}

const fn of_compression(compression: SourceCompression) -> Option<Compression> {
    match compression {
        SourceCompression::Unspecified => None,
        SourceCompression::None => Some(Compression::None),
        SourceCompression::Gzip => Some(Compression::Gzip),
        SourceCompression::Zstd => Some(Compression::Zstd),
    }
}
