//! A document on its way from one interval to another is never missing.

use stillframe::pb::{self, document_service_client::DocumentServiceClient, write_result::Status as Became};
use tokio::sync::watch;
use tonic::transport::Channel;

use super::{HOUR, Retained};
use crate::support::{TestServer, collect, collection_name, json, upsert_at};

type Client = DocumentServiceClient<Channel>;

/// Moves `a` there and back, and says which version is acknowledged.
async fn mover(server: &TestServer, times: [i64; 3], moves: usize, acknowledged: watch::Sender<usize>) {
    let mut documents = server.documents.clone();
    for n in 1..=moves {
        let writes = vec![upsert_at("a", times[n % 3], &format!(r#"{{"n":{n}}}"#))];
        let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
        let answer = documents.write_documents(request).await.unwrap().into_inner();
        assert_eq!(answer.results[0].status(), Became::Replaced);
        acknowledged.send_replace(n);
    }
}

fn version(document: &pb::Document) -> usize {
    json(document).trim_start_matches(r#"{"n":"#).trim_end_matches('}').parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_miss_a_document_on_the_move() {
    const MOVES: usize = 600;
    let Retained { mut server, hour, .. } = Retained::start().await;
    server.write_one(upsert_at("a", hour, r#"{"n":0}"#)).await;
    let (acknowledged, seen) = watch::channel(0);
    let writing = mover(&server, [hour, hour - 31 * HOUR, hour - 7 * HOUR], MOVES, acknowledged);
    let gets = async |mut server: Client| {
        let mut reads = 0;
        while *seen.borrow() < MOVES {
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
            reads += 2;
        }
        reads
    };
    let scans = async |mut server: Client| {
        let mut offset = 0;
        while *seen.borrow() < MOVES {
            let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
            let stream = server.stream_documents(request).await.unwrap().into_inner();
            let messages = collect(stream).await.unwrap();
            let documents: Vec<_> = messages.iter().flat_map(|message| &message.documents).collect();
            let cut = messages[0].offset.unwrap();
            let expected = usize::try_from(cut - 1).unwrap();
            assert!(documents.len() == 1 && version(documents[0]) == expected, "at {cut}: {documents:?}");
            offset = cut;
        }
        offset
    };
    let clients = [(); 3].map(|()| server.documents.clone());
    let [first, second, third] = clients;
    let ((), reads, others, _) = tokio::join!(writing, gets(first), gets(second), scans(third));
    assert!(reads > 100 && others > 100, "{reads} {others}");
    let stats = server.stats("c").await;
    assert_eq!((stats.document_count, stats.offset), (1, i64::try_from(MOVES + 1).unwrap()));
    server.stop().await;
}
