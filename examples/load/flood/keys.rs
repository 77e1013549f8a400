//! API keys by the thousand, of one workspace, while the operator of the other makes one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use async_trait::async_trait;
use futures::future::join;
use stillframe::pb::Role;

use super::{
    asks::asks,
    attack::{Attack, Finding, boxed, repeat},
    ground::{Ground, create_key},
};
use crate::Result;

struct Keys;

const AT_ONCE: usize = 64;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Keys])
}

#[async_trait(?Send)]
impl Attack for Keys {
    fn name(&self) -> &'static str {
        "fair-keys"
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (attacker, neighbour) = (ground.attacker.operator().await?, ground.neighbour.operator().await?);
        let count = AtomicU64::new(0);
        let flood = repeat(AT_ONCE, until, async |_| {
            let id = format!("flood-{}", count.fetch_add(1, Ordering::Relaxed));
            ground.answers.answer(create_key(&attacker, &ground.attacker.workspace, Role::Reader, id).await);
        });
        let ask = async |nth| {
            create_key(&neighbour, &ground.neighbour.workspace, Role::Reader, format!("wanted-{nth}")).await?;
            Ok(())
        };
        let ((), finding) = join(flood, asks("an API key", until, ask)).await;
        Ok(vec![finding])
    }
}
