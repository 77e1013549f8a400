//! Removes the marks of deleted sources, some at a time.

use super::Sources;
use crate::{
    documents::{MARKS_PAGE, Mark},
    error::Error,
    records::{Change, RetiredSource, Stored},
    tasks::caught,
};

impl Sources {
    /// Works on one deleted source, unless that is being done or its task has
    /// not ended yet.
    pub(super) fn retire(&self, found: Stored<RetiredSource>) {
        let uid = found.uid;
        if self.inner.lives.is_busy(uid) || !self.inner.retiring.lock().insert(uid) {
            return;
        }
        let sources = self.clone();
        self.inner.tasks.work("source retirement", async move {
            if let Err(error) = caught(sources.remove_marks(&found)).await {
                tracing::debug!(error = error.in_full(), %uid, "the marks of a deleted source wait for the next sweep");
            }
            sources.inner.retiring.lock().remove(&uid);
        });
    }

    async fn remove_marks(&self, retired: &Stored<RetiredSource>) -> Result<(), Error> {
        let (source, collection) = (retired.uid, retired.collection_uid);
        // With the collection its database goes.
        if let Some(name) = self.collection_if(retired.collection.clone(), collection)? {
            let lease = self.inner.collections.lease(&name).await?;
            while lease.engine().uid() == collection {
                let page = lease.engine().object_marks(source, None).await?;
                let more = page.len() == MARKS_PAGE;
                let mut gone: Vec<_> = page.into_iter().map(|(path, _)| Mark::Object(source, path, None)).collect();
                if !more {
                    gone.push(Mark::Source(source, None));
                }
                lease.engine().mark(lease.tenant(), gone).await?;
                if !more {
                    break;
                }
            }
        }
        crate::crash_point!(SourceRetired);
        self.inner.records.commit_if_unchanged(Change::default().remove(retired)).await.map(drop)
    }
}
