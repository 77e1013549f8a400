//! What the log says, as JSON for operators: of the log alone, so that no index is
//! believed, nothing is changed, and a server may run meanwhile.

use std::{io, ops::ControlFlow};

use futures::{StreamExt, pin_mut};
use serde_json::Value;

use super::{
    base::BaseReader,
    checksum::Checksum,
    entry::Tip,
    log::{Found, Log, damaged, entry_path},
    merged::Merged,
    shown::Shown,
};
use crate::error::Error;

/// How often the log is looked at again because a server changed it meanwhile.
const LOOKS: usize = 5;

/// Hands out every record of the newest revision, in the order of keys, as long as
/// somebody wants them.
pub async fn dump(log: &Log, mut each: impl FnMut(Value) -> io::Result<ControlFlow<()>>) -> Result<(), Error> {
    let shown = Shown::new()?;
    let mut records = settled(log, async |found: &Found| Merged::newest(log, found).await).await?;
    let mut read = Checksum::default();
    while let Some(record) = records.next().await? {
        read.add(&record.key, record.version, &record.value);
        if each(shown.record(&record))?.is_break() {
            return Ok(());
        }
    }
    let tip = records.tip();
    if read == tip.checksum { Ok(()) } else { Err(damaged(&entry_path(tip.revision), "the records do not add up")) }
}

/// Hands out every entry that is there, from the oldest on.
pub async fn dump_entries(log: &Log, mut each: impl FnMut(Value) -> io::Result<ControlFlow<()>>) -> Result<(), Error> {
    let shown = Shown::new()?;
    let Span { found, start, end } = settled(log, async |found: &Found| span(log, found).await).await?;
    let entries = log.entries(start, end);
    pin_mut!(entries);
    while let Some(read) = entries.next().await {
        let entry = match read {
            Ok((entry, ..)) => entry,
            Err(error) => {
                // A server that runs may just have removed it.
                let has_moved_on = log.look().await?.base() > found.base();
                return Err(if has_moved_on { moved_on() } else { error });
            }
        };
        if each(shown.entry(&entry))?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// From where to where entries are there.
struct Span {
    found: Found,
    start: Tip,
    end: u64,
}

async fn span(log: &Log, found: &Found) -> Result<Span, Error> {
    let start = match found.oldest() {
        0 => Tip::start(),
        revision => BaseReader::open(log, revision).await?.tip(),
    };
    Ok(Span { found: found.clone(), start, end: found.end()? })
}

fn moved_on() -> Error {
    io::Error::other("a server has removed old entries while they were read; read them again").into()
}

/// Opens what was found of the log. A server that runs makes bases and removes what lies
/// before them, and no list shows all objects at one instant: what fails is tried again
/// if the log has changed.
async fn settled<T>(log: &Log, open: impl AsyncFn(&Found) -> Result<T, Error>) -> Result<T, Error> {
    let mut found = log.look().await?;
    let mut looks = 1;
    loop {
        let opened = open(&found).await;
        if opened.is_ok() || looks == LOOKS {
            return opened;
        }
        let now = log.look().await?;
        if now == found {
            return opened;
        }
        found = now;
        looks += 1;
    }
}
