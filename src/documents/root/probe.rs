//! Finds out at the start whether a bucket can be used. Without that a wrong
//! secret or a missing bucket would keep the first open waiting for ever.

use std::time::Duration;

use futures::TryStreamExt;
use slatedb::object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path};

use super::{Root, probes};
use crate::{clock::new_uid, documents::patience::within, error::Error};

const PROBE: Duration = Duration::from_secs(15);

/// A probe that is so much older than ours is nobody's any more, by the store's own clock.
const LEFT_BEHIND: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// Writes an object, which must be refused a second time: databases and the
/// instance marker stand on puts that do not overwrite.
pub(super) async fn probe(root: &Root) -> Result<(), Error> {
    within(PROBE, async {
        // Some stores make a bucket that is written to; none lists one.
        root.children(&probes()).await?;
        let object = probes().join(new_uid().to_string());
        let created = root.put_new(&object, bytes::Bytes::from_static(b"stillframe")).await?;
        let again = root.put_new(&object, bytes::Bytes::from_static(b"again")).await?;
        let held = root.get(&object).await?.is_some_and(|found| found == "stillframe");
        remove_left_behind(root, &object).await?;
        root.delete(&object).await?;
        if created && !again && held {
            return Ok(());
        }
        Err(Error::internal("the store does not honour conditional puts (If-None-Match), which databases need"))
    })
    .await
}

/// Removes the probes of starts that were killed.
async fn remove_left_behind(root: &Root, ours: &Path) -> Result<(), Error> {
    let now = root.store.head(ours).await?.last_modified;
    let found: Vec<_> = root.store.list(Some(&probes())).try_collect().await?;
    let old = found.into_iter().filter(|found| now - found.last_modified > LEFT_BEHIND);
    root.delete_all(old.map(|found| found.location)).await
}
