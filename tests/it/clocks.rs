//! What a clock that is wrong may not do: keep a collection from being written, end a
//! snapshot, drop a document, or make counts and scans differ.

mod accepted;
mod boots;
mod jumps;
mod real;
mod shifted;
mod shim;

use std::time::Duration;

use stillframe::{
    clock::Clock,
    pb::{self, snapshot::State},
};

use crate::support::{Doc, TestServer, eventually, rounds, upsert};

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
/// How long the documents of `events` are kept.
pub const RETENTION: Duration = Duration::from_hours(32);
/// How many of them there are, one an hour.
const EVENTS: i64 = 30;

/// How far a clock is ahead, or behind.
pub fn wrong() -> impl Iterator<Item = i64> {
    let (days, years) = (8 * 24 * HOUR, 10 * 365 * 24 * HOUR);
    let all = [5 * SECOND, -HOUR, days, years, -5 * SECOND, HOUR, -days, -years];
    all.into_iter().take(rounds(4, 8) as usize)
}

/// What a wrong clock could harm: `books`, and `events`, whose documents expire, with a
/// snapshot of each.
pub struct Data {
    books: Vec<(String, String)>,
    events: Vec<Doc>,
    checked: usize,
}

/// A server with that.
pub struct Given {
    pub server: TestServer,
    data: Data,
}

impl Given {
    pub async fn start(clock: Clock) -> Self {
        let mut server = TestServer::reopen_at(tempfile::tempdir().unwrap(), clock, |_| {}).await.unwrap();
        let data = Data::given(&mut server).await;
        Self { server, data }
    }

    /// The same data on another server.
    pub async fn reopen(self, clock: Clock, accept: bool) -> Self {
        let dir = self.server.stop().await;
        let server = TestServer::reopen_at(dir, clock, |config| config.accept_clock = accept).await.unwrap();
        Self { server, ..self }
    }

    /// The same with a clock that is right again, before anybody has looked.
    pub async fn started_right(self, after: i64) -> Self {
        self.server.clock.jump(-after);
        let clock = self.server.clock.of_another_process();
        let mut given = self.reopen(clock, false).await;
        given.agreed().await;
        given.check(&format!("started right after {after}")).await;
        given
    }

    pub async fn noticed(&self) {
        eventually("the clock is not believed", async || self.server.clock.dispute().is_some()).await;
    }

    pub async fn agreed(&self) {
        eventually("the clock is believed", async || self.server.clock.confirmed().is_some()).await;
    }

    /// Everything is there, takes writes and can be restored.
    pub async fn check(&mut self, when: &str) {
        self.data.check(&mut self.server, when).await;
    }
}

impl Data {
    /// Puts it on a server.
    pub async fn given(server: &mut TestServer) -> Self {
        server.given_collection("books").await;
        server.given_documents("books", 10, 1).await;
        let books = server.scan("books").await;
        server.given_retained("events", RETENTION).await;
        let now = server.clock.now();
        let events: Vec<_> = (0..EVENTS).map(|n| Doc::new(format!("e{n:02}"), now - n * HOUR, "{}")).collect();
        server.write("events", events.iter().map(Doc::write).collect()).await;
        for collection in ["books", "events"] {
            server.given_snapshot(collection, &format!("{collection}-kept")).await;
        }
        Self { books, events, checked: 0 }
    }

    /// Everything is there, takes writes and can be restored.
    pub async fn check(&mut self, server: &mut TestServer, when: &str) {
        self.checked += 1;
        let n = self.checked;
        // Behind it the worker has looked at all snapshots, at this time.
        let new = format!("new-{n}");
        server.given_snapshot("books", &new).await;
        server.delete_snapshot(&new).await.unwrap();

        self.check_counts(server, when).await;
        let id = format!("w{n:03}");
        let added = vec![upsert(&id, "{}")];
        for collection in ["books", "events"] {
            let written = server.write(collection, added.clone()).await;
            assert_eq!(written.results[0].status(), pb::write_result::Status::Added, "{when}: {written:?}");
        }
        self.check_counts_of(server, "books", self.books.len() + n, when).await;
        self.check_counts_of(server, "events", self.events.len() + n, when).await;

        for collection in ["books", "events"] {
            let (snapshot, copy) = (format!("{collection}-kept"), format!("{collection}-{n}"));
            assert_eq!(server.get_snapshot(&snapshot).await.unwrap().state(), State::Created, "{when}");
            server.given_restore(&snapshot, &copy).await;
            let restored = server.stats(&copy).await.document_count;
            let expected = if collection == "books" { self.books.len() } else { self.events.len() };
            assert_eq!(restored, i64::try_from(expected).unwrap(), "{when}: {copy}");
            assert_eq!(server.scan(&copy).await.len(), expected, "{when}: {copy}");
            server.delete_collection(&copy).await.unwrap();
        }
    }

    async fn check_counts(&self, server: &mut TestServer, when: &str) {
        let before = self.checked - 1;
        self.check_counts_of(server, "books", self.books.len() + before, when).await;
        self.check_counts_of(server, "events", self.events.len() + before, when).await;
    }

    async fn check_counts_of(&self, server: &mut TestServer, collection: &str, expected: usize, when: &str) {
        let stats = server.stats(collection).await;
        let counted = (stats.document_count, stats.expired_document_count);
        assert_eq!(counted, (i64::try_from(expected).unwrap(), 0), "{when}: {collection}");
        assert_eq!(server.scan(collection).await.len(), expected, "{when}: {collection}");
    }
}
