//! Nobody sees a document that has expired, from the very moment on.

use std::time::Duration;

use stillframe::{
    app::Config,
    pb::{self, patch_operation::Op, write_result::Status as Became},
};
use tonic::Code;

use super::{HOUR, MINUTE, Retained, counted, hours, interval, totals, visible};
use crate::{
    documents::{body_of, error_of, if_etag, list::pages_of, op, patch},
    support::{Doc, Root, TestServer, collection_name, delete, reason, refused, rounds, time, upsert, upsert_at},
};

/// Nothing is dropped: what expires still counts.
fn never_sweeping(config: &mut Config) {
    config.sweep_every = Duration::from_hours(1);
}

#[apply(on_each_storage!)]
async fn what_expires_is_hidden_from_every_read_at_once() {
    let mut given = Retained::start_with(never_sweeping).await;
    let docs = given.spread();
    given.write(&docs).await;
    let ids: Vec<String> = docs.iter().map(|doc| doc.id.clone()).collect();
    for passed in [0, 1, 2, 20, 31, 32, 33] {
        given.pass(passed);
        let seen = visible(&docs, given.cutoff_after(passed));
        let (gone, there): (Vec<_>, Vec<_>) = docs.iter().partition(|doc| !seen.contains(doc));
        for doc in &gone {
            refused(given.server.read(&doc.id).await, Code::NotFound, "DOCUMENT_NOT_FOUND");
        }
        for doc in there {
            assert_eq!(Doc::from(&given.server.read(&doc.id).await.unwrap()), *doc);
        }
        let found = given.server.batch(ids.clone()).await;
        assert_eq!(found.missing_ids, gone.iter().map(|doc| doc.id.clone()).collect::<Vec<_>>());
        assert_eq!(given.server.read_all("c").await, seen);
        let listed: Vec<String> = seen.iter().map(|doc| doc.id.clone()).collect();
        for size in [1, 7, 1000] {
            assert_eq!(given.server.list_all(pages_of(size)).await.1, listed, "pages of {size}");
        }
        assert_eq!(given.totals().await, totals(&docs), "nothing has been dropped");
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn statistics_say_how_many_expired_documents_still_count() {
    let mut given = Retained::start_with(never_sweeping).await;
    let docs = given.spread();
    given.write(&docs).await;
    for passed in [0, 1, 7, 30, 31, 32, 40] {
        given.pass(passed);
        let hidden = docs.len() - visible(&docs, given.cutoff_after(passed)).len();
        let stats = given.server.stats("c").await;
        assert_eq!(stats.expired_document_count, i64::try_from(hidden).unwrap(), "after {passed} hours");
        assert_eq!(stats.document_count, 95);
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn pages_go_on_behind_what_has_expired() {
    for taken in [1, 4, 9] {
        let mut given = Retained::start().await;
        let docs = given.spread();
        given.write(&docs).await;
        let mut request = pages_of(7);
        let mut seen = Vec::new();
        for _ in 0..taken {
            let page = given.server.list(request.clone()).await.unwrap();
            seen.extend(page.documents.iter().map(Doc::from));
            request.page_token = page.next_page_token;
        }
        given.pass(10);
        let (cutoff, last) = (given.cutoff_after(10), seen.last().unwrap().clone());
        let rest: Vec<String> = given.server.list_all(request).await.1;
        let place = |doc: &Doc| (interval(doc.time), doc.id.clone());
        let expected = visible(&docs, cutoff).into_iter().filter(|doc| place(doc) > place(&last));
        assert_eq!(rest, expected.map(|doc| doc.id).collect::<Vec<_>>(), "behind {taken} pages");
        given.stop().await;
    }
}

#[apply(on_each_storage!)]
async fn a_stream_stops_showing_what_expires_while_it_is_open() {
    const OLD: usize = 300;
    let mut given = Retained::start().await;
    // More than the transport can hold, old ones first.
    let body = body_of(64 << 10);
    let [old, new] = [31, 2].map(|hours| given.ago(hours, 0));
    let docs: Vec<Doc> =
        (0..OLD + 20).map(|n| Doc::new(format!("{n:04}"), if n < OLD { old } else { new }, body.clone())).collect();
    for batch in docs.chunks(100) {
        given.write(batch).await;
    }
    let mut stream = given.server.open_stream(pb::StreamDocumentsRequest::default()).await.unwrap();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.offset, Some(320));
    given.pass(5);
    crate::support::eventually("the sweeper drops the old ones", async || {
        given.server.stats("c").await.document_count == 20
    })
    .await;
    let messages = crate::support::collect(stream).await.unwrap();
    let ids: Vec<String> = messages.iter().flat_map(|message| &message.documents).map(|doc| doc.id.clone()).collect();
    let (late, fresh) = ids.split_at(ids.len() - 20);
    assert!(late.len() < OLD / 2, "{} of those that were under way", late.len());
    assert!(late.iter().map(String::as_str).eq(docs.iter().take(late.len()).map(|doc| doc.id.as_str())));
    assert!(fresh.iter().eq(docs[OLD..].iter().map(|doc| &doc.id)), "none is missing");

    // A token from before goes on where it stood.
    let token = messages[0].resume_token.clone();
    let (_, rest) = given.server.stream(crate::documents::stream::from(&token)).await.unwrap();
    let before = messages[0].documents.iter().filter(|doc| fresh.contains(&doc.id)).count();
    assert_eq!(rest.iter().map(|message| message.documents.len()).sum::<usize>(), 20 - before);
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn an_expired_document_does_not_exist_for_writers() {
    for sweeps in [true, false] {
        let mut given = if sweeps { Retained::start().await } else { Retained::start_with(never_sweeping).await };
        // Two hours later, one of them shares its interval with what is still there.
        let [gone, shared, kept] = [given.ago(31, 40), given.ago(29, 40), given.ago(29, 20)];
        let docs = [("a", gone), ("b", shared), ("c", kept)].map(|(id, time)| Doc::new(id, time, r#"{"n":1}"#));
        given.write(&docs).await;
        let etag = given.server.read("b").await.unwrap().etag;
        let before = given.server.stats("c").await.offset;
        given.pass(2);
        let increment = |id: &str| patch(id, vec![op(Op::Increment, "/n", "1")]);
        let writes = vec![increment("a"), delete("a"), increment("b"), delete("b")];
        assert_eq!(given.server.statuses(writes).await, [Became::NotFound; 4]);
        let stale = given.server.write_one(if_etag(&etag, upsert("b", "{}"))).await;
        assert_eq!(reason(&error_of(&stale)), "ETAG_MISMATCH");
        assert_eq!(given.server.stats("c").await.offset, before);

        let time = given.ago(0, 0);
        let again = ["a", "b"].map(|id| Doc::new(id, time, r#"{"n":2}"#));
        let writes = again.iter().map(|doc| if_etag("", doc.write())).collect();
        assert_eq!(given.server.statuses(writes).await, [Became::Added; 2]);
        let [_, _, third] = docs;
        let now = [again.as_slice(), &[third]].concat();
        assert_eq!(given.totals().await, totals(&now), "what had expired counts no more");
        assert_eq!(given.server.read_all("c").await, visible(&now, given.cutoff_after(2)));
        assert_eq!(given.server.stats("c").await.offset, before + 2);
        assert_eq!(given.server.stats("c").await.expired_document_count, 0);
        given.stop().await;
    }
}

#[apply(on_each_storage!)]
async fn the_boundary_is_exact_to_the_document() {
    let mut given = Retained::start().await;
    // One interval; some expire, the others do not.
    let docs: Vec<Doc> = (0..60)
        .map(|minute| Doc::new(format!("{:02}", minute * 7 % 60), given.ago(31, 0) + minute * MINUTE, "{}"))
        .collect();
    // Of those that expire next a slow machine is not to lose any while it looks.
    let docs = docs.into_iter().filter(|doc| doc.time % (10 * MINUTE) >= 5 * MINUTE).collect::<Vec<_>>();
    given.write(&docs).await;
    for step in 0..6 {
        let cutoff = given.hour - hours(31) + step * 10 * MINUTE;
        super::advance(&given.server, cutoff + 32 * HOUR - given.server.clock.now());
        assert_eq!(given.server.read_all("c").await, visible(&docs, cutoff), "step {step}");
        assert_eq!(given.totals().await, totals(&counted(&docs, cutoff)));
    }
    given.stop().await;
}

/// Ids of a time window, by both ways.
async fn window(server: &mut TestServer, from: Option<i64>, until: Option<i64>) -> Vec<String> {
    let (from, until) = (from.map(time), until.map(time));
    let list = pb::ListDocumentsRequest { start_event_time: from, end_event_time: until, ..pages_of(9) };
    let listed = server.list_all(list).await.1;
    let stream = pb::StreamDocumentsRequest {
        collection: collection_name("c"),
        start_event_time: from,
        end_event_time: until,
        ..Default::default()
    };
    assert_eq!(server.selected(stream).await.into_iter().map(|doc| doc.id).collect::<Vec<_>>(), listed);
    listed
}

#[apply(on_each_storage!)]
async fn windows_of_time_select_across_intervals() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    for passed in [0, 9] {
        given.pass(passed);
        let seen = visible(&docs, given.cutoff_after(passed));
        let edges = [40, 32, 31, 24, 23, 22, 3, 1, 0, -5].map(|hours| given.ago(hours, 0));
        let edges: Vec<Option<i64>> = edges
            .iter()
            .flat_map(|edge| [edge - 1, *edge, edge + 1, edge + 20 * MINUTE])
            .map(Some)
            .chain([None])
            .collect();
        // Each is a read of the bucket there.
        let step = if Root::current() == Root::S3 { 40 } else { edges.len() / usize::try_from(rounds(4, 14)).unwrap() };
        for (n, from) in edges.iter().enumerate() {
            for until in edges.iter().skip(n % step).step_by(step) {
                let within =
                    |doc: &&Doc| from.is_none_or(|from| doc.time >= from) && until.is_none_or(|until| doc.time < until);
                let expected: Vec<String> = seen.iter().filter(within).map(|doc| doc.id.clone()).collect();
                assert_eq!(window(&mut given.server, *from, *until).await, expected, "{from:?} {until:?}");
            }
        }
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_filter_sees_only_what_is_there() {
    let mut given = Retained::start().await;
    given.write(&[Doc::new("old", given.ago(31, 0), "{}"), Doc::new("new", given.ago(1, 0), "{}")]).await;
    let request = |filter: &str| pb::ListDocumentsRequest { filter: filter.to_owned(), ..pages_of(1) };
    assert_eq!(given.server.list_all(request("id = old")).await.1, ["old"]);
    given.pass(3);
    assert!(given.server.list_all(request("id = old")).await.1.is_empty());
    assert_eq!(given.server.list_all(request("id:*")).await.1, ["new"]);
    given.server.write_one(upsert_at("old", given.ago(2, 0), "{}")).await;
    assert_eq!(given.server.list_all(request("id:*")).await.1, ["old", "new"]);
    given.stop().await;
}
