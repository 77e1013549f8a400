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
use crate::{
    error::Error,
    stored::{SourceMark, SourcePosition},
};

/// Positions that a restored collection keeps; as many as it may have sources.
pub const MAX_POSITIONS: usize = 16;

/// Removes the marks that are too many; returns the others, the oldest first.
pub(super) async fn keep(db: &Db) -> Result<Vec<SourcePosition>, Error> {
    let (mut kept, mut seen) = (Vec::new(), HashSet::new());
    for (source, mark) in marks::all(db).await?.into_iter().rev() {
        let is_newest = seen.insert((mark.location.clone(), mark.pattern.clone()));
        if is_newest && kept.len() < MAX_POSITIONS {
            kept.push(position(source, mark));
        } else {
            marks::remove(db, source).await?;
        }
    }
    kept.reverse();
    Ok(kept)
}

fn position(source: Uuid, mark: SourceMark) -> SourcePosition {
    let SourceMark { location, pattern, objects, documents, last_object, update_time, .. } = mark;
    SourcePosition {
        source_uid: source.as_bytes().to_vec(),
        location,
        pattern,
        objects,
        documents,
        last_object,
        update_time,
    }
}
