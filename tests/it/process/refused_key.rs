//! Bootstrap key files that a start is refused for, at once.

use std::os::unix::fs::symlink;

use super::{
    given::{Process, server},
    refused::Home,
};

const RANDOM: &str = "6f0d3a91c27be85f04d6a8137c9be25018f3d47ab6e09c5d21873fea40b95c6d";

async fn refuses(home: &Home, file: &str, parts: &[&str]) {
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", "data", "--bootstrap-key-file", file];
    let parts = [&["--bootstrap-key-file", file], parts].concat();
    home.refuses(&arguments, &[], &parts).await;
}

#[apply(on_directory!)]
async fn what_is_no_regular_file_is_neither_read_nor_waited_for() {
    let home = Home::new();
    let _socket = std::os::unix::net::UnixListener::bind(home.path("socket")).unwrap();
    for (file, part) in [
        ("foreign", "it is a directory"),
        ("pipe", "it is a pipe"),
        ("socket", "it is a socket"),
        ("/dev/zero", "it is a device"),
        ("/dev/stdin", "it is a device"),
        ("dangling", "is a link to what is not there"),
        ("missing/key", "missing"),
        ("file/key", "Not a directory"),
        ("file", "does not hold a key"),
    ] {
        refuses(&home, file, &[part]).await;
    }
}

#[apply(on_directory!)]
async fn a_key_that_somebody_has_made_up_is_not_taken() {
    let home = Home::new();
    for (digits, part) in [
        ("a".repeat(64), "fewer than ten different digits"),
        ("deadbeef".repeat(8), "fewer than ten different digits"),
        ("0123456789abcdef".repeat(4), "in a row"),
        (RANDOM[..32].repeat(2), "repeats itself"),
    ] {
        std::fs::write(home.path("key"), format!("sf_chief_{digits}\n")).unwrap();
        refuses(&home, "key", &["is not random", part, "openssl rand -hex 32"]).await;
    }
}

#[apply(on_directory!)]
async fn a_random_one_is_also_behind_a_link() {
    let home = Home::new();
    std::fs::write(home.path("key"), format!("sf_chief_{RANDOM}\n")).unwrap();
    symlink(home.path("key"), home.path("link")).unwrap();
    let link = home.at("link");
    let mut process = Process::told(&mut server(&home.path("data"), &["--bootstrap-key-file", &link]));
    process.serves().await;
    let ended = process.stopped().await;
    assert!(ended.status.success());
    assert!(ended.stderr.contains("others than its owner may read the bootstrap key file"), "{}", ended.stderr);
    // In a data directory that is yet to be made.
    let (data, key) = (home.path("new"), home.at("new/key"));
    let mut process = Process::told(&mut server(&data, &["--bootstrap-key-file", &key]));
    process.serves().await;
    assert!(process.stopped().await.status.success());
    assert!(std::fs::read_to_string(home.path("new/key")).unwrap().starts_with("sf_bootstrap_"));
}
