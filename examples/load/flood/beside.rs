//! The well-behaved: a tenant with small calls, somebody who asks for the server's health,
//! and newcomers with connections of their own.
//!
//! They have a thread to themselves, so that what attackers compute does not count as the
//! server's.

use std::time::{Duration, Instant};

use futures::future::join3;
use stillframe::pb;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;

use super::{answers::reason, figure::Figure, ground::Tenant};
use crate::{
    Result,
    client::Client,
    documents::{Documents, Order},
};

/// From one call to the next, and when one without an answer has failed.
struct Pace {
    every: Duration,
    patience: Duration,
}

const CALLS: Pace = Pace { every: Duration::from_millis(20), patience: Duration::from_secs(30) };
const HEALTH: Pace = CALLS;
const NEWCOMERS: Pace = Pace { every: Duration::from_millis(250), patience: Duration::from_secs(5) };
/// Documents of the tenant.
const DOCUMENTS: u64 = 5;

pub struct Beside {
    stop: CancellationToken,
    thread: std::thread::JoinHandle<Result<Figures>>,
}

pub struct Figures {
    pub health: Figure,
    /// The tenant's calls.
    pub calls: Figure,
    pub newcomers: Figure,
}

impl Beside {
    /// Waits until they are at it.
    pub async fn start(tenant: Tenant) -> Self {
        let stop = CancellationToken::new();
        let (stopped, (ready, is_ready)) = (stop.clone(), oneshot::channel());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(all(&tenant, ready, &stopped))
        });
        // Who cannot begin says so at the stop.
        let _ = is_ready.await;
        Self { stop, thread }
    }

    /// Waits for the calls under way.
    pub async fn stop(self) -> Result<Figures> {
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        joined.map_err(|_| "the thread of the well-behaved has panicked")?
    }
}

async fn all(tenant: &Tenant, ready: oneshot::Sender<()>, stop: &CancellationToken) -> Result<Figures> {
    let small = Small::create(tenant).await?;
    // A connection of its own.
    let prober = Client::connect(&tenant.url).await?;
    let _ = ready.send(());
    let health = paced(HEALTH, stop, async |_| is_healthy(&prober).await);
    let calls = paced(CALLS, stop, async |nth| small.call(nth).await);
    let newcomers = paced(NEWCOMERS, stop, async |_| small.newcomer(tenant).await);
    let (health, calls, newcomers) = join3(health, calls, newcomers).await;
    Ok(Figures { health, calls, newcomers })
}

/// Calls at a steady pace, one at a time.
async fn paced(pace: Pace, stop: &CancellationToken, mut call: impl AsyncFnMut(u64) -> Outcome) -> Figure {
    let mut figure = Figure::default();
    for nth in 0.. {
        let begun = Instant::now();
        match timeout(pace.patience, call(nth)).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => figure.failed(reason),
            Err(_) => figure.failed(format!("no answer for {:?}", pace.patience)),
        }
        let took = begun.elapsed();
        figure.took(took, pace.every);
        if stop.run_until_cancelled(sleep(pace.every.saturating_sub(took))).await.is_none() {
            break;
        }
    }
    figure
}

/// The reason why a call failed.
type Outcome = std::result::Result<(), String>;

fn outcome<T>(what: &str, answer: std::result::Result<T, Status>) -> std::result::Result<T, String> {
    answer.map_err(|status| format!("{what} {}", reason(&status)))
}

async fn is_healthy(client: &Client) -> Outcome {
    outcome("Check", client.health().check(HealthCheckRequest::default()).await).map(drop)
}

/// The tenant's collection of a few documents.
struct Small {
    collection: String,
    documents: Documents,
    /// One connection, with two keys.
    writer: Client,
    reader: Client,
}

impl Small {
    async fn create(tenant: &Tenant) -> Result<Self> {
        let writer = tenant.writer().await?;
        let reader = writer.keyed(&tenant.reader, &tenant.workspace)?;
        let collection = writer.create_collection("small").await?;
        let documents = Documents::new(Order::Sequential);
        writer.write(&collection, (0..DOCUMENTS).map(|index| documents.upsert((index, 1))).collect()).await?;
        Ok(Self { collection, documents, writer, reader })
    }

    async fn call(&self, nth: u64) -> Outcome {
        match nth % 5 {
            0 => self.get(nth).await,
            1 => self.write(nth).await,
            2 => self.list().await,
            3 => self.stream().await,
            _ => self.ingest(nth).await,
        }
    }

    /// A call over a new connection.
    async fn newcomer(&self, tenant: &Tenant) -> Outcome {
        let client = tenant.reader().await.map_err(|error| format!("connect: {error}"))?;
        is_healthy(&client).await?;
        let request = pb::GetCollectionRequest { name: self.collection.clone() };
        outcome("GetCollection", client.collections().get_collection(request).await).map(drop)
    }

    fn upsert(&self, nth: u64) -> pb::Write {
        self.documents.upsert((nth % DOCUMENTS, nth))
    }

    async fn get(&self, nth: u64) -> Outcome {
        let id = self.documents.id(nth % DOCUMENTS);
        let request = pb::GetDocumentRequest { collection: self.collection.clone(), id, ..Default::default() };
        outcome("GetDocument", self.reader.documents().get_document(request).await).map(drop)
    }

    async fn write(&self, nth: u64) -> Outcome {
        let writes = vec![self.upsert(nth)];
        let request = pb::WriteDocumentsRequest { collection: self.collection.clone(), writes, ..Default::default() };
        outcome("WriteDocuments", self.writer.documents().write_documents(request).await).map(drop)
    }

    async fn list(&self) -> Outcome {
        let request = pb::ListDocumentsRequest { collection: self.collection.clone(), ..Default::default() };
        outcome("ListDocuments", self.reader.documents().list_documents(request).await).map(drop)
    }

    async fn stream(&self) -> Outcome {
        const WHAT: &str = "StreamDocuments";
        let request = pb::StreamDocumentsRequest { collection: self.collection.clone(), ..Default::default() };
        let mut messages = outcome(WHAT, self.reader.documents().stream_documents(request).await)?.into_inner();
        while outcome(WHAT, messages.message().await)?.is_some() {}
        Ok(())
    }

    async fn ingest(&self, nth: u64) -> Outcome {
        const WHAT: &str = "IngestDocuments";
        let (collection, writes) = (self.collection.clone(), vec![self.upsert(nth)]);
        let request = pb::IngestDocumentsRequest { collection, writes, ..Default::default() };
        let messages = futures::stream::iter([request]);
        let mut answers = outcome(WHAT, self.writer.documents().ingest_documents(messages).await)?.into_inner();
        while outcome(WHAT, answers.message().await)?.is_some() {}
        Ok(())
    }
}
