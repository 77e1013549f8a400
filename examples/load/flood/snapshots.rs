//! Snapshots by the thousand with as many labels as one may have, in a workspace without
//! its gate, while the other tenant makes one.

use std::time::Instant;

use async_trait::async_trait;
use futures::future::join;
use stillframe::pb;

use super::{
    asks::asks,
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    large,
};
use crate::Result;

struct Snapshots;

const AT_ONCE: usize = 16;
const COLLECTION: &str = "frozen";
/// The most that a label's name, its value and a description may have.
const NAME: usize = 63;
const VALUE: usize = 255;
const LABELS: usize = 64;
const DESCRIPTION: usize = 4_096;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Snapshots])
}

#[async_trait(?Send)]
impl Attack for Snapshots {
    fn name(&self) -> &'static str {
        "snapshots"
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        for tenant in [&ground.attacker, &ground.neighbour] {
            large::collection(&tenant.operator().await?, COLLECTION, vec![large::upsert("one", "{}")]).await?;
        }
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (attacker, neighbour) = (ground.attacker.operator().await?, ground.neighbour.operator().await?);
        let request = pb::CreateSnapshotRequest {
            parent: ground.attacker.workspace.clone(),
            snapshot: Some(heavy(ground.attacker.collection(COLLECTION))),
            ..Default::default()
        };
        let flood = repeat(AT_ONCE, until, async |_| {
            ground.answers.answer(attacker.snapshots().create_snapshot(request.clone()).await);
        });
        let own = ground.neighbour.collection(COLLECTION);
        let ask = async |nth| {
            neighbour.snapshot(&own, &format!("wanted-{nth}")).await?;
            Ok(())
        };
        let ((), finding) = join(flood, asks("a snapshot", until, ask)).await;
        Ok(vec![finding])
    }
}

fn heavy(collection: String) -> pb::Snapshot {
    let labels = (0..LABELS).map(|nth| (format!("{nth:a>NAME$}"), "x".repeat(VALUE))).collect();
    pb::Snapshot { collection, labels, description: "x".repeat(DESCRIPTION), ..Default::default() }
}
