//! A file list that is lost is derived from the manifest of its snapshot again.

use std::path::PathBuf;

use stillframe::pb::restore::State;
use tonic::Code;

use crate::support::{TestServer, eventually, upsert};

/// What happens to the file list of `monday`.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Removed,
    Cut,
    Changed,
    /// It and that of `tuesday` change places.
    Swapped,
}

const ALL: [Damage; 4] = [Damage::Removed, Damage::Cut, Damage::Changed, Damage::Swapped];

/// A file list, and what was written there.
struct List {
    path: PathBuf,
    written: Vec<u8>,
}

impl List {
    fn of(server: &TestServer, owner: &str) -> Self {
        let path = server.dir.path().join(format!("storage/files/{owner}"));
        let written = std::fs::read(&path).unwrap();
        Self { path, written }
    }

    fn is_whole(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|list| list == self.written)
    }
}

struct Lists {
    monday: List,
    tuesday: List,
}

impl Lists {
    fn damage(&self, damage: Damage) {
        let Self { monday, tuesday } = self;
        assert!(monday.is_whole() && tuesday.is_whole(), "before {damage:?}");
        match damage {
            Damage::Removed => std::fs::remove_file(&monday.path).unwrap(),
            Damage::Cut => std::fs::write(&monday.path, &monday.written[..monday.written.len() / 2]).unwrap(),
            Damage::Changed => {
                let mut changed = monday.written.clone();
                // Within the size of the last file: it can be read as a list.
                *changed.last_mut().unwrap() ^= 1;
                std::fs::write(&monday.path, changed).unwrap();
            }
            Damage::Swapped => {
                std::fs::write(&monday.path, &tuesday.written).unwrap();
                std::fs::write(&tuesday.path, &monday.written).unwrap();
            }
        }
    }
}

/// Two snapshots of different files, and the documents of `monday`.
async fn given_lists() -> (TestServer, Lists, Vec<(String, String)>) {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let documents = server.scan("books").await;
    let monday = server.given_snapshot("books", "monday").await;
    server.given_documents("books", 50, 2).await;
    let tuesday = server.given_snapshot("books", "tuesday").await;
    let [monday, tuesday] = [monday, tuesday].map(|snapshot| List::of(&server, &snapshot.uid));
    assert_ne!(monday.written, tuesday.written);
    (server, Lists { monday, tuesday }, documents)
}

#[apply(on_each_storage!)]
async fn whoever_reads_a_lost_list_derives_it_again() {
    let (mut server, lists, documents) = given_lists().await;
    let now = server.scan("books").await;
    for damage in ALL {
        lists.damage(damage);
        assert!(server.get_snapshot("monday").await.unwrap().exclusive_bytes.is_some(), "{damage:?}");
        assert!(lists.monday.is_whole() && lists.tuesday.is_whole(), "GetSnapshot, {damage:?}");

        lists.damage(damage);
        let restored = format!("{damage:?}").to_lowercase();
        server.given_restore("monday", &restored).await;
        assert!(lists.monday.is_whole(), "a restore, {damage:?}");
        assert_eq!(server.scan(&restored).await, documents, "{damage:?}");

        // The collection reads the lists of all its snapshots when it has been opened.
        let are_whole = async || lists.monday.is_whole() && lists.tuesday.is_whole();
        server = TestServer::reopen(server.stop().await).await;
        assert_eq!(server.scan("books").await, now, "{damage:?}");
        eventually("they are there behind a restart", are_whole).await;
        let dir = server.stop().await;
        lists.damage(damage);
        server = TestServer::reopen(dir).await;
        assert_eq!(server.scan("books").await, now, "{damage:?}");
        eventually("they are there when the collection was opened", are_whole).await;
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_next_snapshot_does_not_mind() {
    let (mut server, lists, _) = given_lists().await;
    std::fs::remove_file(&lists.tuesday.path).unwrap();
    server.write("books", vec![upsert("000000", "{}")]).await;
    let wednesday = server.given_snapshot("books", "wednesday").await;
    assert!(lists.tuesday.is_whole());
    assert_eq!(wednesday.incremental_bytes, 6 + 8 + 2, "only what has changed since tuesday");
    server.given_restore("wednesday", "again").await;
    assert_eq!(server.scan("again").await, server.scan("books").await);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_collection_still_has_what_a_list_is_derived_from() {
    let (mut server, lists, documents) = given_lists().await;
    server.delete_collection("books").await.unwrap();
    lists.damage(Damage::Removed);
    server.given_restore("monday", "again").await;
    assert!(lists.monday.is_whole());
    assert_eq!(server.scan("again").await, documents);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_list_that_is_derived_again_goes_with_its_snapshot() {
    let (mut server, lists, _) = given_lists().await;
    lists.damage(Damage::Removed);
    server.get_snapshot("monday").await.unwrap();
    assert!(lists.monday.is_whole());
    server.delete_snapshot("monday").await.unwrap();
    eventually("the list is gone", async || !lists.monday.path.exists()).await;
    assert_eq!(server.get_snapshot("monday").await.unwrap().exclusive_bytes, None);
    assert!(!lists.monday.path.exists(), "nobody makes one for what is gone");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restore_under_way_derives_its_own_list_again() {
    let (mut server, lists, documents) = given_lists().await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let uid = server.get_restore("again").await.unwrap().uid;
    let own = List::of(&server, &uid);
    assert_eq!(own.written, lists.monday.written);
    server.delete_snapshot("monday").await.unwrap();
    std::fs::remove_file(&own.path).unwrap();
    eventually("it is there again", async || own.is_whole()).await;
    std::fs::write(&own.path, &own.written[1..]).unwrap();
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    assert_eq!(server.scan("again").await, documents);
    eventually("its list is gone", async || !own.path.exists()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_list_that_cannot_be_derived_is_told_by_its_name() {
    let (mut server, lists, _) = given_lists().await;
    let monday = server.get_snapshot("monday").await.unwrap();
    lists.damage(Damage::Cut);
    for file in server.data_files(&monday.collection_uid) {
        std::fs::remove_file(file).unwrap();
    }
    server.request_restore("monday", "again").await.unwrap();
    assert_eq!(server.ended_restore("again").await.state(), State::Failed);
    let error = server.get_restore("again").await.unwrap().error.unwrap();
    assert_eq!(Code::from(error.code), Code::DataLoss);
    assert!(error.message.contains(&format!("files/{} is not what was written", monday.uid)), "{}", error.message);
    server.stop().await;
}
