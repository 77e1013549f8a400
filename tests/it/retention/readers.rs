//! A document on its way from one interval to another is never missing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use stillframe::pb::{self, document_service_client::DocumentServiceClient, write_result::Status as Became};
use tokio::sync::watch;
use tonic::transport::Channel;

use super::{HOUR, Retained};
use crate::support::{TestServer, collect, collection_name, json, rounds, upsert_at};

type Client = DocumentServiceClient<Channel>;

/// Moves `a` there and back while something is wanted, and says which version is
/// acknowledged. Returns the last.
async fn mover(
    server: &TestServer,
    times: [i64; 3],
    is_wanted: impl Fn(usize) -> bool,
    acknowledged: watch::Sender<usize>,
) -> usize {
    let mut documents = server.documents.clone();
    let mut n = 0;
    while is_wanted(n) {
        n += 1;
        let writes = vec![upsert_at("a", times[n % 3], &format!(r#"{{"n":{n}}}"#))];
        let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
        let answer = documents.write_documents(request).await.unwrap().into_inner();
        assert_eq!(answer.results[0].status(), Became::Replaced);
        acknowledged.send_replace(n);
    }
    n
}

fn version(document: &pb::Document) -> usize {
    json(document).trim_start_matches(r#"{"n":"#).trim_end_matches('}').parse().unwrap()
}

#[apply(on_each_storage!)]
async fn readers_never_miss_a_document_on_the_move() {
    let (moves, enough) = (rounds(60, 600) as usize, rounds(10, 100) as usize);
    let Retained { mut server, hour, .. } = Retained::start().await;
    server.write_one(upsert_at("a", hour, r#"{"n":0}"#)).await;
    let (acknowledged, seen) = watch::channel(0);
    let (done, reads) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; 3]);
    // It goes on until each reader has read enough of it, whoever is faster.
    let is_wanted = |n: usize| n < moves || reads.iter().any(|reads| reads.load(SeqCst) < enough);
    let writing = async {
        let last = mover(&server, [hour, hour - 31 * HOUR, hour - 7 * HOUR], is_wanted, acknowledged).await;
        done.store(true, SeqCst);
        last
    };
    let gets = async |mut server: Client, reads: &AtomicUsize| {
        while !done.load(SeqCst) {
            let before = *seen.borrow();
            let request = pb::GetDocumentRequest {
                collection: collection_name("c"),
                id: "a".to_owned(),
                encoding: pb::Encoding::Json.into(),
            };
            let found = server.get_document(request).await.expect("it is always somewhere").into_inner();
            assert!(version(&found) >= before, "{found:?} is older than {before}");
            let ids = vec!["a".to_owned(), "b".to_owned()];
            let request = pb::BatchGetDocumentsRequest { collection: collection_name("c"), ids, encoding: 0 };
            assert_eq!(server.batch_get_documents(request).await.unwrap().into_inner().missing_ids, ["b"]);
            reads.fetch_add(1, SeqCst);
        }
    };
    let scans = async |mut server: Client, reads: &AtomicUsize| {
        while !done.load(SeqCst) {
            let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
            let stream = server.stream_documents(request).await.unwrap().into_inner();
            let messages = collect(stream).await.unwrap();
            let documents: Vec<_> = messages.iter().flat_map(|message| &message.documents).collect();
            let cut = messages[0].offset.unwrap();
            let expected = usize::try_from(cut - 1).unwrap();
            assert!(documents.len() == 1 && version(documents[0]) == expected, "at {cut}: {documents:?}");
            reads.fetch_add(1, SeqCst);
        }
    };
    let clients = [(); 3].map(|()| server.documents.clone());
    let [first, second, third] = clients;
    let (last, (), (), ()) =
        tokio::join!(writing, gets(first, &reads[0]), gets(second, &reads[1]), scans(third, &reads[2]));
    let stats = server.stats("c").await;
    assert_eq!((stats.document_count, stats.offset), (1, i64::try_from(last + 1).unwrap()));
    server.stop().await;
}
