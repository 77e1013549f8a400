//! Resources that their callers leave unnamed get an id of the server's.
//!
//! The id is made of the uid: when that was made, and the end of it, which is drawn by
//! chance. Should there be one of that id already, another uid is taken.

use uuid::Uuid;

use crate::{
    clock::Clock,
    error::{Error, Kind},
    names::Id,
};

/// Ids that are tried. That one of them is taken is a matter of one in a million
/// even where a thousand are made a second.
const ATTEMPTS: usize = 8;

/// Makes a resource of a kind under the id that was given, or one that is free.
pub async fn create<T, F: Future<Output = Result<T, Error>>>(
    clock: &Clock,
    kind: Kind,
    given: Option<&Id>,
    make: impl Fn(Id, Uuid) -> F,
) -> Result<T, Error> {
    let mut attempts = 1;
    loop {
        let uid = clock.new_uid();
        let id = given.cloned().unwrap_or_else(|| Id::made_of(uid));
        match make(id, uid).await {
            Err(Error::Exists { kind: taken, .. }) if taken == kind && given.is_none() && attempts < ATTEMPTS => {
                attempts += 1;
            }
            made => return made,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Tries to make a snapshot while there is another resource of that kind in its way, and
    /// tells under which ids.
    async fn tried(taken: Kind, times: usize, given: Option<&Id>) -> (bool, Vec<Id>) {
        let (clock, tried) = (Clock::default(), RefCell::new(Vec::new()));
        let made = create(&clock, Kind::Snapshot, given, |id, uid| {
            assert!(given.is_some() || id == Id::made_of(uid));
            tried.borrow_mut().push(id);
            let is_taken = tried.borrow().len() <= times;
            async move { if is_taken { Err(Error::Exists { kind: taken, name: String::new() }) } else { Ok(()) } }
        });
        (made.await.is_ok(), tried.take())
    }

    #[tokio::test]
    async fn an_id_that_is_taken_is_passed_over() {
        let (is_made, ids) = tried(Kind::Snapshot, 2, None).await;
        assert!(is_made && ids.len() == 3);
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        let (is_made, ids) = tried(Kind::Snapshot, usize::MAX, None).await;
        assert!(!is_made && ids.len() == ATTEMPTS);
    }

    #[tokio::test]
    async fn what_the_caller_has_named_is_told() {
        let id = "monday".parse().unwrap();
        assert_eq!(tried(Kind::Snapshot, 1, Some(&id)).await, (false, vec![id]));
        let (is_made, ids) = tried(Kind::Collection, 1, None).await;
        assert!(!is_made && ids.len() == 1, "that of a restore, whatever the restore is called");
    }
}
