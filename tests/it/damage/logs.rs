//! Logs: what was acknowledged last is in them, and fences, which hold nothing, are
//! counted on.

use std::path::{Path, PathBuf};

use super::given::{empty, given, objects, overwrite, remove};

#[apply(on_each_storage!)]
async fn the_last_log_is_emptied_or_removed() {
    for damage in [empty as fn(&Path), remove] {
        let given = given().await;
        let last = given.newest("wal");
        given.assert_noticed(&last, damage).await;
    }
}

#[apply(on_each_storage!)]
async fn a_fence_is_emptied_or_removed() {
    for damage in [empty as fn(&Path), remove] {
        let given = given().await;
        // The smallest are fences: they hold nothing but their seals.
        let size = |path: &PathBuf| path.metadata().unwrap().len();
        let logs = given.objects("wal");
        let smallest = logs.iter().map(size).min().unwrap();
        let fence = logs.iter().rfind(|log| size(log) == smallest).unwrap().clone();
        assert_ne!(Some(&fence), logs.last(), "there are documents behind it");
        given.assert_noticed(&fence, damage).await;
    }
}

#[apply(on_each_storage!)]
async fn a_log_is_another_collections() {
    let given = given().await;
    let theirs = objects(&given.films.join("wal")).pop().unwrap();
    let ours = given.newest("wal");
    given.assert_noticed(&ours, |log| overwrite(log, &theirs)).await;
}

#[apply(on_each_storage!)]
async fn a_log_is_another_one_of_the_collection() {
    let given = given().await;
    let mut logs = given.objects("wal");
    let last = logs.pop().unwrap();
    let other = logs.pop().unwrap();
    given.assert_noticed(&last, |log| overwrite(log, &other)).await;
}

/// What says where the pieces of a log are is at its end, before the seal, and has no
/// checksum of its own.
#[apply(on_each_storage!)]
async fn a_bit_is_flipped_at_the_end_of_one() {
    let mut given = given().await;
    let last = given.newest("wal");
    for (from_end, bit) in [(1, 0), (3, 5), (5, 3), (8, 7), (10, 0)] {
        given = given.assert_noticed(&last, |log| flip_before_the_seal(log, from_end, bit)).await;
    }
}

fn flip_before_the_seal(log: &Path, from_end: usize, bit: u32) {
    const SEAL: usize = 96;
    let mut bytes = std::fs::read(log).unwrap();
    let at = bytes.len() - SEAL - from_end;
    bytes[at] ^= 1 << bit;
    std::fs::write(log, bytes).unwrap();
}
