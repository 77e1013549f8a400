//! What becomes of changes when the log or the index cannot be written, or somebody else
//! writes the log.

use std::{os::unix::fs::symlink, path::PathBuf};

use futures::FutureExt;
use rustix::io::Errno;

use super::*;
use crate::{
    documents::{ObjectPath, Root},
    durable::{Call, faults},
    names::WorkspaceName,
    records::{
        Policy, Subscription, Workspace, fixture,
        log::{base_path, entry_path},
    },
};

struct Given {
    dir: tempfile::TempDir,
    log: Log,
    tasks: Tasks,
    clock: Clock,
    committer: Arc<Committer>,
    /// The index cannot be written any more.
    is_broken: Arc<std::sync::atomic::AtomicBool>,
}

impl Given {
    /// An empty log, which another server may write as well.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(&dir.path().join("root")).unwrap();
        root.lay_out().await.unwrap();
        let index = Index::open(&dir.path().join("metadata")).unwrap();
        let (log, tasks, clock) = (Log::new(root, Uuid::from_u128(1)), Tasks::default(), Clock::default());
        let compactor = Compactor::new(Policy::default(), clock.clone(), None, 0, 0);
        let is_broken = Arc::clone(&index.is_broken);
        let tip = Tip::start();
        let committer = Committer::new(index, log.clone(), clock.clone(), tasks.clone(), compactor, tip, true);
        Self { dir, log, tasks, clock, committer: Arc::new(committer), is_broken }
    }

    async fn commit(&self, change: Change) -> Result<(), CommitError> {
        Committer::commit(&self.committer, change).await
    }

    async fn put(&self, revision: u64) -> Result<(), CommitError> {
        self.commit(Change::default().put(&workspace("a", revision))).await
    }

    /// Another server has written an entry.
    fn given_rival_at(&self, revision: u64) {
        let theirs = LogEntry { revision, writer: vec![9; 16], ..LogEntry::default() };
        std::fs::write(self.file(&entry_path(revision)), entry::encode(&theirs)).unwrap();
    }

    /// Another server has gone on to a base, and has collected what lies before it.
    fn given_rival_beyond(&self, base: u64) {
        std::fs::write(self.file(&base_path(base)), "theirs").unwrap();
        self.given_rival_at(base + 1);
        let old = (1..=base).map(|revision| self.file(&entry_path(revision)));
        old.filter(|file| file.exists()).for_each(|file| std::fs::remove_file(file).unwrap());
    }

    fn file(&self, path: &ObjectPath) -> PathBuf {
        self.log.root().file(path).unwrap()
    }

    /// A link to itself, through which nothing is listed any more; all else goes on.
    fn given_loop(&self) -> PathBuf {
        let file = self.file(&ObjectPath::from("records/loop"));
        symlink(&file, &file).unwrap();
        file
    }

    fn is_stopped(&self) -> bool {
        self.tasks.until(std::future::pending()).now_or_never().is_some()
    }

    /// The records can be written no more, and this server says so.
    #[track_caller]
    fn check_taken(&self, refused: Result<(), CommitError>) {
        assert!(matches!(refused, Err(CommitError::Failed(Error::ShuttingDown))), "{refused:?}");
        assert!(self.is_stopped());
    }
}

fn workspace(id: &str, revision: u64) -> Workspace {
    Workspace { name: WorkspaceName(id.parse().unwrap()), revision, ..fixture::workspace() }
}

fn insert(id: &str) -> Change {
    Change::default().insert(&workspace(id, 1))
}

#[track_caller]
fn check_unknown(refused: Result<(), CommitError>) {
    assert!(matches!(refused, Err(CommitError::Failed(Error::OutcomeUnknown(_)))), "{refused:?}");
}

/// It is in the log for good, so who watches must not wait for the end that it is.
#[tokio::test]
async fn what_the_index_cannot_take_is_told_all_the_same() {
    let given = Given::new().await;
    let told: Arc<Mutex<Vec<u64>>> = Arc::default();
    let telling = Arc::clone(&told);
    given.committer.subscribers().add(Subscription::default().to(move |_, after: Option<&Workspace>| {
        telling.lock().extend(after.map(|after| after.revision));
    }));
    given.put(1).await.unwrap();
    given.is_broken.store(true, Ordering::SeqCst);
    check_unknown(given.put(2).await);
    assert_eq!(*told.lock(), [1, 2]);
    assert!(given.log.has(2).await.unwrap());
    assert!(given.is_stopped());
    assert_eq!(given.committer.revision(), 1, "nobody can read it here");
    given.check_taken(given.put(3).await);
}

