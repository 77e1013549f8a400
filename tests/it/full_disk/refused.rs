//! What is refused, and what is not.

use stillframe::pb;

use super::{MIB, RESERVE, clear, fill, full, given_disk, has_all, large, let_it_see, restarted};
use crate::{
    recovery::invariants::check,
    support::{
        COMMONS, DAY, TestServer, collection_name, delete, eventually, refused, restore_request, try_write, upsert,
    },
};

async fn write(server: &mut TestServer, writes: Vec<pb::Write>) -> Result<i64, tonic::Status> {
    let collection = collection_name("books");
    let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
    Ok(server.documents.write_documents(request).await?.into_inner().offset)
}

#[apply(on_directory!)]
async fn writes_end_before_the_disk_is_full_and_none_is_lost() {
    let Some((disk, mut server)) = given_disk(|_| {}).await else { return };
    disk.leave(RESERVE + 6 * MIB);
    let mut acknowledged = Vec::new();
    let (free, required) = loop {
        let_it_see(&disk, &mut server).await;
        let id = format!("{:06}", acknowledged.len());
        match write(&mut server, vec![large(&id, 100_000)]).await {
            Ok(_) => acknowledged.push(id),
            refusal => break full(refusal),
        }
    };
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    assert!(free < RESERVE, "{free}");
    assert_eq!(required, RESERVE + RESERVE / 4);
    assert!(has_all(&mut server, &acknowledged).await, "D1");

    // At the edge it does not turn with every write.
    disk.leave(RESERVE + MIB);
    eventually("it has looked again", async || full(try_write(&mut server, "probe").await).0 >= RESERVE).await;
    clear(&disk, &mut server).await;
    check(&mut server).await;
    let mut server = restarted(server).await;
    assert!(has_all(&mut server, &acknowledged).await, "D1");
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_makes_the_service_larger_is_refused() {
    let Some((disk, mut server)) = given_disk(|_| {}).await else { return };
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    let request = pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: "tuesday".to_owned(),
        snapshot: Some(pb::Snapshot { collection: collection_name("books"), ..Default::default() }),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let tuesday = server.snapshots.create_snapshot(request.clone()).await.unwrap().into_inner();
    fill(&disk, &mut server).await;
    full(write(&mut server, vec![upsert("new", "{}")]).await);
    full(write(&mut server, vec![delete("000000"), upsert("new", "{}")]).await);
    full(server.create_collection(COMMONS, "other").await);
    full(server.request_snapshot("books", "wednesday").await);
    full(server.request_restore("monday", "again").await);
    full(
        server.create_restore(pb::CreateRestoreRequest { validate_only: true, ..restore_request("monday", "x") }).await,
    );
    // Before any effect.
    assert_eq!(server.stats("books").await.document_count, 100);
    assert!(server.collection("again").await.is_err() && server.collection("other").await.is_err());
    assert!(server.get_snapshot("wednesday").await.is_err() && server.get_restore("again").await.is_err());
    // What is wrong for good is said first, and what was done is done.
    refused(server.create_collection(COMMONS, "books").await, tonic::Code::AlreadyExists, "COLLECTION_EXISTS");
    assert_eq!(server.snapshots.create_snapshot(request).await.unwrap().into_inner().uid, tuesday.uid);

    clear(&disk, &mut server).await;
    server.create_collection(COMMONS, "other").await.unwrap();
    server.given_snapshot("books", "wednesday").await;
    server.given_restore("monday", "again").await;
    check(&mut server).await;
    let mut server = restarted(server).await;
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_makes_room_goes_on_and_so_does_reading() {
    let Some((disk, mut server)) = given_disk(|_| {}).await else { return };
    server.given_documents("books", 100, 1).await;
    let other = server.given_collection("other").await;
    server.given_snapshot("books", "deleted").await;
    server.given_snapshot("books", "expired").await;
    fill(&disk, &mut server).await;
    assert_eq!(server.scan("books").await.len(), 100);
    write(&mut server, vec![delete("000000"), delete("000001")]).await.unwrap();
    assert_eq!(server.stats("books").await.document_count, 98);
    let described = pb::Collection {
        name: collection_name("books"),
        description: "as long as it is full".to_owned(),
        ..Default::default()
    };
    server.update_collection(described, None).await.unwrap();
    server.given_workspace("team").await;
    server.delete_workspace("team").await.unwrap();
    server.delete_snapshot("deleted").await.unwrap();
    server.delete_collection("other").await.unwrap();
    eventually("its files go", async || !server.files(&other.uid).exists()).await;
    server.clock.advance(8 * DAY);
    let lists = server.dir.path().join("storage/files");
    eventually("those of the snapshots, too", async || std::fs::read_dir(&lists).unwrap().count() == 0).await;
    full(try_write(&mut server, "probe").await);

    // It starts on a full disk, and says so at once.
    let mut server = restarted(server).await;
    full(try_write(&mut server, "probe").await);
    write(&mut server, vec![delete("000002")]).await.unwrap();
    clear(&disk, &mut server).await;
    check(&mut server).await;
    server.stop().await;
}
