//! `SnapshotService`.

use std::{borrow::Cow, collections::BTreeMap, pin::Pin};

use futures::{Stream, StreamExt, stream};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    change::to_its_end,
    convert::{self, Mask},
    etag,
    listing::{List, page_by_name},
    watching::until_stopped,
};
use crate::{
    access::Caller,
    clock::Expiration,
    error::{Error, Violations},
    etag::Etag,
    listing::{Field, Kind, Listed, Value},
    names::{ListParent, SnapshotName, WorkspaceName},
    pb,
    records::{Contents, Snapshot, SnapshotState as State},
    rpc::{layer::admission::Gate, status},
    snapshot::{self, CreateSnapshot, Settings, Snapshots},
    tasks::Tasks,
};

/// The service.
#[derive(Clone)]
pub struct SnapshotRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub snapshots: Snapshots,
    /// Runs changes to their end.
    pub tasks: Tasks,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

#[tonic::async_trait]
impl pb::snapshot_service_server::SnapshotService for SnapshotRpc {
    type WatchSnapshotStream = Pin<Box<dyn Stream<Item = Result<pb::Snapshot, Status>> + Send>>;

    async fn create_snapshot(
        &self,
        request: Request<pb::CreateSnapshotRequest>,
    ) -> Result<Response<pb::Snapshot>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let command = create(request, &caller)?;
        let snapshots = self.snapshots.clone();
        let created = to_its_end(&self.tasks, async move { snapshots.create(command).await }).await?;
        Ok(Response::new(created.into()))
    }

    async fn get_snapshot(&self, request: Request<pb::GetSnapshotRequest>) -> Result<Response<pb::Snapshot>, Status> {
        let (_caller, pb::GetSnapshotRequest { name }) = self.gate.admit(request)?;
        let found = self.snapshots.get(&name_of("name", &name)?)?;
        let exclusive_bytes = self.snapshots.exclusive_bytes(&found).await?;
        Ok(Response::new(pb::Snapshot { exclusive_bytes, ..found.into() }))
    }

    async fn list_snapshots(
        &self,
        request: Request<pb::ListSnapshotsRequest>,
    ) -> Result<Response<pb::ListSnapshotsResponse>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let of: ListParent = request.parent.parse().map_err(|why| Error::invalid("parent", why))?;
        let readable = self.gate.readable(&caller)?;
        let found = page_by_name(&request.page(), |from, each| {
            let mut each = readable.passing(|found: &Snapshot| &found.name.workspace, each);
            self.snapshots.list(&of, request.show_deleted, from, &mut each)
        })
        .await?;
        let (snapshots, next_page_token) = found.messages(async |found| Ok(pb::Snapshot::from(found))).await?;
        Ok(Response::new(pb::ListSnapshotsResponse { snapshots, next_page_token }))
    }

    async fn update_snapshot(
        &self,
        request: Request<pb::UpdateSnapshotRequest>,
    ) -> Result<Response<pb::Snapshot>, Status> {
        let (_caller, request) = self.gate.admit(request)?;
        let (name, etag, settings) = update(request)?;
        let snapshots = self.snapshots.clone();
        let change = async move { snapshots.update(&name, etag, &settings).await };
        let updated = to_its_end(&self.tasks, change).await?;
        Ok(Response::new(updated.into()))
    }

    async fn delete_snapshot(&self, request: Request<pb::DeleteSnapshotRequest>) -> Result<Response<()>, Status> {
        let (_caller, pb::DeleteSnapshotRequest { name, etag }) = self.gate.admit(request)?;
        let (snapshots, (name, etag)) = (self.snapshots.clone(), etag::named::<SnapshotName>(&name, &etag)?);
        let change = async move { snapshots.delete(&name, etag).await };
        to_its_end(&self.tasks, change).await?;
        Ok(Response::new(()))
    }

    async fn watch_snapshot(
        &self,
        request: Request<pb::WatchSnapshotRequest>,
    ) -> Result<Response<Self::WatchSnapshotStream>, Status> {
        let (_caller, pb::WatchSnapshotRequest { name }) = self.gate.admit(request)?;
        let (first, changes) = self.snapshots.watch(&name_of("name", &name)?)?;
        let first = stream::once(std::future::ready(Ok(first.into())));
        let Some(changes) = changes else { return Ok(Response::new(first.boxed())) };
        let changes = WatchStream::from_changes(changes).map(|snapshot| Ok(snapshot.into()));
        Ok(Response::new(first.chain(until_stopped(changes, self.stop.clone())).boxed()))
    }
}

