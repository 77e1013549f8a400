//! `CollectionService`.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    change::to_its_end,
    convert::{self, Mask},
    etag,
    listing::{List, page_by_name},
};
use crate::{
    access::Caller,
    clock::Micros,
    collection::{Collections, Settings, Stats},
    documents::Retention,
    error::{Error, Violations},
    etag::Etag,
    idempotency,
    listing::{Field, Kind, Listed, Value},
    names::{CollectionName, Id, ListParent, WorkspaceName},
    pb,
    records::{Collection, CollectionState, RestoreInfo, SourcePosition},
    retention,
    rpc::{layer::admission::Gate, status},
    tasks::Tasks,
};

/// The service.
#[derive(Clone)]
pub struct CollectionRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub collections: Collections,
    /// Runs changes to their end.
    pub tasks: Tasks,
    /// The shortest retention that a collection may have.
    pub shortest_retention: Duration,
}

impl CollectionRpc {
    /// The resource with what it holds, or with what keeps that from being known.
    async fn answer(&self, record: Collection) -> Result<pb::Collection, Error> {
        // They are there before it is READY.
        let knows = record.state == CollectionState::Ready && record.restore_info.is_some();
        let positions = if knows { self.collections.source_positions(record.uid())? } else { Vec::new() };
        match self.collections.stats(&record).await {
            Err(error) if !error.is_of_stored_data() => Err(error),
            stats => Ok(resource(record, stats, positions)),
        }
    }
}

#[tonic::async_trait]
impl pb::collection_service_server::CollectionService for CollectionRpc {
    async fn create_collection(
        &self,
        request: Request<pb::CreateCollectionRequest>,
    ) -> Result<Response<pb::Collection>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let created = create(request, &caller, self.shortest_retention)?;
        let Create { workspace, id, settings, retention, request } = created;
        let collections = self.collections.clone();
        let change =
            async move { collections.create(&workspace, id.as_ref(), settings, retention, request.as_ref()).await };
        let created = to_its_end(&self.tasks, change).await?;
        Ok(Response::new(self.answer(created).await?))
    }

    async fn get_collection(
        &self,
        request: Request<pb::GetCollectionRequest>,
    ) -> Result<Response<pb::Collection>, Status> {
        let (_caller, pb::GetCollectionRequest { name }) = self.gate.admit(request)?;
        let found = self.collections.get(&name_of("name", &name)?)?;
        Ok(Response::new(self.answer(found).await?))
    }

    async fn list_collections(
        &self,
        request: Request<pb::ListCollectionsRequest>,
    ) -> Result<Response<pb::ListCollectionsResponse>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let of: ListParent = request.parent.parse().map_err(|why| Error::invalid("parent", why))?;
        let readable = self.gate.readable(&caller)?;
        let found = page_by_name(&request.page(), |from, each| {
            let mut each = readable.passing(|found: &Collection| &found.name.workspace, each);
            self.collections.list(&of, from, &mut each)
        })
        .await?;
        let (collections, next_page_token) = found.messages(|record| self.answer(record)).await?;
        Ok(Response::new(pb::ListCollectionsResponse { collections, next_page_token }))
    }

    async fn update_collection(
        &self,
        request: Request<pb::UpdateCollectionRequest>,
    ) -> Result<Response<pb::Collection>, Status> {
        let (_caller, request) = self.gate.admit(request)?;
        let Update { name, etag, settings, retention } = update(request)?;
        if let Some(Asked(retention)) = retention
            && retention != self.collections.get(&name)?.retention.map(|retention| retention.keep())
        {
            return Err(Error::RetentionImmutable.into());
        }
        let collections = self.collections.clone();
        let change = async move { collections.update(&name, etag, &settings).await };
        let updated = to_its_end(&self.tasks, change).await?;
        Ok(Response::new(self.answer(updated).await?))
    }

    async fn delete_collection(&self, request: Request<pb::DeleteCollectionRequest>) -> Result<Response<()>, Status> {
        let (_caller, pb::DeleteCollectionRequest { name, etag }) = self.gate.admit(request)?;
        let (collections, (name, etag)) = (self.collections.clone(), etag::named::<CollectionName>(&name, &etag)?);
        let change = async move { collections.delete(&name, etag).await };
        to_its_end(&self.tasks, change).await?;
        Ok(Response::new(()))
    }
}

