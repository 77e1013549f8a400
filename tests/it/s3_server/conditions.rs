use futures::future::join_all;
use slatedb::object_store::{
    Error, Extensions, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutResult, UpdateVersion, path::Path,
};

use crate::{
    s3_server::given::{builder, given, told},
    support::s3::SECRET,
};

fn of(put: &PutResult) -> PutMode {
    PutMode::Update(UpdateVersion { e_tag: put.e_tag.clone(), version: None })
}

#[apply(on_s3!)]
async fn one_of_eight_makes_a_new_object() {
    let given = given().await;
    let clients: Vec<_> = (0..8).map(|_| builder(&given.server, SECRET, 0).build().unwrap()).collect();
    for round in 0..50 {
        let path = Path::from(format!("round/{round}"));
        let race = clients.iter().enumerate().map(|(n, client)| {
            let path = path.clone();
            async move { client.put_opts(&path, n.to_string().into(), PutMode::Create.into()).await }
        });
        let answers = join_all(race).await;
        let winners: Vec<_> = (0..8).filter(|n| answers[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let losers = answers.iter().filter(|answer| matches!(answer, Err(Error::AlreadyExists { .. })));
        assert_eq!(losers.count(), 7, "{answers:?}");
        let kept = given.store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(kept, winners[0].to_string());
    }
}

#[apply(on_s3!)]
async fn one_of_eight_changes_an_object() {
    let given = given().await;
    let path = Path::from("a");
    let clients: Vec<_> = (0..8).map(|_| builder(&given.server, SECRET, 0).build().unwrap()).collect();
    let mut last = given.store.put(&path, "first".into()).await.unwrap();
    for round in 0..50 {
        let race = clients.iter().enumerate().map(|(n, client)| {
            let (path, mode) = (path.clone(), of(&last));
            async move { client.put_opts(&path, format!("{round} {n}").into(), mode.into()).await }
        });
        let answers = join_all(race).await;
        let winners: Vec<_> = answers.iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let losers = answers.iter().filter(|answer| matches!(answer, Err(Error::Precondition { .. })));
        assert_eq!(losers.count(), 7, "{answers:?}");
        assert_eq!(given.store.head(&path).await.unwrap().e_tag, winners[0].e_tag);
        last = PutResult { e_tag: winners[0].e_tag.clone(), version: None, extensions: Extensions::default() };
    }
}

/// None is lost, whichever way it is written.
#[apply(on_s3!)]
async fn a_counter_that_many_raise_is_right() {
    let given = given().await;
    let path = Path::from("counter");
    given.store.put(&path, "0".into()).await.unwrap();
    let raise = async || {
        for _ in 0..25 {
            loop {
                let found = given.store.get(&path).await.unwrap();
                let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: None };
                let count: u64 = str::from_utf8(&found.bytes().await.unwrap()).unwrap().parse().unwrap();
                let put = given.store.put_opts(&path, (count + 1).to_string().into(), PutMode::Update(version).into());
                match put.await {
                    Err(Error::Precondition { .. }) => {}
                    put => break drop(put.unwrap()),
                }
            }
        }
    };
    tokio::join!(raise(), raise(), raise(), raise());
    assert_eq!(given.store.get(&path).await.unwrap().bytes().await.unwrap(), "100");
}

#[apply(on_s3!)]
async fn a_condition_on_what_has_changed_or_gone_is_refused() {
    let given = given().await;
    let path = Path::from("a");
    let first = given.store.put(&path, "1".into()).await.unwrap();
    let second = given.store.put_opts(&path, "2".into(), of(&first).into()).await.unwrap();
    let stale = given.store.put_opts(&path, "3".into(), of(&first).into()).await;
    assert!(matches!(told(stale, "PreconditionFailed"), Error::Precondition { .. }));
    std::fs::write(given.dir.path().join("storage/a"), "by hand").unwrap();
    told(given.store.put_opts(&path, "4".into(), of(&second).into()).await, "PreconditionFailed");
    given.store.delete(&path).await.unwrap();
    told(given.store.put_opts(&path, "5".into(), of(&second).into()).await, "NoSuchKey");
    given.store.put_opts(&path, "6".into(), PutMode::Create.into()).await.unwrap();
}

#[apply(on_s3!)]
async fn reads_have_conditions_too() {
    let given = given().await;
    let path = Path::from("a");
    let e_tag = given.store.put(&path, "1".into()).await.unwrap().e_tag;
    let modified = given.store.head(&path).await.unwrap().last_modified;
    let get = async |options: GetOptions| given.store.get_opts(&path, options).await.map(drop);
    let other = Some("\"other\"".to_owned());
    let of = GetOptions::default;
    let earlier = Some(modified - chrono::TimeDelta::seconds(1));
    get(GetOptions { if_match: e_tag.clone(), if_unmodified_since: earlier, ..of() }).await.unwrap();
    get(GetOptions { if_none_match: other.clone(), if_modified_since: Some(modified), ..of() }).await.unwrap();
    get(GetOptions { if_modified_since: earlier, if_unmodified_since: Some(modified), ..of() }).await.unwrap();
    for options in [GetOptions { if_match: other, ..of() }, GetOptions { if_unmodified_since: earlier, ..of() }] {
        let refused = get(options).await;
        assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");
    }
    for options in
        [GetOptions { if_none_match: e_tag, ..of() }, GetOptions { if_modified_since: Some(modified), ..of() }]
    {
        let refused = get(options).await;
        assert!(matches!(refused, Err(Error::NotModified { .. })), "{refused:?}");
    }
    let refused = get(GetOptions { version: Some("1".to_owned()), ..of() }).await;
    told(refused, "NotImplemented");
}
