//! A bucket that cannot be used is told at the start, in bounded time.

use std::{path::Path, time::Duration};

use stillframe::{app::App, clock::Clock, documents::Storage, instance::StartError};

use crate::support::{
    Loopback, config, operator_command,
    s3::{Harm, Requests, Rule, Which},
};

async fn start(storage: Storage) -> Result<(), StartError> {
    start_in(tempfile::tempdir().unwrap().path(), Some(storage)).await
}

async fn start_in(dir: &Path, storage: Option<Storage>) -> Result<(), StartError> {
    let mut config = config(dir);
    config.tuning = storage.as_ref().map(Storage::tuning).unwrap_or_default();
    config.storage = storage;
    App::open(config, Clock::default()).await.map(drop)
}

fn unusable(answer: Result<(), StartError>) -> String {
    match answer {
        Err(error @ StartError::Unusable { .. }) => {
            let text = error.to_string();
            // One sentence, and nothing that only its author reads.
            assert!(!text.contains(['\n', '{', '<', '"']) && text.len() < 400, "{text}");
            text
        }
        other => panic!("{other:?}"),
    }
}

/// Starts on a server that does this to these requests, and is refused; nothing stays.
async fn refused_by(rule: Rule) -> String {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let fault = loopback.harm(rule);
    let error = unusable(start(loopback.storage()).await);
    assert!(fault.harmed() > 0, "{error}");
    let probes = home.path().join("storage/probe");
    let left = std::fs::read_dir(&probes).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{error}");
    drop(fault);
    start(loopback.storage()).await.unwrap();
    error
}

#[apply(on_s3!)]
async fn a_wrong_secret_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let error = unusable(start(loopback.storage_at("", "wrong")).await);
    assert!(error.contains("AWS_SECRET_ACCESS_KEY") && !error.contains("wrong"), "{error}");
    start(loopback.storage()).await.unwrap();
}

#[apply(on_s3!)]
async fn the_process_says_it_in_one_line_and_fails() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let mut process = operator_command(&["serve", "--storage", "s3://storage"], home.path());
    process.envs(loopback.environment("wrong").0);
    let output = tokio::task::block_in_place(|| process.output().unwrap());
    let told = String::from_utf8(output.stderr).unwrap();
    let last = told.lines().last().unwrap_or_default();
    let why = last.strip_prefix("stillframe: the storage root s3://storage/ (--storage) cannot be used: ");
    let why = why.unwrap_or_else(|| panic!("{told}"));
    assert!(why.contains("AWS_SECRET_ACCESS_KEY") && !told.contains("StringToSign"), "{told}");
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
}

#[apply(on_s3!)]
async fn a_data_directory_is_as_it_was_when_its_root_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let fault = loopback.harm(Rule::new(Harm::Unconditional).on(Requests::Writes));
    let dir = tempfile::tempdir().unwrap();
    unusable(start_in(dir.path(), Some(loopback.storage())).await);
    drop(fault);
    // It is nobody's yet.
    start_in(dir.path(), None).await.unwrap();
}

#[apply(on_s3!)]
async fn a_missing_bucket_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let Storage::S3(mut bucket) = loopback.storage() else { panic!("a bucket") };
    bucket.name = "missing".to_owned();
    let error = unusable(start(Storage::S3(bucket)).await);
    assert!(error.contains("s3://missing/"), "{error}");
}

#[apply(on_s3!)]
async fn a_server_that_does_not_answer_is_told() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    loopback.set_down(true);
    unusable(start(loopback.storage()).await);
}

#[apply(on_s3!)]
async fn what_a_killed_start_has_tried_does_not_make_a_root_foreign() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let probes = home.path().join("storage/probe");
    std::fs::create_dir_all(&probes).unwrap();
    let (old, under_way) = (probes.join("old"), probes.join("under-way"));
    for probe in [&old, &under_way] {
        std::fs::write(probe, b"stillframe").unwrap();
    }
    let before = old.metadata().unwrap().modified().unwrap() - Duration::from_hours(2);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
    start(loopback.storage()).await.unwrap();
    assert!(!old.exists() && under_way.exists(), "that of another start may be needed");
}

