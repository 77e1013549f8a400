//! Collections with a retention: what expires is hidden at once, dropped by
//! whole intervals, and never restored (**R4**).

#![allow(clippy::disallowed_methods, reason = "tests spawn what runs beside them")]

mod cut;
mod model;
mod moves;
mod readers;
mod real_time;
mod restore;
mod snapshots;
mod sweep;
mod visibility;
mod window;

use std::time::Duration;

use stillframe::app::Config;

use crate::support::{Doc, TestServer, Totals};

/// How long the collections of these tests keep documents: an interval is an
/// hour.
pub const RETENTION: Duration = Duration::from_hours(32);
/// The interval, in microseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// In microseconds.
pub const MINUTE: i64 = 60_000_000;

/// A server with an empty collection `c` that keeps its documents for
/// [`RETENTION`], half an hour past a full hour. What happens at a whole
/// multiple of ten minutes is far from being cut off while a test runs.
pub struct Retained {
    pub server: TestServer,
    /// The full hour that has passed.
    pub hour: i64,
    /// Of `c`.
    pub uid: String,
}

impl Retained {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut server = TestServer::start_with(change).await;
        let into = server.clock.now().rem_euclid(HOUR);
        advance(&server, HOUR - into + 30 * MINUTE);
        let hour = server.clock.now().div_euclid(HOUR) * HOUR;
        let uid = server.given_retained("c", RETENTION).await.uid;
        Self { server, hour, uid }
    }

    /// So long before the full hour.
    pub fn ago(&self, hours: i64, minutes: i64) -> i64 {
        self.hour - hours * HOUR - minutes * MINUTE
    }

    /// The one full hour before which everything has expired that happened at a
    /// multiple of ten minutes, once so many hours have passed.
    pub fn cutoff_after(&self, hours: i64) -> i64 {
        self.hour + 30 * MINUTE + hours * HOUR - 32 * HOUR
    }

    /// Three documents an hour over the whole retention, in the middle of
    /// nowhere: their ids are not in the order of their times.
    pub fn spread(&self) -> Vec<Doc> {
        self.spread_with(|n| format!(r#"{{"n":{n}}}"#))
    }

    pub fn spread_with(&self, json: impl Fn(i64) -> String) -> Vec<Doc> {
        let doc = |n: i64| Doc::new(format!("{:03}", n * 37 % 96), self.ago(0, n * 20), json(n));
        (0..96).map(doc).filter(|doc| doc.time > self.cutoff_after(0)).collect()
    }

    pub async fn write(&mut self, docs: &[Doc]) {
        self.server.write("c", docs.iter().map(Doc::write).collect()).await;
    }

    pub async fn totals(&mut self) -> Totals {
        Totals::kept(&self.server.stats("c").await)
    }

    /// Moves the clock forward, to so many hours behind the start.
    pub fn pass(&self, hours: i64) {
        let left = self.hour + 30 * MINUTE + hours * HOUR - self.server.clock.now();
        advance(&self.server, left.max(0));
    }

    /// The same data and a new server, so many hours behind the start.
    pub async fn reopen_after(self, hours: i64) -> Self {
        let given = self.reopen_with(|_| {}).await;
        given.pass(hours);
        given
    }

    /// The same data and a new server, whose clock stands where the machine's
    /// does: before the start.
    pub async fn reopen_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::reopen_with(self.server.stop().await, change).await.unwrap();
        Self { server, ..self }
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}

pub fn advance(server: &TestServer, micros: i64) {
    server.clock.advance(Duration::from_micros(u64::try_from(micros).unwrap()));
}

pub fn hours(hours: i64) -> i64 {
    hours * HOUR
}

/// The interval of a time.
pub fn interval(time: i64) -> i64 {
    time.div_euclid(HOUR)
}

/// Those that have not expired, in the order of interval and id.
pub fn visible(docs: &[Doc], cutoff: i64) -> Vec<Doc> {
    let mut visible: Vec<Doc> = docs.iter().filter(|doc| doc.time >= cutoff).cloned().collect();
    visible.sort_by_key(|doc| (interval(doc.time), doc.id.clone()));
    visible
}

/// Those of intervals that have not expired as a whole.
pub fn counted(docs: &[Doc], cutoff: i64) -> Vec<Doc> {
    docs.iter().filter(|doc| interval(doc.time) >= interval(cutoff)).cloned().collect()
}

pub fn totals(docs: &[Doc]) -> Totals {
    Totals::of(docs.iter().map(|doc| (doc.id.as_str(), doc.time, doc.json.as_str())))
}
