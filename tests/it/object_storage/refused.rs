//! Objects that the store does not give.

use stillframe::pb::{self, source::State};

use super::given::{Given, named};
use crate::support::{
    eventually,
    s3::{Fault, Harm, Requests, Rule, Which},
};

/// Objects `a`, `m` and `z` with the records 0, 1 and 2.
async fn given_three() -> Given {
    let given = Given::new().await;
    for (n, name) in ["a", "m", "z"].iter().enumerate() {
        given.put_record(&format!("in/{name}.ndjson"), n);
    }
    given
}

/// What is said to those who read objects whose keys begin so.
fn said(given: &Given, prefix: &str, status: u16, code: &'static str) -> Fault {
    given.loopback.harm(Rule::new(Harm::Say(status, code)).on(Requests::Counted("GET imports")).below(prefix))
}

#[apply(on_s3!)]
async fn a_denied_object_is_counted_once_and_read_when_it_may_be() {
    let mut given = given_three().await;
    let denial = said(&given, "in/m", 403, "AccessDenied");
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", 3).await;
    assert_eq!((given.numbers().await, ended.bad_records, named(&ended)), (vec![0, 2], 1, vec!["m.ndjson"]));
    assert_eq!(ended.first_bad_records[0].reason, "it cannot be read: the store answers 403 AccessDenied");
    assert_eq!(ended.error, None);
    let asked = denial.harmed();
    eventually("it is asked for again", async || denial.harmed() > asked + 2).await;
    // What the task remembered is gone.
    given.server.suspend("c").await;
    given.server.resume("c").await;
    let again = given.server.ingested("c", 3).await;
    let asked = denial.harmed();
    eventually("it is asked for again", async || denial.harmed() > asked).await;
    assert_eq!((given.server.scanned_again("c").await.bad_records, again.bad_records), (1, 1), "counted once");
    drop(denial);
    let ended = given.server.ingested("c", 4).await;
    assert_eq!((given.numbers().await, ended.bad_records), (vec![0, 1, 2], 1));
    // It is as any other one now.
    let denial = said(&given, "in/m", 403, "AccessDenied");
    given.server.scanned_again("c").await;
    assert_eq!(denial.harmed(), 0);
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn an_odd_key_that_is_denied_is_as_any_other() {
    let mut given = given_three().await;
    given.put_record("in//odd.ndjson", 3);
    let denial = said(&given, "in//", 403, "AccessDenied");
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", 4).await;
    assert_eq!((given.numbers().await, named(&ended)), (vec![0, 1, 2], vec!["/odd.ndjson"]));
    assert_eq!(ended.first_bad_records[0].reason, "it cannot be read: the store answers 403 AccessDenied");
    drop(denial);
    given.server.ingested("c", 5).await;
    assert_eq!(given.numbers().await, [0, 1, 2, 3]);
    // And one that fails for a moment, too.
    let busy = given.loopback.harm(Rule::new(Harm::SlowDown).below("in//").which(Which::Next(2)));
    given.put_record("in//odd.ndjson", 4);
    given.server.ingested("c", 6).await;
    assert_eq!((given.numbers().await, busy.harmed()), (vec![0, 1, 2, 3, 4], 2));
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn an_archived_object_is_counted_and_read_when_it_is_another_one() {
    let mut given = given_three().await;
    let archive = said(&given, "in/m", 403, "InvalidObjectState");
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", 3).await;
    assert_eq!(named(&ended), ["m.ndjson"]);
    assert!(ended.first_bad_records[0].reason.contains("archived"), "{ended:?}");
    given.put_record("in/m.ndjson", 5);
    let ended = given.server.ingested("c", 4).await;
    assert_eq!(ended.bad_records, 2, "the other one is archived as well");
    drop(archive);
    given.server.ingested("c", 5).await;
    assert_eq!(given.numbers().await, [0, 2, 5]);
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn an_object_that_is_listed_and_never_there_is_counted_once() {
    let mut given = given_three().await;
    let lost = said(&given, "in/m", 404, "NoSuchKey");
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", 3).await;
    assert_eq!((given.numbers().await, ended.bad_records, named(&ended)), (vec![0, 2], 1, vec!["m.ndjson"]));
    assert!(ended.first_bad_records[0].reason.contains("lists it and does not have it"), "{ended:?}");
    assert!(lost.harmed() >= 2, "once may be chance");
    assert_eq!(given.server.scanned_again("c").await.bad_records, 1);
    drop(lost);
    given.server.ingested("c", 4).await;
    assert_eq!(given.numbers().await, [0, 1, 2]);
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn an_object_that_fails_is_named_and_tried_again_and_not_counted() {
    let mut given = given_three().await;
    let busy = said(&given, "in/m", 503, "SlowDown");
    given.source("/in", pb::Source::default()).await;
    let mut seen = pb::Source::default();
    eventually("the source says so", async || {
        seen = given.server.source("c").await;
        seen.error.is_some() && seen.objects_done == 2
    })
    .await;
    assert_eq!((seen.state(), seen.bad_records), (State::Processing, 0));
    let message = seen.error.unwrap().message;
    assert_eq!(message, "\"m.ndjson\" cannot be read: the store answers 503 SlowDown");
    drop(busy);
    let ended = given.server.ingested("c", 3).await;
    assert_eq!((given.numbers().await, ended.bad_records), (vec![0, 1, 2], 0));
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn however_many_fail_the_others_are_read() {
    let mut given = given_three().await;
    for n in 10..32 {
        given.put_record(&format!("in/f{n}.ndjson"), n);
    }
    let broken = said(&given, "in/f", 500, "InternalError");
    given.source("/in", pb::Source::default()).await;
    eventually("the others are read", async || given.numbers().await == [0, 1, 2]).await;
    let told = "\"f10.ndjson\" cannot be read: the store answers 500 InternalError; so it is with 9 others";
    eventually("how many it is given up after", async || {
        given.server.source("c").await.error.is_some_and(|error| error.message == told)
    })
    .await;
    drop(broken);
    let ended = given.server.ingested("c", 25).await;
    assert_eq!((given.numbers().await.len(), ended.bad_records), (25, 0));
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn what_is_about_the_caller_or_the_bucket_counts_for_no_object() {
    let mut given = given_three().await;
    let expired = said(&given, "in/", 400, "ExpiredToken");
    given.source("/in", pb::Source::default()).await;
    let message = async |given: &mut Given, part: &str| {
        let mut seen = pb::Source::default();
        eventually(part, async || {
            seen = given.server.source("c").await;
            seen.error.as_ref().is_some_and(|error| error.message.contains(part))
        })
        .await;
        assert_eq!(seen.bad_records, 0);
        seen.error.unwrap().message
    };
    let told = message(&mut given, "ExpiredToken").await;
    assert_eq!(told, "the location cannot be read: the store answers 400 ExpiredToken");
    drop(expired);
    given.server.ingested("c", 3).await;
    for (harm, part) in [
        (Harm::Say(403, "AccessDenied"), "permission denied (the store answers 403 AccessDenied)"),
        (Harm::Say(404, "NoSuchBucket"), "it does not exist (the store answers 404 NoSuchBucket)"),
        (Harm::Say(400, "InvalidArgument"), "the store answers 400 InvalidArgument"),
        (Harm::Say(200, "NotAList"), "the store does not answer as it should"),
        (Harm::SlowDown, "the store answers 503 SlowDown"),
        (Harm::CutBefore, "the connection to the store broke off"),
    ] {
        let fault = given.loopback.harm(Rule::new(harm).on(Requests::Counted("LIST")).below("in/"));
        let told = message(&mut given, part).await;
        assert_eq!(told, format!("the location cannot be read: {part}"));
        drop(fault);
    }
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn too_many_refused_objects_stop_a_source_as_other_bad_records_do() {
    let mut given = given_three().await;
    let denial = said(&given, "in/m", 403, "AccessDenied");
    given.source("/in", pb::Source { max_bad_records: Some(0), ..Default::default() }).await;
    let stopped = given.server.becomes("c", State::Error).await;
    assert_eq!((stopped.bad_records, named(&stopped)), (1, vec!["m.ndjson"]));
    given.server.resume("c").await;
    assert_eq!(given.server.ingested("c", 3).await.bad_records, 1);
    drop(denial);
    given.server.ingested("c", 4).await;
    assert_eq!(given.numbers().await, [0, 1, 2]);
    given.server.stop().await;
}
