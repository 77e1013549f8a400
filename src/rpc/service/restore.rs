//! `RestoreService`.

use std::{borrow::Cow, collections::BTreeMap, pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    change::to_its_end,
    convert,
    listing::{List, page_by_name},
    watching::until_stopped,
};
use crate::{
    access::Caller,
    clock::{Clock, Micros},
    error::{Error, Violations},
    etag::Etag,
    listing::{Field, Kind, Listed, Value},
    names::{CollectionName, ListParent, RestoreName, SnapshotName, WorkspaceName},
    pb,
    records::{Restore, RestoreState as State, Verification},
    restore::{self, CreateRestore, Phase, Plan, Progress, Restores},
    rpc::{layer::admission::Gate, status},
    tasks::Tasks,
};

/// Between two messages of a watch, at least while nothing ends.
const FASTEST: Duration = Duration::from_millis(100);
/// What is added to it while nothing changes: a heartbeat every 5 seconds.
const QUIET: Duration = Duration::from_millis(4_900);

/// The service.
#[derive(Clone)]
pub struct RestoreRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub restores: Restores,
    /// Runs changes to their end.
    pub tasks: Tasks,
    /// For the time elapsed.
    pub clock: Clock,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
}

impl RestoreRpc {
    fn answer(&self, record: Restore) -> pb::Restore {
        let progress = self.restores.progress(&record);
        let progress = progress_message(&progress, elapsed(&progress, &self.clock));
        pb::Restore { progress: Some(progress), ..resource(Plan::of(record)) }
    }
}

#[tonic::async_trait]
impl pb::restore_service_server::RestoreService for RestoreRpc {
    type WatchRestoreStream = Pin<Box<dyn Stream<Item = Result<pb::RestoreProgress, Status>> + Send>>;

    async fn create_restore(
        &self,
        request: Request<pb::CreateRestoreRequest>,
    ) -> Result<Response<pb::Restore>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let (command, validate_only) = create(request, &caller)?;
        if validate_only {
            let is_named = command.id.is_some();
            return Ok(Response::new(foretold(self.restores.plan(&command).await?, is_named)));
        }
        let restores = self.restores.clone();
        let created = to_its_end(&self.tasks, async move { restores.create(command).await }).await?;
        Ok(Response::new(self.answer(created)))
    }

    async fn get_restore(&self, request: Request<pb::GetRestoreRequest>) -> Result<Response<pb::Restore>, Status> {
        let (_caller, pb::GetRestoreRequest { name }) = self.gate.admit(request)?;
        Ok(Response::new(self.answer(self.restores.get(&name_of(&name)?)?)))
    }

    async fn list_restores(
        &self,
        request: Request<pb::ListRestoresRequest>,
    ) -> Result<Response<pb::ListRestoresResponse>, Status> {
        let (caller, request) = self.gate.admit(request)?;
        let of: ListParent = request.parent.parse().map_err(|why| Error::invalid("parent", why))?;
        let readable = self.gate.readable(&caller)?;
        let found = page_by_name(&request.page(), |from, each| {
            let mut each = readable.passing(|found: &Restore| &found.name.workspace, each);
            self.restores.list(&of, from, &mut each)
        })
        .await?;
        let (restores, next_page_token) = found.messages(async |record| Ok(self.answer(record))).await?;
        Ok(Response::new(pb::ListRestoresResponse { restores, next_page_token }))
    }

    async fn cancel_restore(
        &self,
        request: Request<pb::CancelRestoreRequest>,
    ) -> Result<Response<pb::Restore>, Status> {
        let (_caller, pb::CancelRestoreRequest { name }) = self.gate.admit(request)?;
        let (restores, name) = (self.restores.clone(), name_of(&name)?);
        let asked = to_its_end(&self.tasks, async move { restores.cancel(&name).await }).await?;
        Ok(Response::new(self.answer(asked)))
    }

    async fn watch_restore(
        &self,
        request: Request<pb::WatchRestoreRequest>,
    ) -> Result<Response<Self::WatchRestoreStream>, Status> {
        let (_caller, pb::WatchRestoreRequest { name }) = self.gate.admit(request)?;
        let (first, changes) = self.restores.watch(&name_of(&name)?)?;
        let clock = self.clock.clone();
        let shown = elapsed(&first, &clock);
        let once = stream::once(std::future::ready(Ok(progress_message(&first, shown))));
        let Some(changes) = changes else { return Ok(Response::new(once.boxed())) };
        let values = in_time(beats(first, changes), shown, clock).map(Ok);
        Ok(Response::new(once.chain(until_stopped(values, self.stop.clone())).boxed()))
    }
}