pub(in crate::rpc) fn create(mut request: pb::CreateSnapshotRequest, caller: &Caller) -> Result<CreateSnapshot, Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateSnapshot", caller, request_id, &request);
    let pb::CreateSnapshotRequest { parent, snapshot_id, snapshot, request_id: _, min_offset } = request;
    let parent = bad.check("parent", parent.parse::<WorkspaceName>());
    let id = convert::new_id(&mut bad, "snapshot_id", &snapshot_id);
    let Some(snapshot) = snapshot else {
        bad.add("snapshot", "is required: it names the collection");
        return Err(bad.into());
    };
    let source = bad.check("snapshot.collection", snapshot.collection.parse::<crate::names::CollectionName>());
    if let (Some(WorkspaceName(workspace)), Some(source)) = (&parent, &source)
        && source.workspace != *workspace
    {
        bad.add("snapshot.collection", "must be in the workspace of the snapshot");
    }
    if min_offset.is_some_and(|offset| offset < 0) {
        bad.add("min_offset", "must not be negative");
    }
    convert::description(&mut bad, "snapshot.description", &snapshot.description);
    convert::labels(&mut bad, "snapshot.labels", &snapshot.labels);
    let expiration = expiration(&mut bad, snapshot.expiration.as_ref());
    let (Some(WorkspaceName(workspace)), Some(collection)) = (parent, source) else { return Err(bad.into()) };
    bad.finish()?;
    Ok(CreateSnapshot {
        workspace,
        id,
        collection,
        description: snapshot.description,
        labels: snapshot.labels,
        expiration,
        min_offset,
        caller: caller.name(),
        request: remembered,
    })
}

pub(in crate::rpc) fn update(
    request: pb::UpdateSnapshotRequest,
) -> Result<(SnapshotName, Option<Etag>, Settings), Error> {
    let pb::UpdateSnapshotRequest { snapshot, update_mask } = request;
    let Some(snapshot) = snapshot else { return Err(Error::invalid("snapshot", "is required")) };
    let mut bad = Violations::default();
    let mask = Mask::new(&mut bad, update_mask, &["description", "labels", "expire_time", "ttl"]);
    let name = bad.check("snapshot.name", snapshot.name.parse());
    let etag = etag::of_resource(&mut bad, "snapshot.etag", &snapshot.etag);
    convert::description(&mut bad, "snapshot.description", &snapshot.description);
    convert::labels(&mut bad, "snapshot.labels", &snapshot.labels);
    let expiration = expiration(&mut bad, snapshot.expiration.as_ref());
    let touches_expiration =
        mask.touches("expire_time", expiration.is_some()) || mask.touches("ttl", expiration.is_some());
    let Some(name) = name else { return Err(bad.into()) };
    bad.finish()?;
    let settings = Settings {
        description: mask.touches("description", !snapshot.description.is_empty()).then_some(snapshot.description),
        labels: mask.touches("labels", !snapshot.labels.is_empty()).then_some(snapshot.labels),
        expiration: expiration.filter(|_| touches_expiration),
    };
    Ok((name, etag, settings))
}

fn expiration(bad: &mut Violations, sent: Option<&pb::snapshot::Expiration>) -> Option<Expiration> {
    match sent? {
        pb::snapshot::Expiration::ExpireTime(time) => {
            bad.check("snapshot.expire_time", convert::micros_of(time)).map(Expiration::At)
        }
        pb::snapshot::Expiration::Ttl(ttl) => bad.check("snapshot.ttl", convert::span_of(ttl)).map(Expiration::After),
    }
}

fn name_of(field: &str, text: &str) -> Result<SnapshotName, Error> {
    text.parse().map_err(|why| Error::invalid(field, why))
}