#[apply(on_s3!)]
async fn a_mark_whose_answer_was_lost_is_ours() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let lost = Rule::new(Harm::CutAfter).on(Requests::Writes).below("stillframe.json").which(Which::Next(1));
    let fault = loopback.harm(lost);
    start(loopback.storage()).await.unwrap();
    assert_eq!(fault.harmed(), 1);
}

#[apply(on_s3!)]
async fn a_server_that_ignores_conditions_is_refused() {
    let error = refused_by(Rule::new(Harm::Unconditional).on(Requests::Writes)).await;
    assert!(error.contains("overwrites an object in spite of `If-None-Match: *`"), "{error}");
}

#[apply(on_s3!)]
async fn a_server_that_lets_two_win_is_refused() {
    let error = refused_by(Rule::new(Harm::Racing(Duration::from_millis(200))).on(Requests::Writes)).await;
    assert!(error.contains("of 8 puts of one new key at once pass"), "{error}");
}

#[apply(on_s3!)]
async fn a_server_without_deletion_of_many_is_told_the_setting_for_it() {
    let without = Rule::new(Harm::Say(501, "NotImplemented")).on(Requests::Exactly("DELETE"));
    let error = refused_by(without).await;
    assert!(error.contains("501 NotImplemented") && error.contains("AWS_DISABLE_BULK_DELETE=true"), "{error}");
}

#[apply(on_s3!)]
async fn each_refusal_of_the_server_names_what_to_change() {
    for (on, status, code, part) in [
        ("LIST", 403, "InvalidAccessKeyId", "does not know AWS_ACCESS_KEY_ID"),
        ("LIST", 403, "AccessDenied", "AWS_ACCESS_KEY_ID may not list objects"),
        ("LIST", 400, "ExpiredToken", "AWS_SESSION_TOKEN"),
        ("LIST", 400, "AuthorizationHeaderMalformed", "AWS_REGION"),
        ("LIST", 301, "PermanentRedirect", "AWS_REGION"),
        ("LIST", 403, "RequestTimeTooSkewed", "clocks"),
        ("LIST", 404, "NoSuchBucket", "the bucket storage does not exist"),
        ("LIST", 500, "InternalError", "500 InternalError when it is to list objects"),
        ("PUT", 403, "AccessDenied", "AWS_ACCESS_KEY_ID may not put objects"),
        ("PUT", 501, "NotImplemented", "refuses a put with `If-None-Match: *`"),
        ("GET", 403, "AccessDenied", "AWS_ACCESS_KEY_ID may not get objects"),
        ("GET", 503, "SlowDown", "503 SlowDown when it is to get objects"),
    ] {
        let requests = Requests::Counted(on);
        let rule = Rule::new(Harm::Say(status, code)).on(requests).below(if on == "LIST" { "" } else { "probe" });
        let error = refused_by(rule).await;
        assert!(error.contains(part), "{on} {status} {code}: {error}");
    }
}

#[apply(on_s3!)]
async fn settings_that_forbid_what_is_needed_are_named() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    for (name, value, part) in [
        ("AWS_ALLOW_HTTP", "false", "set AWS_ALLOW_HTTP=true"),
        ("AWS_CONDITIONAL_PUT", "disabled", "AWS_CONDITIONAL_PUT switches conditional puts off"),
        ("AWS_ENDPOINT", "http://127.0.0.1:1", "no connection to AWS_ENDPOINT"),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY"),
    ] {
        let Storage::S3(mut bucket) = loopback.storage() else { panic!("a bucket") };
        bucket.environment.0.retain(|(known, _)| known != name);
        bucket.environment.0.push((name.to_owned(), value.to_owned()));
        let error = unusable(start(Storage::S3(bucket)).await);
        assert!(error.contains(part), "{name}: {error}");
    }
}