/// The newest value at most every [`FASTEST`], at least every [`QUIET`] more, and
/// the last one, which ends the stream. `sent` is what the client has already.
fn beats(sent: Progress, changes: watch::Receiver<Progress>) -> impl Stream<Item = Progress> + Send {
    let settled = |progress: &Progress| progress.state.is_terminal();
    stream::unfold(Some((sent, changes)), move |state| async move {
        let (sent, mut changes) = state?;
        // A terminal value waits for nobody. Time-outs only move on.
        let _ = tokio::time::timeout(FASTEST, changes.wait_for(settled)).await;
        let is_news = |now: &Progress| *now != sent && !now.is_behind(&sent);
        if !is_news(&changes.borrow_and_update()) {
            let _ = tokio::time::timeout(QUIET, changes.changed()).await;
        }
        let announced = changes.borrow_and_update().clone();
        // The first value was read from the work itself, which may be ahead of what was
        // announced.
        let value = if announced.is_behind(&sent) { sent } else { announced };
        let ended = settled(&value) || changes.has_changed().is_err();
        Some((value.clone(), (!ended).then_some((value, changes))))
    })
}

/// Values as messages. What was announced before the end may be shown when the end is already recorded, so time is kept
/// from going back to it.
fn in_time(
    values: impl Stream<Item = Progress> + Send,
    mut shown: Micros,
    clock: Clock,
) -> impl Stream<Item = pb::RestoreProgress> + Send {
    values.map(move |value| {
        shown = shown.max(elapsed(&value, &clock));
        progress_message(&value, shown)
    })
}

pub(in crate::rpc) fn create(
    mut request: pb::CreateRestoreRequest,
    caller: &Caller,
) -> Result<(CreateRestore, bool), Error> {
    let mut bad = Violations::default();
    let request_id = std::mem::take(&mut request.request_id);
    let remembered = convert::request(&mut bad, "CreateRestore", caller, request_id, &request);
    let pb::CreateRestoreRequest { parent, restore_id, restore, request_id: _, validate_only } = request;
    let parent = bad.check("parent", parent.parse::<WorkspaceName>());
    let id = convert::new_id(&mut bad, "restore_id", &restore_id);
    let Some(restore) = restore else {
        bad.add("restore", "is required: it names the snapshot and the collection");
        return Err(bad.into());
    };
    let snapshot = bad.check("restore.snapshot", restore.snapshot.parse::<SnapshotName>());
    let collection = bad.check("restore.collection", restore.collection.parse::<CollectionName>());
    if let (Some(WorkspaceName(workspace)), Some(collection)) = (&parent, &collection)
        && collection.workspace != *workspace
    {
        bad.add("restore.collection", "must be in the workspace of the restore");
    }
    convert::description(&mut bad, "restore.description", &restore.description);
    convert::labels(&mut bad, "restore.labels", &restore.labels);
    let retention = restore.retention.as_ref().and_then(|span| bad.check("restore.retention", convert::span_of(span)));
    let verification = match pb::restore::Verification::try_from(restore.verification) {
        Ok(pb::restore::Verification::Unspecified | pb::restore::Verification::Full) => Verification::Full,
        Ok(pb::restore::Verification::Structure) => Verification::Structure,
        Err(_) => {
            bad.add("restore.verification", "must be VERIFICATION_FULL or VERIFICATION_STRUCTURE");
            Verification::Full
        }
    };
    let (Some(WorkspaceName(workspace)), Some(snapshot), Some(collection)) = (parent, snapshot, collection) else {
        return Err(bad.into());
    };
    bad.finish()?;
    let command = CreateRestore {
        workspace,
        id,
        snapshot,
        collection,
        description: restore.description,
        labels: restore.labels,
        retention,
        verification,
        caller: caller.name(),
        request: remembered,
    };
    Ok((command, validate_only))
}

fn name_of(text: &str) -> Result<RestoreName, Error> {
    text.parse().map_err(|why| Error::invalid("name", why))
}

