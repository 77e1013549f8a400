//! `SourceService`.

use std::{borrow::Cow, pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    change::to_its_end,
    convert,
    listing::{Page, page},
    snapshot::until_stopped,
    status,
};
use crate::{
    clock::{Micros, micros},
    error::{Error, Violations},
    listing::{Field, Kind, Listed, Value},
    metadata::{BadRecord, SourceCompression, SourceFormat, SourceMark},
    names::{CollectionName, Id, SourceName, SourceParent},
    pb,
    source::{
        CreateSource, Sources, Spec, View, Visible,
        fields::FieldNames,
        format::{Compression, Format},
        state_name,
    },
    tasks::Tasks,
    workspace,
};

/// Between two messages of a watch.
const FASTEST: Duration = Duration::from_millis(100);
const DEFAULT_SCAN_INTERVAL: Micros = 10_000_000;
const LONGEST_SCAN_INTERVAL: Duration = Duration::from_secs(60 * 60);
const DEFAULT_MAX_BAD_RECORDS: i64 = 1_000;
const MOST_BAD_RECORDS: i64 = 1_000_000_000;

/// The service.
#[derive(Clone)]
pub struct SourceRpc {
    /// The domain.
    pub sources: Sources,
    /// Runs changes to their end.
    pub tasks: Tasks,
    /// The shortest scan interval that a source may have.
    pub shortest_scan_interval: Duration,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

#[tonic::async_trait]
impl pb::source_service_server::SourceService for SourceRpc {
    type WatchSourceStream = Pin<Box<dyn Stream<Item = Result<pb::Source, Status>> + Send>>;

    async fn create_source(&self, request: Request<pb::CreateSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let command = create(request.into_inner(), self.shortest_scan_interval)?;
        let sources = self.sources.clone();
        let created = to_its_end(&self.tasks, async move { sources.create(command).await }).await?;
        Ok(Response::new(created.into()))
    }

    async fn get_source(&self, request: Request<pb::GetSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let pb::GetSourceRequest { name } = request.into_inner();
        Ok(Response::new(self.sources.get(&name_of(&name)?).await?.into()))
    }

    async fn list_sources(
        &self,
        request: Request<pb::ListSourcesRequest>,
    ) -> Result<Response<pb::ListSourcesResponse>, Status> {
        let pb::ListSourcesRequest { parent, page_size, page_token, filter, order_by } = request.into_inner();
        let of: SourceParent = parent.parse().map_err(|why| Error::invalid("parent", why))?;
        let arguments = Page {
            domain: "ListSources",
            bound: &[&parent],
            page_size,
            page_token: &page_token,
            filter: &filter,
            order_by: &order_by,
        };
        let known = || Ok(self.sources.list(&of)?.into_iter().map(|record| self.sources.peek(record)).collect());
        let (found, next_page_token) = page(&arguments, known)?;
        let mut sources = Vec::with_capacity(found.len());
        for View { record, .. } in found {
            sources.push(self.sources.view(record).await?.into());
        }
        Ok(Response::new(pb::ListSourcesResponse { sources, next_page_token }))
    }

    async fn delete_source(&self, request: Request<pb::DeleteSourceRequest>) -> Result<Response<()>, Status> {
        let pb::DeleteSourceRequest { name, etag } = request.into_inner();
        let (sources, name) = (self.sources.clone(), name_of(&name)?);
        let change = async move { sources.delete(&name, convert::etag(&etag)).await };
        to_its_end(&self.tasks, change).await?;
        Ok(Response::new(()))
    }

    async fn suspend_source(&self, request: Request<pb::SuspendSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let pb::SuspendSourceRequest { name } = request.into_inner();
        let (sources, name) = (self.sources.clone(), name_of(&name)?);
        let suspended = to_its_end(&self.tasks, async move { sources.suspend(&name).await }).await?;
        Ok(Response::new(suspended.into()))
    }

    async fn resume_source(&self, request: Request<pb::ResumeSourceRequest>) -> Result<Response<pb::Source>, Status> {
        let pb::ResumeSourceRequest { name } = request.into_inner();
        let (sources, name) = (self.sources.clone(), name_of(&name)?);
        let resumed = to_its_end(&self.tasks, async move { sources.resume(&name).await }).await?;
        Ok(Response::new(resumed.into()))
    }

