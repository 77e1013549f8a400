//! Finds out at the start whether a bucket can be used. Without that a wrong
//! secret or a missing bucket would keep the first open waiting for ever.

use std::{sync::Arc, time::Duration};

use futures::{TryStreamExt, future::join_all};
use slatedb::object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Root,
    advice::{Step, failed, late},
    s3,
    unusable::Unusable,
};
use crate::{
    clock::new_uid,
    documents::{location::Bucket, paths::probes},
    error::Error,
};

const PROBE: Duration = Duration::from_secs(15);
/// What a probe that failed has put is removed by then, or by a later start.
const REMOVAL: Duration = Duration::from_secs(5);

/// A probe that is so much older than ours is nobody's any more, by the store's own clock.
const LEFT_BEHIND: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// So many put one new key at once, as often: a server that looks first and writes then
/// lets two of them pass now and then. The first time they have to connect.
const SIDES: usize = 8;
const ROUNDS: usize = 4;

const FIRST: &str = "stillframe";
const OVERWRITES: &str = "the server overwrites an object in spite of `If-None-Match: *`, and databases stand on conditional puts: no setting helps, use another server";
const UNREAD: &str = "the server does not give back what was put a moment ago: use another server";

/// Writes an object, which must be refused a second time, and has several writers contend
/// for one: databases and the instance marker stand on puts that do not overwrite.
pub(super) async fn probe(root: &Root, bucket: &Bucket) -> Result<(), Unusable> {
    let patience = Instant::now() + PROBE;
    let probe = Probe { root, bucket, objects: (0..=ROUNDS).map(|_| probes().join(new_uid().to_string())).collect() };
    let late = || late(bucket, PROBE);
    // Some stores make a bucket that is written to; none lists one.
    let listed = timeout_at(patience, root.children(&probes())).await.map_err(|_| late())?;
    listed.map_err(|cause| failed(Step::List, bucket, cause))?;
    let tried = timeout_at(patience, probe.run()).await.unwrap_or_else(|_| Err(late()));
    if tried.is_err() {
        probe.remove().await;
    }
    tried
}

struct Probe<'a> {
    root: &'a Root,
    bucket: &'a Bucket,
    /// What is put: one for each round, and one before.
    objects: Vec<Path>,
}

impl Probe<'_> {
    async fn run(&self) -> Result<(), Unusable> {
        let [alone, contended @ ..] = self.objects.as_slice() else { return Ok(()) };
        // If the answer was lost, the first one was refused as well.
        self.put(alone, FIRST).await?;
        let overwritten = self.put(alone, "again").await?;
        let found = self.root.get(alone).await.map_err(|cause| failed(Step::Get, self.bucket, cause))?;
        match found {
            _ if overwritten => return Err(Unusable::unfit(OVERWRITES)),
            Some(found) if found == FIRST => {}
            Some(found) if found == "again" => return Err(Unusable::unfit(OVERWRITES)),
            _ => return Err(Unusable::unfit(UNREAD)),
        }
        for object in contended {
            self.contend(object).await?;
        }
        let deleted = async {
            self.remove_left_behind(alone).await?;
            self.root.delete_all(self.objects.iter().cloned()).await
        };
        deleted.await.map_err(|cause| failed(Step::Delete, self.bucket, cause))
    }

    async fn put(&self, object: &Path, text: impl Into<String>) -> Result<bool, Unusable> {
        let put = self.root.put_new(object, text.into()).await;
        put.map_err(|cause| failed(Step::Put, self.bucket, cause))
    }

    /// Exactly one may win. None is told so if the answer to the winner was lost.
    async fn contend(&self, object: &Path) -> Result<(), Unusable> {
        let puts = join_all((0..SIDES).map(|side| self.put(object, side.to_string()))).await;
        let won = puts.iter().filter(|put| matches!(put, Ok(true))).count();
        if won > 1 {
            return Err(Unusable::unfit(format!(
                "the server lets {won} of {SIDES} puts of one new key at once pass, each with `If-None-Match: *`, where one may, and databases stand on that: no setting helps, use another server"
            )));
        }
        // A server may have enough of so many, and has answered some all the same.
        puts.into_iter().reduce(Result::or).map_or(Ok(()), |any| any.map(drop))
    }

    /// Removes the probes of starts that were killed.
    async fn remove_left_behind(&self, ours: &Path) -> Result<(), Error> {
        let store = self.root.store();
        let now = store.head(ours).await?.last_modified;
        let found: Vec<_> = store.list(Some(&probes())).try_collect().await?;
        let old = found.into_iter().filter(|found| now - found.last_modified > LEFT_BEHIND);
        self.root.delete_all(old.map(|found| found.location)).await
    }

    /// Removes what was put, one by one: it may be that the server cannot do otherwise.
    async fn remove(&self) {
        let removed = timeout(REMOVAL, async {
            let store: Arc<dyn ObjectStore> = s3::connect_deleting_singly(self.bucket)?;
            for removed in join_all(self.objects.iter().map(|object| store.delete(object))).await {
                match removed {
                    Ok(()) | Err(slatedb::object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(Error::from(error)),
                }
            }
            Ok(())
        });
        match removed.await {
            Ok(Ok(())) => {}
            failed => {
                let error = failed.map_or_else(
                    |late| late.to_string(),
                    |failed| failed.map_or_else(|error| error.in_full(), |()| String::new()),
                );
                tracing::warn!(error, "what was tried stays below `probe` in the storage root");
            }
        }
    }
}
