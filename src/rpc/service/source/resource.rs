//! A source as its clients see it, and as lists filter and order it.

use std::{borrow::Cow, collections::BTreeMap};

use uuid::Uuid;

use crate::{
    etag::Etag,
    listing::{Field, Kind, Listed, Value},
    pb,
    records::{BadRecord, SourceCompression, SourceFormat, SourceMark},
    rpc::{service::convert, status},
    source::{View, Visible, state_name},
};

impl From<View> for pb::Source {
    fn from(view: View) -> Self {
        let View { record, state, error, mark, pending, last_scan_time, deleted: _ } = view;
        let SourceMark { objects, documents, bytes, bad_records, first_bad_records, .. } = mark;
        let format = match record.format {
            SourceFormat::Unspecified => pb::source::Format::Unspecified,
            SourceFormat::Ndjson => pb::source::Format::Ndjson,
            SourceFormat::JsonArray => pb::source::Format::JsonArray,
            SourceFormat::Csv => pb::source::Format::Csv,
        };
        let compression = match record.compression {
            SourceCompression::Unspecified => pb::source::Compression::Unspecified,
            SourceCompression::None => pb::source::Compression::None,
            SourceCompression::Gzip => pb::source::Compression::Gzip,
            SourceCompression::Zstd => pb::source::Compression::Zstd,
        };
        let state = match state {
            Visible::Initializing => pb::source::State::Initializing,
            Visible::Watching => pb::source::State::Watching,
            Visible::Processing => pb::source::State::Processing,
            Visible::Suspended => pb::source::State::Suspended,
            Visible::Error => pb::source::State::Error,
        };
        Self {
            name: record.name.to_string(),
            uid: record.uid.to_string(),
            etag: Etag::of(record.uid, record.revision).to_string(),
            location: record.location,
            pattern: record.pattern.unwrap_or_default(),
            format: format.into(),
            compression: compression.into(),
            csv_delimiter: record.csv_delimiter.unwrap_or_default(),
            csv_strict_header: record.csv_strict_header,
            id_field: record.id_field.unwrap_or_default(),
            event_time_field: record.event_time_field.unwrap_or_default(),
            scan_interval: Some(convert::proto_duration(record.scan_interval)),
            max_bad_records: Some(record.max_bad_records),
            start_from_restore: record.start_from_restore,
            state: state.into(),
            error: error.as_ref().map(status::failure),
            objects_seen: objects.saturating_add(i64::try_from(pending).unwrap_or(i64::MAX)),
            objects_done: objects,
            documents_ingested: documents,
            bytes_read: bytes,
            bad_records,
            first_bad_records: first_bad_records.into_iter().map(Into::into).collect(),
            create_time: Some(convert::timestamp(record.create_time)),
            update_time: Some(convert::timestamp(record.update_time)),
            last_scan_time: last_scan_time.map(convert::timestamp),
        }
    }
}

impl From<BadRecord> for pb::source::BadRecord {
    fn from(bad: BadRecord) -> Self {
        let BadRecord { object: path, line, reason } = bad;
        Self { path, line: i64::try_from(line).unwrap_or(i64::MAX), reason }
    }
}

impl Listed for View {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "uid", kind: Kind::Text },
        Field { name: "location", kind: Kind::Text },
        Field { name: "state", kind: Kind::Word(&["INITIALIZING", "WATCHING", "PROCESSING", "SUSPENDED", "ERROR"]) },
        Field { name: "create_time", kind: Kind::Time },
        Field { name: "update_time", kind: Kind::Time },
    ];
    const ORDER: &'static [&'static str] = &["name", "create_time", "update_time"];

    fn value(&self, field: &'static str) -> Value<'_> {
        match field {
            "name" => Value::Text(Cow::Owned(self.record.name.to_string())),
            "uid" => Value::Text(Cow::Owned(self.record.uid.to_string())),
            "location" => Value::Text(Cow::Borrowed(&self.record.location)),
            "state" => Value::Word(state_name(self.state)),
            "create_time" => Value::Time(self.record.create_time),
            "update_time" => Value::Time(self.record.update_time),
            _ => Value::Absent,
        }
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        None
    }

    fn uid(&self) -> Uuid {
        self.record.uid
    }
}
