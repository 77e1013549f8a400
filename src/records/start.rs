//! The start: the index is held against the log, and goes on from where it was, or
//! is made anew.
//!
//! An index is believed if what it holds adds up to what the log says of the
//! revision that it claims to be at, and its cache can be read. Whatever else is the matter with it (missing,
//! damaged, set back, of another root), it is removed and made from the newest base
//! and the entries behind it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, pin_mut};
use prost::Message;
use uuid::Uuid;

use super::{
    ApiKeyUse, Cached, Records, View,
    base::{BaseReader, BaseWriter},
    checksum::Checksum,
    commit::Committer,
    compact::{Compactor, Policy},
    entry::{Hash, Tip},
    index::{self, Index},
    log::{Found, Log, entry_path},
};
use crate::{
    clock::{Clock, Micros},
    damage,
    error::Error,
    stored::{BaseRecord, Instance},
    tasks::Tasks,
};

/// The directory of the index in the data directory.
pub const DIRECTORY: &str = "metadata";
/// Records of a base that the index takes in at once.
const FILL: usize = 1000;
/// How long a process that is gone may take to let go of its files.
const LETTING_GO: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Where version 0.1.0 said whose its records are.
const LEGACY_INSTANCE: &[u8] = b"instance/";
/// The revision of the base that is made of the records of version 0.1.0.
const TAKEN_OVER: u64 = 1;

/// The index as it was found.
pub enum IndexState {
    /// There is none, or an empty one.
    Missing,
    /// It is there and cannot be used.
    Unusable(String),
    /// It is what version 0.1.0 had in place of the log.
    Legacy(Index, Uuid),
    /// It says that it is of an instance, at a revision.
    At(Index, Uuid, u64),
}

impl IndexState {
    /// Looks what is in a directory. sled may end with a panic on damage. An error
    /// only if it is in use: then it says nothing of what is in it.
    pub async fn find(data_dir: &Path, tasks: &Tasks) -> Result<Self, Error> {
        let directory = data_dir.join(DIRECTORY);
        if std::fs::read_dir(&directory).map_or(true, |mut entries| entries.next().is_none()) {
            return Ok(Self::Missing);
        }
        match tasks.blocking("index open", move || Self::open(&directory)).await {
            Ok(Err(error)) if index::is_locked(&error) => Err(error),
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Ok(Self::Unusable(format!("{error:?}"))),
            Err(panicked) => Ok(Self::Unusable(panicked.to_string())),
        }
    }

    fn open(directory: &Path) -> Result<Self, Error> {
        let index = open_free(directory)?;
        if let Some((instance, tip)) = index.tip()? {
            return Ok(Self::At(index, instance, tip.revision));
        }
        match index.legacy_instance()? {
            Some(instance) => Ok(Self::Legacy(index, instance)),
            None => Ok(Self::Missing),
        }
    }

    /// Whose it says to be.
    #[must_use]
    pub fn instance(&self) -> Option<Uuid> {
        match self {
            Self::Missing | Self::Unusable(_) => None,
            Self::Legacy(_, instance) | Self::At(_, instance, _) => Some(*instance),
        }
    }
}