    async fn watch_source(
        &self,
        request: Request<pb::WatchSourceRequest>,
    ) -> Result<Response<Self::WatchSourceStream>, Status> {
        let pb::WatchSourceRequest { name } = request.into_inner();
        let (first, changes) = self.sources.watch(&name_of(&name)?).await?;
        let once = stream::once(std::future::ready(Ok(first.into())));
        let Some(changes) = changes else { return Ok(Response::new(once.boxed())) };
        let values = paced(changes).map(move |view| match view {
            Some(view) if !view.deleted => Ok(view.into()),
            _ => Err(Error::NotFound(name.clone()).into()),
        });
        Ok(Response::new(once.chain(until_stopped(values, self.stop.clone())).boxed()))
    }
}

/// A text that was given.
fn named(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The newest value whenever it changes, at most every [`FASTEST`]; `None` at the
/// end.
fn paced(changes: watch::Receiver<View>) -> impl Stream<Item = Option<View>> + Send {
    stream::unfold(Some(changes), |changes| async move {
        let mut changes = changes?;
        if changes.changed().await.is_err() {
            return Some((None, None));
        }
        let view = changes.borrow_and_update().clone();
        if view.deleted {
            return Some((Some(view), None));
        }
        // A deletion waits for nobody; a time-out only moves on.
        let _ = tokio::time::timeout(FASTEST, changes.wait_for(|view| view.deleted)).await;
        let view = changes.borrow_and_update().clone();
        let deleted = view.deleted;
        Some((Some(view), (!deleted).then_some(changes)))
    })
}

fn create(mut request: pb::CreateSourceRequest, shortest: Duration) -> Result<CreateSource, Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateSource", request_id, &request);
    let pb::CreateSourceRequest { parent, source_id, source, request_id: _ } = request;
    let collection = bad.check("parent", parent.parse::<CollectionName>());
    let id = bad.check("source_id", source_id.parse::<Id>());
    let Some(source) = source else {
        bad.add("source", "is required: it names the location");
        return Err(bad.into());
    };
    let spec = spec(&mut bad, source, shortest);
    let (Some(collection), Some(id), Some(spec)) = (collection, id, spec) else { return Err(bad.into()) };
    bad.finish()?;
    Ok(CreateSource { name: SourceName { collection, id }, spec, request: remembered })
}

fn spec(bad: &mut Violations, source: pb::Source, shortest: Duration) -> Option<Spec> {
    let (format, compression) = (format(bad, source.format), compression(bad, source.compression));
    let location = bad.check("source.location", source.location.parse());
    let pattern = Some(source.pattern.as_str()).filter(|pattern| !pattern.is_empty());
    let pattern = pattern.map(|pattern| bad.check("source.pattern", pattern.parse()));
    let scan_interval = match &source.scan_interval {
        None => DEFAULT_SCAN_INTERVAL,
        Some(span) => scan_interval(bad, span, shortest),
    };
    let max_bad_records = source.max_bad_records.unwrap_or(DEFAULT_MAX_BAD_RECORDS);
    if !(0..=MOST_BAD_RECORDS).contains(&max_bad_records) {
        bad.add("source.max_bad_records", format_args!("must be from 0 to {MOST_BAD_RECORDS}"));
    }
    bad.check("source.id_field", FieldNames::new(named(&source.id_field), None));
    bad.check("source.event_time_field", FieldNames::new(None, named(&source.event_time_field)));
    Some(Spec {
        location: location?,
        pattern: pattern.flatten(),
        format,
        compression,
        id_field: source.id_field,
        event_time_field: source.event_time_field,
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
            format_args!(
                "must be from {} to {}",
                humantime::format_duration(shortest),
                humantime::format_duration(LONGEST_SCAN_INTERVAL)
            ),
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

fn name_of(text: &str) -> Result<SourceName, Error> {
    text.parse().map_err(|why| Error::invalid("name", why))
}

impl From<View> for pb::Source {
    fn from(view: View) -> Self {
        let View { record, state, error, mark, pending, last_scan_time, deleted: _ } = view;
        let SourceMark { objects, documents, bytes, bad_records, first_bad_records, .. } = mark;
        let format = match record.format() {
            SourceFormat::Unspecified => pb::source::Format::Unspecified,
            SourceFormat::Ndjson => pb::source::Format::Ndjson,
            SourceFormat::JsonArray => pb::source::Format::JsonArray,
            SourceFormat::Csv => pb::source::Format::Csv,
        };
        let compression = match record.compression() {
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
            name: record.name().to_string(),
            uid: convert::uid_text(&record.uid),
            etag: workspace::etag(&record.uid, record.revision),
            location: record.location,
            pattern: record.pattern,
            format: format.into(),
            compression: compression.into(),
            id_field: record.id_field,
            event_time_field: record.event_time_field,
            scan_interval: Some(convert::proto_duration(record.scan_interval)),
            max_bad_records: Some(record.max_bad_records),
            start_from_restore: record.start_from_restore,
            state: state.into(),
            error: error.as_ref().map(status::failure),
            objects_seen: objects + i64::try_from(pending).unwrap_or(i64::MAX),
            objects_done: objects,
            documents_ingested: documents,
            bytes_read: bytes,
            bad_records,
            first_bad_records: first_bad_records.into_iter().map(Into::into).collect(),
            create_time: Some(convert::timestamp(record.create_time)),
            update_time: Some(convert::timestamp(record.update_time)),
            last_scan_time: convert::optional_timestamp(last_scan_time),
        }
    }
}

impl From<BadRecord> for pb::source::BadRecord {
    fn from(bad: BadRecord) -> Self {
        let BadRecord { object, line, reason } = bad;
        Self { object, line: i64::try_from(line).unwrap_or(i64::MAX), reason }
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
            "name" => Value::Text(Cow::Owned(self.record.name().to_string())),
            "uid" => Value::Text(Cow::Owned(self.record.uid().to_string())),
            "location" => Value::Text(Cow::Borrowed(&self.record.location)),
            "state" => Value::Word(state_name(self.state)),
            "create_time" => Value::Time(self.record.create_time),
            "update_time" => Value::Time(self.record.update_time),
            _ => Value::Absent,
        }
    }

    fn label(&self, _key: &str) -> Option<&str> {
        None
    }

    fn uid(&self) -> Uuid {
        self.record.uid()
    }
}
