//! Power loss: at any point of what a server does to its disk, all that was
//! acknowledged by then is there when it starts again.
//!
//! A shim records every change that a real server makes below its data directory
//! (`oplog.c`); the disk is then made as it would be if the power had failed at some
//! point, by the strictest rules that there are (`disk.rs`).

#![allow(clippy::disallowed_methods, reason = "tests spawn what runs beside them")]

mod disk;
mod found;
mod ledger;
mod oplog;
pub mod trees;

use std::path::Path;

use tempfile::TempDir;

use self::{
    disk::Disk,
    ledger::Ledger,
    oplog::{build_shim, environment, evenly, positions},
    trees::differences,
};
use crate::{
    recovery::{child::Child, invariants::check},
    support::{Random, TestServer, rounds},
};

/// Records what a server does from its first start on, while clients change records at
/// their largest, and documents.
async fn recorded(tools: &Path) -> (TempDir, Vec<u8>, Ledger) {
    let (shim, log) = (build_shim(tools), tools.join("log"));
    let data = tempfile::tempdir().unwrap();
    let envs = environment(&shim, &log, &data.path().canonicalize().unwrap());
    let mut child = Child::start_in(data, "", &[], &envs).await;
    let ledger = ledger::load(&mut child.client, &log).await;
    child.terminated().await;
    let data = child.kill().await;
    let log = std::fs::read(&log).unwrap();
    // Nothing that it did was missed, but for what it said: that is no file of its own, and is
    // written without the library that is listened to.
    let whole = tools.join("whole");
    Disk::at(&log, u64::MAX).as_it_is(&whole);
    for found in [data.path(), &whole] {
        std::fs::remove_file(found.join("server.log")).unwrap();
    }
    assert_eq!(differences(data.path(), &whole), [""; 0]);
    (data, log, ledger)
}

#[apply(on_directory!)]
async fn what_was_acknowledged_is_there() {
    let tools = tempfile::tempdir().unwrap();
    let (_data, log, ledger) = recorded(tools.path()).await;
    let mut random = Random::seeded();
    let points = evenly(&positions(&log), usize::try_from(rounds(24, 200)).unwrap());
    let mut disks = Vec::new();
    Disk::at_each(&log, &points, |position, disk| {
        let strict = tempfile::tempdir().unwrap();
        disk.after_power_loss(strict.path());
        let by_chance = tempfile::tempdir().unwrap();
        disk.after_power_loss_with(random.below(u64::MAX), by_chance.path());
        disks.extend([(position, "nothing unsynced", strict), (position, "some of the unsynced", by_chance)]);
    });
    for (position, survives, dir) in disks {
        let what = format!("{survives} survives at {position} of {}", log.len());
        let mut server = TestServer::reopen_with(dir, |_| {}).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        ledger.check(&mut server, position, &what).await;
        check(&mut server).await;
        server.stop().await;
    }
}
