//! Manifests: they say which files a collection is made of, and nothing of theirs has a
//! checksum but their seals.

use std::path::Path;

use stillframe::pb;
use tonic::Code;

use super::{
    given::{empty, given, objects, overwrite, remove},
    newest_manifest,
};
use crate::support::{TestServer, eventually, has_files};

fn flip_a_bit(object: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(object).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x08;
    std::fs::write(object, bytes).unwrap();
}

#[apply(on_each_storage!)]
async fn a_bit_of_the_newest_is_flipped() {
    let mut given = given().await;
    let places: [fn(usize) -> usize; 3] = [|_| 0, |length| length / 2, |length| length - 100];
    for at in places {
        let newest = given.newest("manifest");
        given = given.assert_noticed(&newest, |manifest| flip_a_bit(manifest, at)).await;
    }
}

#[apply(on_each_storage!)]
async fn the_newest_is_emptied_or_removed() {
    for damage in [empty as fn(&Path), remove] {
        let given = given().await;
        let newest = given.newest("manifest");
        given.assert_noticed(&newest, damage).await;
    }
}

#[apply(on_each_storage!)]
async fn the_newest_is_another_collections() {
    let given = given().await;
    let theirs = objects(&given.films.join("manifest")).pop().unwrap();
    let ours = given.newest("manifest");
    given.assert_noticed(&ours, |manifest| overwrite(manifest, &theirs)).await;
}

#[apply(on_each_storage!)]
async fn the_newest_is_an_older_one() {
    let given = given().await;
    let mut manifests = given.objects("manifest");
    let newest = manifests.pop().unwrap();
    let older = manifests.pop().unwrap();
    given.assert_noticed(&newest, |manifest| overwrite(manifest, &older)).await;
}

/// What it is made of is whole, whatever became of the collection since; and with both
/// deleted all is given back.
#[apply(on_each_storage!)]
async fn a_snapshot_of_a_damaged_collection_is_restored_and_given_back() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let then = server.scan("books").await;
    server.given_snapshot("books", "monday").await;
    server.given_documents("books", 50, 2).await;
    let database = server.files(&books.uid);
    let dir = server.stop().await;
    empty(&newest_manifest(&database));

    let mut server = TestServer::reopen(dir).await;
    server.given_restore("monday", "again").await;
    assert_eq!(server.scan("again").await, then);
    server.delete_collection("books").await.unwrap();
    server.delete_snapshot("monday").await.unwrap();
    eventually("its files are gone", async || !has_files(&database)).await;
    assert_eq!(server.scan("again").await, then);
    server.stop().await;
}

/// That of `tuesday` is damaged, in every way. Nothing is written since, so the snapshot
/// behind it would be a copy of it.
#[apply(on_each_storage!)]
async fn that_of_a_snapshot_harms_it_alone() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut uids = Vec::new();
    for (version, snapshot) in [(1, "monday"), (2, "tuesday")] {
        server.given_documents("books", 100, version).await;
        uids.push(server.given_snapshot("books", snapshot).await.uid);
    }
    let now = server.scan("books").await;
    let mut dir = server.stop().await;
    let [theirs, ours] = [0, 1].map(|n| dir.path().join("storage/manifests").join(&uids[n]));
    let whole = std::fs::read(&ours).unwrap();
    let other = |ours: &Path| overwrite(ours, &theirs);
    let flipped = |ours: &Path| flip_a_bit(ours, |length| length / 2);
    let damages: [&dyn Fn(&Path); 4] = [&empty, &remove, &other, &flipped];
    for (n, damage) in damages.into_iter().enumerate() {
        damage(&ours);
        let mut server = TestServer::reopen(dir).await;
        assert_eq!(server.scan("books").await, now);
        let lost = format!("lost-{n}");
        server.request_restore("tuesday", &lost).await.unwrap();
        assert_eq!(server.ended_restore(&lost).await.state(), pb::restore::State::Failed);
        let error = server.get_restore(&lost).await.unwrap().error.unwrap();
        assert_eq!(Code::from(error.code), Code::DataLoss);
        assert!(error.message.contains(&format!("manifests/{}", uids[1])), "{}", error.message);
        let [behind, of_monday, of_behind] = ["behind", "of-monday", "of-behind"].map(|name| format!("{name}-{n}"));
        server.given_snapshot("books", &behind).await;
        server.given_restore("monday", &of_monday).await;
        server.given_restore(&behind, &of_behind).await;
        assert_eq!(server.scan(&of_behind).await, now);
        server.delete_snapshot(&behind).await.unwrap();
        dir = server.stop().await;
        std::fs::write(&ours, &whole).unwrap();
    }
    let mut server = TestServer::reopen(dir).await;
    server.given_restore("tuesday", "found").await;
    assert_eq!(server.scan("found").await, now);
    server.stop().await;
}
