//! The log in itself: every object is read, and every entry must stand on the one
//! before and add up.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};

use super::{
    super::{
        base::BaseReader,
        checksum::Checksum,
        entry::Tip,
        log::{Found, Log, base_path, entry_path},
    },
    Report, damage,
};
use crate::{error::Error, lines::counted, stored::RecordWrite};

/// A record's version and value; `None` where there is none.
type Held = Option<(u64, Vec<u8>)>;

/// Checks all bases, and all entries from the oldest that can be followed.
pub(super) async fn check(log: &Log, found: &Found, report: &mut Report<'_>) -> Result<(), Error> {
    let wrong_before = report.wrong();
    let mut bases = BTreeMap::new();
    for revision in &found.bases {
        match damage(read_base(log, *revision).await)? {
            Ok(tip) => {
                bases.insert(*revision, tip);
            }
            Err(why) => report.tell_wrong(format!("log: {why}")),
        }
    }
    let start = match found.oldest() {
        0 => Some(Tip::start()),
        oldest => bases.range(oldest..).next().map(|(_, tip)| *tip),
    };
    // Without a base that is whole there is nothing to begin with.
    let Some(start) = start else { return Ok(()) };
    let entries = read_entries(log, found, start, &bases, report).await?;
    let mut sum = Sum::begin(log, start, &entries).await?;
    for (tip, writes) in entries {
        sum.apply(tip.revision, writes);
        if sum.checksum != tip.checksum {
            report.tell_wrong(format!("log: the records do not add up behind {}", entry_path(tip.revision)));
            break;
        }
    }
    if report.wrong() > wrong_before {
        return Ok(());
    }
    let Found { bases, entries } = found;
    report.say(format!(
        "log: {}, {}, revision {}, {}: whole",
        counted(bases.len() as u64, "base", "bases"),
        counted(entries.len() as u64, "entry", "entries"),
        sum.revision,
        counted(sum.checksum.count, "record", "records"),
    ));
    let left_over = entries.range(..=start.revision).count() + bases.range(..start.revision).count();
    if left_over > 0 {
        let objects = counted(left_over as u64, "older object is", "older objects are");
        report.say(format!("log: {objects} left over (the next base removes what lies before it)"));
    }
    Ok(())
}

async fn read_base(log: &Log, revision: u64) -> Result<Tip, Error> {
    let mut base = BaseReader::open(log, revision).await?;
    while base.next().await?.is_some() {}
    Ok(base.tip())
}

/// Reads the entries behind `start` up to the newest, or to the first that is damaged.
/// Bases on the way must be what the entries have come to.
async fn read_entries(
    log: &Log,
    found: &Found,
    start: Tip,
    bases: &BTreeMap<u64, Tip>,
    report: &mut Report<'_>,
) -> Result<Vec<(Tip, Vec<RecordWrite>)>, Error> {
    let newest = found.entries.last().max(found.bases.last()).copied().unwrap_or(0);
    let mut followed = Vec::new();
    let entries = log.entries(start, newest);
    pin_mut!(entries);
    while let Some(read) = entries.next().await {
        match damage(read)? {
            Ok((entry, tip, _)) => {
                if bases.get(&tip.revision).is_some_and(|base| *base != tip) {
                    let (base, entry) = (base_path(tip.revision), entry_path(tip.revision));
                    report.tell_wrong(format!("log: {base} does not stand on {entry}"));
                }
                followed.push((tip, entry.writes));
            }
            Err(why) => report.tell_wrong(format!("log: {why}; what lies behind it was not looked at")),
        }
    }
    Ok(followed)
}

/// Adds the records up as entries change them. Only those that entries touch are in
/// memory.
struct Sum {
    revision: u64,
    checksum: Checksum,
    touched: BTreeMap<Vec<u8>, Held>,
}

impl Sum {
    async fn begin(log: &Log, start: Tip, entries: &[(Tip, Vec<RecordWrite>)]) -> Result<Self, Error> {
        let writes = entries.iter().flat_map(|(_, writes)| writes);
        let mut touched: BTreeMap<_, Held> = writes.map(|write| (write.key.clone(), None)).collect();
        if start.revision > 0 && !touched.is_empty() {
            let mut base = BaseReader::open(log, start.revision).await?;
            while let Some(record) = base.next().await? {
                if let Some(held) = touched.get_mut(&record.key) {
                    *held = Some((record.version, record.value));
                }
            }
        }
        Ok(Self { revision: start.revision, checksum: start.checksum, touched })
    }

    fn apply(&mut self, revision: u64, writes: Vec<RecordWrite>) {
        self.revision = revision;
        for RecordWrite { key, value } in writes {
            if let Some(value) = &value {
                self.checksum.add(&key, revision, value);
            }
            let after = value.map(|value| (revision, value));
            let before = self.touched.get_mut(&key).and_then(|held| std::mem::replace(held, after));
            if let Some((version, value)) = before {
                self.checksum.remove(&key, version, &value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_add_up_to_the_records_that_they_leave() {
        let write =
            |key: &[u8], value: Option<&[u8]>| RecordWrite { key: key.to_vec(), value: value.map(<[u8]>::to_vec) };
        let mut checksum = Checksum::default();
        checksum.add(b"w/a", 1, b"old");
        checksum.add(b"w/untouched", 1, b"x");
        let touched = [(b"w/a".to_vec(), Some((1, b"old".to_vec()))), (b"w/b".to_vec(), None)].into();
        let mut sum = Sum { revision: 1, checksum, touched };
        sum.apply(2, vec![write(b"w/a", Some(b"new")), write(b"w/b", Some(b"y"))]);
        sum.apply(3, vec![write(b"w/b", None)]);
        let mut expected = Checksum::default();
        expected.add(b"w/untouched", 1, b"x");
        expected.add(b"w/a", 2, b"new");
        assert_eq!((sum.revision, sum.checksum), (3, expected));
    }
}
