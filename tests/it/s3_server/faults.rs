use std::time::{Duration, Instant};

use slatedb::object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, path::Path};

use crate::{
    s3_server::given::{Given, builder, given, told},
    support::{
        eventually,
        s3::{Harm, Loopback, Refusal, Refuse, Requests, Rule, SECRET, Which},
    },
};

const WAL: &str = "collections/c/wal/1";

fn next(harm: Harm, label: &'static str) -> Rule {
    Rule::new(harm).on(Requests::Counted(label)).which(Which::Next(1))
}

fn file(given: &Given) -> std::path::PathBuf {
    given.dir.path().join("storage").join(WAL)
}

/// Whether the first put under the harm is done, though it fails, and what the
/// second one is told.
async fn harmed_put(harm: Harm) -> (bool, Error) {
    let given = given().await;
    let fault = given.server.harm(next(harm, "PUT wal"));
    given.store.put(&Path::from("collections/c/manifest/1"), "x".into()).await.unwrap();
    let error = given.store.put(&Path::from(WAL), "x".into()).await.unwrap_err();
    assert_eq!(fault.harmed(), 1);
    let is_done = file(&given).exists();
    given.store.put(&Path::from(WAL), "x".into()).await.unwrap();
    assert_eq!(fault.harmed(), 1);
    (is_done, error)
}

#[apply(on_s3!)]
async fn a_cut_before_does_nothing_and_a_lost_answer_all() {
    let (is_done, error) = harmed_put(Harm::CutBefore).await;
    assert!(!is_done && matches!(error, Error::Generic { .. }), "{error:?}");
    let (is_done, error) = harmed_put(Harm::CutAfter).await;
    assert!(is_done && matches!(error, Error::Generic { .. }), "{error:?}");
}

#[apply(on_s3!)]
async fn slow_down_does_nothing_and_an_internal_error_all() {
    let (is_done, error) = harmed_put(Harm::SlowDown).await;
    assert!(!is_done && error.to_string().contains("503") && error.to_string().contains("SlowDown"), "{error}");
    let (is_done, error) = harmed_put(Harm::FailAfter).await;
    assert!(is_done && error.to_string().contains("500") && error.to_string().contains("InternalError"), "{error}");
}

#[apply(on_s3!)]
async fn a_client_that_tries_again_gets_through() {
    let given = given().await;
    let patient = builder(&given.server, SECRET, 3).build().unwrap();
    let path = Path::from(WAL);
    for harm in [Harm::CutBefore, Harm::CutAfter, Harm::SlowDown, Harm::FailAfter] {
        let fault = given.server.harm(next(harm, "PUT wal"));
        patient.put(&path, "x".into()).await.unwrap();
        assert_eq!(fault.harmed(), 1);
    }
    // A conditional one that was done is refused when it is tried again.
    given.store.delete(&path).await.unwrap();
    let _fault = given.server.harm(next(Harm::FailAfter, "PUT wal"));
    let answer = patient.put_opts(&path, "x".into(), PutMode::Create.into()).await;
    assert!(matches!(answer, Err(Error::AlreadyExists { .. })), "{answer:?}");
}

#[apply(on_s3!)]
async fn an_answer_comes_late_and_after_the_client_has_gone_the_work_is_done() {
    let given = given().await;
    let delay = Duration::from_millis(300);
    let fault = given.server.harm(next(Harm::Delay(delay), "PUT"));
    let began = Instant::now();
    given.store.put(&Path::from("a"), "x".into()).await.unwrap();
    assert!(began.elapsed() >= delay);
    drop(fault);
    let _fault = given.server.harm(next(Harm::Delay(Duration::from_hours(1)), "PUT"));
    let path = Path::from(WAL);
    tokio::select! {
        answer = given.store.put(&path, "x".into()) => panic!("{answer:?}"),
        () = eventually("the work is done", async || file(&given).exists()) => {}
    }
}

