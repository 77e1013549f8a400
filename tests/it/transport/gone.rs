//! Work stops when its client is gone.

use std::task::Poll;

use tonic::Status;

use super::{EMPTY, Witness, given_slow_documents, raw::Raw, slow_list, slow_stream};
use crate::support::{eventually, reason};

const LIST: &str = "/stillframe.v1.DocumentService/ListDocuments";

#[apply(on_directory!)]
async fn a_list_stops_when_its_client_is_gone() {
    let mut server = given_slow_documents().await;
    let witness = Witness::begin(&mut server).await;
    let mut raw = Raw::connect(&server).await;
    let ask = |raw: &mut Raw| raw.begin(LIST, Some(&slow_list()), None);
    let (mut answer, mut sent) = ask(&mut raw);
    eventually("it is under way", async || {
        assert!(futures::poll!(&mut raw.connection).is_pending());
        if let Poll::Ready(refused) = futures::poll!(&mut answer) {
            // We were looking, which is a scan too, when it came. It comes again.
            let refused = Status::from_header_map(refused.unwrap().headers()).expect("it does not end so soon");
            assert_eq!(reason(&refused), "RESOURCE_BUSY");
            (answer, sent) = ask(&mut raw);
        }
        server.is_scanning(EMPTY).await
    })
    .await;
    drop((answer, sent, raw));
    eventually("it has stopped", async || !server.is_scanning(EMPTY).await).await;
    witness.must_be_under_way(&server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_stream_stops_when_its_client_is_gone() {
    let mut server = given_slow_documents().await;
    let witness = Witness::begin(&mut server).await;
    let mut raw = Raw::connect(&server).await;
    let stream = raw.call("/stillframe.v1.DocumentService/StreamDocuments", &slow_stream(), None).await;
    assert!(server.is_scanning(EMPTY).await);
    drop((stream, raw));
    eventually("it has stopped", async || !server.is_scanning(EMPTY).await).await;
    witness.must_be_under_way(&server).await;
    server.stop().await;
}
