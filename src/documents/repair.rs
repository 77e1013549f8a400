//! Makes a damaged database one that can be opened again, of what is left of it.
//!
//! What is damaged, and what counts on it, is moved to `damaged/` in the collection's
//! directory; nothing is deleted. Data files cannot be done without: a database that lacks
//! one stays as it is. What would be left is read before anything is changed, from the
//! root as it would be then ([`View`]).
//!
//! Each step can be done again: what it has done is not found damaged any more.

mod recount;
mod survey;
mod view;

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use bytes::Bytes;
use slatedb::{
    config::{CloseOptions, FlushType},
    object_store::path::Path,
};
use uuid::Uuid;

use self::view::View;
use super::{
    adopt,
    engine::{Known, filter_path, read_totals},
    inspect::{log_path, manifest_path, missing},
    retention::Retention,
    root::{self, collection},
    sealed::{Kind, Place},
    store::Store,
    totals::Totals,
};
use crate::error::Error;

/// Where what is damaged is moved to, in the directory of a collection.
const DAMAGED: &str = "damaged";

/// What was found in a database.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What is wrong, each with the name of its object.
    pub wrong: Vec<String>,
    /// Data files that are missing or damaged, without which there is no repair.
    pub lost: Vec<String>,
    /// Manifests and logs that have to be moved aside.
    pub aside: Vec<Path>,
    /// What can be read of the logs among them.
    pub behind: Behind,
    /// Lists of compactions that have to go, too.
    derived: Vec<Path>,
    /// The newest manifest that can be read.
    manifest: u64,
    /// The number that it gets.
    promoted: Option<u64>,
    /// Logs that the manifest counts on, to be replaced by fences.
    fences: Range<u64>,
}

/// What logs hold that no database will have.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    /// How many logs.
    pub logs: usize,
    /// The offset behind the last write, if one can be read.
    pub offset: Option<i64>,
    /// The documents that were written or deleted.
    documents: BTreeSet<String>,
}

/// What is left of a database.
#[derive(Clone, Debug)]
pub struct Left {
    /// The totals as it has them.
    pub found: Totals,
    /// The totals of what can be read, at an offset that nobody has seen.
    pub counted: Totals,
    /// What the database is known to have had, and has not.
    pub missing: Option<String>,
}

impl Store {
    /// Reads what a repair would leave. Changes nothing.
    pub async fn left(
        &self,
        uid: Uuid,
        survey: &Survey,
        known: &Known,
        retention: Option<Retention>,
    ) -> Result<Left, Error> {
        let mut with: Vec<_> = survey.fences.clone().map(|id| (log_path(uid, id), Bytes::new())).collect();
        if let Some(number) = survey.promoted {
            with.push((manifest_path(uid, number), self.contents(uid, survey.manifest).await?));
        }
        let without = survey.aside.iter().chain(&survey.derived).cloned().collect();
        let view = View::new(self.root.store(), without, with).await?;
        let mut repaired = self.clone();
        repaired.root = self.root.shown_by(Arc::new(view));
        let reader = repaired.open_to_read(uid).await?;
        let left = async {
            let found = read_totals(&reader).await?;
            let counted = recount::recount(&reader, &found, known, retention).await?;
            let missing = known.least.iter().find_map(|least| least.missing_in(&found));
            Ok(Left { found, counted, missing })
        }
        .await;
        reader.close().await?;
        left
    }

    /// Moves aside what is damaged, and leaves what can be opened. Returns where what was
    /// moved is now.
    pub async fn repair(&self, uid: Uuid, survey: &Survey) -> Result<Vec<Path>, Error> {
        let mut moved = Vec::new();
        for path in survey.aside.iter().chain(&survey.derived) {
            moved.extend(self.root.set_aside(path, &aside(uid, path)).await?);
        }
        if !survey.derived.is_empty() {
            // Numbers begin anew, and would be below it.
            self.root.delete_durably(&collection(uid).join("gc").join("compactions.boundary")).await?;
        }
        if let Some(number) = survey.promoted {
            let contents = self.contents(uid, survey.manifest).await?;
            self.root.put_new(&manifest_path(uid, number), contents).await?;
        }
        for id in survey.fences.clone() {
            self.put_fence(uid, id).await?;
        }
        self.root.delete_durably(&filter_path(uid)).await?;
        Ok(moved)
    }

    /// Replaces the totals of a database that has been repaired. Returns the bytes of its
    /// files. Nothing is merged or collected meanwhile.
    pub async fn replace_totals(&self, uid: Uuid, left: &Left) -> Result<i64, Error> {
        let db = self.open_quiet_database(uid).await?;
        let replaced = async {
            if read_totals(&db).await? != left.found {
                return Err(Error::DataLoss(format!("{} has changed since it was read", collection(uid))));
            }
            adopt::replace(&db, &left.found, &left.counted).await
        }
        .await;
        db.close_with_options(CloseOptions::default().with_flush_type(Some(FlushType::MemTable))).await?;
        replaced?;
        let manifest = self.on_manifest(self.admin(collection(uid)).read_manifest(None)).await?;
        let manifest = manifest.ok_or_else(|| missing(&collection(uid).join("manifest")))?;
        let bytes: u64 = manifest.all_sst_views().map(slatedb::manifest::SsTableView::estimate_size).sum();
        Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// Forgets what the database was known to have a moment before it was damaged.
    pub async fn forget_end(&self, uid: Uuid) -> Result<(), Error> {
        self.root.delete_durably(&collection(uid).join(root::END)).await
    }

    async fn contents(&self, uid: Uuid, manifest: u64) -> Result<Bytes, Error> {
        let path = manifest_path(uid, manifest);
        self.root.get(&path).await?.ok_or_else(|| missing(&path))
    }

    /// A log that holds nothing.
    async fn put_fence(&self, uid: Uuid, id: u64) -> Result<(), Error> {
        let path = log_path(uid, id);
        if self.root.older().may_be(Place { uid, kind: Kind::Log, id }) {
            return self.root.put_empty_unsealed(&path).await;
        }
        self.root.put_new(&path, Bytes::new()).await.map(drop)
    }
}

fn damaged(uid: Uuid) -> Path {
    collection(uid).join(DAMAGED)
}

/// Where an object of a database is moved to.
fn aside(uid: Uuid, path: &Path) -> Path {
    let below = path.prefix_match(&collection(uid)).into_iter().flatten();
    below.fold(damaged(uid), Path::join)
}
