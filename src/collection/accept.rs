//! Accepts what is left of a damaged collection, because an operator says so.
//!
//! First it is said in the record log that this was begun: from then on a server refuses
//! the collection, for it may be half a repair, until it is said that it has ended. So
//! wherever it is interrupted, it is done again from the start, and ends in the same way.

use uuid::Uuid;

use super::expected::least;
use crate::{
    clock::Clock,
    documents::{Known, Least, Left, Newest, ObjectPath, Retention, Store, Survey, Totals},
    error::Error,
    names::CollectionName,
    records::{
        Acceptance, Change, Collection, CollectionState, Contents, Expected, Records, Restore, SealedFrom, Snapshot,
        SnapshotState,
    },
    upgrade,
};

/// A collection that may be damaged, while no server runs.
pub struct Accepting {
    records: Records,
    store: Store,
    clock: Clock,
    name: CollectionName,
    uid: Uuid,
    retention: Option<Retention>,
}

/// What there is of a collection.
#[derive(Debug)]
pub enum Look {
    /// All of it.
    Whole(Totals),
    /// Less than there was.
    Damaged(Box<Loss>),
    /// What is missing cannot be done without.
    Lost(Vec<String>),
}

/// What was there, and what is left.
#[derive(Debug)]
pub struct Loss {
    /// What is wrong, each with the name of its object.
    pub wrong: Vec<String>,
    /// What the collection is known to have had, at the largest offset that is known.
    pub expected: Option<Totals>,
    /// What can be read.
    pub left: Left,
    /// What is to be moved, and what was read of it.
    pub survey: Survey,
}

impl Accepting {
    /// A READY collection.
    pub fn new(records: Records, store: Store, clock: Clock, name: &CollectionName) -> Result<Self, Error> {
        let found = records.get(&Collection::at(name))?.ok_or_else(|| Error::NotFound(name.to_string()))?.record;
        if found.state != CollectionState::Ready {
            return Err(Error::CollectionNotReady(name.to_string()));
        }
        Ok(Self { records, store, clock, name: name.clone(), uid: found.uid, retention: found.retention })
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("collections/{}", self.uid)
    }

    /// Looks what is wrong with it, and reads all that is left. Changes nothing.
    pub async fn look(&self) -> Result<Look, Error> {
        let expected = self.records.get(&Expected::at(self.uid))?.map(|found| found.record);
        let begun = expected.as_ref().and_then(|expected| expected.acceptance);
        let (least, totals) = least(&self.records, self.uid, expected)?;
        let known = self.known(totals)?;
        let survey = match self.store.survey(self.uid, &least).await {
            Ok(mut survey) if survey.lost.is_empty() => {
                survey.lost = self.lost_snapshots(&survey).await?;
                if !survey.lost.is_empty() {
                    return Ok(Look::Lost(survey.lost));
                }
                survey
            }
            Ok(survey) => return Ok(Look::Lost(survey.lost)),
            Err(Error::DataLoss(why)) => return Ok(Look::Lost(vec![why])),
            Err(error) => return Err(error),
        };
        let left = match self.store.left(self.uid, &survey, &known, self.retention).await {
            Ok(left) => left,
            Err(Error::DataLoss(why)) => return Ok(Look::Lost(vec![why])),
            Err(error) => return Err(error),
        };
        let wrong = self.wrong(&survey, &left, &least, begun).await?;
        if wrong.is_empty() {
            return Ok(Look::Whole(left.found));
        }
        let mut left = left;
        // Whoever has seen the writes in what goes, or went, has seen their offsets.
        let seen = survey.behind.offset.map_or(0, |offset| offset + 1).max(begun.map_or(0, |begun| begun.offset));
        left.counted.offset = left.counted.offset.max(seen);
        let expected = known.least.into_iter().max_by_key(|totals| totals.offset);
        Ok(Look::Damaged(Box::new(Loss { wrong, expected, left, survey })))
    }

    /// What must not be forgotten: that of every snapshot, not of the newest alone.
    fn known(&self, mut least: Vec<Totals>) -> Result<Known, Error> {
        let mut last_created_offset = None;
        for found in self.records.find(&Snapshot::of_collection(self.uid))? {
            let Some(Contents { totals, .. }) = found.record.contents else { continue };
            last_created_offset = last_created_offset.max(Some(totals.offset));
            least.push(totals);
        }
        Ok(Known { last_created_offset, least, ..Known::default() })
    }

