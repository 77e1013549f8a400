//! Whether all that is stored of the records holds together: the log in itself, the
//! index with the log, and the objects that records name. Nothing is mended.

mod chain;
mod objects;

use super::{
    log::Log,
    merged::Merged,
    start::{IndexState, Reached, Unbelieved, judge},
};
use crate::{error::Error, tasks::Tasks};

/// Damage of the log, which was told before.
const UNREADABLE: &str = "collections, file lists: not looked at: the newest records cannot be read";

/// What a check says, line by line, and how much of it is wrong.
pub struct Report<'a> {
    say: &'a mut dyn FnMut(String),
    wrong: usize,
}

impl<'a> Report<'a> {
    /// Begins, with nothing wrong.
    pub fn new(say: &'a mut dyn FnMut(String)) -> Self {
        Self { say, wrong: 0 }
    }

    /// How many things are wrong.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.wrong
    }

    fn say(&mut self, line: impl Into<String>) {
        (self.say)(line.into());
    }

    fn tell_wrong(&mut self, line: impl Into<String>) {
        self.wrong += 1;
        self.say(line);
    }
}

/// Looks through everything, and says what it found. An error only if storage does not
/// answer: then nobody knows.
pub async fn check(index: IndexState, log: &Log, tasks: &Tasks, report: &mut Report<'_>) -> Result<(), Error> {
    let found = log.look().await?;
    chain::check(log, &found, report).await?;
    let is_whole = report.wrong() == 0;
    let Ok(end) = found.end() else {
        // That is what the chain has told.
        report.say("nothing else was looked at: nobody knows the newest records");
        return Ok(());
    };
    match damage(judge(index, log, &found, end, tasks).await)? {
        Ok(Ok((_, Reached { tip, .. }))) if tip.revision == end => {
            report.say(format!("index: at revision {end}: the same records"));
        }
        Ok(Ok((_, Reached { tip, .. }))) => report.say(format!(
            "index: at revision {} of {end}: the same records (the next start reads the rest)",
            tip.revision
        )),
        // Nothing is lost, since it is made of the log; but something has lost or changed it.
        Ok(Err(Unbelieved { why, .. })) => {
            report.tell_wrong(format!("index: {why} (the next start makes it anew)"));
        }
        Err(why) if is_whole => report.tell_wrong(format!("index: {why}")),
        Err(why) => report.say(format!("index: not held against the log: {why}")),
    }
    match damage(Merged::newest(log, &found).await)? {
        Ok(records) => objects::check(log.root(), records, report).await,
        Err(_) => {
            report.say(UNREADABLE);
            Ok(())
        }
    }
}

/// Tells damage, which is for the report, from storage that does not answer.
fn damage<T>(read: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(Error::DataLoss(why)) => Ok(Err(why)),
        Err(error) => Err(error),
    }
}
