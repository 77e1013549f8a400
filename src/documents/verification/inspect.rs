//! Looks at a database before it is opened: whether what is known to have been there
//! still is. Opening would take what is left for all there is, and write behind it.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt};
use slatedb::{VersionedManifest, object_store::path::Path};
use uuid::Uuid;

use crate::{
    documents::{
        databases::store::Store,
        object_hash::ObjectHash,
        paths::{collection, log_path, manifest_path, missing, sst, sst_ids},
        patience::within,
        root::{End, Root},
        sealed::{Kind, Place, Since},
        totals::Totals,
    },
    error::Error,
};

/// Damage is said when it was seen so often: what failed and is still being closed may
/// have written, or given back, between two steps of one look.
const LOOKS: usize = 2;
/// Logs that are read at once.
const LOGS_AT_ONCE: usize = 8;

/// What a database must have, at least.
#[derive(Clone, Debug, Default)]
pub struct Least {
    /// The newest manifest that it is known to have had; 0: not known.
    pub manifest_id: u64,
    /// The hash of that manifest; absent: not known.
    pub manifest_hash: Option<ObjectHash>,
    /// The newest log that it is known to have had.
    pub log_id: u64,
}

/// The newest objects of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The newest manifest.
    pub manifest_id: u64,
    /// The XXH3-128 of its contents, little endian.
    pub manifest_hash: Option<ObjectHash>,
    /// The newest log.
    pub log_id: u64,
}

impl Store {
    /// Refuses a database that is not what was left, and names the object. It must be
    /// closed. Nothing is changed.
    pub async fn inspect(&self, uid: Uuid, least: &Least) -> Result<(), Error> {
        let mut looks = 0;
        loop {
            looks += 1;
            match within(self.tuning.storage_patience.open, self.look(uid, least)).await {
                Err(Error::DataLoss(_)) if looks < LOOKS => {}
                seen => return seen,
            }
        }
    }

    async fn look(&self, uid: Uuid, least: &Least) -> Result<(), Error> {
        let least = &self.root.raised(uid, least).await?;
        let known = least.manifest_id.max(1);
        let mut newest = self.root.newest_number(uid, Kind::Manifest).await?.unwrap_or(0);
        if newest < known {
            self.require(&manifest_path(uid, known)).await?;
            newest = known;
        }
        let manifest = self.whole_manifest(uid, newest, least).await?;
        self.look_at_logs(uid, &manifest, least).await?;
        // A read of one that is missing says so all the same: no reason to pay for a list
        // at each open.
        if self.root.directory().is_some() { self.look_at_files(uid, &manifest).await } else { Ok(()) }
    }

    /// A manifest that can be read and, if its hash is known, is what was written.
    pub(in crate::documents) async fn whole_manifest(
        &self,
        uid: Uuid,
        id: u64,
        least: &Least,
    ) -> Result<VersionedManifest, Error> {
        if id == least.manifest_id
            && let Some(hash) = least.manifest_hash
        {
            let path = manifest_path(uid, id);
            let bytes = self.root.get(&path).await?.ok_or_else(|| missing(&path))?;
            if ObjectHash::of(&bytes) != hash {
                return Err(Error::DataLoss(format!("{path} is not what was written")));
            }
        }
        self.manifest(uid, id).await.map_err(|error| match error {
            // One without a seal.
            Error::Internal(why) => Error::DataLoss(format!("{} cannot be read: {why}", manifest_path(uid, id))),
            other => other,
        })
    }

    /// Behind the manifest every number is there, up to the last that is known: the end
    /// of the log is looked for by its numbers, so behind a hole nobody looks.
    async fn look_at_logs(&self, uid: Uuid, manifest: &VersionedManifest, least: &Least) -> Result<(), Error> {
        let after = manifest.replay_after_wal_id();
        let known = self.last_known_log(uid, manifest, least);
        let last = self.root.newest_number(uid, Kind::Log).await?.unwrap_or(0).max(known);
        let looked = futures::stream::iter(after + 1..=last).map(|id| self.look_at_log(uid, id));
        looked.buffered(LOGS_AT_ONCE).try_collect().await
    }

    /// Reads a log whole, for its seal to be held against it: the replay reads it piece by
    /// piece, and what says where the pieces are has no checksum of its own.
    pub(in crate::documents) async fn look_at_log(&self, uid: Uuid, id: u64) -> Result<(), Error> {
        let path = log_path(uid, id);
        if self.root.older().may_be(Place { uid, kind: Kind::Log, id }) {
            return self.require(&path).await;
        }
        self.root.get(&path).await?.map(drop).ok_or_else(|| missing(&path))
    }

