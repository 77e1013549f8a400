//! Page and resume tokens: opaque, checked, and bound to what they were made for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use stillframe::pb;
use tonic::{Code, Status};

use super::{list::pages_of, refusal, seconds};
use crate::support::{TestServer, collection_name, upsert};

async fn given() -> (TestServer, String) {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 10, 1).await;
    let token = server.list(pages_of(3)).await.unwrap().next_page_token;
    (server, token)
}

fn assert_mismatch(error: &Status) {
    assert_eq!(refusal(error), (Code::InvalidArgument, "PAGE_TOKEN_MISMATCH".to_owned(), Vec::new()));
}

#[apply(on_each_storage!)]
async fn only_the_page_size_may_change_between_pages() {
    let (mut server, token) = given().await;
    let base = pb::ListDocumentsRequest { page_token: token, ..pages_of(2) };
    assert_eq!(server.list(base.clone()).await.unwrap().documents.len(), 2);
    for other in [
        pb::ListDocumentsRequest { filter: "doc.n > 0".into(), ..base.clone() },
        pb::ListDocumentsRequest { encoding: pb::Encoding::Fields.into(), ..base.clone() },
        pb::ListDocumentsRequest { start_event_time: Some(seconds(0)), ..base.clone() },
        pb::ListDocumentsRequest { end_event_time: Some(seconds(9_999_999_999)), ..base.clone() },
    ] {
        assert_mismatch(&server.list(other).await.unwrap_err());
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_token_is_of_no_use_for_another_collection() {
    let (mut server, token) = given().await;
    server.given_collection("other").await;
    let other = pb::ListDocumentsRequest {
        collection: collection_name("other"),
        page_token: token.clone(),
        ..Default::default()
    };
    assert_mismatch(&server.list(other).await.unwrap_err());
    server.remove_collection("c").await;
    server.given_collection("c").await;
    server.given_documents("c", 10, 1).await;
    let recreated = pb::ListDocumentsRequest { page_token: token, ..pages_of(3) };
    assert_mismatch(&server.list(recreated).await.unwrap_err());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_token_of_one_method_is_of_no_use_for_another() {
    let (mut server, token) = given().await;
    let stream =
        pb::StreamDocumentsRequest { collection: collection_name("c"), resume_token: token, ..Default::default() };
    assert_mismatch(&server.documents.stream_documents(stream).await.unwrap_err());
    let (_, messages) = server.stream(pb::StreamDocumentsRequest::default()).await.unwrap();
    let token = messages.last().unwrap().resume_token.clone();
    assert_mismatch(&server.list(pb::ListDocumentsRequest { page_token: token, ..pages_of(3) }).await.unwrap_err());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn garbage_is_no_token() {
    let (mut server, token) = given().await;
    let mut damaged = token.clone().into_bytes();
    damaged[10] ^= 1;
    let damaged = String::from_utf8(damaged).unwrap();
    for bad in ["x", "AAAA", "é", "../../etc", &token[1..], &format!("{token}="), &damaged, &"A".repeat(10_000)] {
        let list = pb::ListDocumentsRequest { page_token: (*bad).to_owned(), ..pages_of(3) };
        assert_mismatch(&server.list(list).await.unwrap_err());
        let stream = pb::StreamDocumentsRequest { resume_token: (*bad).to_owned(), ..Default::default() };
        assert_mismatch(&server.stream(stream).await.unwrap_err());
    }
    server.stop().await;
}

/// The same token with another cursor: whoever reads the source can make one.
fn forged(token: &str, cursor: &[u8]) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let mut forged = [&bytes[..9], cursor].concat();
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&forged, u64::from_be_bytes(*b"pagetokn"));
    forged.extend(checksum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(forged)
}

#[apply(on_each_storage!)]
async fn a_forged_token_only_says_where_to_go_on() {
    let (mut server, token) = given().await;
    let key = |bucket: u64, id: &str| [b"d", &bucket.to_be_bytes()[..], id.as_bytes()].concat();
    for (cursor, rest) in [
        (Vec::new(), 10),
        (b"d".to_vec(), 10),
        (vec![b'd', 0, 0], 10),
        (key(0, ""), 10),
        (key(0, "000004"), 5),
        (key(0, "000004\0"), 5),
        (key(1, ""), 0),
        (key(u64::MAX, "x"), 0),
        (b"m".to_vec(), 0),
        (b"mt".to_vec(), 0),
        (vec![0xFF; 2000], 0),
    ] {
        let list = pb::ListDocumentsRequest { page_token: forged(&token, &cursor), ..pages_of(3) };
        let (pages, ids) = server.list_all(list).await;
        assert_eq!(ids.len(), rest, "{cursor:?}: {pages:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_token_outlives_a_restart() {
    let (server, token) = given().await;
    let mut server = TestServer::reopen(server.stop().await).await;
    let next = pb::ListDocumentsRequest { page_token: token, ..pages_of(3) };
    let page = server.list(next).await.unwrap();
    assert_eq!(page.documents[0].id, "000003");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_token_behind_the_longest_id_works() {
    let mut server = TestServer::with_collection().await;
    let ids = ["a", "b", "c"].map(|c| c.repeat(1024));
    server.write("c", ids.iter().map(|id| upsert(id, "{}")).collect()).await;
    assert_eq!(server.list_all(pages_of(1)).await, (vec![1, 1, 1], ids.to_vec()));
    server.stop().await;
}
