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
use crate::{
    documents::{
        copies::adopt,
        databases::store::Store,
        engine::{Known, filter_path, read_totals},
        paths::{collection, log_path, manifest_path, missing},
        retention::Retention,
        root,
        stored::stored_bytes,
        totals::Totals,
    },
    error::Error,
};

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

impl Survey {
    /// The first log that is replaced; none if none is.
    #[must_use]
    pub fn replaced_from(&self) -> Option<u64> {
        Some(self.fences.start).filter(|from| *from > 0)
    }

    /// The manifest that is taken, if it is an older one.
    #[must_use]
    pub fn older_manifest(&self) -> Option<u64> {
        self.promoted.map(|_| self.manifest)
    }
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
            self.forget_compactions(uid).await?;
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
        Ok(stored_bytes(&manifest, self.manifests(uid).await?))
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
        self.root.put_new(&log_path(uid, id), Bytes::new()).await.map(drop)
    }

    /// Whether a manifest is there and can be read.
    pub async fn has_manifest(&self, uid: Uuid, id: u64) -> Result<bool, Error> {
        match self.manifest(uid, id).await {
            Ok(_) => Ok(true),
            Err(Error::DataLoss(_) | Error::Internal(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Who has a checkpoint without an end in a manifest.
    pub async fn owners(&self, uid: Uuid, manifest: u64) -> Result<BTreeSet<Uuid>, Error> {
        let manifest = self.manifest(uid, manifest).await?;
        let held = manifest.checkpoints().iter().filter(|checkpoint| checkpoint.expire_time.is_none());
        Ok(held.filter_map(|checkpoint| Uuid::parse_str(checkpoint.name.as_deref()?).ok()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Tenant;
    use crate::{
        clock::Clock,
        documents::{
            Engine, Keep, Least, Operation, Root, Since, Tuning, Write,
            paths::{sst, sst_ids},
            sealed::{Kind, Place},
        },
        tasks::Tasks,
    };

    const UID: Uuid = Uuid::from_u128(1);
    const SEAL: usize = 96;
    const DOCUMENTS: i64 = 4;

    /// A database with a document in a file, and others in logs, each of an open of its
    /// own. With or without seals behind its logs.
    async fn given(dir: &std::path::Path, is_sealed: bool) -> Store {
        let (root, background) = (Root::local(dir).unwrap(), tokio::runtime::Handle::current());
        let store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
        Engine::create(&store, UID, None).await.unwrap();
        for n in 0..DOCUMENTS {
            let engine = open(&store).await;
            write(&engine, &n.to_string()).await;
            engine.close(n == 0).await.unwrap();
        }
        if !is_sealed {
            for id in store.root.numbers(UID, Kind::Log).await.unwrap() {
                let file = store.root.file(&log_path(UID, id)).unwrap();
                let bytes = std::fs::read(&file).unwrap();
                std::fs::write(file, &bytes[..bytes.len() - SEAL]).unwrap();
            }
            let newest = store.root.newest(UID).await.unwrap().unwrap();
            store.root.older().note(UID, Since { log: newest.log_id + 1, ..Since::default() });
        }
        store
    }

    async fn write(engine: &Engine, id: &str) {
        let operation = Operation::Upsert { event_time: None, body: "{}".into() };
        engine
            .write(&Tenant::of_workspace("commons"), vec![Write { id: id.to_owned(), operation, if_etag: None }])
            .await
            .unwrap();
    }

    async fn open(store: &Store) -> Arc<Engine> {
        Engine::open(store, UID, Arc::<Keep>::default(), &Known::default()).await.unwrap()
    }

    fn remove(store: &Store, path: &Path) {
        std::fs::remove_file(store.root.file(path).unwrap()).unwrap();
    }

    /// Repairs it as it was last, and opens it.
    async fn repaired(store: &Store, least: &Least) -> (Survey, Left) {
        let survey = store.survey(UID, least).await.unwrap();
        assert!(!survey.wrong.is_empty() && survey.lost.is_empty(), "{survey:?}");
        let left = store.left(UID, &survey, &Known::default(), None).await.unwrap();
        if let Some(from) = survey.replaced_from()
            && store.root.older().may_be(Place { uid: UID, kind: Kind::Log, id: from })
        {
            store.root.older().note(UID, Since { log: from, ..Since::default() });
        }
        store.repair(UID, &survey).await.unwrap();
        let again = store.survey(UID, &Least::default()).await.unwrap();
        assert!(again.wrong.is_empty() && again.aside.is_empty() && again.fences.is_empty(), "{again:?}");
        store.replace_totals(UID, &left).await.unwrap();
        store.inspect(UID, &Least::default()).await.unwrap();
        let engine = open(store).await;
        let Totals { document_count, offset, .. } = engine.totals();
        assert_eq!((document_count, offset), (left.counted.document_count, left.counted.offset));
        engine.close(false).await.unwrap();
        // What is written from now on is read again, under numbers that there have been.
        for n in 1..4 {
            let engine = open(store).await;
            write(&engine, &format!("new-{n}")).await;
            engine.close(false).await.unwrap();
            assert_eq!(engine.totals().document_count, document_count + n);
        }
        (survey, left)
    }

    #[tokio::test]
    async fn whichever_log_is_missing_what_came_before_it_is_left() {
        for is_sealed in [true, false] {
            let (mut counts, mut behind, mut at) = (Vec::new(), 0, 0);
            loop {
                let dir = tempfile::tempdir().unwrap();
                let store = given(dir.path(), is_sealed).await;
                let newest = store.root.newest(UID).await.unwrap().unwrap();
                let manifest = store.manifest(UID, newest.manifest_id).await.unwrap();
                let id = manifest.replay_after_wal_id() + 1 + at;
                if id > newest.log_id {
                    break;
                }
                remove(&store, &log_path(UID, id));
                let least = Least { log_id: newest.log_id, ..Least::default() };
                let (survey, left) = repaired(&store, &least).await;
                assert_eq!(survey.aside.len() as u64, newest.log_id - id);
                counts.push(left.counted.document_count);
                behind += survey.fences.clone().count();
                at += 1;
            }
            assert!(counts.is_sorted(), "{counts:?}");
            assert_eq!((counts.first(), counts.last()), (Some(&1), Some(&(DOCUMENTS - 1))));
            assert!(behind > 0, "the manifest counts on some of them");
        }
    }

    /// However many are damaged, the one that is left gets the highest number.
    #[tokio::test]
    async fn the_newest_manifest_that_can_be_read_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let store = given(dir.path(), true).await;
        let mut ids: Vec<u64> = store.root.numbers(UID, Kind::Manifest).await.unwrap().collect();
        ids.sort_unstable();
        let highest = *ids.last().unwrap();
        for id in &ids[ids.len() - 2..] {
            std::fs::write(store.root.file(&manifest_path(UID, *id)).unwrap(), b"zeros").unwrap();
        }
        let (survey, left) = repaired(&store, &Least::default()).await;
        assert_eq!((survey.manifest, survey.promoted), (ids[ids.len() - 3], Some(highest + 1)));
        assert_eq!(left.counted.document_count, DOCUMENTS);
        let moved = store.root.list(&damaged(UID)).await.unwrap();
        assert_eq!(moved.iter().filter(|(path, _)| path.as_ref().ends_with(".manifest")).count(), 2);
        for id in &ids[ids.len() - 2..] {
            assert_eq!(store.root.size(&manifest_path(UID, *id)).await.unwrap(), None, "nobody has its number again");
        }
    }

    #[tokio::test]
    async fn files_that_are_lost_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = given(dir.path(), true).await;
        let newest = store.root.newest(UID).await.unwrap().unwrap();
        let manifest = store.manifest(UID, newest.manifest_id).await.unwrap();
        let path = sst(UID, *sst_ids(&manifest).iter().next().unwrap());
        let file = store.root.file(&path).unwrap();
        let whole = std::fs::read(&file).unwrap();
        for length in [0, 10, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&file, &whole[..length]).unwrap();
            let survey = store.survey(UID, &Least::default()).await.unwrap();
            assert!(matches!(survey.lost.as_slice(), [why] if why.starts_with(path.as_ref())), "{length}: {survey:?}");
        }
        let zeros = vec![0; whole.len()];
        std::fs::write(&file, zeros).unwrap();
        assert_eq!(store.survey(UID, &Least::default()).await.unwrap().lost.len(), 1);
        remove(&store, &path);
        assert_eq!(store.survey(UID, &Least::default()).await.unwrap().lost, [format!("{path} is missing")]);
    }
}
