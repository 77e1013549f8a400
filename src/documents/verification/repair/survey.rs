//! Looks what is left of a database, and what keeps it from being opened.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use slatedb::{SstReader, ValueDeletable, VersionedManifest, WalReader};
use ulid::Ulid;
use uuid::Uuid;

use super::{Behind, Survey};
use crate::{
    documents::{
        databases::store::Store,
        fault::unreadable,
        keys,
        paths::{collection, log_path, manifest_path, sst, sst_ids},
        patience::within,
        sealed::Kind,
        totals::Totals,
        verification::inspect::Least,
    },
    error::Error,
};

/// Files that are looked at at once.
const FILES_AT_ONCE: usize = 16;
/// Documents that are named of those that were written last; the others are counted.
const NAMED: usize = 10;

impl Store {
    /// Looks at a database that nobody has open. Changes nothing. `DataLoss` if there is
    /// nothing to go on from.
    pub async fn survey(&self, uid: Uuid, least: &Least) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let least = self.root.raised(uid, least).await?;
        let manifest = self.survey_manifests(uid, &least, &mut survey).await?;
        self.survey_logs(uid, &least, &manifest, &mut survey).await?;
        survey.lost = self.lost_files(uid, &manifest).await?;
        self.survey_compactions(uid, &mut survey).await?;
        Ok(survey)
    }

    /// The newest that can be read. It gets a number above all others: snapshots name
    /// manifests by their numbers, and must not find another one in the place of theirs.
    async fn survey_manifests(
        &self,
        uid: Uuid,
        least: &Least,
        survey: &mut Survey,
    ) -> Result<VersionedManifest, Error> {
        let mut ids: Vec<u64> = self.root.numbers(uid, Kind::Manifest).await?.collect();
        ids.sort_unstable();
        let mut highest = ids.last().copied().unwrap_or(0).max(self.set_aside_before(uid).await?);
        if highest < least.manifest_id {
            highest = least.manifest_id;
            unless_lost(self.require(&manifest_path(uid, highest)).await, &mut survey.wrong)?;
        }
        while let Some(id) = ids.pop() {
            let read = self.whole_manifest(uid, id, least).await;
            if let Some(manifest) = unless_lost(read, &mut survey.wrong)? {
                survey.manifest = id;
                survey.promoted = (id < highest).then_some(highest + 1);
                return Ok(manifest);
            }
            survey.aside.push(manifest_path(uid, id));
        }
        Err(Error::DataLoss(format!("{} has no manifest that can be read", collection(uid))))
    }

    /// The highest number of a manifest that was moved aside, now or long ago.
    async fn set_aside_before(&self, uid: Uuid) -> Result<u64, Error> {
        let moved = self.root.list(&super::damaged(uid).join("manifest")).await?;
        let number = |name: &str| name.split('.').next().and_then(|number| number.parse::<u64>().ok());
        Ok(moved.iter().filter_map(|(path, _)| number(path.filename()?)).max().unwrap_or(0))
    }

    /// From the first log on that is missing or damaged, all have to go: what they hold was
    /// written upon what it held.
    async fn survey_logs(
        &self,
        uid: Uuid,
        least: &Least,
        manifest: &VersionedManifest,
        survey: &mut Survey,
    ) -> Result<(), Error> {
        let listed: BTreeSet<u64> = self.root.numbers(uid, Kind::Log).await?.collect();
        let (after, next) = (manifest.replay_after_wal_id(), manifest.next_wal_sst_id());
        let known = self.last_known_log(uid, manifest, least);
        let last = listed.last().copied().unwrap_or(0).max(known);
        let mut broken = None;
        for id in after + 1..=last {
            if broken.is_some() && !listed.contains(&id) {
                continue;
            }
            let read = unless_lost(self.read_log(uid, id).await, &mut survey.wrong)?;
            if read.is_none() {
                broken = broken.or(Some(id));
            }
            if broken.is_some() && listed.contains(&id) {
                survey.aside.push(log_path(uid, id));
                survey.behind.add(read.unwrap_or_default());
            }
        }
        // What the manifest counts on is asked for at every open.
        survey.fences = broken.map_or(0..0, |from| from..next.max(from));
        Ok(())
    }

    /// Reads what is in a log.
    async fn read_log(&self, uid: Uuid, id: u64) -> Result<Behind, Error> {
        let path = log_path(uid, id);
        // A bucket lists what is there; in a directory it may be out of reach for now.
        self.look_at_log(uid, id).await?;
        let rows = async {
            let mut rows = WalReader::new(collection(uid), self.root.store()).get(id).iterator().await?;
            let mut behind = Behind::default();
            while let Some(row) = rows.next().await? {
                match row.value {
                    ValueDeletable::Value(totals) if row.key == keys::TOTALS => {
                        behind.offset = behind.offset.max(Totals::offset_of(&totals).ok());
                    }
                    _ => behind.documents.extend(keys::parse_document(&row.key).map(|(_, id)| id.to_owned())),
                }
            }
            Ok::<_, slatedb::Error>(behind)
        };
        within(self.tuning.storage_patience.open, rows).await.map_err(|error| unreadable(&path, error))
    }

    /// The files of a manifest that are missing or cannot be opened.
    async fn lost_files(&self, uid: Uuid, manifest: &VersionedManifest) -> Result<Vec<String>, Error> {
        let reader = SstReader::new(collection(uid), self.root.store(), None, None);
        let looked = futures::stream::iter(sst_ids(manifest))
            .map(|id| self.look_at_file(uid, id, &reader))
            .buffer_unordered(FILES_AT_ONCE);
        let mut lost: Vec<String> = looked.try_filter_map(|lost| async move { Ok(lost) }).try_collect().await?;
        lost.sort_unstable();
        Ok(lost)
    }

    async fn look_at_file(&self, uid: Uuid, id: Ulid, reader: &SstReader) -> Result<Option<String>, Error> {
        let path = sst(uid, id);
        let mut why = Vec::new();
        match self.root.size(&path).await? {
            None => return Ok(Some(format!("{path} is missing"))),
            Some(0) => return Ok(Some(format!("{path} is empty"))),
            Some(_) => {}
        }
        let opened = within(self.tuning.storage_patience.read, reader.open(id)).await;
        unless_lost(opened.map_err(|error| unreadable(&path, error)), &mut why)?;
        Ok(why.pop())
    }

    /// They are derived: with an older manifest they are of one that is no more.
    async fn survey_compactions(&self, uid: Uuid, survey: &mut Survey) -> Result<(), Error> {
        if self.damage_of_compactions(uid).await?.is_some() || survey.promoted.is_some() {
            survey.derived = self.compactions(uid).await?;
            survey.derived.sort_unstable();
        }
        Ok(())
    }
}

impl Behind {
    fn add(&mut self, log: Self) {
        self.logs += 1;
        self.offset = self.offset.max(log.offset);
        self.documents.extend(log.documents);
    }

    /// Some of the documents that were written in these logs, and how many others.
    #[must_use]
    pub fn named(&self) -> (Vec<&str>, usize) {
        let named: Vec<_> = self.documents.iter().take(NAMED).map(String::as_str).collect();
        let others = self.documents.len() - named.len();
        (named, others)
    }
}

/// What was read; nothing if it is lost, which is noted.
fn unless_lost<T>(read: Result<T, Error>, wrong: &mut Vec<String>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::DataLoss(why)) => {
            wrong.push(why);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