/// Opens an index that no other process has: the data directory is ours. One that
/// was killed a moment ago may still be letting go of it.
fn open_free(directory: &Path) -> Result<Index, Error> {
    let began = Instant::now();
    loop {
        match Index::open(directory) {
            Err(error) if index::is_locked(&error) && began.elapsed() < LETTING_GO => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
}

impl Index {
    fn legacy_instance(&self) -> Result<Option<Uuid>, Error> {
        let Some(found) = self.legacy_get(LEGACY_INSTANCE)? else { return Ok(None) };
        let instance = Instance::decode(found.as_slice())?;
        let uid = damage::uid("uid", &instance.uid).map_err(|damage| damage.of("the instance of version 0.1.0"))?;
        Ok(Some(uid))
    }
}

/// What records are opened from.
pub struct Opening<'a> {
    /// Where the index is.
    pub data_dir: &'a Path,
    /// The index as it was found.
    pub index: IndexState,
    /// The log of the instance.
    pub log: Log,
    /// What was found of it, by who has looked. It must be durable: whoever wrote the newest
    /// entry may have been killed before that ([`Root::lay_out`](crate::documents::Root)).
    pub found: Found,
    /// When bases are made.
    pub policy: Policy,
    /// Time.
    pub clock: Clock,
    /// Background work.
    pub tasks: Tasks,
    /// Another process may write the log as well: nothing that is locked keeps it out.
    pub may_have_rivals: bool,
}

/// Opens the records: exactly those of the log.
pub async fn open(opening: Opening<'_>) -> Result<Records, Error> {
    let Opening { data_dir, index, log, found, policy, clock, tasks, may_have_rivals } = opening;
    let (index, reached) = reach(data_dir, index, &log, &found, &tasks).await?;
    let filling = index.clone();
    let filled = tasks.blocking("index fill", move || filling.fill_secondary()).await;
    filled.map_err(|panicked| Error::Internal(Arc::new(panicked)))??;
    let Reached { tip, time, entries, bytes } = reached;
    let compactor = Compactor::new(policy, clock.clone(), found.base(), entries, bytes);
    let committer = Committer::new(index.clone(), log, clock, tasks, compactor, tip, may_have_rivals);
    Ok(Records { view: View::new(index), committer: Arc::new(committer), found: time })
}

/// An index that holds what the log does: the one that was found, or one made anew.
pub(super) async fn reach(
    data_dir: &Path,
    index: IndexState,
    log: &Log,
    found: &Found,
    tasks: &Tasks,
) -> Result<(Index, Reached), Error> {
    let end = found.end()?;
    // What is not gone on with is closed before its directory is removed.
    let reached = match judge(index, log, found, end, tasks).await? {
        Ok((index, reached)) => {
            let replayed = replay(&index, log, reached, end).await?;
            replayed.map(|reached| (index, reached)).map_err(Unbelieved::from)
        }
        Err(unbelieved) => Err(unbelieved),
    };
    match reached {
        Ok(reached) => Ok(reached),
        Err(Unbelieved { why, base }) => rebuild(data_dir, log, found, end, (&why, base)).await,
    }
}

/// Takes a newer base in, in place of all that an index holds.
pub(super) async fn refill(index: &Index, log: &Log, base: u64) -> Result<Tip, Error> {
    index.clear()?;
    let Reached { tip, .. } = fill(index, BaseReader::open(log, base).await?).await?;
    index.set_tip(log.instance(), &tip)?;
    index.fill_secondary()?;
    Ok(tip)
}

/// How far an index is, and what of the log lies between the newest base and there.
pub(super) struct Reached {
    /// How far it is.
    pub tip: Tip,
    /// When that was written; none of nothing.
    time: Option<Micros>,
    entries: u64,
    bytes: u64,
}

impl Reached {
    fn nothing() -> Self {
        Self { tip: Tip::start(), time: None, entries: 0, bytes: 0 }
    }

    fn base(base: &BaseReader) -> Self {
        Self { tip: base.tip(), time: Some(base.time()), entries: 0, bytes: 0 }
    }

    fn with(self, tip: Tip, time: Micros, bytes: usize) -> Self {
        Self { tip, time: Some(time), entries: self.entries + 1, bytes: self.bytes + bytes as u64 }
    }
}

/// An index must not be believed.
pub(super) struct Unbelieved {
    /// Why not.
    pub why: String,
    /// The newest base, if it was opened to find that out: no more than its head was read.
    base: Option<BaseReader>,
}

impl From<String> for Unbelieved {
    fn from(why: String) -> Self {
        Self { why, base: None }
    }
}

/// Holds an index against the log, and changes neither: how far it is, or the reason
/// why it must not be believed. An error if it is the log that must not be.
pub(super) async fn judge(
    index: IndexState,
    log: &Log,
    found: &Found,
    end: u64,
    tasks: &Tasks,
) -> Result<Result<(Index, Reached), Unbelieved>, Error> {
    let not_so = |why: String| Ok(Err(Unbelieved::from(why)));
    let index = match index {
        IndexState::At(index, instance, revision) if instance == log.instance() => {
            not_beyond(end, revision)?;
            index
        }
        IndexState::At(_, instance, _) => return not_so(format!("it is of another instance, {instance}")),
        IndexState::Legacy(..) => return not_so("it was taken over into the record log".to_owned()),
        IndexState::Unusable(why) => return not_so(why),
        IndexState::Missing => return not_so("it is missing".to_owned()),
    };
    let Some((_, at)) = index.tip()? else { return not_so("it is new".to_owned()) };
    if at.revision < found.base().unwrap_or(0) {
        return not_so(format!("it is at revision {}, before the oldest that the log goes on from", at.revision));
    }
    let counted = {
        let index = index.clone();
        // The cache as well, though nothing is lost with it: what sled cannot read there may
        // end the start later, with a panic even.
        let read = move || index.read_cache().and_then(|()| index.checksum());
        match tasks.blocking("index checksum", read).await {
            Ok(counted) => counted,
            Err(panicked) => return not_so(panicked.to_string()),
        }
    };
    match counted {
        Ok(counted) if counted == at.checksum => {}
        Ok(_) => return not_so("its records do not add up".to_owned()),
        Err(error) => return not_so(error.to_string()),
    }
    // Not before it is needed: it may be read as a whole, and is billed each time.
    let base = match found.base() {
        Some(revision) => Some(BaseReader::open(log, revision).await?),
        None => None,
    };
    let mut reached = base.as_ref().map_or_else(Reached::nothing, Reached::base);
    {
        let entries = log.entries(reached.tip, at.revision);
        pin_mut!(entries);
        while let Some(read) = entries.next().await {
            let (entry, tip, size) = read?;
            reached = reached.with(tip, entry.time, size);
        }
    }
    if reached.tip == at {
        Ok(Ok((index, reached)))
    } else {
        Ok(Err(Unbelieved { why: "its records are not those of the log".to_owned(), base }))
    }
}

/// An index that has seen more than the log has is no older copy: the log has lost
/// something.
fn not_beyond(end: u64, seen: u64) -> Result<(), Error> {
    if seen <= end {
        return Ok(());
    }
    let missing = entry_path(end + 1);
    Err(Error::DataLoss(format!(
        "the record log ends before {missing}, but this data directory has seen revision {seen}: objects of the storage root are missing"
    )))
}

/// Applies the entries behind what an index has reached, up to the end of the log.
async fn replay(index: &Index, log: &Log, mut reached: Reached, end: u64) -> Result<Result<Reached, String>, Error> {
    let entries = log.entries(reached.tip, end);
    pin_mut!(entries);
    while let Some(read) = entries.next().await {
        let (entry, tip, size) = read?;
        let writes = entry.writes.iter().map(|write| (write.key.as_slice(), write.value.as_deref()));
        match index.checksum_after(reached.tip.checksum, tip.revision, writes) {
            Ok(checksum) if checksum == tip.checksum => {}
            Ok(_) => return Ok(Err(format!("its records do not add up at revision {}", tip.revision))),
            Err(error) => return Ok(Err(error.to_string())),
        }
        let before = index.before(&entry.writes);
        let applied = before.and_then(|before| index.apply(log.instance(), &tip, &entry.writes, &before));
        if let Err(error) = applied {
            return Ok(Err(error.to_string()));
        }
        reached = reached.with(tip, entry.time, size);
    }
    Ok(Ok(reached))
}

/// Makes the index of a data directory anew, whatever is there, because an operator asks
/// for it. Returns the revision, and how many records there are.
pub async fn make_anew(data_dir: &Path, index: IndexState, log: &Log) -> Result<(u64, u64), Error> {
    let found = log.look().await?;
    let end = found.end()?;
    if let IndexState::At(_, instance, revision) = &index
        && *instance == log.instance()
    {
        not_beyond(end, *revision)?;
    }
    drop(index);
    let (_, Reached { tip, .. }) = rebuild(data_dir, log, &found, end, ("an operator asked for it", None)).await?;
    Ok((tip.revision, tip.checksum.count))
}

/// Makes the index anew: for a reason, and of the newest base, which may be open already.
async fn rebuild(
    data_dir: &Path,
    log: &Log,
    found: &Found,
    end: u64,
    (why, base): (&str, Option<BaseReader>),
) -> Result<(Index, Reached), Error> {
    let directory = data_dir.join(DIRECTORY);
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::from(error).at(&directory)),
        _ => {}
    }
    let index = open_free(&directory)?;
    let start = match (base, found.base()) {
        (Some(base), _) => fill(&index, base).await?,
        (None, Some(revision)) => fill(&index, BaseReader::open(log, revision).await?).await?,
        (None, None) => Reached::nothing(),
    };
    index.set_tip(log.instance(), &start.tip)?;
    let replayed = replay(&index, log, start, end).await?;
    let not_so = |why| Error::DataLoss(format!("the record log does not hold what it says: {why}"));
    let reached = replayed.map_err(not_so)?;
    index.flush().await?;
    // The first start of all has nothing to say.
    if end > 0 {
        let (revision, records) = (reached.tip.revision, reached.tip.checksum.count);
        tracing::warn!(why, revision, records, "the index of the records was made anew from the record log");
    }
    Ok((index, reached))
}