pub(in crate::rpc) struct Create {
    workspace: Id,
    id: Option<Id>,
    settings: Settings,
    retention: Option<Retention>,
    request: Option<idempotency::Request>,
}

pub(in crate::rpc) fn create(
    mut request: pb::CreateCollectionRequest,
    caller: &Caller,
    shortest_retention: Duration,
) -> Result<Create, Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateCollection", caller, request_id, &request);
    let pb::CreateCollectionRequest { parent, collection_id, collection, request_id: _ } = request;
    let parent = bad.check("parent", parent.parse::<WorkspaceName>());
    let id = convert::new_id(&mut bad, "collection_id", &collection_id);
    let collection = collection.unwrap_or_default();
    let retention = collection.retention.and_then(|span| {
        let checked = convert::span_of(&span).map_err(str::to_owned);
        let checked = checked.and_then(|keep| retention::check(keep, shortest_retention));
        bad.check("collection.retention", checked)
    });
    let everything = Mask::new(&mut bad, None, &[]);
    let settings = settings(&mut bad, collection, &everything);
    let Some(WorkspaceName(workspace)) = parent else { return Err(bad.into()) };
    bad.finish()?;
    Ok(Create { workspace, id, settings, retention, request: remembered })
}

pub(in crate::rpc) struct Update {
    name: CollectionName,
    etag: Option<Etag>,
    settings: Settings,
    /// A client that sends back all that it has read changes nothing.
    retention: Option<Asked>,
}

/// The retention that a caller wants, or none.
struct Asked(Option<Micros>);

pub(in crate::rpc) fn update(request: pb::UpdateCollectionRequest) -> Result<Update, Error> {
    let pb::UpdateCollectionRequest { collection, update_mask } = request;
    let Some(collection) = collection else { return Err(Error::invalid("collection", "is required")) };
    let mut bad = Violations::default();
    let mask = Mask::new(&mut bad, update_mask, &["description", "labels", "retention"]);
    let retention = collection.retention.map(|span| bad.check("collection.retention", convert::span_of(&span)));
    let retention = mask.names("retention", retention.is_some()).then_some(Asked(retention.flatten()));
    let name = bad.check("collection.name", collection.name.parse());
    let etag = etag::of_resource(&mut bad, "collection.etag", &collection.etag);
    let settings = settings(&mut bad, collection, &mask);
    let Some(name) = name else { return Err(bad.into()) };
    bad.finish()?;
    Ok(Update { name, etag, settings, retention })
}

fn settings(bad: &mut Violations, collection: pb::Collection, mask: &Mask) -> Settings {
    let pb::Collection {
        description,
        labels,
        // Output, or read by the caller.
        name: _,
        uid: _,
        create_time: _,
        update_time: _,
        etag: _,
        state: _,
        retention: _,
        clustering_interval: _,
        stats: _,
        restore_info: _,
        error: _,
    } = collection;
    convert::description(bad, "collection.description", &description);
    convert::labels(bad, "collection.labels", &labels);
    Settings {
        description: mask.touches("description", !description.is_empty()).then_some(description),
        labels: mask.touches("labels", !labels.is_empty()).then_some(labels),
    }
}

/// Reads a collection's name.
pub fn name_of(field: &str, text: &str) -> Result<CollectionName, Error> {
    text.parse().map_err(|why| Error::invalid(field, why))
}

