//! Filters that cost as much as filters can, over large documents, from callers who do
//! not wait for the answer.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use stillframe::pb;
use tonic::Request;

use super::{
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    large,
};
use crate::{Result, client::Client};

const TASKS: usize = 8;
/// As many streams as a key may have.
const MANY: usize = 144;
const DEADLINE: Duration = Duration::from_secs(1);
const COLLECTION: &str = "large";
/// Of each kind of document.
const DOCUMENTS: usize = 4;

/// Each within the 4 KiB and the 256 comparisons that are allowed.
const FILTERS: [fn() -> String; 5] = [
    // Long needles that nearly fit at many places.
    || join(" OR ", 8, |nth| format!(r#"s = "*{}b{}*""#, "ab".repeat(230), "a".repeat(nth))),
    || join(" OR ", 8, |nth| format!(r#""*{}c*""#, "a".repeat(400 + nth))),
    // Comparisons with every member of a list.
    || join(" OR ", 256, |nth| format!("n:{}", nth + 2)),
    || join(" OR ", 256, |nth| format!("l.k:{}", nth + 2)),
    || join(" AND ", 256, |nth| format!("-n:{}", nth + 2)),
];

fn join(with: &str, count: usize, term: fn(usize) -> String) -> String {
    (0..count).map(term).collect::<Vec<_>>().join(with)
}

/// How the documents are asked for.
enum Filters {
    Stream,
    /// The same, as many at once as there may be.
    Streams,
    List,
}

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Filters::Stream, Filters::Streams, Filters::List])
}

#[async_trait(?Send)]
impl Attack for Filters {
    fn name(&self) -> &'static str {
        match self {
            Self::Stream => "filters-stream",
            Self::Streams => "filters-streams",
            Self::List => "filters-list",
        }
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        let bodies = [("text", large::text()), ("numbers", large::numbers()), ("objects", large::objects())];
        let of_kind = |(kind, body): &(&str, String)| {
            (0..DOCUMENTS).map(|nth| large::upsert(&format!("{kind}-{nth}"), body.as_bytes())).collect::<Vec<_>>()
        };
        let documents = bodies.iter().flat_map(of_kind).collect();
        large::collection(&ground.attacker.writer().await?, COLLECTION, documents).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (client, filters) = (ground.attacker.reader().await?, FILTERS.map(|filter| filter()));
        repeat(self.tasks(), until, |nth| self.ask(ground, &client, &filters[nth % filters.len()])).await;
        Ok(Vec::new())
    }
}

impl Filters {
    const fn tasks(&self) -> usize {
        match self {
            Self::Stream | Self::List => TASKS,
            Self::Streams => MANY,
        }
    }

    async fn ask(&self, ground: &Ground, client: &Client, filter: &str) {
        let (collection, filter) = (ground.attacker.collection(COLLECTION), filter.to_owned());
        match self {
            Self::Stream | Self::Streams => {
                let request = pb::StreamDocumentsRequest { collection, filter, ..Default::default() };
                let answer = client.documents().stream_documents(hurried(request)).await;
                let Some(messages) = ground.answers.answer(answer) else { return };
                let mut messages = messages.into_inner();
                while let Some(Some(_)) = ground.answers.answer(messages.message().await) {}
            }
            Self::List => {
                let request = pb::ListDocumentsRequest { collection, filter, ..Default::default() };
                ground.answers.answer(client.documents().list_documents(hurried(request)).await);
            }
        }
    }
}

fn hurried<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}
