//! Pages of documents.

use prost::Message;
use stillframe::pb::{self, Encoding, document::Body};
use tonic::Status;

use super::{MIB, body_of, invalid, refusal};
use crate::support::{TestServer, collection_name, delete, upsert};

impl TestServer {
    pub async fn list(&mut self, request: pb::ListDocumentsRequest) -> Result<pb::ListDocumentsResponse, Status> {
        Ok(self.documents.list_documents(request).await?.into_inner())
    }

    /// The sizes of all pages, and all ids.
    pub async fn list_all(&mut self, mut request: pb::ListDocumentsRequest) -> (Vec<usize>, Vec<String>) {
        let (mut sizes, mut ids) = (Vec::new(), Vec::new());
        loop {
            let page = self.list(request.clone()).await.unwrap();
            assert!(page.encoded_len() <= 3 * MIB + 8192, "{}", page.encoded_len());
            sizes.push(page.documents.len());
            ids.extend(page.documents.into_iter().map(|document| document.id));
            if page.next_page_token.is_empty() {
                return (sizes, ids);
            }
            request.page_token = page.next_page_token;
        }
    }
}

pub fn pages_of(page_size: i32) -> pb::ListDocumentsRequest {
    pb::ListDocumentsRequest { collection: collection_name("c"), page_size, ..Default::default() }
}

#[apply(on_each_storage!)]
async fn documents_come_in_the_byte_order_of_their_ids() {
    let mut server = TestServer::with_collection().await;
    let ids = ["b", "é", "a", "B", "😀", "a\u{20}", "ab", "0", "\u{ffff}"];
    server.write("c", ids.map(|id| upsert(id, "{}")).into()).await;
    let mut sorted = ids.map(str::to_owned).to_vec();
    sorted.sort_unstable();
    for size in [1, 2, 3, 8, 9, 10] {
        assert_eq!(server.list_all(pages_of(size)).await.1, sorted, "pages of {size}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_page_size_is_defaulted_lowered_or_refused() {
    let mut server = TestServer::with_collection().await;
    assert_eq!(server.list_all(pages_of(0)).await, (vec![0], vec![]), "an empty collection");
    server.given_documents("c", 10_001, 1).await;
    assert_eq!(server.list(pages_of(0)).await.unwrap().documents.len(), 100);
    assert_eq!(server.list_all(pages_of(10_000)).await.0, [10_000, 1]);
    assert_eq!(server.list_all(pages_of(i32::MAX)).await.0, [10_000, 1]);
    assert_eq!(server.list_all(pages_of(5001)).await.0, [5001, 5000]);
    for bad in [-1, i32::MIN] {
        assert_eq!(refusal(&server.list(pages_of(bad)).await.unwrap_err()), invalid(&["page_size"]));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_last_page_that_is_full_has_no_token() {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 10, 1).await;
    assert_eq!(server.list_all(pages_of(5)).await.0, [5, 5]);
    assert_eq!(server.list_all(pages_of(10)).await.0, [10]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn pages_are_cut_at_3_mebibytes() {
    let mut server = TestServer::with_collection().await;
    for n in 0..4 {
        server.write_one(upsert(&format!("l{n}"), &body_of(2 * MIB))).await;
    }
    server.given_bulk(100).await;
    let (sizes, ids) = server.list_all(pages_of(10_000)).await;
    assert_eq!(sizes, [47, 47, 7, 1, 1, 1], "47 of 64 KiB; 6 of them and one of 2 MiB");
    assert_eq!(ids.len(), 104);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_stays_is_listed_once_while_other_documents_come_and_go() {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 100, 1).await;
    let (mut request, mut seen) = (pages_of(7), Vec::new());
    for n in 0.. {
        let page = server.list(request.clone()).await.unwrap();
        seen.extend(page.documents.into_iter().map(|document| document.id));
        let gone = format!("{:06}", 99 - n * 2);
        server.write("c", vec![upsert(&format!("{n:06}-new"), "{}"), delete(&gone)]).await;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "in order, none twice");
    let stayed = (0..100).filter(|n| n % 2 == 0).map(|n| format!("{n:06}"));
    assert!(stayed.into_iter().all(|id| seen.contains(&id)));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn bodies_come_in_the_encoding_asked_for() {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 1, 1).await;
    let body = async |server: &mut TestServer, encoding: i32| {
        let request = pb::ListDocumentsRequest { encoding, ..pages_of(0) };
        server.list(request).await.map(|mut page| page.documents.remove(0).body.unwrap())
    };
    assert!(matches!(body(&mut server, Encoding::Unspecified.into()).await.unwrap(), Body::Json(_)));
    assert!(matches!(body(&mut server, Encoding::Fields.into()).await.unwrap(), Body::Fields(_)));
    assert_eq!(refusal(&body(&mut server, 3).await.unwrap_err()), invalid(&["encoding"]));
    server.stop().await;
}
