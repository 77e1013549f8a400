//! The collection beside its model.

use std::time::Duration;

use stillframe::pb::{self, patch_operation::Op};

use super::{
    super::{Retained, advance, totals, visible},
    Change, MINUTE, Model, Now, SLOT, body, name,
};
use crate::{
    documents::{if_etag, op, patch},
    support::{Doc, Totals, collection_name, delete, eventually, micros, upsert_at},
};

pub struct Given {
    pub retained: Retained,
    pub now: Now,
    /// The collection that is being used.
    pub collection: String,
    pub model: Model,
}

fn write_of(change: Change, now: Now) -> pb::Write {
    match change {
        Change::Put { id, ago, n, create_only } => {
            let write = upsert_at(&name(id), now.ago(ago), &body(n.into()));
            if create_only { if_etag("", write) } else { write }
        }
        Change::Increment { id, by } => patch(&name(id), vec![op(Op::Increment, "/n", &by.to_string())]),
        Change::Delete { id } => delete(&name(id)),
    }
}

impl Given {
    pub async fn start() -> Self {
        let retained = Retained::start_with(|config| config.sweep_every = Duration::from_millis(10)).await;
        let now = Now { hour: retained.hour, slot: 0 };
        Self { retained, now, collection: "c".to_owned(), model: Model::default() }
    }

    pub async fn write(&mut self, changes: &[Change]) {
        let writes = changes.iter().map(|change| write_of(*change, self.now)).collect();
        let response = self.retained.server.write(&self.collection, writes).await;
        for (change, result) in changes.iter().zip(&response.results) {
            assert_eq!(result.status(), self.model.apply(*change, self.now), "{change:?}: {result:?}");
        }
        assert_eq!(response.offset, self.model.offset);
    }

    fn present(&self) -> i64 {
        self.now.hour + 30 * MINUTE + self.now.slot * SLOT
    }

    /// Sets the clock to the present.
    pub fn set_clock(&self) {
        advance(&self.retained.server, (self.present() - self.retained.server.clock.now()).max(0));
    }

    /// On a slow machine time passes by itself: before an edge comes near, it is the
    /// next slot.
    pub fn keep_up(&mut self) {
        if self.retained.server.clock.now() - self.present() > 2 * MINUTE {
            self.now.slot += 1;
            self.set_clock();
        }
    }

    pub async fn restart(mut self) -> Self {
        self.retained = self.retained.reopen_with(|config| config.sweep_every = Duration::from_millis(10)).await;
        self.set_clock();
        self
    }

    /// Waits for the sweeper, then compares all that can be read.
    pub async fn check(&mut self) {
        let Self { retained: Retained { server, .. }, now, collection, model } = self;
        let (docs, cutoff) = (model.docs(), now.cutoff());
        let seen = visible(&docs, cutoff);
        // Readers need not wait.
        assert_eq!(server.read_all(collection).await, seen);
        model.drop_expired(*now);
        let docs = model.docs();
        let expected = totals(&docs);
        eventually(&format!("the totals become {expected:?}"), async || {
            Totals::kept(&server.stats(collection).await) == expected
        })
        .await;
        let stats = server.stats(collection).await;
        assert_eq!(stats.offset, model.offset);
        assert_eq!(stats.expired_document_count, i64::try_from(docs.len() - seen.len()).unwrap());
        let times = || docs.iter().map(|doc| doc.time);
        assert_eq!(
            (stats.oldest_event_time.is_some(), stats.newest_event_time.is_some()),
            (!docs.is_empty(), !docs.is_empty())
        );
        if let (Some(oldest), Some(newest)) = (times().min(), times().max()) {
            assert!(micros(stats.oldest_event_time.as_ref()) <= oldest);
            assert!(micros(stats.newest_event_time.as_ref()) >= newest);
        }
        self.check_ids(&seen).await;
    }

    /// Each id is where the scan has it, or nowhere.
    async fn check_ids(&mut self, seen: &[Doc]) {
        let ids: Vec<String> = (0..9).map(name).collect();
        let request = pb::BatchGetDocumentsRequest { collection: collection_name(&self.collection), ids, encoding: 0 };
        let found = self.retained.server.documents.batch_get_documents(request).await.unwrap().into_inner();
        assert_eq!(found.missing_ids.len() + found.documents.len(), 9);
        let mut found: Vec<Doc> = found.documents.iter().map(Doc::from).collect();
        let mut seen = seen.to_vec();
        for docs in [&mut found, &mut seen] {
            docs.sort_by(|a, b| a.id.cmp(&b.id));
        }
        assert_eq!(found, seen);
    }
}
