//! Answers are lost, and nothing else is.

use crate::support::{
    TestServer,
    s3::{Harm, Requests, Rule, Which},
    upsert,
};

#[apply(on_s3!)]
async fn writes_go_through_every_second_request_that_fails() {
    for harm in [Harm::CutBefore, Harm::CutAfter, Harm::FailAfter, Harm::SlowDown] {
        let mut server = TestServer::start().await;
        server.given_collection("books").await;
        server.write("books", vec![upsert("first", "{}")]).await;
        let rule = Rule::new(harm).on(Requests::Counted("PUT wal")).which(Which::EveryNth(2));
        let fault = server.loopback.as_ref().unwrap().harm(rule);
        for n in 0..10 {
            server.write("books", vec![upsert(&n.to_string(), "{}")]).await;
        }
        assert!(fault.harmed() >= 5, "{harm:?}");
        assert_eq!(server.scan("books").await.len(), 11, "{harm:?}: D1");
        drop(fault);
        server.stop().await;
    }
}