impl From<Snapshot> for pb::Snapshot {
    fn from(snapshot: Snapshot) -> Self {
        let state = match snapshot.state {
            State::Requested => pb::snapshot::State::Requested,
            State::Created => pb::snapshot::State::Created,
            State::Failed => pb::snapshot::State::Failed,
            State::Expired => pb::snapshot::State::Expired,
            State::Deleted => pb::snapshot::State::Deleted,
        };
        let contents = snapshot.contents.as_ref();
        let number = |read: fn(&Contents) -> i64| contents.map_or(0, read);
        Self {
            name: snapshot.name.to_string(),
            uid: snapshot.uid.to_string(),
            collection: snapshot.collection_name().to_string(),
            collection_uid: snapshot.collection_uid.to_string(),
            state: state.into(),
            error: snapshot.error.as_ref().map(status::failure),
            expiration: Some(pb::snapshot::Expiration::ExpireTime(convert::timestamp(snapshot.expire_time))),
            description: snapshot.description,
            labels: snapshot.labels,
            created_by: snapshot.created_by,
            create_time: Some(convert::timestamp(snapshot.create_time)),
            update_time: Some(convert::timestamp(snapshot.update_time)),
            snapshot_time: contents.map(|contents| convert::timestamp(contents.snapshot_time)),
            etag: Etag::of(snapshot.uid, snapshot.revision).to_string(),
            offset: number(|contents| contents.totals.offset),
            document_count: number(|contents| contents.totals.document_count),
            size_bytes: number(|contents| contents.totals.size_bytes),
            incremental_bytes: number(|contents| contents.incremental_bytes),
            referenced_bytes: number(|contents| contents.referenced_bytes + contents.own_bytes),
            new_file_bytes: number(|contents| contents.new_file_bytes + contents.own_bytes),
            exclusive_bytes: None,
            digest: contents.map(|contents| contents.totals.digest.to_string()).unwrap_or_default(),
            retention: contents
                .and_then(|contents| contents.totals.retention)
                .map(|retention| convert::proto_duration(retention.keep())),
        }
    }
}

impl Listed for Snapshot {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "uid", kind: Kind::Text },
        Field { name: "collection", kind: Kind::Text },
        Field { name: "collection_uid", kind: Kind::Text },
        Field { name: "description", kind: Kind::Text },
        Field { name: "labels", kind: Kind::Labels },
        Field { name: "created_by", kind: Kind::Text },
        Field { name: "state", kind: Kind::Word(&["REQUESTED", "CREATED", "FAILED", "EXPIRED", "DELETED"]) },
        Field { name: "create_time", kind: Kind::Time },
        Field { name: "update_time", kind: Kind::Time },
        Field { name: "snapshot_time", kind: Kind::Time },
        Field { name: "expire_time", kind: Kind::Time },
        Field { name: "offset", kind: Kind::Number },
        Field { name: "document_count", kind: Kind::Number },
        Field { name: "size_bytes", kind: Kind::Number },
        Field { name: "incremental_bytes", kind: Kind::Number },
    ];
    const ORDER: &'static [&'static str] = &["name", "create_time", "expire_time", "size_bytes"];

    fn value(&self, field: &'static str) -> Value<'_> {
        let contents = self.contents.as_ref();
        let number = |read: fn(&Contents) -> i64| contents.map_or(Value::Absent, |held| Value::Number(read(held)));
        match field {
            "name" => Value::Text(Cow::Owned(self.name.to_string())),
            "uid" => Value::Text(Cow::Owned(self.uid.to_string())),
            "collection" => Value::Text(Cow::Owned(self.collection_name().to_string())),
            "collection_uid" => Value::Text(Cow::Owned(self.collection_uid.to_string())),
            "description" => Value::Text(Cow::Borrowed(&self.description)),
            "created_by" => Value::Text(Cow::Borrowed(&self.created_by)),
            "state" => Value::Word(snapshot::state_name(self.state)),
            "create_time" => Value::Time(self.create_time),
            "update_time" => Value::Time(self.update_time),
            "snapshot_time" => contents.map_or(Value::Absent, |contents| Value::Time(contents.snapshot_time)),
            "expire_time" => Value::Time(self.expire_time),
            "offset" => number(|contents| contents.totals.offset),
            "document_count" => number(|contents| contents.totals.document_count),
            "size_bytes" => number(|contents| contents.totals.size_bytes),
            "incremental_bytes" => number(|contents| contents.incremental_bytes),
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