    /// The last log that must be there, if the manifest has not got beyond it.
    pub(in crate::documents) fn last_known_log(&self, uid: Uuid, manifest: &VersionedManifest, least: &Least) -> u64 {
        let last_written = manifest.next_wal_sst_id().saturating_sub(1);
        let is_older = self.root.older().may_be(Place { uid, kind: Kind::Log, id: last_written });
        // Of what older versions wrote fences at the end may be missing.
        if is_older { least.log_id } else { least.log_id.max(last_written) }
    }

    async fn look_at_files(&self, uid: Uuid, manifest: &VersionedManifest) -> Result<(), Error> {
        let present: HashMap<Path, u64> =
            self.root.list(&collection(uid).join("compacted")).await?.into_iter().collect();
        for id in sst_ids(manifest) {
            let path = sst(uid, id);
            match present.get(&path) {
                None => self.require(&path).await?,
                Some(0) => return Err(Error::DataLoss(format!("{path} is empty"))),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// An object that is not listed may be in a folder that cannot be read now.
    pub(in crate::documents) async fn require(&self, path: &Path) -> Result<(), Error> {
        self.root.size(path).await?.map(drop).ok_or_else(|| missing(path))
    }
}

impl Root {
    /// What a database must have, at least, by what is noted beside it as well.
    pub(in crate::documents) async fn raised(&self, uid: Uuid, least: &Least) -> Result<Least, Error> {
        let End { manifest_id, log_id } = self.end(uid).await?;
        let log_id = log_id.max(least.log_id);
        // Of a later manifest no hash is known.
        Ok(if manifest_id > least.manifest_id {
            Least { manifest_id, manifest_hash: None, log_id }
        } else {
            Least { log_id, ..least.clone() }
        })
    }

    /// The newest objects of a database, if it has any.
    pub async fn newest(&self, uid: Uuid) -> Result<Option<Newest>, Error> {
        let Some(manifest_id) = self.newest_number(uid, Kind::Manifest).await? else { return Ok(None) };
        let bytes = self.get(&manifest_path(uid, manifest_id)).await?;
        let log_id = self.newest_number(uid, Kind::Log).await?.unwrap_or(0);
        // Without bytes there is a newer one by now.
        let manifest_hash = bytes.map(|bytes| ObjectHash::of(&bytes));
        Ok(Some(Newest { manifest_id, manifest_hash, log_id }))
    }

    /// The same, to be counted on: the manifest may have been written by an attempt that
    /// could not make it durable.
    pub async fn durable_newest(&self, uid: Uuid) -> Result<Option<Newest>, Error> {
        let newest = self.newest(uid).await?;
        if let Some(newest) = &newest {
            self.sync(&manifest_path(uid, newest.manifest_id)).await?;
        }
        Ok(newest)
    }

    /// Refuses a database whose newest manifest is older than one that it has had. None at
    /// all is no business of this: it may have been removed.
    pub async fn check_newest_manifest(&self, uid: Uuid, least: &Least) -> Result<(), Error> {
        let known = self.raised(uid, least).await?.manifest_id;
        match self.newest_number(uid, Kind::Manifest).await? {
            Some(newest) if newest < known => Err(missing(&manifest_path(uid, known))),
            _ => Ok(()),
        }
    }

    /// The numbers of a kind of objects that there are.
    pub(in crate::documents) async fn numbers(
        &self,
        uid: Uuid,
        kind: Kind,
    ) -> Result<impl Iterator<Item = u64> + use<>, Error> {
        let folder = match kind {
            Kind::Manifest => "manifest",
            Kind::Compactions => "compactions",
            Kind::Log => "wal",
        };
        let found = self.list(&collection(uid).join(folder)).await?;
        Ok(found
            .into_iter()
            .filter_map(move |(path, _)| Place::of(&path).filter(|place| place.kind == kind).map(|place| place.id)))
    }

    /// The newest number of a kind of objects.
    pub(in crate::documents) async fn newest_number(&self, uid: Uuid, kind: Kind) -> Result<Option<u64>, Error> {
        Ok(self.numbers(uid, kind).await?.max())
    }

    /// From which numbers on a database has seals whose present objects have none. `None`
    /// if it has no manifest.
    pub async fn seals_from_now(&self, uid: Uuid) -> Result<Option<Since>, Error> {
        let Some(manifest) = self.newest_number(uid, Kind::Manifest).await? else { return Ok(None) };
        let compactions = self.newest_number(uid, Kind::Compactions).await?.unwrap_or(0);
        let log = self.newest_number(uid, Kind::Log).await?.unwrap_or(0);
        Ok(Some(Since { manifest: manifest + 1, compactions: compactions + 1, log: log + 1 }))
    }
}

impl Totals {
    /// What of these totals is missing in others that were read, if anything is. They
    /// may have gone on since.
    pub(in crate::documents) fn missing_in(&self, found: &Self) -> Option<String> {
        if found.offset < self.offset {
            return Some(format!("it is at offset {}, and was at {}", found.offset, self.offset));
        }
        if found.floor < self.floor || found.marks < self.marks {
            return Some("what was dropped or marked last is not".to_owned());
        }
        let is_same = (found.offset, found.floor, found.marks) == (self.offset, self.floor, self.marks);
        let held = |totals: &Self| (totals.document_count, totals.size_bytes, totals.digest);
        // With a retention documents go without a move of the offset.
        if is_same && self.retention.is_none() && held(found) != held(self) {
            let (found, had) = (found.document_count, self.document_count);
            return Some(format!("it counts {found} documents that are not the {had} it had at the same offset"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use super::*;
    use crate::share::Tenant;
    use crate::{
        clock::Clock,
        documents::{Engine, Keep, Known, Operation, Tuning, Write},
        tasks::Tasks,
    };

    const UID: Uuid = Uuid::from_u128(1);

    fn store(dir: &std::path::Path) -> Store {
        let background = tokio::runtime::Handle::current();
        Store::new(Root::local(dir).unwrap(), Tasks::default(), Clock::default(), Tuning::default(), background)
    }

    /// A database with a document in its log, and one in a file; what it has.
    async fn given(store: &Store) -> (Totals, Newest) {
        Engine::create(store, UID, None).await.unwrap();
        for (id, tidy) in [("a", true), ("b", false)] {
            let engine = Engine::open(store, UID, Arc::<Keep>::default(), &Known::default()).await.unwrap();
            let operation = Operation::Upsert { event_time: None, body: "{}".into() };
            engine
                .write(&Tenant::of_workspace("commons"), vec![Write { id: id.to_owned(), operation, if_etag: None }])
                .await
                .unwrap();
            engine.close(tidy).await.unwrap();
            if !tidy {
                return (engine.totals(), store.root.newest(UID).await.unwrap().unwrap());
            }
        }
        unreachable!()
    }

    fn least(newest: &Newest) -> Least {
        let Newest { manifest_id, manifest_hash, log_id } = newest.clone();
        Least { manifest_id, manifest_hash, log_id }
    }

    async fn why(store: &Store, least: &Least) -> String {
        match store.inspect(UID, least).await {
            Err(Error::DataLoss(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (_, newest) = given(&store).await;
        let least = least(&newest);
        store.inspect(UID, &least).await.unwrap();
        store.inspect(UID, &Least::default()).await.unwrap();
        let manifest = store.manifest(UID, newest.manifest_id).await.unwrap();
        assert!(manifest.replay_after_wal_id() + 1 < newest.log_id, "there is a fence before the last log");
        let file = sst(UID, *sst_ids(&manifest).iter().next().unwrap());
        for path in [
            manifest_path(UID, newest.manifest_id),
            log_path(UID, newest.log_id),
            log_path(UID, newest.log_id - 1),
            file,
        ] {
            let at: PathBuf = store.root.file(&path).unwrap();
            let aside = dir.path().join("aside");
            std::fs::rename(&at, &aside).unwrap();
            assert_eq!(why(&store, &least).await, format!("{path} is missing"));
            std::fs::write(&at, b"").unwrap();
            assert_eq!(why(&store, &least).await, format!("{path} is empty"));
            std::fs::rename(&aside, &at).unwrap();
            store.inspect(UID, &least).await.unwrap();
        }
        let other = Least { manifest_hash: Some(ObjectHash([0; 16])), ..least };
        assert!(why(&store, &other).await.ends_with(".manifest is not what was written"));
    }

    #[tokio::test]
    async fn totals_that_are_behind_open_nothing_and_nothing_is_collected() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (totals, _) = given(&store).await;
        let keep = Arc::<Keep>::default();
        let behind = Totals { offset: totals.offset + 1, ..totals.clone() };
        let known = Known { least: vec![behind], ..Known::default() };
        let refused = Engine::open(&store, UID, Arc::clone(&keep), &known).await;
        assert!(matches!(refused, Err(Error::DataLoss(why)) if why.contains("it is at offset 2, and was at 3")));
        assert!(!keep.is_trusted());
        let known = Known { least: vec![totals.clone()], ..Known::default() };
        let engine = Engine::open(&store, UID, Arc::clone(&keep), &known).await.unwrap();
        assert!(keep.is_trusted());
        assert_eq!(engine.totals(), totals);
        engine.close(false).await.unwrap();
    }

    #[test]
    fn totals_may_go_on_but_not_back() {
        let had = Totals { offset: 5, marks: 1, document_count: 3, ..Totals::default() };
        assert_eq!(had.missing_in(&had), None);
        assert_eq!(had.missing_in(&Totals { offset: 6, document_count: 9, ..had.clone() }), None);
        for found in [
            Totals { offset: 4, ..had.clone() },
            Totals { marks: 0, ..had.clone() },
            Totals { document_count: 2, ..had.clone() },
        ] {
            assert!(had.missing_in(&found).is_some(), "{found:?}");
        }
    }
}
