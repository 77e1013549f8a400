//! A bucket that says 409 to a conditional put has decided nothing: it is sent again.

use stillframe::pb::snapshot::State;

use crate::support::{
    TestServer,
    s3::{Harm, Requests, Rule, Which},
    upsert,
};

const CONFLICT: Harm = Harm::Say(409, "ConditionalRequestConflict");

#[apply(on_s3!)]
async fn a_conflict_is_resolved_wherever_it_comes() {
    let mut server = TestServer::start().await;
    let rule = Rule::new(CONFLICT).on(Requests::Counted("PUT")).which(Which::EveryNth(2));
    let fault = server.loopback.as_ref().unwrap().harm(rule);
    server.given_collection("books").await;
    for n in 0..10 {
        let written = server.write("books", vec![upsert(&n.to_string(), "{}")]).await;
        assert_eq!(written.offset, n + 1, "nothing was opened again");
    }
    assert_eq!(server.given_snapshot("books", "first").await.state(), State::Created);
    server.given_restore("first", "again").await;
    assert!(fault.harmed() > 20, "{}", fault.harmed());
    drop(fault);
    assert_eq!(server.scan("again").await.len(), 10);
    server.stop().await;
}

#[apply(on_s3!)]
async fn one_that_stays_for_long_is_not_taken_for_an_object() {
    let mut server = TestServer::start().await;
    let rule = Rule::new(CONFLICT).on(Requests::Counted("PUT manifest")).which(Which::Next(7));
    let fault = server.loopback.as_ref().unwrap().harm(rule);
    server.given_collection("books").await;
    assert_eq!(fault.harmed(), 7, "more than are sent again at once");
    drop(fault);
    server.stop().await;
}
