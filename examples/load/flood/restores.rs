//! Very many small restores of one workspace, while the other asks for one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use async_trait::async_trait;
use futures::future::join;
use stillframe::pb::{self, restore::Verification};

use super::{
    asks::asks,
    attack::{Attack, Finding, boxed, repeat},
    ground::{Ground, Tenant},
    large,
};
use crate::{Result, client::Client};

struct Restores;

const AT_ONCE: usize = 300;
const COLLECTION: &str = "frozen";

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Restores])
}

#[async_trait(?Send)]
impl Attack for Restores {
    fn name(&self) -> &'static str {
        "fair-restores"
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        freeze(&ground.attacker, large::numbers()).await?;
        freeze(&ground.neighbour, "{}".to_owned()).await
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (attacker, neighbour) = (ground.attacker.operator().await?, ground.neighbour.operator().await?);
        let snapshot = snapshot(&attacker, &ground.attacker).await?;
        let count = AtomicU64::new(0);
        let flood = repeat(AT_ONCE, until, async |_| {
            let nth = count.fetch_add(1, Ordering::Relaxed);
            let target = format!("copy-{nth}");
            ground.answers.outcome(attacker.restore_some(&snapshot, &target, Verification::Full).await);
        });
        let own = self::snapshot(&neighbour, &ground.neighbour).await?;
        let ask = async |nth| {
            neighbour.restore_some(&own, &format!("copy-{nth}"), Verification::Full).await?;
            Ok(())
        };
        let ((), finding) = join(flood, asks("a small restore", until, ask)).await;
        Ok(vec![finding])
    }
}

async fn freeze(tenant: &Tenant, body: String) -> Result<()> {
    let client = tenant.operator().await?;
    let collection = large::collection(&client, COLLECTION, vec![large::upsert("one", body)]).await?;
    client.snapshot(&collection, COLLECTION).await?;
    Ok(())
}

async fn snapshot(client: &Client, tenant: &Tenant) -> Result<pb::Snapshot> {
    client.get_snapshot(&format!("{}/snapshots/{COLLECTION}", tenant.workspace)).await
}
