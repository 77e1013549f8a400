//! A stream of batches on a disk that fills up.

use stillframe::pb;

use super::{MIB, RESERVE, clear, full, given_disk, has_all, large, let_it_see};
use crate::{
    documents::ingest::Ingest,
    recovery::invariants::check,
    support::{collection_name, delete, upsert},
};

fn message(writes: Vec<pb::Write>) -> pb::IngestDocumentsRequest {
    pb::IngestDocumentsRequest { collection: collection_name("books"), writes, ..Default::default() }
}

#[apply(on_directory!)]
async fn it_ends_behind_the_last_acknowledgement() {
    let Some((disk, mut server)) = given_disk(|_| {}).await else { return };
    disk.leave(RESERVE + 4 * MIB);
    let mut ingest = Ingest::open(&server).await;
    let mut acknowledged = Vec::new();
    let refusal = loop {
        let_it_see(&disk, &mut server).await;
        // Several are under way at once.
        let batch: Vec<String> = (0..8).map(|n| format!("{:06}", acknowledged.len() + n)).collect();
        for id in &batch {
            ingest.try_send(message(vec![large(id, 50_000)])).await;
        }
        let mut ended = None;
        for id in batch {
            match ingest.answer().await {
                Ok(answer) => {
                    let answer = answer.expect("one for each");
                    acknowledged.push(id);
                    assert_eq!(answer.offset, i64::try_from(acknowledged.len()).unwrap());
                }
                Err(status) => {
                    ended = Some(status);
                    break;
                }
            }
        }
        if let Some(status) = ended {
            break status;
        }
    };
    full(Err::<(), _>(refusal));
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    assert!(has_all(&mut server, &acknowledged).await, "D1");
    assert_eq!(server.scan("books").await.len(), acknowledged.len(), "nothing behind the refusal");

    let mut ingest = Ingest::open(&server).await;
    ingest.send(message(vec![delete("000000"), delete("nowhere")])).await;
    assert_eq!(ingest.answer().await.unwrap().unwrap().results.len(), 2);
    ingest.send(message(vec![upsert("new", "{}")])).await;
    full(ingest.answer().await);
    clear(&disk, &mut server).await;
    check(&mut server).await;
    server.stop().await;
}