fn state_message(state: State) -> pb::restore::State {
    match state {
        State::Pending => pb::restore::State::Pending,
        State::Copying | State::Verifying | State::Publishing | State::Failing | State::Cancelling => {
            pb::restore::State::Running
        }
        State::Succeeded => pb::restore::State::Succeeded,
        State::Failed => pb::restore::State::Failed,
        State::Cancelled => pb::restore::State::Cancelled,
    }
}

/// The time from the request to the end, or until now.
fn elapsed(progress: &Progress, clock: &Clock) -> Micros {
    progress.end_time.unwrap_or_else(|| clock.now()).saturating_sub(progress.create_time)
}

pub(in crate::rpc) fn progress_message(progress: &Progress, elapsed: Micros) -> pb::RestoreProgress {
    let phase = match progress.phase {
        Phase::Pending => pb::restore_progress::Phase::Pending,
        Phase::Copying => pb::restore_progress::Phase::Copying,
        Phase::Finalizing => pb::restore_progress::Phase::Finalizing,
        Phase::Verifying => pb::restore_progress::Phase::Verifying,
        Phase::Publishing => pb::restore_progress::Phase::Publishing,
        Phase::Done => pb::restore_progress::Phase::Done,
    };
    pb::RestoreProgress {
        restore: progress.restore.clone(),
        state: state_message(progress.state).into(),
        phase: phase.into(),
        bytes_done: progress.bytes.0,
        bytes_total: progress.bytes.1,
        files_done: progress.files.0,
        files_total: progress.files.1,
        documents_done: progress.documents.0,
        documents_total: progress.documents.1,
        documents_dropped: progress.dropped,
        elapsed: Some(convert::proto_duration(elapsed)),
        estimated_remaining: progress.remaining.map(convert::proto_duration),
        error: progress.error.as_ref().map(status::failure),
    }
}

pub(in crate::rpc) fn resource(plan: Plan) -> pb::Restore {
    let Plan { restore: record, is_foretold, undecided } = plan;
    let totals = &record.totals;
    // Until the work begins, it is the source's.
    let is_fixed = totals.retention.is_some() && (record.start_time.is_some() || is_foretold);
    let cutoff = is_fixed.then(|| convert::timestamp(totals.cutoff));
    let receipt = (record.state == State::Succeeded).then(|| receipt(&record, cutoff));
    let plan = pb::restore::Plan {
        bytes: record.bytes,
        files: record.files,
        documents: totals.document_count,
        documents_dropped: record.documents_dropped,
        left_behind: LEFT_BEHIND.map(str::to_owned).to_vec(),
        bytes_dropped: record.bytes_dropped,
        cutoff_time: cutoff,
        documents_undecided: undecided,
    };
    let verification = match record.verification {
        Verification::Structure => pb::restore::Verification::Structure,
        Verification::Full => pb::restore::Verification::Full,
    };
    pb::Restore {
        name: record.name.to_string(),
        uid: record.uid.to_string(),
        collection: record.collection_name().to_string(),
        collection_uid: record.collection_uid.to_string(),
        state: state_message(record.state).into(),
        error: record.error.as_ref().map(status::failure),
        snapshot: record.snapshot.to_string(),
        snapshot_uid: record.snapshot_uid.to_string(),
        description: record.description,
        labels: record.labels,
        retention: totals.retention.map(|retention| convert::proto_duration(retention.keep())),
        verification: verification.into(),
        created_by: record.created_by,
        create_time: Some(convert::timestamp(record.create_time)),
        start_time: record.start_time.map(convert::timestamp),
        end_time: record.end_time.map(convert::timestamp),
        progress: None,
        plan: Some(plan),
        receipt,
        etag: Etag::of(record.uid, record.revision).to_string(),
    }
}

/// What a restore would be that nobody has requested: without all that it has only then.
fn foretold(plan: Plan, is_named: bool) -> pb::Restore {
    let planned = resource(plan);
    pb::Restore {
        name: if is_named { planned.name } else { String::new() },
        uid: String::new(),
        collection_uid: String::new(),
        state: pb::restore::State::Unspecified.into(),
        create_time: None,
        etag: String::new(),
        ..planned
    }
}

