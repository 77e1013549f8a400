//! The index may be lost, damaged, set back or mixed up: every start serves exactly
//! the records of the log, and no file with documents goes.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::given::{Given, copy_all};
use crate::support::{Random, TestServer, rounds, upsert};

#[apply(on_directory!)]
async fn one_that_is_gone_is_made_again() {
    let given = Given::new().await;
    let damaged = given.copy();
    std::fs::remove_dir_all(damaged.path().join("metadata")).unwrap();
    given.check(damaged, "removed").await;
    let damaged = given.copy();
    std::fs::remove_dir_all(damaged.path().join("metadata")).unwrap();
    std::fs::create_dir(damaged.path().join("metadata")).unwrap();
    given.check(damaged, "emptied").await;
}

#[apply(on_directory!)]
async fn every_file_of_it_may_be_lost_or_damaged() {
    let given = Given::new().await;
    for file in files(&given.index()) {
        let name = file.strip_prefix(given.dir.path()).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let damages: [(&str, Option<Vec<u8>>); 5] = [
            ("removed", None),
            ("emptied", Some(Vec::new())),
            ("noise", Some(noise(1 << 16))),
            ("cut in half", Some(bytes[..bytes.len() / 2].to_vec())),
            ("cut by a byte", Some(bytes[..bytes.len().saturating_sub(1)].to_vec())),
        ];
        for (damage, content) in damages {
            let damaged = given.copy();
            match content {
                Some(content) => std::fs::write(damaged.path().join(name), content).unwrap(),
                None => std::fs::remove_file(damaged.path().join(name)).unwrap(),
            }
            given.check(damaged, &format!("{}: {damage}", name.display())).await;
        }
    }
}

#[apply(on_directory!)]
async fn no_flipped_bit_is_believed() {
    let given = Given::new().await;
    let files = files(&given.index());
    let sizes: Vec<_> = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).collect();
    let all: u64 = sizes.iter().sum::<u64>() * 8;
    let mut random = Random::seeded();
    for _ in 0..rounds(25, 500) {
        let mut bit = random.below(all);
        let mut place = 0;
        while bit >= sizes[place] * 8 {
            bit -= sizes[place] * 8;
            place += 1;
        }
        let name = files[place].strip_prefix(given.dir.path()).unwrap();
        let damaged = given.copy();
        let mut bytes = std::fs::read(&files[place]).unwrap();
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        std::fs::write(damaged.path().join(name), bytes).unwrap();
        given.check(damaged, &format!("bit {bit} of {}", name.display())).await;
    }
}

#[apply(on_directory!)]
async fn an_older_one_catches_up() {
    let server = TestServer::start().await;
    let dir = server.stop().await;
    let older = tempfile::tempdir().unwrap();
    copy_all(&dir.path().join("metadata"), older.path());
    let mut server = TestServer::reopen(dir).await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    let dir = server.stop().await;
    // The statistics in it are of another time, too.
    let between = tempfile::tempdir().unwrap();
    copy_all(&dir.path().join("metadata"), between.path());
    let mut server = TestServer::reopen(dir).await;
    server.write("books", vec![upsert("one more", "{}")]).await;
    let mut dir = server.stop().await;
    for older in [older, between] {
        replace_index(&dir, older.path());
        let mut server = TestServer::reopen(dir).await;
        assert_eq!(server.stats("books").await.document_count, 51);
        assert_eq!(server.get_snapshot("monday").await.unwrap().document_count, 50);
        dir = server.stop().await;
    }
}

#[apply(on_directory!)]
async fn one_of_another_root_is_made_again() {
    let given = Given::new().await;
    let mut other = TestServer::start().await;
    other.given_collection("theirs").await;
    let other = other.stop().await;
    let damaged = given.copy();
    replace_index(&damaged, &other.path().join("metadata"));
    given.check(damaged, "another root's").await;
}

/// sled would not start again, ever.
#[apply(on_directory!)]
async fn what_a_start_left_half_done_is_no_obstacle() {
    let given = Given::new().await;
    let damaged = given.copy();
    std::fs::write(damaged.path().join("metadata/snap.0000000000000001.generating"), b"half").unwrap();
    given.check(damaged, "a snapshot that was being generated").await;
}

#[apply(on_directory!)]
async fn what_it_has_seen_is_missed_in_the_log() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let dir = server.stop().await;
    let newest = files(&dir.path().join("storage/records")).pop().unwrap();
    std::fs::remove_file(&newest).unwrap();
    let error = TestServer::reopen_with(dir, |_| {}).await.err().unwrap().to_string();
    assert!(error.contains(newest.file_name().unwrap().to_str().unwrap()), "{error}");
}

fn replace_index(dir: &TempDir, by: &Path) {
    let index = dir.path().join("metadata");
    std::fs::remove_dir_all(&index).unwrap();
    copy_all(by, &index);
}

/// The files below a directory, in their order.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::seeded();
    (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}
