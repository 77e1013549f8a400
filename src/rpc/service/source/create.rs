//! Reads what a new source is to be.

use std::time::Duration;

use crate::{
    access::Caller,
    clock::{Micros, micros, words},
    error::{Error, Violations},
    names::CollectionName,
    pb,
    rpc::service::convert,
    source::{
        CreateSource, Spec,
        fields::FieldNames,
        format::{Compression, Format, delimiter},
    },
};

const DEFAULT_SCAN_INTERVAL: Micros = 10_000_000;
const LONGEST_SCAN_INTERVAL: Duration = Duration::from_secs(60 * 60);
const DEFAULT_MAX_BAD_RECORDS: i64 = 1_000;
const MOST_BAD_RECORDS: i64 = 1_000_000_000;

/// Reads a request.
pub(in crate::rpc) fn create(
    mut request: pb::CreateSourceRequest,
    caller: &Caller,
    shortest: Duration,
) -> Result<CreateSource, Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateSource", caller, request_id, &request);
    let pb::CreateSourceRequest { parent, source_id, source, request_id: _ } = request;
    let collection = bad.check("parent", parent.parse::<CollectionName>());
    let id = convert::new_id(&mut bad, "source_id", &source_id);
    let Some(source) = source else {
        bad.add("source", "is required: it names the location");
        return Err(bad.into());
    };
    let spec = spec(&mut bad, source, shortest);
    let (Some(collection), Some(spec)) = (collection, spec) else { return Err(bad.into()) };
    bad.finish()?;
    Ok(CreateSource { collection, id, spec, request: remembered })
}

fn spec(bad: &mut Violations, source: pb::Source, shortest: Duration) -> Option<Spec> {
    let (format, compression) = (format(bad, source.format), compression(bad, source.compression));
    let location = bad.check("source.location", source.location.parse());
    let pattern = given(source.pattern).map(|pattern| bad.check("source.pattern", pattern.parse()));
    let scan_interval = match &source.scan_interval {
        None => DEFAULT_SCAN_INTERVAL,
        Some(span) => scan_interval(bad, span, shortest),
    };
    let max_bad_records = source.max_bad_records.unwrap_or(DEFAULT_MAX_BAD_RECORDS);
    if !(0..=MOST_BAD_RECORDS).contains(&max_bad_records) {
        bad.add("source.max_bad_records", format_args!("must be from 0 to {MOST_BAD_RECORDS}"));
    }
    let csv_delimiter = bad.check("source.csv_delimiter", delimiter(&source.csv_delimiter)).flatten();
    let (id_field, event_time_field) = (given(source.id_field), given(source.event_time_field));
    bad.check("source.id_field", FieldNames::new(id_field.as_deref(), None));
    bad.check("source.event_time_field", FieldNames::new(None, event_time_field.as_deref()));
    Some(Spec {
        location: location?,
        pattern: pattern.flatten(),
        format,
        compression,
        csv_delimiter,
        csv_strict_header: source.csv_strict_header,
        id_field,
        event_time_field,
        scan_interval,
        max_bad_records,
        start_from_restore: source.start_from_restore,
    })
}

fn scan_interval(bad: &mut Violations, span: &prost_types::Duration, shortest: Duration) -> Micros {
    let range = micros(shortest)..=micros(LONGEST_SCAN_INTERVAL);
    match convert::span_of(span) {
        Ok(interval) if range.contains(&interval) => return interval,
        Ok(_) => bad.add(
            "source.scan_interval",
            format_args!("must be from {} to {}", words(shortest), words(LONGEST_SCAN_INTERVAL)),
        ),
        Err(why) => bad.add("source.scan_interval", why),
    }
    DEFAULT_SCAN_INTERVAL
}

fn format(bad: &mut Violations, format: i32) -> Option<Format> {
    match pb::source::Format::try_from(format) {
        Ok(pb::source::Format::Unspecified) => None,
        Ok(pb::source::Format::Ndjson) => Some(Format::NdJson),
        Ok(pb::source::Format::JsonArray) => Some(Format::JsonArray),
        Ok(pb::source::Format::Csv) => Some(Format::Csv),
        Err(_) => {
            bad.add("source.format", "must be FORMAT_NDJSON, FORMAT_JSON_ARRAY or FORMAT_CSV");
            None
        }
    }
}

fn compression(bad: &mut Violations, compression: i32) -> Option<Compression> {
    match pb::source::Compression::try_from(compression) {
        Ok(pb::source::Compression::Unspecified) => None,
        Ok(pb::source::Compression::None) => Some(Compression::None),
        Ok(pb::source::Compression::Gzip) => Some(Compression::Gzip),
        Ok(pb::source::Compression::Zstd) => Some(Compression::Zstd),
        Err(_) => {
            bad.add("source.compression", "must be COMPRESSION_NONE, COMPRESSION_GZIP or COMPRESSION_ZSTD");
            None
        }
    }
}

/// A text that was given.
fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