#[apply(on_s3!)]
async fn a_body_is_cut_in_the_middle() {
    let given = given().await;
    let path = Path::from(WAL);
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    given.store.put(&path, bytes.clone().into()).await.unwrap();
    let fault = given.server.harm(next(Harm::CutBody, "GET wal"));
    let found = given.store.get(&path).await.unwrap();
    assert_eq!(found.meta.size, 1_200_000, "the whole is promised");
    let mut half = 0;
    let mut stream = found.into_stream();
    let error = loop {
        match futures::StreamExt::next(&mut stream).await.unwrap() {
            Ok(bytes) => half += bytes.len(),
            Err(error) => break error,
        }
    };
    assert!(half > 0 && half <= 600_000, "{half} and {error:?}");
    drop(fault);
    // Who tries again asks for the rest.
    given.server.take_requests();
    let _fault = given.server.harm(next(Harm::CutBody, "GET wal"));
    let patient = builder(&given.server, SECRET, 3).build().unwrap();
    assert_eq!(patient.get(&path).await.unwrap().bytes().await.unwrap(), bytes);
    assert_eq!(given.server.take_requests()["GET wal"], 2);
    // A short body, whose half is sent nevertheless.
    given.store.put(&path, "0123456789".into()).await.unwrap();
    let _fault = given.server.harm(next(Harm::CutBody, "GET wal"));
    let mut stream = given.store.get(&path).await.unwrap().into_stream();
    assert_eq!(futures::StreamExt::next(&mut stream).await.unwrap().unwrap(), "01234");
    futures::StreamExt::next(&mut stream).await.unwrap().unwrap_err();
    // A list, and an answer that has no body.
    let _fault = given.server.harm(next(Harm::CutBody, "LIST"));
    given.store.list_with_delimiter(None).await.unwrap_err();
    given.store.list_with_delimiter(None).await.unwrap();
    let _fault = given.server.harm(next(Harm::CutBody, "PUT"));
    given.store.put(&path, "x".into()).await.unwrap_err();
}

#[apply(on_s3!)]
async fn every_third_is_harmed_until_it_is_lifted() {
    let given = given().await;
    let fault = given.server.harm(Rule::new(Harm::SlowDown).below("a/").which(Which::EveryNth(3)));
    let mut failed = Vec::new();
    for n in 0..9 {
        given.store.put(&Path::from("b/x"), "x".into()).await.unwrap();
        failed.push(given.store.put(&Path::from(format!("a/{n}")), "x".into()).await.is_err());
    }
    let third = [false, false, true];
    assert_eq!(failed, [third, third, third].concat());
    assert_eq!(fault.harmed(), 3);
    drop(fault);
    for _ in 0..3 {
        given.store.put(&Path::from("a/x"), "x".into()).await.unwrap();
    }
}

#[apply(on_s3!)]
async fn a_refusal_outlasts_the_server() {
    let given = given().await;
    let (path, inner) = (Path::from("staging/a"), Path::from("staging"));
    given.store.put(&path, "x".into()).await.unwrap();
    given.server.take_requests();
    let refusal = Refusal::begin(given.dir.path(), "staging", Refuse::Writes);
    let refused = told(given.store.put(&path, "y".into()).await, "AccessDenied");
    assert!(matches!(refused, Error::PermissionDenied { .. }));
    told(given.store.delete(&path).await, "AccessDenied");
    told(given.store.copy(&Path::from("x"), &path).await, "AccessDenied");
    assert!(given.server.take_requests().is_empty());
    given.store.get(&path).await.unwrap();
    given.store.list_with_delimiter(Some(&inner)).await.unwrap();
    given.store.put(&Path::from("elsewhere"), "y".into()).await.unwrap();
    drop(given.server);
    let server = Loopback::start(given.dir.path()).await;
    let store = builder(&server, SECRET, 0).build().unwrap();
    told(store.put(&path, "y".into()).await, "AccessDenied");
    refusal.end();
    store.put(&path, "y".into()).await.unwrap();

    let refusal = Refusal::begin(given.dir.path(), "staging", Refuse::All);
    told(store.get(&path).await, "AccessDenied");
    told(store.list_with_delimiter(Some(&inner)).await, "AccessDenied");
    assert!(matches!(store.head(&path).await, Err(Error::PermissionDenied { .. })));
    store.list_with_delimiter(None).await.unwrap();
    refusal.end();
    store.get(&path).await.unwrap();
}

#[apply(on_s3!)]
async fn a_server_that_is_down_breaks_every_connection() {
    let given = given().await;
    let path = Path::from("a");
    given.store.put(&path, "x".into()).await.unwrap();
    given.server.set_down(true);
    for _ in 0..3 {
        given.store.get(&path).await.unwrap_err();
        given.store.put(&path, "y".into()).await.unwrap_err();
    }
    given.server.set_down(false);
    assert_eq!(given.store.get(&path).await.unwrap().bytes().await.unwrap(), "x");
}