#[tokio::test]
async fn an_entry_of_another_in_its_place_stops_the_service() {
    let given = Given::new().await;
    given.put(1).await.unwrap();
    given.given_rival_at(2);
    assert!(!given.is_stopped());
    given.check_taken(given.put(2).await);
    assert_eq!(given.committer.revision(), 1);
    let found = given.log.read(2).await.unwrap().unwrap();
    assert_eq!(found.writer, [9; 16], "theirs is left alone");
    given.check_taken(given.put(3).await);
    assert!(!given.log.has(3).await.unwrap());
}

#[tokio::test]
async fn what_conflicts_with_a_change_that_was_not_made_fails_as_that_does() {
    let given = Given::new().await;
    given.commit(insert("there")).await.unwrap();
    given.given_rival_at(2);
    // All wait before the first is written.
    let (first, second, other) =
        tokio::join!(given.commit(insert("new")), given.commit(insert("new")), given.commit(insert("there")));
    given.check_taken(first);
    given.check_taken(second);
    assert!(matches!(other, Err(CommitError::Conflict)), "{other:?}");

    let given = Given::new().await;
    let (first, second) = tokio::join!(given.commit(insert("new")), given.commit(insert("new")));
    first.unwrap();
    assert!(matches!(second, Err(CommitError::Conflict)), "{second:?}");
}

/// Its revision is free again, so the entry gets there; and what lies before it may be an
/// entry that got there in the same way.
#[tokio::test]
async fn who_was_overtaken_so_far_that_its_revision_is_free_acknowledges_nothing() {
    let given = Given::new().await;
    given.put(1).await.unwrap();
    given.given_rival_beyond(7);
    std::fs::write(given.file(&entry_path(1)), "an orphan").unwrap();
    given.clock.advance(OVERTAKEN);
    given.check_taken(given.put(2).await);
    assert!(given.log.has(2).await.unwrap(), "nobody counts it");
    assert_eq!(given.committer.revision(), 1);
}

/// The other one may have written on it, so it may count.
#[tokio::test]
async fn who_is_followed_at_once_by_another_does_not_know() {
    let given = Given::new().await;
    given.put(1).await.unwrap();
    given.given_rival_at(3);
    given.clock.advance(OVERTAKEN);
    check_unknown(given.put(2).await);
    assert!(given.is_stopped());
}

/// It had just written when storage went away.
#[tokio::test]
async fn who_is_overtaken_while_storage_is_away_acknowledges_nothing() {
    let given = Given::new().await;
    given.put(1).await.unwrap();
    let fault = faults::fail(given.dir.path(), Call::Link, Errno::IO, usize::MAX);
    let rival = async {
        while fault.met() == 0 {
            tokio::task::yield_now().await;
        }
        given.clock.advance(OVERTAKEN);
        given.given_rival_beyond(7);
        drop(fault);
    };
    // The next attempt comes a pause later.
    let (refused, ()) = tokio::join!(given.put(2), rival);
    given.check_taken(refused);
    assert_eq!(given.committer.revision(), 1);
}

#[tokio::test]
async fn who_cannot_find_out_whether_it_was_overtaken_does_not_know() {
    let given = Given::new().await;
    given.given_loop();
    given.tasks.cancel();
    check_unknown(given.put(1).await);
    assert!(given.log.has(1).await.unwrap());
    assert_eq!(given.committer.revision(), 0);

    // It is asked again for as long as the service runs.
    let given = Given::new().await;
    let looped = given.given_loop();
    let mending = async {
        while !given.log.has(1).await.unwrap() {}
        std::fs::remove_file(looped).unwrap();
    };
    let (made, ()) = tokio::join!(given.put(1), mending);
    made.unwrap();
}

/// A list is billed, so it is not asked for at each.
#[tokio::test]
async fn who_has_just_written_was_not_overtaken() {
    let given = Given::new().await;
    assert!(!given.committer.is_ours());
    given.put(1).await.unwrap();
    assert!(given.committer.is_ours());
    given.given_loop();
    given.put(2).await.unwrap();
}

#[tokio::test]
async fn who_writes_nothing_finds_out_that_it_was_overtaken() {
    for is_collected in [false, true] {
        let given = Given::new().await;
        assert!(given.committer.look_for_rivals().await.unwrap(), "an empty log");
        given.put(1).await.unwrap();
        assert!(given.committer.look_for_rivals().await.unwrap() && !given.is_stopped());
        if is_collected {
            given.given_rival_beyond(7);
        } else {
            given.given_rival_at(2);
        }
        assert!(!given.committer.look_for_rivals().await.unwrap());
        given.check_taken(given.put(2).await);
        assert_eq!(given.log.has(2).await.unwrap(), !is_collected, "nothing is written any more");
    }
}