/// What a collection has and a restore does not bring along.
const LEFT_BEHIND: [&str; 2] = [
    "streaming sources: connect them to the new collection to ingest again",
    "description and labels: the new collection has those of the restore",
];

fn receipt(record: &Restore, cutoff: Option<prost_types::Timestamp>) -> pb::restore::Receipt {
    let check = match record.verification {
        Verification::Structure => pb::restore::receipt::DigestCheck::NotChecked,
        Verification::Full => pb::restore::receipt::DigestCheck::Verified,
    };
    let total = record.end_time.map(|end| end.saturating_sub(record.create_time));
    pb::restore::Receipt {
        documents_restored: record.totals.document_count,
        documents_dropped: record.documents_dropped,
        bytes_dropped: record.bytes_dropped,
        bytes: record.bytes,
        files: record.files,
        digest: record.totals.digest.to_string(),
        digest_check: check.into(),
        cutoff_time: cutoff,
        copy_duration: Some(convert::proto_duration(record.copy_micros)),
        verify_duration: Some(convert::proto_duration(record.verify_micros)),
        total_duration: total.map(convert::proto_duration),
    }
}

impl Listed for Restore {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "uid", kind: Kind::Text },
        Field { name: "snapshot", kind: Kind::Text },
        Field { name: "snapshot_uid", kind: Kind::Text },
        Field { name: "collection", kind: Kind::Text },
        Field { name: "collection_uid", kind: Kind::Text },
        Field { name: "created_by", kind: Kind::Text },
        Field { name: "state", kind: Kind::Word(&["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]) },
        Field { name: "create_time", kind: Kind::Time },
        Field { name: "end_time", kind: Kind::Time },
    ];
    const ORDER: &'static [&'static str] = &["name", "create_time", "end_time"];

    fn value(&self, field: &'static str) -> Value<'_> {
        match field {
            "name" => Value::Text(Cow::Owned(self.name.to_string())),
            "uid" => Value::Text(Cow::Owned(self.uid.to_string())),
            "snapshot" => Value::Text(Cow::Owned(self.snapshot.to_string())),
            "snapshot_uid" => Value::Text(Cow::Owned(self.snapshot_uid.to_string())),
            "collection" => Value::Text(Cow::Owned(self.collection_name().to_string())),
            "collection_uid" => Value::Text(Cow::Owned(self.collection_uid.to_string())),
            "created_by" => Value::Text(Cow::Borrowed(&self.created_by)),
            "state" => Value::Word(restore::state_name(self.state)),
            "create_time" => Value::Time(self.create_time),
            "end_time" => self.end_time.map_or(Value::Absent, Value::Time),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{RestoreState, fixture};

    #[tokio::test]
    async fn a_watcher_is_never_shown_less_than_before() {
        let announced = Progress::at_rest(&Restore { state: RestoreState::Copying, bytes: 10, ..fixture::restore() });
        let at = |bytes| Progress { bytes: (bytes, 10), ..announced.clone() };
        let (sender, changes) = watch::channel(at(3));
        // Read from the work itself, which nobody has announced yet.
        let mut values = Box::pin(beats(at(5), changes));
        assert_eq!(values.next().await, Some(at(5)));
        sender.send_replace(at(7));
        assert_eq!(values.next().await, Some(at(7)));
        let failing = Progress { state: RestoreState::Failing, ..at(0) };
        sender.send_replace(failing.clone());
        assert_eq!(values.next().await, Some(failing), "a clean-up is news");
        let ended = Progress { state: RestoreState::Failed, ..at(0) };
        sender.send_replace(ended.clone());
        assert_eq!(values.next().await, Some(ended), "a last value is told whatever it says");
        assert_eq!(values.next().await, None);
    }

    #[tokio::test]
    async fn the_time_elapsed_never_goes_back() {
        let clock = Clock::default();
        let running = Progress { create_time: clock.now() - 1_000_000, ..Progress::at_rest(&fixture::restore()) };
        // Recorded after a second, and told later.
        let ended = Progress { end_time: Some(running.create_time + 999_000), ..running.clone() };
        let values = in_time(stream::iter([running, ended]), 0, clock);
        let spans: Vec<_> = values.map(|value| value.elapsed.unwrap()).collect().await;
        assert!(spans[0].seconds >= 1, "{spans:?}");
        assert_eq!(spans[0], spans[1]);
    }
}
