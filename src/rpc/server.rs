//! The gRPC server.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{
    codec::CompressionEncoding::{Gzip, Zstd},
    server::NamedService,
    service::Routes,
};
use tonic_reflection::pb as reflection;
use tower::ServiceBuilder;

use super::{
    layer::{
        admission::Gate,
        answers::AnswersLayer,
        authenticate::AuthenticateLayer,
        deadline::ContractLayer,
        request_memory::{QUESTION_BYTES, RequestMemoryLayer},
    },
    service::{
        access::AccessRpc,
        collection::CollectionRpc,
        document::DocumentRpc,
        health::HealthRpc,
        reflection::ReflectionRpc,
        restore::RestoreRpc,
        server_info::{ServerRpc, Started},
        snapshot::SnapshotRpc,
        source::SourceRpc,
        workspace::WorkspaceRpc,
    },
    transport::{Transport, incoming::incoming, serving, tls::Tls},
};
use crate::{
    access::ApiKeys,
    clock::Clock,
    collection::Collections,
    health::health_server::HealthServer,
    listen::Listeners,
    pb::{
        access_service_server::AccessServiceServer, collection_service_server::CollectionServiceServer,
        document_service_server::DocumentServiceServer, restore_service_server::RestoreServiceServer,
        server_service_server::ServerServiceServer, snapshot_service_server::SnapshotServiceServer,
        source_service_server::SourceServiceServer, workspace_service_server::WorkspaceServiceServer,
    },
    restore::Restores,
    share::Turns,
    snapshot::Snapshots,
    source::Sources,
    space::Space,
    tasks::Tasks,
    workspace::{Limits, Workspaces},
};

/// A little above our own limit of 10 MiB, so that the answer is our error.
const MAX_DECODE_BYTES: usize = 12 << 20;
/// A service that takes what is compressed, and gives it (`answers/packer.rs`): clients have one
/// setting for all the services of a channel.
macro_rules! compressed {
    ($service:expr) => {
        $service.accept_compressed(Zstd).accept_compressed(Gzip)
    };
}

/// The domain, as the services see it.
#[derive(Clone)]
pub struct Services {
    /// Keys.
    pub keys: ApiKeys,
    /// Workspaces.
    pub workspaces: Workspaces,
    /// Collections.
    pub collections: Collections,
    /// Snapshots.
    pub snapshots: Snapshots,
    /// Restores.
    pub restores: Restores,
    /// Sources.
    pub sources: Sources,
    /// Time.
    pub clock: Clock,
    /// The disks.
    pub space: Space,
    /// How much of everything there may be.
    pub limits: Limits,
    /// Background work.
    pub tasks: Tasks,
    /// How long a stream waits for a client that does not read.
    pub patience: Duration,
    /// The shortest retention that a collection may have.
    pub shortest_retention: Duration,
    /// The shortest scan interval that a source may have.
    pub shortest_scan_interval: Duration,
}

