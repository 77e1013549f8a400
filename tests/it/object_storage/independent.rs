//! What holds on every server: `.ci/s3` runs these on one that is not ours.

use stillframe::pb;

use super::given::Given;
use crate::support::TestServer;

const GOOD: usize = 1_000;
const DOTTED: [&str; 7] = ["in/./i", "in/../j", "in/k/./l", "in/m/../n", "in/o/././p", "in/q/../../r", "in//./s"];
const EMPTY: [&str; 7] = ["in//a", "in///b", "in/c//d", "in/e///f", "in//g//h", "in/tab\t/t", "in/ /u"];

/// Forty, of which some servers cannot have some.
fn odd_keys() -> Vec<String> {
    let controls = (1..=25).chain([127]).map(|n: u8| format!("in/{}x", char::from(n)));
    let keys: Vec<_> = controls.chain(DOTTED.into_iter().chain(EMPTY).map(str::to_owned)).collect();
    keys.into_iter().map(|key| format!("{key}.ndjson")).collect()
}

#[apply(on_s3!)]
async fn of_a_thousand_objects_and_forty_odd_keys_each_is_read_or_named() {
    let mut given = Given::new().await;
    for n in 0..GOOD {
        assert!(given.put_record(&format!("in/{n:04}.ndjson"), n));
    }
    let keys = odd_keys();
    assert_eq!(keys.len(), 40);
    let made = keys.iter().enumerate().filter(|(n, key)| given.put_record(key, GOOD + n)).count();
    assert!(made >= 27, "{made}");
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", i64::try_from(GOOD + made).unwrap()).await;
    let found = given.numbers().await;
    assert_eq!(found[..GOOD], (0..GOOD).collect::<Vec<_>>());
    let bad = usize::try_from(ended.bad_records).unwrap();
    assert_eq!(found.len() + bad, GOOD + made, "{ended:?}");
    assert_eq!(ended.first_bad_records.len(), bad.min(10));
    assert!(ended.first_bad_records.iter().all(|bad| !bad.path.is_empty() && !bad.reason.is_empty()), "{ended:?}");
    assert_eq!(ended.error, None);
    let again = given.server.scanned_again("c").await;
    assert_eq!((again.bad_records, again.state()), (ended.bad_records, pb::source::State::Watching));
    if made == 40 {
        assert_eq!(bad, DOTTED.len(), "only what no URL can have: {ended:?}");
    }
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn a_start_tries_the_server_and_leaves_nothing_behind() {
    let server = TestServer::start().await;
    let dir = server.stop().await;
    let probes = dir.path().join("storage/probe");
    assert_eq!(std::fs::read_dir(probes).map_or(0, Iterator::count), 0);
    TestServer::reopen(dir).await.stop().await;
}
