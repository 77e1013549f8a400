//! Files with documents.

use tonic::Code;

use super::given::objects;
use crate::support::{TestServer, is_whole};

/// The last ten bytes say where the pieces of a file are, without a checksum.
const FOOTER: usize = 10;

/// Each answer is right, or DATA_LOSS; and when the bit is as it was, all is.
#[apply(on_directory!)]
async fn a_bit_is_flipped_at_the_end_of_one() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    // Everything is in a file then.
    server.given_snapshot("books", "monday").await;
    let before = server.scan("books").await;
    let expected = server.try_get("books", "000007").await.unwrap();
    let files = objects(&server.files(&books.uid).join("compacted"));
    let mut dir = server.stop().await;
    for (file, bit) in files.iter().flat_map(|file| (0..FOOTER * 8).map(move |bit| (file, bit))) {
        if bit % 9 > 0 && !is_whole() {
            continue;
        }
        let whole = std::fs::read(file).unwrap();
        let mut damaged = whole.clone();
        let at = whole.len() - FOOTER + bit / 8;
        damaged[at] ^= 1 << (bit % 8);
        std::fs::write(file, damaged).unwrap();
        let mut server = TestServer::reopen(dir).await;
        match server.try_get("books", "000007").await {
            Ok(found) => assert_eq!(found, expected, "bit {bit}"),
            Err(status) => assert_eq!(status.code(), Code::DataLoss, "bit {bit}: {status:?}"),
        }
        dir = server.stop().await;
        std::fs::write(file, whole).unwrap();
    }
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.scan("books").await, before);
    server.stop().await;
}
