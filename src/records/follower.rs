//! A second node on the same root: it reads the log and keeps an index of its own up to
//! date. It writes nothing under the root.

use std::path::Path;

use super::{
    IndexState, View,
    entry::Tip,
    index::Index,
    log::Log,
    start::{self, Reached},
};
use crate::{error::Error, tasks::Tasks};

/// How often a look at a log is begun anew that was collected meanwhile.
const ATTEMPTS: usize = 3;

/// The records as they were when the log was last looked at.
pub struct Follower {
    index: Index,
    log: Log,
    tip: Tip,
}

impl Follower {
    /// Makes or takes up the index in a data directory of this node's own.
    pub async fn open(data_dir: &Path, log: Log, tasks: &Tasks) -> Result<Self, Error> {
        let mut attempts = 0;
        loop {
            let index = IndexState::find(data_dir, tasks).await?;
            let found = log.look().await?;
            let opened = start::reach(data_dir, index, &log, &found, tasks).await;
            let (index, Reached { tip, .. }) = match opened {
                Ok(opened) => opened,
                // What it was to be read from was collected in favour of something newer.
                Err(_) if attempts < ATTEMPTS && log.look().await?.base() != found.base() => {
                    attempts += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            index.fill_secondary()?;
            return Ok(Self { index, log, tip });
        }
    }

    /// Takes in what was written since. Returns the revision that it is at.
    pub async fn catch_up(&mut self) -> Result<u64, Error> {
        loop {
            while let Some((entry, tip)) = self.log.next(&self.tip).await? {
                let before = self.index.before(&entry.writes)?;
                self.index.apply(self.log.instance(), &tip, &entry.writes, &before)?;
                self.tip = tip;
            }
            let at = self.tip.revision;
            if at > 0 && self.log.goes_on_at(at + 1).await? {
                return Ok(at);
            }
            // So far behind that the next entry is collected: a base has it.
            let base = match self.log.look().await?.base() {
                Some(base) if base > at => base,
                _ if at == 0 => return Ok(0),
                _ => return Err(Error::DataLoss("the record log has lost its newest entry".to_owned())),
            };
            self.tip = start::refill(&self.index, &self.log, base).await?;
        }
    }

    /// The records as they are here.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(self.index.clone())
    }
}
