//! `ServerService`.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::{
    convert,
    document::limits::{MAX_BATCH_BYTES, MAX_IDS, MAX_PAGE as MAX_DOCUMENT_PAGE, MAX_WRITES},
    listing::MAX_PAGE,
};
use crate::{
    access::{ApiKeys, Permission},
    clock::Micros,
    documents::{MAX_BODY_BYTES, MAX_DOCUMENT_ID_BYTES},
    filter, json, pb,
    rpc::{MAX_RESPONSE_BYTES, layer::admission::Gate},
    snapshot, source,
    space::{Disk, Space},
    version::{COMMIT, VERSION},
    workspace::Limits,
};

/// The package of the contract.
const CONTRACT: &str = "stillframe.v1";

/// The service.
#[derive(Clone)]
pub struct ServerRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The disks.
    pub space: Space,
    /// How much there may be.
    pub limits: Limits,
    /// What this server has that not every one has, but for keys, which may come.
    pub features: BTreeSet<&'static str>,
    /// When it started.
    pub started: Started,
}

/// When the service began, by two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// For people.
    pub time: Micros,
    /// For what has passed since.
    pub moment: Instant,
}

#[tonic::async_trait]
impl pb::server_service_server::ServerService for ServerRpc {
    async fn get_server_info(
        &self,
        request: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::ServerInfo>, Status> {
        let (caller, pb::GetServerInfoRequest {}) = self.gate.admit(request)?;
        let keys = self.gate.keys.are_required().then_some("api-keys");
        let features: BTreeSet<_> = self.features.iter().copied().chain(keys).collect();
        let is_operator = ApiKeys::may_everywhere(&caller, Permission::Operate);
        let disks = if is_operator { self.space.disks().map(pb::Disk::from).collect() } else { Vec::new() };
        Ok(Response::new(pb::ServerInfo {
            version: VERSION.to_owned(),
            commit: COMMIT.to_owned(),
            contract: CONTRACT.to_owned(),
            features: features.into_iter().map(str::to_owned).collect(),
            limits: Some(limits(self.limits)),
            start_time: Some(convert::timestamp(self.started.time)),
            uptime: proto(self.started.moment.elapsed()),
            disks,
        }))
    }
}

fn limits(limits: Limits) -> pb::ServerLimits {
    pb::ServerLimits {
        document_id_bytes: number(MAX_DOCUMENT_ID_BYTES),
        document_bytes: number(MAX_BODY_BYTES),
        document_depth: number(json::body::MAX_DEPTH),
        batch_writes: number(MAX_WRITES),
        batch_bytes: number(MAX_BATCH_BYTES),
        patch_operations: number(json::patch::MAX_OPERATIONS),
        batch_get_ids: number(MAX_IDS),
        document_page_size: number(MAX_DOCUMENT_PAGE),
        page_size: number(MAX_PAGE),
        filter_bytes: number(filter::MAX_BYTES),
        response_bytes: number(MAX_RESPONSE_BYTES),
        snapshot_life: proto(snapshot::MAX_LIFE),
        workspaces: count(limits.workspaces),
        collections: count(limits.collections),
        snapshots: count(limits.snapshots),
        restores: count(limits.restores),
        sources: count(source::MAX_SOURCES),
    }
}

impl From<Disk> for pb::Disk {
    fn from(disk: Disk) -> Self {
        let Disk { directory, free, size, reserve, full } = disk;
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Self {
            directory: directory.display().to_string(),
            free_bytes: free.map(bytes),
            size_bytes: size.map(bytes),
            reserve_bytes: bytes(reserve),
            full,
        }
    }
}

fn number(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn proto(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}
