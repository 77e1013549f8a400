//! Work stops when its client is gone.

use std::{task::Poll, time::Instant};

use stillframe::pb;
use tonic::{Code, Status};

use super::{SLOW, given_slow_documents, raw::Raw, slow_list};
use crate::support::{DEADLINE, TestServer, collection_name, eventually, reason};

const DOCUMENTS: u32 = 5000;
const LIST: &str = "/stillframe.v1.DocumentService/ListDocuments";

impl TestServer {
    /// Whether the only scan that is allowed at once is under way.
    pub async fn is_scanning(&mut self) -> bool {
        match self.open_stream(pb::StreamDocumentsRequest::default()).await {
            Ok(_) => false,
            Err(error) => {
                assert_eq!((error.code(), reason(&error).as_str()), (Code::ResourceExhausted, "RESOURCE_BUSY"));
                true
            }
        }
    }
}

/// A server with more to filter than we would wait for.
async fn given_slow() -> TestServer {
    let mut server = TestServer::start_with(|config| config.tuning.scans_at_once = 1).await;
    given_slow_documents(&mut server, "one", 10).await;
    let began = Instant::now();
    server.documents.list_documents(slow_list("one")).await.unwrap();
    let all = began.elapsed() / 10 * DOCUMENTS;
    assert!(all > DEADLINE, "all of them would take {all:?}");
    given_slow_documents(&mut server, "c", DOCUMENTS as usize).await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_stops_when_its_client_is_gone() {
    let mut server = given_slow().await;
    let mut raw = Raw::connect(&server).await;
    let ask = |raw: &mut Raw| raw.begin(LIST, Some(&slow_list("c")), None);
    let (mut answer, mut sent) = ask(&mut raw);
    let mut seen = 0;
    eventually("it is under way", async || {
        assert!(futures::poll!(&mut raw.connection).is_pending());
        if let Poll::Ready(refused) = futures::poll!(&mut answer) {
            // We were looking, which is a scan too, when it came. It comes again.
            let refused = Status::from_header_map(refused.unwrap().headers()).expect("it does not end so soon");
            assert_eq!(reason(&refused), "RESOURCE_BUSY");
            ((answer, sent), seen) = (ask(&mut raw), 0);
        }
        // The look before may take a moment to end; a list takes longer.
        seen = if server.is_scanning().await { seen + 1 } else { 0 };
        seen == 10
    })
    .await;
    drop((answer, sent, raw));
    eventually("it has stopped", async || !server.is_scanning().await).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_stops_when_its_client_is_gone() {
    let mut server = given_slow().await;
    let mut raw = Raw::connect(&server).await;
    let request =
        pb::StreamDocumentsRequest { collection: collection_name("c"), filter: SLOW.to_owned(), ..Default::default() };
    let stream = raw.call("/stillframe.v1.DocumentService/StreamDocuments", &request, None).await;
    assert!(server.is_scanning().await);
    drop((stream, raw));
    eventually("it has stopped", async || !server.is_scanning().await).await;
    server.stop().await;
}