/// Takes a base in.
async fn fill(index: &Index, mut base: BaseReader) -> Result<Reached, Error> {
    let mut records = Vec::with_capacity(FILL);
    while let Some(record) = base.next().await? {
        records.push(record);
        if records.len() == FILL {
            index.fill(&records)?;
            records.clear();
        }
    }
    index.fill(&records)?;
    Ok(Reached::base(&base))
}

/// Makes the records of version 0.1.0 the first base of a log. Returns when keys were
/// used, which is in no log.
pub async fn take_over(index: &Index, log: &Log, now: Micros) -> Result<Vec<ApiKeyUse>, Error> {
    let mut records = index.legacy()?;
    let is_use = |key: &[u8]| key.starts_with(ApiKeyUse::PREFIX.as_bytes());
    let uses = records.iter().filter(|(key, _)| is_use(key)).map(|(_, value)| Ok(ApiKeyUse::decode(value.as_slice())?));
    let uses = uses.collect::<Result<_, Error>>()?;
    records.retain(|key, _| super::keys::is_logged(key));
    let mut checksum = Checksum::default();
    for (key, value) in &records {
        checksum.add(key, TAKEN_OVER, value);
    }
    let tip = Tip { revision: TAKEN_OVER, hash: Hash::NONE, checksum };
    let mut base = BaseWriter::begin(log, &tip, now).await?;
    for (key, value) in records {
        base.add(BaseRecord { key, version: TAKEN_OVER, value }).await?;
    }
    base.finish().await?;
    Ok(uses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Root;

    /// What may be lost ends no start: when a key was last used, or what was known of time.
    #[tokio::test]
    async fn an_index_whose_cache_cannot_be_read_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(Root::local(&dir.path().join("root")).unwrap(), Uuid::from_u128(1));
        let directory = dir.path().join(DIRECTORY);
        let index = open_free(&directory).unwrap();
        index.set_tip(log.instance(), &Tip::start()).unwrap();
        // So large that it has a file of its own.
        index.cache().insert("large", vec![7; 1 << 20]).unwrap();
        // sled reads the newest part of its log at each open: it lies before that.
        for n in 10..74 {
            index.cache().insert(format!("z{n}"), vec![n; 32 << 10]).unwrap();
        }
        index.flush().await.unwrap();
        drop(index);
        drop(open_free(&directory).unwrap());
        for file in std::fs::read_dir(directory.join("blobs")).unwrap() {
            std::fs::write(file.unwrap().path(), "damaged").unwrap();
        }
        let index = open_free(&directory).unwrap();
        index.cache().get("large").unwrap_err();
        drop(index);

        let tasks = Tasks::default();
        let found = IndexState::find(dir.path(), &tasks).await.unwrap();
        assert!(matches!(found, IndexState::At(..)));
        let (index, _) = reach(dir.path(), found, &log, &Found::default(), &tasks).await.unwrap();
        assert!(index.cache().is_empty());
    }
}
