//! Patches that cost much and change nothing, of large documents.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use stillframe::pb::{self, patch_operation::Op};
use tonic::Request;

use super::{
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    large,
};
use crate::{Result, client::Client};

const DEADLINE: Duration = Duration::from_secs(3);
/// One for each core.
const COLLECTIONS: usize = 2;
/// The first of the large documents of a collection.
pub const DOCUMENT: &str = "numbers-0";
/// Large documents of each collection.
const DOCUMENTS: usize = 4;

pub struct Patches {
    name: &'static str,
    collections: usize,
    documents: usize,
    batch: fn() -> Vec<pb::Write>,
}

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([
        Patches::of_few("patches-failing-40", || failing(40, 1)),
        Patches::of_few("patches-failing-5000", || failing(5_000, 1)),
        Patches::of_few("patches-moving", moving),
        Patches::of_few("patches-alternating", || failing(5_000, DOCUMENTS)),
        // One of each document, so that all are read and wait.
        Patches { name: "patches-waiting", collections: 24, documents: 16, batch: || failing(16, 16) },
    ])
}

#[async_trait(?Send)]
impl Attack for Patches {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        make(ground, self.collections, self.documents).await
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        compute(ground, self.collections, &(self.batch)(), until).await?;
        Ok(Vec::new())
    }
}

impl Patches {
    /// Of a few documents.
    const fn of_few(name: &'static str, batch: fn() -> Vec<pb::Write>) -> Self {
        Self { name, collections: COLLECTIONS, documents: DOCUMENTS, batch }
    }
}

/// Makes the large documents.
pub async fn prepare(ground: &Ground) -> Result<()> {
    make(ground, COLLECTIONS, DOCUMENTS).await
}

async fn make(ground: &Ground, collections: usize, documents: usize) -> Result<()> {
    let client = ground.attacker.writer().await?;
    let body = large::numbers();
    for nth in 0..collections {
        let documents = (0..documents).map(|nth| large::upsert(&id(nth), body.as_bytes())).collect();
        large::collection(&client, &collection(nth), documents).await?;
    }
    Ok(())
}

/// The collection whose writer is busy.
pub fn busy(ground: &Ground) -> String {
    ground.attacker.collection(&collection(0))
}

/// Has the writers of the collections compute until then.
pub async fn keep_busy(ground: &Ground, batch: &[pb::Write], until: Instant) -> Result<()> {
    compute(ground, COLLECTIONS, batch, until).await
}

async fn compute(ground: &Ground, collections: usize, batch: &[pb::Write], until: Instant) -> Result<()> {
    let client = ground.attacker.writer().await?;
    repeat(2 * collections, until, |nth| {
        let collection = collection(nth % collections);
        let client = &client;
        async move { write(ground, client, &collection, batch).await }
    })
    .await;
    Ok(())
}

fn collection(nth: usize) -> String {
    format!("numbers-of-{nth}")
}

async fn write(ground: &Ground, client: &Client, collection: &str, batch: &[pb::Write]) {
    let collection = ground.attacker.collection(collection);
    let mut request =
        Request::new(pb::WriteDocumentsRequest { collection, writes: batch.to_vec(), ..Default::default() });
    request.set_timeout(DEADLINE);
    ground.answers.answer(client.documents().write_documents(request).await);
}

/// Patches whose TEST fails at once, by turns of so many documents.
pub fn failing(count: usize, documents: usize) -> Vec<pb::Write> {
    let test = || {
        let one = pb::patch_operation::Operand::Json("1".into());
        pb::PatchOperation { operand: Some(one), ..operation(Op::Test, "/x", None) }
    };
    (0..count).map(|nth| patch(&id(nth % documents), vec![test()])).collect()
}

/// Patches that move all numbers away, and back again.
fn moving() -> Vec<pb::Write> {
    let away = |nth| if nth % 2 == 0 { ("/m", "/n") } else { ("/n", "/m") };
    let moves = || (0..1_000).map(away).map(|(to, from)| operation(Op::Move, to, Some(from))).collect();
    (0..10).map(|_| patch(&id(0), moves())).collect()
}

fn operation(op: Op, path: &str, from: Option<&str>) -> pb::PatchOperation {
    pb::PatchOperation {
        op: op.into(),
        path: Some(path.to_owned()),
        source_path: from.map(ToOwned::to_owned),
        ..Default::default()
    }
}

fn patch(id: &str, operations: Vec<pb::PatchOperation>) -> pb::Write {
    let patch = pb::Patch { id: id.to_owned(), operations };
    pb::Write { operation: Some(pb::write::Operation::Patch(patch)), ..Default::default() }
}

fn id(nth: usize) -> String {
    format!("numbers-{nth}")
}
