//! A disk that fills up: the service takes nothing more in before it is full,
//! what makes room goes on, and nothing acknowledged is lost.
//!
//! Each test has a small file system of its own for all of the data directory,
//! and moves the free space with a ballast file. Where mounting is not allowed they
//! say that they tested nothing; with `CI` in the environment they fail there.

mod ingest;
mod reads;
mod refused;
mod restores;
mod sources;

use std::{fs::File, io::Write, path::PathBuf, process::Command};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use stillframe::{app::Config, pb};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    documents::if_etag,
    support::{TestServer, collection_name, delete, eventually, refused, try_write, upsert},
};

pub const MIB: u64 = 1 << 20;
/// What must be free.
const RESERVE: u64 = 16 * MIB;

/// A file system of its own, on a directory that a server may own.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// `None` where mounting is not allowed, which is no excuse in CI.
    pub fn mount(mib: u64) -> Option<(Self, TempDir)> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(directory.path());
        let refusal = match mount.output() {
            Ok(output) if output.status.success() => {
                return Some((Self { path: directory.path().to_owned() }, directory));
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        skipped(&refusal);
        None
    }

    pub fn free(&self) -> u64 {
        let found = statvfs(&self.path).unwrap();
        found.f_bavail * found.f_frsize
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Leaves so many bytes free.
    pub fn leave(&self, free: u64) {
        let ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        let length = ballast.metadata().unwrap().len();
        let wanted = (length + self.free()).checked_sub(free).expect("there is so much");
        match wanted.checked_sub(length) {
            Some(0) => {}
            Some(more) => fallocate(&ballast, FallocateFlags::empty(), length, more).unwrap(),
            None => ballast.set_len(wanted).unwrap(),
        }
    }

    /// Gives back what [`Self::leave`] took.
    pub fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Says that a test has tested nothing, past what captures the output of tests that
/// pass. In CI, where it would be noticed by nobody, the test fails.
fn skipped(refusal: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a file system: {refusal}");
    let _ = writeln!(std::io::stderr(), "SKIPPED, nothing was tested: {test} cannot mount a file system: {refusal}");
}

pub fn guarded(config: &mut Config) {
    config.min_free_bytes = Some(RESERVE);
}

/// A guarded server on a disk of its own, with a collection `books`.
async fn given_disk(change: impl FnOnce(&mut Config)) -> Option<(Disk, TestServer)> {
    let (disk, directory) = Disk::mount(96)?;
    let guarded = |config: &mut Config| {
        guarded(config);
        change(config);
    };
    let mut server = TestServer::reopen_with(directory, guarded).await.unwrap();
    server.given_collection("books").await;
    Some((disk, server))
}

/// Leaves less than the reserve, and waits until the server has seen it.
async fn fill(disk: &Disk, server: &mut TestServer) {
    disk.leave(RESERVE - MIB);
    eventually("it is full", async || try_write(server, "probe").await.is_err()).await;
    full(try_write(server, "probe").await);
    server.write("books", vec![delete("probe")]).await;
}

/// Waits, once less than the reserve is free, until the server has seen it: whoever
/// goes on writing beside a server that stands still fills the disk to the brim.
async fn let_it_see(disk: &Disk, server: &mut TestServer) {
    eventually("it has seen that it is full", async || {
        // Collected logs may make room again before it has looked.
        if disk.free() >= RESERVE {
            return true;
        }
        // Refused, or without any effect: there is no such document.
        let writes = vec![if_etag("00000000000000000000000000000000", upsert("nowhere", "{}"))];
        let collection = collection_name("books");
        let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
        server.documents.write_documents(request).await.is_err()
    })
    .await;
}

/// Makes room, and waits until the server has seen it.
async fn clear(disk: &Disk, server: &mut TestServer) {
    disk.clear();
    eventually("there is room again", async || try_write(server, "probe").await.is_ok()).await;
}

/// Refused for want of room, with all that helps.
#[track_caller]
fn full<T: std::fmt::Debug>(answer: Result<T, Status>) -> (u64, u64) {
    let status = refused(answer, Code::ResourceExhausted, "STORAGE_FULL");
    let details = status.get_error_details();
    assert!(details.retry_info().is_some() && details.quota_failure().is_some(), "{details:?}");
    assert!(status.message().contains("what is deleted makes room"), "{status:?}");
    let metadata = details.error_info().unwrap().metadata.clone();
    let [free, required] = ["free_bytes", "required_bytes"].map(|key| metadata[key].parse().unwrap());
    assert!(free < required, "{metadata:?}");
    (free, required)
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";

/// A document that no compression makes much smaller.
fn large(id: &str, bytes: usize) -> pb::Write {
    let mut state = id.bytes().fold(7_u64, |state, byte| state.wrapping_mul(31) + u64::from(byte));
    let letters = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[usize::try_from(state >> 58).unwrap()])
    });
    upsert(id, &format!(r#"{{"noise":"{}"}}"#, letters.collect::<String>()))
}

/// The same data under another server.
async fn restarted(server: TestServer) -> TestServer {
    TestServer::reopen_with(server.stop().await, guarded).await.unwrap()
}

/// Whether all of these documents are there.
async fn has_all(server: &mut TestServer, ids: &[String]) -> bool {
    let found: std::collections::BTreeSet<_> = server.scan("books").await.into_iter().map(|(id, _)| id).collect();
    ids.iter().all(|id| found.contains(id))
}
