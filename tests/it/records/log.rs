//! Damage of the log is told with the name of the object, and nothing is changed: it
//! is never a silent end.

use std::path::{Path, PathBuf};

use stillframe::{error::Error, instance::StartError};
use tempfile::TempDir;

use super::{given::Given, index::files};
use crate::support::{Random, TestServer, rounds};

/// A server refuses to start on a damaged log, with or without an index, and names
/// the object.
async fn refused(given: &Given, object: &str, damage: impl Fn(&Path)) {
    for without_index in [false, true] {
        let damaged = given.copy();
        if without_index {
            std::fs::remove_dir_all(damaged.path().join("metadata")).unwrap();
        }
        damage(damaged.path());
        let error = start_error(damaged).await;
        let text = error.to_string();
        assert!(matches!(error, StartError::Storage(Error::DataLoss(_))), "{error:?}");
        assert!(text.contains(object), "{object}: {text}");
    }
}

async fn start_error(dir: TempDir) -> StartError {
    TestServer::reopen_with(dir, |_| {}).await.err().expect("refused")
}

fn objects(given: &Given) -> Vec<PathBuf> {
    let found = files(&given.dir.path().join("storage/records"));
    found.into_iter().map(|path| path.strip_prefix(given.dir.path()).unwrap().to_owned()).collect()
}

fn name(object: &Path) -> &str {
    object.file_name().unwrap().to_str().unwrap()
}

#[apply(on_directory!)]
async fn no_flipped_bit_passes() {
    let given = Given::new().await;
    let objects = objects(&given);
    let mut random = Random::seeded();
    for _ in 0..rounds(10, 200) {
        let object = &objects[usize::try_from(random.below(objects.len() as u64)).unwrap()];
        let mut bytes = std::fs::read(given.dir.path().join(object)).unwrap();
        let bit = random.below(bytes.len() as u64 * 8);
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        refused(&given, name(object), |data| std::fs::write(data.join(object), &bytes).unwrap()).await;
    }
}

#[apply(on_directory!)]
async fn an_object_that_is_cut_emptied_or_anothers_is_named() {
    let given = Given::new().await;
    let objects = objects(&given);
    let middle = &objects[objects.len() / 2];
    let bytes = std::fs::read(given.dir.path().join(middle)).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        refused(&given, name(middle), |data| std::fs::write(data.join(middle), &bytes[..length]).unwrap()).await;
    }
    let before = std::fs::read(given.dir.path().join(&objects[objects.len() / 2 - 1])).unwrap();
    refused(&given, name(middle), |data| std::fs::write(data.join(middle), &before).unwrap()).await;
    refused(&given, name(middle), |data| std::fs::remove_file(data.join(middle)).unwrap()).await;
    refused(&given, name(&objects[0]), |data| std::fs::remove_file(data.join(&objects[0])).unwrap()).await;

    let other = Given::new().await;
    let theirs = std::fs::read(other.dir.path().join(middle)).unwrap();
    refused(&given, name(middle), |data| std::fs::write(data.join(middle), &theirs).unwrap()).await;
}

/// Without it nobody knows what is in the root.
#[apply(on_directory!)]
async fn a_root_without_its_log_is_refused() {
    let given = Given::new().await;
    for without_index in [false, true] {
        let damaged = given.copy();
        std::fs::remove_dir_all(damaged.path().join("storage/records")).unwrap();
        if without_index {
            std::fs::remove_dir_all(damaged.path().join("metadata")).unwrap();
        }
        let error = start_error(damaged).await;
        assert!(matches!(error, StartError::NoRecords(_)), "{error:?}");
    }
}

/// What a killed process had not finished is no entry, and is swept.
#[apply(on_directory!)]
async fn an_entry_that_was_being_written_is_none() {
    let given = Given::new().await;
    let objects = objects(&given);
    let newest = objects.last().unwrap();
    let next: u64 = name(newest).parse::<u64>().unwrap() + 1;
    let damaged = given.copy();
    let half = damaged.path().join(newest).with_file_name(format!("{next:020}#1"));
    std::fs::write(&half, b"half an entry").unwrap();
    let left = damaged.path().to_owned();
    given.check(damaged, "half an entry").await;
    assert!(!left.exists() || !half.exists());
}