pub(in crate::rpc) fn resource(
    record: Collection,
    stats: Result<Stats, Error>,
    positions: Vec<SourcePosition>,
) -> pb::Collection {
    let (stats, error) = match stats {
        Ok(stats) => (Some((&stats).into()), None),
        Err(error) => (None, Some(status::embedded(error))),
    };
    let state = match record.state {
        CollectionState::Restoring => pb::collection::State::Restoring,
        CollectionState::Ready => pb::collection::State::Ready,
    };
    pb::Collection {
        name: record.name.to_string(),
        uid: record.uid.to_string(),
        description: record.description,
        labels: record.labels,
        create_time: Some(convert::timestamp(record.create_time)),
        update_time: Some(convert::timestamp(record.update_time)),
        etag: Etag::of(record.uid, record.revision).to_string(),
        state: state.into(),
        retention: record.retention.map(|retention| convert::proto_duration(retention.keep())),
        clustering_interval: record.retention.map(|retention| convert::proto_duration(retention.interval())),
        stats,
        restore_info: record.restore_info.map(|info| restore_info(info, positions)),
        error,
    }
}

impl From<&Stats> for pb::collection::Stats {
    fn from(stats: &Stats) -> Self {
        let Stats { totals, stored_bytes, expired_count } = stats;
        Self {
            document_count: totals.document_count,
            size_bytes: totals.size_bytes,
            stored_bytes: *stored_bytes,
            oldest_event_time: totals.event_times.map(|(oldest, _)| convert::timestamp(oldest)),
            newest_event_time: totals.event_times.map(|(_, newest)| convert::timestamp(newest)),
            offset: totals.offset,
            digest: totals.digest.to_string(),
            expired_document_count: *expired_count,
        }
    }
}

fn restore_info(info: RestoreInfo, positions: Vec<SourcePosition>) -> pb::collection::RestoreInfo {
    let RestoreInfo { snapshot, snapshot_uid, restore, source_collection, source_collection_uid, snapshot_time } = info;
    pb::collection::RestoreInfo {
        snapshot: snapshot.to_string(),
        snapshot_uid: snapshot_uid.to_string(),
        restore: restore.to_string(),
        source_collection: source_collection.to_string(),
        source_collection_uid: source_collection_uid.to_string(),
        snapshot_time: Some(convert::timestamp(snapshot_time)),
        source_positions: positions.into_iter().map(Into::into).collect(),
    }
}

impl From<SourcePosition> for pb::collection::SourcePosition {
    fn from(position: SourcePosition) -> Self {
        let SourcePosition {
            source_uid: _,
            collection_uid: _,
            location,
            import_segments: _,
            pattern,
            objects,
            documents,
            last_object,
            update_time,
        } = position;
        let update_time = update_time.map(convert::timestamp);
        let pattern = pattern.unwrap_or_default();
        Self { location, pattern, objects, documents, last_object, update_time }
    }
}

impl Listed for Collection {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "uid", kind: Kind::Text },
        Field { name: "description", kind: Kind::Text },
        Field { name: "labels", kind: Kind::Labels },
        Field { name: "state", kind: Kind::Word(&["RESTORING", "READY"]) },
        Field { name: "create_time", kind: Kind::Time },
        Field { name: "update_time", kind: Kind::Time },
    ];
    const ORDER: &'static [&'static str] = &["name", "create_time", "update_time"];

    fn value(&self, field: &'static str) -> Value<'_> {
        match field {
            "name" => Value::Text(Cow::Owned(self.name.to_string())),
            "uid" => Value::Text(Cow::Owned(self.uid.to_string())),
            "description" => Value::Text(Cow::Borrowed(&self.description)),
            "state" => Value::Word(match self.state {
                CollectionState::Restoring => "RESTORING",
                CollectionState::Ready => "READY",
            }),
            "create_time" => Value::Time(self.create_time),
            "update_time" => Value::Time(self.update_time),
            _ => Value::Absent,
        }
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.labels)
    }

    fn uid(&self) -> Uuid {
        self.uid
    }
}
