//! A restore that fails behind a crash leaves nothing (**R5**).

use stillframe::pb;
use tonic::Code;

use super::{
    super::support::{TestServer, reason, restore_request},
    child::{Child, aborts_by_itself},
    invariants::{check, contents, directories, stems},
};

#[apply(on_directory!)]
async fn a_copy_damaged_behind_a_crash_fails_the_restore_and_nothing_else() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 200, 1).await;
    server.given_snapshot("books", "first").await;
    let before = contents(&mut server, "books").await;

    let mut child = Child::start_at(server.stop().await, "restore.copied").await;
    let _ = child.client.request_restore("first", "again").await;
    let dir = child.aborted("restore.copied").await;
    let collections = dir.path().join("storage/collections");
    let copy = directories(&collections).into_iter().find(|uid| *uid != books.uid).unwrap();
    let files = collections.join(&copy).join("compacted");
    for file in stems(&files, ".sst") {
        // Linked to the source's: it must not be written to, only replaced.
        let file = files.join(file).with_extension("sst");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, b"damaged").unwrap();
    }
    aborts_by_itself(dir.path(), "restore.removed").await;

    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    let restore = server.get_restore("again").await.unwrap();
    assert_eq!(restore.state(), pb::restore::State::Failed);
    assert_eq!(restore.error.unwrap().code, Code::DataLoss as i32);
    assert_eq!(reason(&server.collection("again").await.unwrap_err()), "NOT_FOUND");
    assert_eq!(contents(&mut server, "books").await, before);

    let second_try =
        pb::CreateRestoreRequest { restore_id: "second-try".to_owned(), ..restore_request("first", "again") };
    server.restores.create_restore(second_try).await.unwrap();
    check(&mut server).await;
    assert_eq!(contents(&mut server, "again").await, before);
    server.stop().await;
}