    async fn wrong(
        &self,
        survey: &Survey,
        left: &Left,
        least: &Least,
        begun: Option<Acceptance>,
    ) -> Result<Vec<String>, Error> {
        let mut wrong = Vec::new();
        if begun.is_some() {
            wrong.push(format!("{}: an accept-loss was begun and has not ended", self.directory()));
        }
        wrong.extend(survey.wrong.iter().cloned());
        // What a server says comes to the same, or there is something that is not known here.
        match self.store.inspect(self.uid, least).await {
            Err(Error::DataLoss(why)) if !wrong.contains(&why) => wrong.push(why),
            Err(Error::DataLoss(_)) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        if let Some(missing) = &left.missing {
            wrong.push(format!("{} is not what was left: {missing}", self.directory()));
        }
        if !left.found.counts_as(&left.counted) {
            let (counted, found) = (left.counted.document_count, left.found.document_count);
            wrong.push(format!("{} has {counted} documents, and says {found}", self.directory()));
        }
        Ok(wrong)
    }

    /// The snapshots of version 0.1.0 that are whole, and would not be any more: what keeps
    /// their files is in a manifest that cannot be read.
    async fn lost_snapshots(&self, survey: &Survey) -> Result<Vec<String>, Error> {
        let Some(manifest) = survey.older_manifest() else { return Ok(Vec::new()) };
        let owners = self.store.owners(self.uid, manifest).await?;
        let mut lost = Vec::new();
        for found in self.records.find(&Snapshot::of_collection(self.uid))? {
            if found.state != SnapshotState::Created {
                continue;
            }
            let manifest = found.contents()?.manifest;
            let is_held = manifest.has_copy() || owners.contains(&found.uid);
            if !is_held && self.store.has_manifest(self.uid, manifest.id).await? {
                lost.push(format!("{} would lose its files: restore it, or delete it, before", found.name));
            }
        }
        Ok(lost)
    }

    /// Lets go of what an older manifest holds for snapshots and restores that are over.
    async fn let_go(&self, survey: &Survey) -> Result<(), Error> {
        let Some(manifest) = survey.older_manifest() else { return Ok(()) };
        let mut over = self.store.owners(self.uid, manifest).await?;
        for found in self.records.find(&Snapshot::of_collection(self.uid))? {
            if !found.released {
                over.remove(&found.uid);
            }
        }
        for found in self.records.find(&Restore::pending_of(self.uid))? {
            over.remove(&found.uid);
        }
        for owner in over {
            self.store.unpin(self.uid, owner).await?;
        }
        Ok(())
    }

    /// Makes what is left the collection. Returns where what was damaged is now.
    pub async fn accept(&self, loss: &Loss) -> Result<Vec<ObjectPath>, Error> {
        let counted = &loss.left.counted;
        let acceptance = Acceptance { begin_time: self.clock.now(), offset: counted.offset };
        // What takes the place of older logs has seals, as all that is written now.
        let from = loss.survey.replaced_from().unwrap_or(u64::MAX);
        let sealed_from = |since: SealedFrom| SealedFrom { log: since.log.min(from), ..since };
        self.commit(|before| Expected {
            acceptance: Some(acceptance),
            sealed_from: before.sealed_from.map(sealed_from),
            ..before
        })
        .await?;
        upgrade::note_older(self.store.root(), &self.records)?;
        crate::crash_point!(AcceptBegun);
        let moved = self.store.repair(self.uid, &loss.survey).await?;
        crate::crash_point!(AcceptMoved);
        self.let_go(&loss.survey).await?;
        let stored_bytes = self.store.replace_totals(self.uid, &loss.left).await?;
        crate::crash_point!(AcceptCounted);
        self.store.forget_end(self.uid).await?;
        let newest = self.store.root().durable_newest(self.uid).await?;
        let Some(Newest { manifest_id, manifest_hash, log_id }) = newest else {
            return Err(Error::DataLoss(format!("{} has no manifest", self.directory())));
        };
        let least = Least { manifest_id, manifest_hash, log_id };
        self.store.inspect(self.uid, &least).await?;
        self.commit(|before| Expected {
            totals: Some(counted.clone()),
            manifest_id,
            manifest_hash,
            log_id,
            stored_bytes,
            acceptance: None,
            ..before
        })
        .await?;
        Ok(moved)
    }

    async fn commit(&self, change: impl Fn(Expected) -> Expected + Send + Sync) -> Result<(), Error> {
        let changed = || {
            let before = self.records.get(&Expected::at(self.uid))?.map(|found| found.record);
            let before = before.unwrap_or_else(|| Expected::nothing_of(self.uid));
            let is_there = Change::default().require_any(Collection::at(&self.name));
            Ok((is_there.put(&change(before)), ()))
        };
        self.records.change(changed).await
    }
}
