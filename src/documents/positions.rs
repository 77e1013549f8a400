//! What a restored database knows of the sources that filled it.
//!
//! It has none of them any more (**R3**), but their marks say what its documents
//! cover, so that a new source may start from there. Restores of restores must
//! not pile them up: the newest of each place are kept, and no more than a
//! collection has sources.

use std::collections::HashSet;

use slatedb::Db;
use uuid::Uuid;

use super::marks;
use crate::{error::Error, stored::SourceMark};

/// Positions that a restored collection keeps; as many as it may have sources.
pub const MAX_POSITIONS: usize = 16;

/// How far a source of another collection was.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// The source.
    pub source: Uuid,
    /// What it had noted.
    pub mark: SourceMark,
}

/// Removes the marks that are too many; returns the others, the oldest first.
pub(super) async fn keep(db: &Db) -> Result<Vec<Position>, Error> {
    let (mut kept, mut seen) = (Vec::new(), HashSet::new());
    for (source, mark) in marks::all(db).await?.into_iter().rev() {
        let is_newest = seen.insert((mark.location.clone(), mark.pattern.clone()));
        if is_newest && kept.len() < MAX_POSITIONS {
            kept.push(Position { source, mark });
        } else {
            marks::remove(db, source).await?;
        }
    }
    kept.reverse();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use slatedb::WriteBatch;

    use super::*;
    use crate::{
        clock::Clock,
        documents::{Mark, Root, Store, Tuning},
        stored::ObjectMark,
        tasks::Tasks,
    };

    #[tokio::test]
    async fn the_newest_of_each_place_are_kept_and_no_more_than_there_may_be_sources() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let background = tokio::runtime::Handle::current();
        let store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
        let db = store.open_quiet_database(Uuid::from_u128(1)).await.unwrap();
        let mut batch = WriteBatch::new();
        // The first place was read by three sources, one after the other.
        for n in 0..20_u32 {
            let location = format!("file:///{}", n.max(2));
            let mark = SourceMark { location, objects: n.into(), ..SourceMark::default() };
            Mark::Source(Uuid::from_u128(n.into()), Some(mark)).write(&mut batch);
            let object = Some(ObjectMark::default());
            Mark::Object(Uuid::from_u128(n.into()), "a".to_owned(), object).write(&mut batch);
        }
        db.write(batch).await.unwrap();
        for _ in 0..2 {
            let kept: Vec<_> = keep(&db).await.unwrap().into_iter().map(|position| position.mark.objects).collect();
            assert_eq!(kept, (4..20).collect::<Vec<_>>(), "again after a crash");
        }
        let mut left = db.scan(super::super::keys::objects(Uuid::nil(), None)).await.unwrap();
        assert!(left.next().await.unwrap().is_none(), "the marks of objects go, too");
        assert_eq!(marks::all(&db).await.unwrap().len(), MAX_POSITIONS);
        db.close().await.unwrap();
    }
}
