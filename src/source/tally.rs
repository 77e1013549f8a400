//! What a batch of records counts for (**O5**).
//!
//! Whether a record becomes a document is known only when the writer has applied
//! it. So the writer settles the marks, and writes them with the documents; what it
//! has settled comes back with the result, when it is durable.

use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::{
    clock::Micros,
    documents::{Mark, Marking, Outcome, WriteResult},
    records::{BadRecord, ObjectMark, SourceMark},
};

/// Bad records that are kept.
pub const KEPT: usize = 10;
/// The longest reason that is kept, in bytes.
const MAX_REASON_BYTES: usize = 512;

/// Some records of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The path of the object.
    pub object: String,
    /// How far the object is behind them.
    pub mark: ObjectMark,
    /// The line of each write.
    pub lines: Vec<u64>,
    /// Records that are not among the writes.
    pub bad: i64,
    /// The first of those.
    pub first_bad: Vec<BadRecord>,
    /// Bytes of all of them.
    pub bytes: i64,
    /// When they were read.
    pub time: Micros,
}

impl Plan {
    /// Notes a bad record.
    pub fn refuse(&mut self, line: Option<u64>, why: &dyn std::fmt::Display) {
        self.bad += 1;
        if self.first_bad.len() < KEPT {
            self.first_bad.push(bad_record(&self.object, line.unwrap_or_default(), why));
        }
    }

    /// Counts the records, now that it is known what became of the writes.
    pub fn count(&self, mark: &mut SourceMark, results: &[WriteResult]) {
        let mut bad = self.first_bad.clone();
        let mut refused = 0;
        for (result, line) in results.iter().zip(&self.lines) {
            if let Outcome::Failed(error) = &result.outcome {
                refused += 1;
                if bad.len() < KEPT {
                    bad.push(bad_record(&self.object, *line, error));
                }
            }
        }
        mark.documents += count(results.len()) - refused;
        mark.bad_records += self.bad + refused;
        mark.bytes += self.bytes;
        mark.objects += i64::from(self.mark.done);
        let room = KEPT.saturating_sub(mark.first_bad_records.len());
        mark.first_bad_records.extend(bad.into_iter().take(room));
        mark.last_object.clone_from(&self.object);
        mark.update_time = self.time;
    }
}

fn bad_record(object: &str, line: u64, why: &dyn std::fmt::Display) -> BadRecord {
    let mut reason = why.to_string();
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    BadRecord { object: object.to_owned(), line, reason }
}

/// A length as it is stored.
pub fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Settles a plan when the writer has applied its writes.
pub struct Counting {
    /// The source.
    pub source: Uuid,
    /// What it has counted, as far as the writer is.
    pub tally: Arc<Mutex<SourceMark>>,
    /// What is to be counted.
    pub plan: Plan,
}

impl Marking for Counting {
    fn settle(self: Box<Self>, results: &[WriteResult]) -> Vec<Mark> {
        let Self { source, tally, plan } = *self;
        let mut tally = tally.lock();
        plan.count(&mut tally, results);
        vec![Mark::Source(source, Some(tally.clone())), Mark::Object(source, plan.object, Some(plan.mark))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn result(outcome: Outcome) -> WriteResult {
        WriteResult { id: "a".to_owned(), outcome, etag: None }
    }

    #[test]
    fn what_the_writer_refuses_is_bad_and_not_a_document() {
        let mark = ObjectMark { done: true, ..ObjectMark::default() };
        let mut plan =
            Plan { object: "x".to_owned(), mark, lines: vec![1, 3, 4], bytes: 50, time: 9, ..Plan::default() };
        plan.refuse(Some(2), &"nonsense");
        let late = Error::EventTimeOutOfRange { event_time: 1, earliest: 2, latest: 3 };
        let results = [result(Outcome::Added), result(Outcome::Failed(late)), result(Outcome::Replaced)];
        let mut counted = SourceMark::default();
        plan.count(&mut counted, &results);
        assert_eq!((counted.documents, counted.bad_records, counted.objects, counted.bytes), (2, 2, 1, 50));
        assert_eq!(counted.first_bad_records.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((counted.last_object.as_str(), counted.update_time), ("x", 9));
    }

    #[test]
    fn only_the_first_bad_records_are_kept_and_no_reason_is_long() {
        let mut plan = Plan::default();
        (1..=20).for_each(|line| plan.refuse(Some(line), &"ä".repeat(1000)));
        let mut counted = SourceMark::default();
        plan.count(&mut counted, &[]);
        plan.count(&mut counted, &[]);
        assert_eq!((counted.bad_records, counted.first_bad_records.len()), (40, KEPT));
        assert!(counted.first_bad_records.iter().all(|bad| bad.reason.len() == MAX_REASON_BYTES));
    }
}
