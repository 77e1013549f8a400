//! Places that a start is refused for.

use std::path::Path;

use rustix::process::Signal;

use super::{
    given::{Process, server, stillframe},
    refused::Home,
};

#[apply(on_directory!)]
async fn a_data_directory_that_cannot_be_one() {
    let home = Home::new();
    for (data_dir, parts) in [
        ("file", &["the data directory file (--data-dir)", "file is not a directory"][..]),
        ("file/below", &["file is not a directory"]),
        ("dangling", &["dangling is a link to what is not there"]),
        ("dangling/below", &["dangling is a link to what is not there"]),
        ("pipe", &["pipe is not a directory"]),
        ("/proc/nowhere", &["the data directory /proc/nowhere (--data-dir)"]),
        ("/dev/null", &["/dev/null is not a directory"]),
    ] {
        home.refuses(&["--listen", "127.0.0.1:0", "--data-dir", data_dir], &[], parts).await;
    }
}

#[apply(on_directory!)]
async fn a_storage_root_that_cannot_be_one() {
    let home = Home::new();
    for (storage, parts) in [
        ("file", &["the storage root file (--storage)", "file is not a directory"][..]),
        ("file/a/b", &["the storage root file/a/b (--storage)", "file is not a directory"]),
        ("dangling", &["dangling is a link to what is not there"]),
        ("foreign", &["foreign has objects but no stillframe.json", "--storage"]),
        ("gs://bucket", &["--storage", "gs:// is not available"]),
        ("s3://", &["--storage", "must be s3://BUCKET"]),
        ("file://relative", &["--storage", "file://"]),
    ] {
        let arguments = ["--listen", "127.0.0.1:0", "--data-dir", "data/of/mine", "--storage", storage];
        home.refuses(&arguments, &[], parts).await;
        let empty_too = [("STILLFRAME_STORAGE", storage), ("AWS_ENDPOINT", "")];
        home.refuses(&arguments[..4], &empty_too, parts).await;
    }
    // No advice about a store that is none.
    let mut command = stillframe(&["--listen", "127.0.0.1:0", "--storage", "file"]);
    let told = Process::told(command.current_dir(home.path(""))).ended().await.stderr;
    assert!(!told.contains("AWS") && !told.contains("bucket"), "{told}");
}

#[cfg(feature = "s3")]
#[apply(on_directory!)]
async fn a_bucket_whose_settings_are_wrong() {
    let home = Home::new();
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", "data", "--storage", "s3://bucket"];
    let key = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_ALLOW_HTTP", "true")];
    for (name, value, parts) in [
        ("AWS_ENDPOINT", "http://127.0.0.1:1", &["s3://bucket", "AWS_ENDPOINT"][..]),
        ("AWS_ENDPOINT", "127.0.0.1:9000", &["s3://bucket", "AWS_ENDPOINT"]),
        ("AWS_ALLOW_HTTP", "perhaps", &["AWS_ALLOW_HTTP", "perhaps"]),
        ("AWS_DISABLE_BULK_DELETE", "perhaps", &["AWS_DISABLE_BULK_DELETE", "perhaps"]),
        ("AWS_CONDITIONAL_PUT", "perhaps", &["AWS_CONDITIONAL_PUT", "perhaps"]),
        ("AWS_TIMEOUT", "soon", &["AWS_TIMEOUT", "soon"]),
    ] {
        let environment: Vec<_> =
            key.iter().filter(|(known, _)| *known != name).copied().chain([(name, value)]).collect();
        home.refuses(&arguments, &environment, parts).await;
    }
}

#[apply(on_directory!)]
async fn a_place_that_is_anothers() {
    let home = Home::new();
    let (data, other) = (home.path("data"), home.path("other"));
    let mut process = Process::told(&mut server(&data, &[]));
    process.serves().await;
    let in_use = [home.at("data"), "(--data-dir) is in use by another server".to_owned()];
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir"];
    let mut second = stillframe(&arguments);
    let told = Process::told(second.arg(&data)).ended().await;
    assert_eq!(told.status.code(), Some(1));
    assert!(in_use.iter().all(|part| told.stderr.contains(part)), "{}", told.stderr);
    process.signal(Signal::TERM);
    assert!(process.has_ended().await.success());

    let (data, storage) = (home.at("data"), home.at("data/storage"));
    let of_another = [&arguments[..], &["new/data", "--storage", &storage]].concat();
    home.refuses(&of_another, &[], &[&storage, "belongs to instance", "the data directory new/data"]).await;
    let lost = [&arguments[..], &[&data, "--storage", "lost"]].concat();
    let at_last = format!("at the last start it was {storage}");
    home.refuses(&lost, &[], &[&data, "lost is empty", &at_last, "--storage"]).await;
    std::fs::write(home.path("data/storage/stillframe.json"), "{").unwrap();
    home.refuses(&[&arguments[..], &[&data]].concat(), &[], &[&storage, "is damaged"]).await;
    assert!(!Path::new(&other).exists());
}

#[apply(on_directory!)]
async fn commands_beside_the_server_name_what_they_miss() {
    let home = Home::new();
    for (arguments, parts) in [
        (&["records", "check", "--data-dir", "missing"][..], &["no data directory missing"][..]),
        (&["records", "dump", "--data-dir", "missing"], &["missing/storage"]),
        (&["records", "dump", "--storage", "foreign"], &["foreign has no record log"]),
        (&["records", "rebuild", "--data-dir", "file"], &["file is not a directory"]),
        (&["records", "rebuild", "--data-dir", "new", "--storage", "foreign"], &["foreign has objects but no"]),
        (&["records", "rebuild", "--data-dir", "new", "--storage", "missing"], &["the storage root missing"]),
        (&["collections", "accept-loss", "books"], &["'books'", "NAME"]),
        (&["collections", "accept-loss", "workspaces/w/collections/c", "--data-dir", "missing"], &["missing"]),
    ] {
        home.refuses(arguments, &[], parts).await;
    }
}