/// Serves until `stop`, then finishes what is under way.
pub async fn serve(
    services: Services,
    transport: Transport,
    tls: Option<Arc<Tls>>,
    listeners: Listeners,
    stop: CancellationToken,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Services {
        keys,
        workspaces,
        collections,
        snapshots,
        restores,
        sources,
        clock,
        space,
        limits,
        tasks,
        patience,
        shortest_retention,
        shortest_scan_interval,
    } = services;
    let gate = Gate { keys: keys.clone() };
    let started = Started { time: clock.now(), moment: Instant::now() };
    let features = features(&transport);
    let server = ServerServiceServer::new(ServerRpc { gate: gate.clone(), space, limits, features, started });
    let access = AccessRpc { gate: gate.clone(), keys: keys.clone(), tasks: tasks.clone() };
    let access = AccessServiceServer::new(access);
    let turns = Turns::default();
    let documents = DocumentRpc {
        gate: gate.clone(),
        collections: collections.clone(),
        tasks: tasks.clone(),
        stop: stop.clone(),
        patience,
        turns: turns.clone(),
    };
    let documents = DocumentServiceServer::new(documents).max_decoding_message_size(MAX_DECODE_BYTES);
    let workspaces = WorkspaceServiceServer::new(WorkspaceRpc { gate: gate.clone(), workspaces, tasks: tasks.clone() });
    let collections = CollectionRpc { gate: gate.clone(), collections, tasks: tasks.clone(), shortest_retention };
    let collections = CollectionServiceServer::new(collections);
    let snapshots = SnapshotRpc { gate: gate.clone(), snapshots, tasks: tasks.clone(), stop: stop.clone() };
    let snapshots = SnapshotServiceServer::new(snapshots);
    let sources =
        SourceRpc { gate: gate.clone(), sources, tasks: tasks.clone(), shortest_scan_interval, stop: stop.clone() };
    let sources = SourceServiceServer::new(sources);
    let restores = RestoreServiceServer::new(RestoreRpc { gate, restores, tasks, clock, stop: stop.clone() });

    let settings = serving::Settings::new(&transport);
    let request_memory =
        RequestMemoryLayer::new(keys.clone(), transport.request_memory_bytes, transport.message_patience)?;
    let connections = incoming(listeners, tls, &transport);

    let health = HealthRpc::serving(names());
    let health_service = HealthServer::new(health.clone()).max_decoding_message_size(QUESTION_BYTES);
    let reflection = ReflectionRpc::new(stop.clone())?;
    let reflection_v1 = reflection::v1::server_reflection_server::ServerReflectionServer::new(reflection.clone())
        .max_decoding_message_size(QUESTION_BYTES);
    let reflection_v1alpha = reflection::v1alpha::server_reflection_server::ServerReflectionServer::new(reflection)
        .max_decoding_message_size(QUESTION_BYTES);
    let services = Routes::new(compressed!(health_service))
        .add_service(compressed!(reflection_v1))
        .add_service(compressed!(reflection_v1alpha))
        .add_service(compressed!(access))
        .add_service(compressed!(workspaces))
        .add_service(compressed!(collections))
        .add_service(compressed!(documents))
        .add_service(compressed!(snapshots))
        .add_service(compressed!(restores))
        .add_service(compressed!(sources))
        .add_service(compressed!(server))
        .prepare();
    let (bytes, answer_patience) = (transport.answer_memory_bytes, transport.answer_patience);
    let answers = AnswersLayer::new(keys.clone(), turns, bytes, answer_patience, patience)?;
    let layers = ServiceBuilder::new()
        .layer(ContractLayer)
        .layer(AuthenticateLayer::new(keys)?)
        .layer(request_memory)
        .layer(answers);
    let service = layers.service(services);
    let stopped = async move {
        stop.cancelled().await;
        health.stop_serving();
    };
    serving::serve(connections, service, settings, stopped).await;
    Ok(())
}

/// What not every server has.
fn features(transport: &Transport) -> BTreeSet<&'static str> {
    let needs_certificates = transport.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let features =
        [("client-certificates", needs_certificates), ("s3", cfg!(feature = "s3")), ("tls", transport.tls.is_some())];
    features.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
}

/// The services, and the whole server under the empty name.
fn names() -> [&'static str; 9] {
    [
        "",
        AccessServiceServer::<AccessRpc>::NAME,
        WorkspaceServiceServer::<WorkspaceRpc>::NAME,
        CollectionServiceServer::<CollectionRpc>::NAME,
        DocumentServiceServer::<DocumentRpc>::NAME,
        SnapshotServiceServer::<SnapshotRpc>::NAME,
        RestoreServiceServer::<RestoreRpc>::NAME,
        SourceServiceServer::<SourceRpc>::NAME,
        ServerServiceServer::<ServerRpc>::NAME,
    ]
}
