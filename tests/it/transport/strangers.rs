//! Connections on which nobody has shown a key.

use std::{task::Poll, time::Duration};

use futures::future::select_all;
use stillframe::pb::Role;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{plain, raw::Raw, raw::post};
use crate::support::{TestServer, eventually, reason};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// Calls without a key that a connection may have at once.
const QUESTIONS: usize = 16;

#[apply(on_directory!)]
async fn they_have_few_calls_until_somebody_is_let_in() {
    let server = TestServer::start().await;
    let root = server.caller(None).given_key("root", &[("-", Role::Operator)]).await;
    let mut raw = Raw::connect(&server).await;
    let begin = |raw: &mut Raw| raw.client.send_request(post(CHECK).body(()).unwrap(), false).unwrap();
    // Whichever is looked at last.
    let (answers, mut open): (Vec<_>, Vec<_>) = (0..=QUESTIONS).map(|_| begin(&mut raw)).unzip();
    let (refusal, which, mut waiting) = raw.drive(select_all(answers)).await;
    open.remove(which);
    let refusal = Status::from_header_map(refusal.unwrap().headers()).unwrap();
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::ResourceExhausted, "RESOURCE_BUSY"));
    // One that has ended makes room for another.
    open.remove(0).send_reset(h2::Reason::CANCEL);
    drop(waiting.remove(0));
    let mut room = false;
    while !room {
        let (answer, mut sent) = begin(&mut raw);
        sent.send_data(super::raw::frame(0, &[]).into(), true).unwrap();
        let answer = raw.drive(answer).await.unwrap();
        room = Status::from_header_map(answer.headers()).is_none();
    }
    // With a key there are as many as for anybody.
    let head = post("/stillframe.v1.AccessService/GetCaller").header("authorization", format!("Bearer {root}"));
    let (_, status) = {
        let answer = raw.send(head.body(()).unwrap(), super::raw::frame(0, &[]));
        raw.whole(answer).await
    };
    assert_eq!(status.code(), Code::Ok);
    let more: Vec<_> = (0..100).map(|_| begin(&mut raw)).collect();
    let (answer, mut sent) = begin(&mut raw);
    sent.send_data(super::raw::frame(0, &[]).into(), true).unwrap();
    let (_, status) = raw.whole(answer).await;
    assert_eq!(status.code(), Code::Ok);
    drop((open, waiting, more, raw));
    server.stop().await;
}

#[apply(on_directory!)]
async fn they_keep_nobody_with_a_key_out() {
    let server = TestServer::start_with(|config| config.transport.max_connections = 4).await;
    let mut root = server.given_operator().await;
    // All places are taken, one of them by a key, and nobody leaves.
    let mut strangers = Vec::new();
    for _ in 0..3 {
        let channel = plain(server.address).await;
        HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
        strangers.push(channel);
    }
    let newcomer = plain(server.address).await;
    let mut health = HealthClient::new(newcomer.clone());
    eventually("a newcomer is let in", async || health.check(HealthCheckRequest::default()).await.is_ok()).await;
    // Who has shown a key is still there.
    root.get_key("root").await.unwrap();
    drop((strangers, newcomer));
    server.stop().await;
}

#[apply(on_directory!)]
async fn they_keep_no_place_for_ever_that_they_were_asked_to_leave() {
    let server = TestServer::start().await;
    // Where nobody needs a key, nobody is a stranger.
    server.caller(None).given_key("root", &[("-", Role::Operator)]).await;
    let server = TestServer::reopen_with(server.stop().await, |config| {
        config.transport.max_connections = 1;
        config.transport.max_connection_age = Duration::from_millis(200);
    });
    let server = server.await.unwrap();
    let mut raw = Raw::connect(&server).await;
    // Nothing ends it: the server is healthy.
    let (answer, mut sent) = raw.client.send_request(post(WATCH).body(()).unwrap(), false).unwrap();
    sent.send_data(super::raw::frame(0, &[]).into(), true).unwrap();
    let _watch = raw.drive(answer).await.unwrap();
    eventually("it is told to go", async || {
        assert!(futures::poll!(&mut raw.connection).is_pending(), "not cut off");
        matches!(futures::poll!(std::pin::pin!(raw.client.clone().ready())), Poll::Ready(Err(_)))
    })
    .await;
    let mut health = HealthClient::new(plain(server.address).await);
    eventually("a newcomer is let in", async || health.check(HealthCheckRequest::default()).await.is_ok()).await;
    server.stop().await;
}

/// What is still on its way to a call that was refused is read, and kept by nobody.
#[apply(on_directory!)]
async fn a_refused_upload_does_not_keep_its_connection_from_the_next_call() {
    let server = TestServer::start().await;
    let root = server.caller(None).given_key("root", &[("-", Role::Operator)]).await;
    let caller = |key: &str| {
        let head = post("/stillframe.v1.AccessService/GetCaller").header("authorization", format!("Bearer {key}"));
        head.body(()).unwrap()
    };
    for has_watch in [false, true] {
        let mut raw = Raw::connect(&server).await;
        let mut watches = Vec::new();
        if has_watch {
            let answer = raw.send(post(WATCH).body(()).unwrap(), super::raw::frame(0, &[]));
            watches.push(raw.drive(answer).await.unwrap());
        }
        for _ in 0..3 {
            let answer = raw.send(caller("sf_none"), super::raw::frame(0, &vec![0; 250 << 10]));
            let refusal = raw.drive(answer).await.unwrap();
            let refusal = Status::from_header_map(refusal.headers()).unwrap();
            assert_eq!(refusal.code(), Code::Unauthenticated);
        }
        let answer = raw.send(caller(&root), super::raw::frame(0, &[]));
        assert_eq!(raw.whole(answer).await.1.code(), Code::Ok);
    }
    server.stop().await;
}
